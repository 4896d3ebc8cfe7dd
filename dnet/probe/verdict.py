"""From what was seen of an attempt to what became of it, what decided, and what to do about it.

In the order of the packet's way: of several things that would stop it the first one is named.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dnet.model.entities import Interface
from dnet.probe.evidence import (
    ANSWER,
    ANSWERED,
    FORWARD,
    INPUT,
    LAST,
    POSTROUTING,
    REFUSED,
    RESET,
    SILENT,
    Evidence,
    Hop,
    Route,
    Setting,
)
from dnet.typing import NamedTuple
from dnet.values.address import bracketed
from dnet.values.names import for_shell

ANSWERS, DELIVERED, DROPPED, NOT_TRIED = "answers", "delivered", "dropped", "not-tried"
REFUSES, UNREACHABLE = "refused", "unreachable"
_GOOD = frozenset({ANSWERS, DELIVERED, NOT_TRIED})

_STOPS = frozenset({"drop", "queue", "stolen"})
_TOO_LARGE = "the handshake passes, and 1,400 bytes behind it do not: a way with a smaller MTU"
_MTU = "compare: ip link show, on the host and in the container; ping -M do -s 1372"
_UNSEEN = "what decided was not seen"


class Verdict(NamedTuple):
    """What became of a packet: the result, what decided as one would look it up, and a hint."""

    result: str
    where: str | None = None
    hint: str | None = None

    @property
    def is_bad(self) -> bool:
        """Whether it was tried and did not arrive."""
        return self.result not in _GOOD


def judge(seen: Evidence) -> Verdict:
    """What became of an attempt."""
    if seen.outcome == ANSWERED:
        if seen.large is False and seen.answers:
            return Verdict(DROPPED, _TOO_LARGE, _MTU)
        return Verdict(ANSWERS) if seen.answers else _taken(seen)
    is_sent = seen.arrived and seen.trial.mapping.endpoint.proto == "udp"
    if is_sent and seen.outcome == SILENT and not seen.came_back(ANSWER):
        return Verdict(DELIVERED)
    result = {REFUSED: REFUSES, SILENT: DROPPED}.get(seen.outcome, UNREACHABLE)
    for find in _ON_THE_WAY:
        if found := find(seen):
            where, hint = found
            return Verdict(result, where, hint)
    return Verdict(result, _somewhere(seen), "dnet check")


def is_traced(seen: Evidence) -> bool:
    """Whether what decided is known, and is none of what leaves no trace."""
    return any(find(seen) for find in _ON_THE_WAY if find not in (_legacy, _legacy_answer))


Reason = tuple[str, str | None]


def _taken(seen: Evidence) -> Verdict:
    endpoint = seen.trial.mapping.endpoint
    who = seen.around.process or "a process of the host"
    return Verdict(
        UNREACHABLE,
        f"{who} answers, not {seen.trial.whose}: no rule translates {endpoint}",
        "dnet check; dnet restore",
    )


def _unsent(seen: Evidence) -> Reason | None:
    """It did not even come to the host."""
    client = seen.trial.client
    if client is None or seen.packets or seen.request:
        return None
    if seen.error:
        where = f"{client.id} cannot send to {seen.address}: {seen.error}"
        return where, _entering(client, "ip route")
    return None


def _kept_out(seen: Evidence) -> Reason | None:
    """Its mapping is not for where it was sent from."""
    trial, hop = seen.trial, _stopping(seen.request)
    if seen.left or trial.is_let_in or (hop and not _keeps_out(hop)):
        return None
    sources, client = trial.mapping.sources, trial.client
    ip = client.address_of(trial.family) if client else None
    by = f" ({_rule(seen, hop)})" if hop else ""
    return (
        f"--from of {trial.mapping.key}: {', '.join(sources)} may use it, not {ip}{by}",
        f"if {trial.origin} is to use it, repeat its dnet map add with --from {ip} and the others",
    )


def _keeps_out(hop: Hop) -> bool:
    """Whether it is a rule about who may use a mapping."""
    table, chain = hop.place[1:]
    return (table == "dnet" and chain.startswith("from-")) or chain == "DNET-INPUT"


def _request(seen: Evidence) -> Reason | None:
    return None if seen.left else _ruled_out(seen, seen.request)


def _early(seen: Evidence) -> Reason | None:
    """It came to a device, and not to IP."""
    if seen.request is None or seen.request or not seen.device or seen.left:
        return None
    came = any(not one.leaving and one.device == seen.device for one in seen.packets)
    if not came or not seen.around.early:
        return None
    return f"{seen.device} drops it ahead of IP: {', '.join(seen.around.early)}", None


def _unforwarded(seen: Evidence) -> Reason | None:
    """The host took it in, and did not send it on."""
    if seen.left or seen.device is None or _is_past(seen.request, FORWARD):
        return None
    setting, filtering = seen.around.forwarding[0], seen.around.filtering[0]
    if filtering and seen.around.back:
        return _filtered(filtering, seen.around.back, seen.device)
    return _set(setting) if setting else None


def _untranslated(seen: Evidence) -> Reason | None:
    """No rule made the container's address of the host's."""
    mapping = seen.trial.mapping
    if seen.left or not seen.request:
        return None
    ends = [hop.destination for hop in seen.request if hop.destination]
    if not ends or ends[-1] == mapping.container_ip:
        return None
    if ends[-1] != seen.address:
        hop = next((one for one in seen.request if one.rule and one.verdict == "accept"), None)
        rule = f" by {_rule(seen, hop)}" if hop else ""
        return f"it is translated to {ends[-1]}{rule}, not to {mapping.container_ip}", None
    if not _is_past(seen.request, INPUT) and not _is_past(seen.request, POSTROUTING):
        return None
    who = f", and {seen.around.process} listens there" if seen.around.process else ""
    return f"no rule translates {mapping.endpoint}{who}", "dnet check; dnet restore"


def _astray(seen: Evidence) -> Reason | None:
    """The host has another way to the container, or none."""
    way, mapping = seen.around.way, seen.trial.mapping
    if seen.left or way is None or way.device == mapping.bridge:
        return None
    return (
        f"what the host sends to {way.address} {way.instead_of(mapping.bridge)}",
        f"ip route get {way.address}; ip rule",
    )


def _unlocal(seen: Evidence) -> Reason | None:
    """What comes from 127.0.0.1 leaves by no bridge."""
    return _set(seen.around.loopback) if seen.around.loopback and not seen.left else None


def _legacy(seen: Evidence) -> Reason | None:
    """Neither a rule of nftables nor a route: something else at a hook of netfilter."""
    if seen.left:
        return None
    if seen.legacy:
        return seen.legacy, "iptables-legacy-save -c"
    return _between(seen.request)


def _legacy_answer(seen: Evidence) -> Reason | None:
    if seen.legacy and seen.left:
        return f"the answer is stopped: {seen.legacy}", "iptables-legacy-save -c"
    return _between(seen.answer)


def _between(hops: Sequence[Hop] | None) -> Reason | None:
    mark = next((hop.mark for hop in reversed(hops or ()) if hop.mark), None)
    if mark is None or mark[1] == LAST:
        return None
    return (
        f"at {mark[0]}, and no rule of nftables: iptables-legacy, or a module of the kernel",
        "iptables-legacy-save -c",
    )


def _unplugged(seen: Evidence) -> Reason | None:
    """It came to the bridge, and nobody was there."""
    trial, around = seen.trial, seen.around
    if seen.arrived:
        return None
    if around.gone:
        return f"the network namespace {around.gone} of {trial.whose} is gone", (
            f"attach it again: dnet attach {trial.whose} --netns NAME; "
            "or release what is gone: dnet gc"
        )
    if around.port:
        name, what = around.port
        hint = f"ip link set {for_shell(name)} up" if what == "down" else f"bridge link show {name}"
        return f"{name}, the port of {trial.whose} on {trial.mapping.bridge}, is {what}", hint
    if around.neighbour is False:
        ip, bridge = trial.mapping.container_ip, trial.mapping.bridge
        return f"nobody has {ip} on {bridge}: it has no neighbour", (
            f"ip neigh show {ip} dev {bridge}; look into the container: its address, its link"
        )
    return None


def _unheard(seen: Evidence) -> Reason | None:
    """The container has nobody who would answer."""
    trial, around = seen.trial, seen.around
    is_its = seen.came_back(RESET) or seen.outcome == REFUSED or around.listens is False
    if not seen.arrived or around.listens or not is_its:
        return None
    mapping = trial.mapping
    port = f"{mapping.container_port}/{mapping.endpoint.proto}"
    if around.listens is None:
        return f"{trial.whose} refuses {port} itself", "see what listens there: ss -ltnu"
    instead = f"; it listens on {' '.join(around.ports)}" if around.ports else ""
    at = f"{bracketed(mapping.container_ip)}:{port}"
    where = f"nothing in {trial.whose} listens on {at}{instead}"
    alone = [one for one in around.ports if one.endswith(f":{port}")]
    if alone:
        return where, f"let it listen on {trial.family.any}, not on {alone[0]} alone"
    return where, "start what is to answer, or publish the port it listens on: dnet map add"


def _ruled_out_inside(seen: Evidence) -> Reason | None:
    """The container's own rules took it, or its answer."""
    trace = seen.in_container
    if trace is None:
        return None
    for hops, what in ((trace.request, ""), (trace.answer, "the answer is stopped ")):
        found = _ruled_out(seen._replace(rules=trace.rules), hops) or _between(hops)
        if found:
            look = "nft -a list ruleset" if _stopping(hops) else "iptables-legacy-save -c"
            return f"{what}in {seen.trial.whose}: {found[0]}", _entering(seen.trial.target, look)
    return None


