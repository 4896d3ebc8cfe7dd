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
from dnet.values.family import V4
from dnet.values.names import for_shell

ANSWERS, DELIVERED, DROPPED, NOT_TRIED = "answers", "delivered", "dropped", "not-tried"
REFUSES, UNREACHABLE = "refused", "unreachable"
_GOOD = frozenset({ANSWERS, DELIVERED, NOT_TRIED})

_STOPS = frozenset({"drop", "queue", "stolen"})
_TOO_LARGE = "the handshake passes, but 1,400 bytes after it do not: a path with a smaller MTU"
_MTU = "compare: ip link show, on the host and in the container; ping -M do -s 1372"
_UNSEEN = "the cause was not found"
# What has a rule do so, as nft lists it.
_UNTRACKS = (" notrack", " ct zone set ", " xt target CT", ' xt target "CT"')
_TRACKING = "nft list ruleset: look for notrack and zones; iptables-legacy-save -t raw"


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
    if seen.elsewhere:
        return Verdict(UNREACHABLE, *_mistaken(seen, seen.elsewhere))
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
        f"to allow {trial.origin}: repeat its dnet map add with --from {ip} and the others",
    )


def _keeps_out(hop: Hop) -> bool:
    """Whether it is a rule about who may use a mapping."""
    table, chain = hop.place[1:]
    return (table == "dnet" and chain.startswith("from-")) or chain == "DNET-INPUT"


def _request(seen: Evidence) -> Reason | None:
    return None if seen.arrived else _ruled_out(seen, seen.request)


def _early(seen: Evidence) -> Reason | None:
    """It came to a device, and not to IP."""
    if seen.request is None or seen.request or not seen.device or seen.left:
        return None
    came = any(not one.leaving and one.device == seen.device for one in seen.packets)
    if not came or not seen.around.early[0]:
        return None
    return f"{seen.device} drops it ahead of IP: {', '.join(seen.around.early[0])}", None


def _unforwarded(seen: Evidence) -> Reason | None:
    """The host took it in, and did not send it on."""
    if seen.left or seen.device is None or _is_past(seen.request, FORWARD):
        return None
    setting, filtering = seen.around.forwarding[0], seen.around.filtering[0]
    if filtering and seen.around.back:
        return _filtered(filtering, seen.around.back, seen.device)
    return _set(setting) if setting else None


def _untracked(seen: Evidence) -> Reason | None:
    """A rule lets connection tracking pass it over, or takes it for another connection."""
    mapping = seen.trial.mapping
    hop = _untracking(seen, seen.request)
    ends = [hop.destination for hop in seen.request or () if hop.destination]
    if seen.left or hop is None or ends[-1:] == [mapping.container_ip]:
        return None
    return f"it is not translated: {_rule(seen, hop)}", _look_at(hop)


def _untracking(seen: Evidence, *ways: Sequence[Hop] | None) -> Hop | None:
    hops = (hop for way in ways for hop in way or () if hop.rule is not None and not hop.mark)
    return next((hop for hop in hops if any(one in _text(seen, hop) for one in _UNTRACKS)), None)


def _text(seen: Evidence, hop: Hop) -> str:
    return f" {seen.rules.get((hop.place, hop.rule or 0), '')}"


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
        f"a packet from the host to {way.address} {way.instead_of(mapping.bridge)}",
        f"ip route get {way.address}; {_rules_of_routing(seen)}",
    )


def _rules_of_routing(seen: Evidence) -> str:
    return "ip rule" if seen.trial.family is V4 else "ip -6 rule"


def _unlocal(seen: Evidence) -> Reason | None:
    """What comes from 127.0.0.1 leaves by no bridge."""
    return _set(seen.around.loopback) if seen.around.loopback and not seen.left else None


def _secured(seen: Evidence) -> Reason | None:
    """Policies of IPsec take what is to leave."""
    is_on_its_way = not seen.left and bool(seen.request)
    return _by_policy(seen, "") if is_on_its_way else None


def _secured_answer(seen: Evidence) -> Reason | None:
    came = seen.came_back(ANSWER) or seen.came_back(RESET)
    return _by_policy(seen, "the answer is stopped: ") if came else None


def _by_policy(seen: Evidence, what: str) -> Reason | None:
    policies = seen.around.policies
    if not policies:
        return None
    some = "one of the IPsec policies" if policies[1:] else "the IPsec policy"
    return f"{what}{some} {'; '.join(policies)}", "ip xfrm policy"


def _full(seen: Evidence) -> Reason | None:
    """There is no room for one more connection."""
    tracking = seen.around.tracking
    is_dropped = not seen.left and _between(seen, seen.request)
    return _set(tracking) if tracking and is_dropped else None


