"""What is said of rules, settings and routes that stop a packet, on whatever part of its way."""

from __future__ import annotations

from collections.abc import Sequence

from dnet.model.entities import Interface
from dnet.probe.evidence import LAST, POSTROUTING, Evidence, Hop, Route, Setting
from dnet.values.family import V4
from dnet.values.names import for_shell

_STOPS = frozenset({"drop", "queue", "stolen"})
# What has a rule do so, as nft lists it.
_UNTRACKS = (" notrack", " ct zone set ", " xt target CT", ' xt target "CT"')

Reason = tuple[str, str | None]
"""What decided, as one would look it up, and a hint."""


def is_past(hops: Sequence[Hop] | None, hook: str) -> bool:
    """Whether a packet was seen at a hook."""
    return any(hop.mark and hop.mark[0] == hook for hop in hops or ())


def is_out(hops: Sequence[Hop] | None) -> bool:
    """Whether a packet has met all rules that there are, and is sent."""
    return any(hop.mark == (POSTROUTING, LAST) for hop in hops or ())


def stopping(hops: Sequence[Hop] | None) -> Hop | None:
    """What a chain did that ended a packet's way, if one did."""
    return next((one for one in hops or () if one.verdict in _STOPS and not one.mark), None)


def ruled_out(seen: Evidence, hops: Sequence[Hop] | None) -> Reason | None:
    """The rule or the policy of nftables that ended a packet's way."""
    hop = stopping(hops)
    if hop is None:
        return None
    family, table, chain = hop.place
    look = look_at(hop)
    if hop.rule is None:
        is_of_iptables = (table, chain) == ("filter", "FORWARD") and family != "bridge"
        mend = "dnet check; dnet restore" if is_of_iptables else "accept these packets before it"
        return f"{family} {table} {chain}: policy {hop.verdict}", f"{look}; {mend}"
    if (family, table) == ("inet", "dnet"):
        return rule_of(seen, hop), f"it is dnet's own: dnet bridge show {seen.trial.mapping.bridge}"
    delete = f"nft delete rule {family} {table} {for_shell(chain)} handle {hop.rule}"
    return rule_of(seen, hop), f"{look}; if it is not meant: {delete}"


def look_at(hop: Hop) -> str:
    """The command that lists the chain."""
    family, table, chain = hop.place
    return f"nft -a list chain {family} {table} {for_shell(chain)}"


def rule_of(seen: Evidence, hop: Hop) -> str:
    """A rule by its place and handle, and its text where that is known."""
    text = seen.rules.get((hop.place, hop.rule or 0))
    return f"{' '.join(hop.place)} handle {hop.rule}{f': {text}' if text else ''}"


def untracking(seen: Evidence, *ways: Sequence[Hop] | None) -> Hop | None:
    """The first rule that keeps connection tracking from knowing a packet, if one does."""
    hops = (hop for way in ways for hop in way or () if hop.rule is not None and not hop.mark)
    return next((hop for hop in hops if any(one in _text(seen, hop) for one in _UNTRACKS)), None)


def _text(seen: Evidence, hop: Hop) -> str:
    return f" {seen.rules.get((hop.place, hop.rule or 0), '')}"


def between(seen: Evidence, hops: Sequence[Hop] | None) -> Reason | None:
    """A packet was lost at a hook of netfilter, between two chains of nftables."""
    mark = next((hop.mark for hop in reversed(hops or ()) if hop.mark), None)
    if mark is None or mark[1] == LAST:
        return None
    return (
        f"at {mark[0]}, by no rule of nftables: iptables-legacy, or a module of the kernel",
        counters(seen),
    )


def counters(seen: Evidence) -> str:
    """The command that lists the counters of iptables-legacy."""
    return "iptables-legacy-save -c" if seen.trial.family is V4 else "ip6tables-legacy-save -c"


def by_policy(seen: Evidence, what: str) -> Reason | None:
    """Policies of IPsec, in words; `what` goes ahead."""
    policies = seen.around.policies
    if not policies:
        return None
    some = "one of the IPsec policies" if policies[1:] else "the IPsec policy"
    return f"{what}{some} {'; '.join(policies)}", "ip xfrm policy"


def mistaken(seen: Evidence, device: str) -> Reason:
    """It left by the port of another container."""
    ip, bridge = seen.trial.mapping.container_ip, seen.trial.mapping.bridge
    mac = f" ({seen.around.mac[0]})" if seen.around.mac else ""
    where = f"another on {bridge} has {ip} as well{mac}: it leaves by {device}, not by {seen.port}"
    return where, f"ip neigh show {ip} dev {bridge}; bridge fdb show dev {device}"


def routing_rules(seen: Evidence) -> str:
    """The command that lists the routing rules."""
    return "ip rule" if seen.trial.family is V4 else "ip -6 rule"


def by_setting(setting: Setting) -> Reason:
    """A setting of the kernel, and the command that changes it."""
    return str(setting), f"sysctl -w {setting.name}={setting.wanted}"


def filtered(setting: Setting, way: Route, device: str) -> Reason:
    """The reverse path filter of a device drops what goes back by another `way`."""
    return (
        f"{setting}: it came in by {device}, and what is sent back to {way.address} {way}",
        f"correct the route: ip route get {way.address}; or sysctl -w "
        f"{setting.name}={setting.wanted}",
    )


def entering(interface: Interface | None, command: str) -> str | None:
    """A command as it is given in a container's network namespace."""
    if interface is None or interface.netns is None:
        return None
    netns = for_shell(interface.netns)
    enter = f"nsenter --net={netns}" if "/" in interface.netns else f"ip netns exec {netns}"
    return f"{enter} {command}"