def _heard_late(seen: Evidence) -> Reason | None:
    """It was refused, and whoever listens was found afterwards."""
    if seen.outcome != REFUSED or not seen.came_back(RESET) or not seen.around.listens:
        return None
    mapping, whose = seen.trial.mapping, seen.trial.whose
    port = f"{mapping.container_port}/{mapping.endpoint.proto}"
    return (
        f"{whose} refused it, and listens on {port} by now: the server may have just started",
        f"dnet probe {mapping.key}",
    )


def _silent(seen: Evidence) -> Reason | None:
    """The container got it, and did not answer."""
    trial, inside = seen.trial, seen.around.inside
    if not seen.arrived or seen.came_back(ANSWER) or seen.came_back(RESET):
        return None
    look = _entering(trial.target, "ip route")
    ifname = trial.target.ifname if trial.target else None
    if inside is not None and inside.device != (ifname or inside.device):
        way = inside.instead_of(str(ifname))
        return f"in {trial.whose} what it sends to {inside.address} {way}", look
    if seen.in_container and _is_out(seen.in_container.answer):
        where = f"{trial.whose} answers, and that does not come out of it: tc(8) at its device"
        return where, _entering(trial.target, f"tc filter show dev {ifname or 'eth0'} egress")
    if seen.around.backlog is not None:
        return (
            f"{trial.whose} got it, and the server accepts nothing: "
            f"its backlog of {seen.around.backlog} is full"
        ), _entering(trial.target, "ss -ltn")
    where = f"{trial.whose} got it and did not answer: its own rules, or a server that is stuck"
    return where, _entering(trial.target, "nft list ruleset")