def _legacy(seen: Evidence) -> Reason | None:
    """Neither a rule of nftables nor a route: something else at a hook of netfilter."""
    if seen.left:
        return None
    if seen.legacy:
        return seen.legacy, _counters(seen)
    return _between(seen, seen.request)


def _legacy_answer(seen: Evidence) -> Reason | None:
    if seen.legacy and seen.left:
        return f"the answer is stopped: {seen.legacy}", _counters(seen)
    return _between(seen, seen.answer)


def _counters(seen: Evidence) -> str:
    return "iptables-legacy-save -c" if seen.trial.family is V4 else "ip6tables-legacy-save -c"


def _between(seen: Evidence, hops: Sequence[Hop] | None) -> Reason | None:
    mark = next((hop.mark for hop in reversed(hops or ()) if hop.mark), None)
    if mark is None or mark[1] == LAST:
        return None
    return (
        f"at {mark[0]}, by no rule of nftables: iptables-legacy, or a module of the kernel",
        _counters(seen),
    )


def _unplugged(seen: Evidence) -> Reason | None:
    """It came to the bridge, and nobody was there."""
    trial, around = seen.trial, seen.around
    if seen.arrived:
        return None
    if seen.elsewhere:
        return _mistaken(seen, seen.elsewhere)
    if around.gone:
        return f"the network namespace {around.gone} of {trial.whose} is gone", (
            f"attach it again: dnet attach {trial.whose} --netns NAME; or release it: dnet gc"
        )
    if around.port:
        name, what = around.port
        hint = f"ip link set {for_shell(name)} up" if what == "down" else f"bridge link show {name}"
        return f"{name}, the port of {trial.whose} on {trial.mapping.bridge}, is {what}", hint
    ip, bridge = trial.mapping.container_ip, trial.mapping.bridge
    if around.queues[0] and (seen.left or _is_out(seen.request)):
        return f"a queue drops it as it leaves by {bridge}: {', '.join(around.queues[0])}", None
    if around.neighbour is False:
        others = "".join(f"; {one}" for one in around.early[1])
        return f"nobody has {ip} on {bridge}: it has no neighbour", (
            f"ip neigh show {ip} dev {bridge}; "
            f"look into the container: its address, its link, arp_ignore{others}"
        )
    return None


def _mistaken(seen: Evidence, device: str) -> Reason:
    """It left by the port of another container."""
    ip, bridge = seen.trial.mapping.container_ip, seen.trial.mapping.bridge
    mac = f" ({seen.around.mac[0]})" if seen.around.mac else ""
    where = f"another on {bridge} has {ip} as well{mac}: it leaves by {device}, not by {seen.port}"
    return where, f"ip neigh show {ip} dev {bridge}; bridge fdb show dev {device}"


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
        return where, f"let it listen on {trial.family.any}, not only on {alone[0]}"
    return where, "start the server, or publish the port it listens on: dnet map add"


def _ruled_out_inside(seen: Evidence) -> Reason | None:
    """The container's own rules took it, or its answer."""
    trace = seen.in_container
    if trace is None:
        return None
    for hops, what in ((trace.request, ""), (trace.answer, "the answer is stopped ")):
        found = _ruled_out(seen._replace(rules=trace.rules), hops) or _between(seen, hops)
        if found:
            look = "nft -a list ruleset" if _stopping(hops) else _counters(seen)
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
    if not seen.arrived or seen.came_back(ANSWER) or seen.came_back(RESET):
        return None
    for find in (_led_astray_inside, _unknown_inside, _stuck, _lost_at_device):
        if found := find(seen):
            return found
    what = "" if seen.in_container else ": its own rules, or a server that is stuck"
    look = _entering(seen.trial.target, "nft list ruleset")
    return f"{seen.trial.whose} got it and did not answer{what}", look


def _led_astray_inside(seen: Evidence) -> Reason | None:
    """Its answer has no way, or another one."""
    target, inside, beyond = seen.trial.target, seen.around.inside, seen.around.beyond
    if target is None or inside is None:
        return None
    look = _entering(target, "ip route")
    if inside.device != (target.ifname or inside.device):
        way = inside.instead_of(str(target.ifname))
        return f"in {target.id} a packet to {inside.address} {way}", look
    if beyond is None:
        return None
    what = "the router" if beyond != inside.address else "which it takes for a neighbour"
    return f"in {target.id} nobody has {beyond}, {what}", f"{look}; {_entering(target, 'ip neigh')}"


def _unknown_inside(seen: Evidence) -> Reason | None:
    """It was sent to another hardware address."""
    if seen.around.mac is None:
        return None
    (known, own), mapping = seen.around.mac, seen.trial.mapping
    where = f"the host sends it to {known} on {mapping.bridge}, and {seen.trial.whose} is {own}"
    return where, f"ip neigh show {mapping.container_ip} dev {mapping.bridge}"


