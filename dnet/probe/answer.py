"""What stops an answer on its way back, in the order of that way."""

from __future__ import annotations

from dnet.probe.evidence import ANSWER, FORWARD, INPUT, LAST, RESET, Evidence, Route
from dnet.probe.reasons import (
    Reason,
    between,
    by_policy,
    by_setting,
    counters,
    filtered,
    is_out,
    is_past,
    look_at,
    routing_rules,
    rule_of,
    ruled_out,
    untracking,
)

_TRACKING = "nft list ruleset: look for notrack and zones; iptables-legacy-save -t raw"


def by_rule(seen: Evidence) -> Reason | None:
    """A rule or a policy of nftables dropped the answer."""
    found = ruled_out(seen, seen.answer)
    return (f"the answer is stopped: {found[0]}", found[1]) if found else None


def early(seen: Evidence) -> Reason | None:
    """The answer came to a port of the bridge, and not to IP."""
    came = seen.came_back(ANSWER) or seen.came_back(RESET)
    if not came or seen.answer is None or seen.answer or not seen.around.early[1]:
        return None
    bridge = seen.trial.mapping.bridge
    return f"{bridge} drops the answer ahead of IP: {', '.join(seen.around.early[1])}", None


def unreturned(seen: Evidence) -> Reason | None:
    """The host took the answer in, and did not send it on."""
    came = seen.came_back(ANSWER) or seen.came_back(RESET)
    if not came or is_past(seen.answer, FORWARD) or is_past(seen.answer, INPUT):
        return None
    bridge, around = seen.trial.mapping.bridge, seen.around
    if around.filtering[1] and around.way:
        return filtered(around.filtering[1], around.way, bridge)
    setting = around.forwarding[1] or around.loopback
    return by_setting(setting) if setting else None


def misled(seen: Evidence) -> Reason | None:
    """The answer left by another device than the one that the request came in by."""
    last = next((hop for hop in reversed(seen.answer or ()) if hop.goes_out), None)
    back, home = seen.around.back, seen.home
    came = seen.came_back(ANSWER) or seen.came_back(RESET)
    if not came or home is None or back is None:
        return None
    if seen.around.queues[1] and is_out(seen.answer):
        return f"a queue drops the answer as it leaves by {home}: {seen.around.queues[1][0]}", None
    way = Route(back.address, last.goes_out if last else back.device)
    if way.device == home:
        return None
    where = f"the answer to {way.address} {way.instead_of(home)}"
    return where, f"{routing_rules(seen)}; ip route get {way.address}"


def unrouted(seen: Evidence) -> Reason | None:
    """The answer is sent to a router that is not there."""
    if not is_out(seen.answer) or seen.around.router is None:
        return None
    device, router = seen.home, seen.around.router
    return f"nobody has {router} on {device}, the router that the answer is sent to", (
        f"ip neigh show {router} dev {device}"
    )


def secured(seen: Evidence) -> Reason | None:
    """Policies of IPsec take the answer."""
    came = seen.came_back(ANSWER) or seen.came_back(RESET)
    return by_policy(seen, "the answer is stopped: ") if came else None


def untranslated_back(seen: Evidence) -> Reason | None:
    """Connection tracking does not take the answer for one."""
    if not seen.came_back(ANSWER):
        return None
    hop = untracking(seen, seen.answer, seen.request)
    if hop:
        return f"the answer is not translated back: {rule_of(seen, hop)}", look_at(hop)
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


def legacy(seen: Evidence) -> Reason | None:
    """Something else at a hook of netfilter took the answer."""
    if seen.legacy and seen.left:
        return f"the answer is stopped: {seen.legacy}", counters(seen)
    return between(seen, seen.answer)