def _answer(seen: Evidence) -> Reason | None:
    found = _ruled_out(seen, seen.answer)
    return (f"the answer is stopped: {found[0]}", found[1]) if found else None


def _unreturned(seen: Evidence) -> Reason | None:
    """The host took the answer in, and did not send it on."""
    came = seen.came_back(ANSWER) or seen.came_back(RESET)
    if not came or _is_past(seen.answer, FORWARD) or _is_past(seen.answer, INPUT):
        return None
    bridge, around = seen.trial.mapping.bridge, seen.around
    if around.filtering[1] and around.way:
        return _filtered(around.filtering[1], around.way, bridge)
    setting = around.forwarding[1] or around.loopback
    return _set(setting) if setting else None


def _misled(seen: Evidence) -> Reason | None:
    """The answer left by another device than the one that the request came in by."""
    last = next((hop for hop in reversed(seen.answer or ()) if hop.goes_out), None)
    back, home = seen.around.back, seen.home
    came = seen.came_back(ANSWER) or seen.came_back(RESET)
    if not came or home is None or back is None:
        return None
    way = Route(back.address, last.goes_out if last else back.device)
    if way.device == home:
        return None
    where = f"the answer to {way.address} {way.instead_of(home)}"
    return where, f"ip rule; ip route get {way.address}"