def _stuck(seen: Evidence) -> Reason | None:
    backlog = seen.around.backlog
    if backlog is None:
        return None
    where = f"{seen.trial.whose} got it, and the server accepts nothing"
    look = _entering(seen.trial.target, "ss -ltn")
    return f"{where}: its backlog of {backlog} is full", look


def _lost_at_device(seen: Evidence) -> Reason | None:
    """It did not come to the container's IP, or the answer not out of it."""
    trace, target = seen.in_container, seen.trial.target
    if trace is None or target is None:
        return None
    device = target.ifname or "eth0"
    if not trace.request:
        where = f"{device} in {target.id} drops it ahead of IP: tc(8), or a chain of netdev"
        return where, _entering(target, f"tc filter show dev {device} ingress")
    if _is_out(trace.answer):
        where = f"{device} in {target.id} drops the answer as it leaves: tc(8)"
        return where, _entering(target, f"tc -s qdisc show dev {device}")
    return None


def _answer(seen: Evidence) -> Reason | None:
    found = _ruled_out(seen, seen.answer)
    return (f"the answer is stopped: {found[0]}", found[1]) if found else None


def _early_answer(seen: Evidence) -> Reason | None:
    """The answer came to a port of the bridge, and not to IP."""
    came = seen.came_back(ANSWER) or seen.came_back(RESET)
    if not came or seen.answer is None or seen.answer or not seen.around.early[1]:
        return None
    bridge = seen.trial.mapping.bridge
    return f"{bridge} drops the answer ahead of IP: {', '.join(seen.around.early[1])}", None


def _untranslated_back(seen: Evidence) -> Reason | None:
    """Connection tracking does not take the answer for one."""
    if not seen.came_back(ANSWER):
        return None
    hop = _untracking(seen, seen.answer, seen.request)
    if hop:
        return f"the answer is not translated back: {_rule(seen, hop)}", _look_at(hop)
    ip = seen.trial.mapping.container_ip
    to_others = any(
        one.kind == ANSWER and one.leaving and one.source == ip and one.device not in seen.inner
        for one in seen.packets
    )
    is_host_s = seen.device is None and (INPUT, LAST) in [hop.mark for hop in seen.answer or ()]
    if seen.address == ip or not (to_others or is_host_s):
        return None
    where = f"the answer comes from {ip}, not from {seen.address}"
    return f"{where}: connection tracking does not know it", _TRACKING


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
    if seen.around.queues[1] and _is_out(seen.answer):
        return f"a queue drops the answer as it leaves by {home}: {seen.around.queues[1][0]}", None
    way = Route(back.address, last.goes_out if last else back.device)
    if way.device == home:
        return None
    where = f"the answer to {way.address} {way.instead_of(home)}"
    return where, f"{_rules_of_routing(seen)}; ip route get {way.address}"


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
    _untracked,
    _untranslated,
    _unforwarded,
    _astray,
    _unlocal,
    _secured,
    _full,
    _legacy,
    _unplugged,
    _unheard,
    _ruled_out_inside,
    _heard_late,
    _silent,
    _answer,
    _early_answer,
    _unreturned,
    _misled,
    _unrouted,
    _secured_answer,
    _untranslated_back,
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
    look = _look_at(hop)
    if hop.rule is None:
        is_of_iptables = (table, chain) == ("filter", "FORWARD") and family != "bridge"
        mend = "dnet check; dnet restore" if is_of_iptables else "accept these packets before it"
        return f"{family} {table} {chain}: policy {hop.verdict}", f"{look}; {mend}"
    if (family, table) == ("inet", "dnet"):
        return _rule(seen, hop), f"it is dnet's own: dnet bridge show {seen.trial.mapping.bridge}"
    delete = f"nft delete rule {family} {table} {for_shell(chain)} handle {hop.rule}"
    return _rule(seen, hop), f"{look}; if it is not meant: {delete}"


def _look_at(hop: Hop) -> str:
    family, table, chain = hop.place
    return f"nft -a list chain {family} {table} {for_shell(chain)}"


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
        f"correct the route: ip route get {way.address}; or sysctl -w "
        f"{setting.name}={setting.wanted}",
    )


def _somewhere(seen: Evidence) -> str:
    """How far it was seen, where nothing says what stopped it."""
    if seen.came_back(ANSWER) or seen.came_back(RESET):
        return f"{seen.trial.whose} answers, and the answer does not arrive: {_UNSEEN}"
    if seen.left:
        return f"it leaves by {seen.trial.mapping.bridge}: {_UNSEEN}"
    return f"it does not leave towards {seen.trial.whose}: {_UNSEEN}"