def _unrouted(seen: Evidence) -> Reason | None:
    """The answer is sent to a router that is not there."""
    if not _is_out(seen.answer) or seen.around.router is None:
        return None
    device, router = seen.home, seen.around.router
    return f"nobody has {router} on {device}, the router that the answer is sent to", (
        f"ip neigh show {router} dev {device}"
    )


_ON_THE_WAY: Sequence[Callable[[Evidence], Reason | None]] = (
    _unsent,
    _kept_out,
    _request,
    _early,
    _untranslated,
    _unforwarded,
    _astray,
    _unlocal,
    _legacy,
    _unplugged,
    _unheard,
    _ruled_out_inside,
    _heard_late,
    _silent,
    _answer,
    _unreturned,
    _misled,
    _unrouted,
    _legacy_answer,
)


def _is_past(hops: Sequence[Hop] | None, hook: str) -> bool:
    """Whether a packet was seen at a hook."""
    return any(hop.mark and hop.mark[0] == hook for hop in hops or ())


def _is_out(hops: Sequence[Hop] | None) -> bool:
    """Whether a packet has met all rules that there are, and is sent."""
    return any(hop.mark == (POSTROUTING, LAST) for hop in hops or ())


def _stopping(hops: Sequence[Hop] | None) -> Hop | None:
    return next((one for one in hops or () if one.verdict in _STOPS and not one.mark), None)


def _ruled_out(seen: Evidence, hops: Sequence[Hop] | None) -> Reason | None:
    """The rule or the policy of nftables that ended a packet's way."""
    hop = _stopping(hops)
    if hop is None:
        return None
    family, table, chain = hop.place
    look = f"nft -a list chain {family} {table} {for_shell(chain)}"
    if hop.rule is None:
        is_of_iptables = (table, chain) == ("filter", "FORWARD")
        mend = "dnet check; dnet restore" if is_of_iptables else "accept ahead of it what is meant"
        return f"{family} {table} {chain}: policy {hop.verdict}", f"{look}; {mend}"
    if (family, table) == ("inet", "dnet"):
        return _rule(seen, hop), f"it is dnet's own: dnet bridge show {seen.trial.mapping.bridge}"
    delete = f"nft delete rule {family} {table} {for_shell(chain)} handle {hop.rule}"
    return _rule(seen, hop), f"{look}; if it is not meant: {delete}"


def _rule(seen: Evidence, hop: Hop) -> str:
    text = seen.rules.get((hop.place, hop.rule or 0))
    return f"{' '.join(hop.place)} handle {hop.rule}{f': {text}' if text else ''}"


def _entering(interface: Interface | None, command: str) -> str | None:
    """A command as it is given in a container's network namespace."""
    if interface is None or interface.netns is None:
        return None
    netns = for_shell(interface.netns)
    enter = f"nsenter --net={netns}" if "/" in interface.netns else f"ip netns exec {netns}"
    return f"{enter} {command}"


def _set(setting: Setting) -> Reason:
    return str(setting), f"sysctl -w {setting.name}={setting.wanted}"


def _filtered(setting: Setting, way: Route, device: str) -> Reason:
    return (
        f"{setting}: it came in by {device}, and what is sent back to {way.address} {way}",
        f"mend the route: ip route get {way.address}; or sysctl -w {setting.name}={setting.wanted}",
    )


def _somewhere(seen: Evidence) -> str:
    """How far it was seen, where nothing says what stopped it."""
    if seen.came_back(ANSWER) or seen.came_back(RESET):
        return f"{seen.trial.whose} answers, and the answer does not arrive: {_UNSEEN}"
    if seen.left:
        return f"it leaves by {seen.trial.mapping.bridge}: {_UNSEEN}"
    return f"it does not leave towards {seen.trial.whose}: {_UNSEEN}"
