"""What stops a request on its way to the bridge, in the order of that way."""

from __future__ import annotations

from dnet.probe.evidence import FORWARD, INPUT, POSTROUTING, Evidence, Hop
from dnet.probe.reasons import (
    Reason,
    between,
    by_policy,
    by_setting,
    counters,
    entering,
    filtered,
    is_past,
    look_at,
    routing_rules,
    rule_of,
    ruled_out,
    stopping,
    untracking,
)


def unsent(seen: Evidence) -> Reason | None:
    """It did not even come to the host."""
    client = seen.trial.client
    if client is None or seen.packets or seen.request:
        return None
    if seen.error:
        where = f"{client.id} cannot send to {seen.address}: {seen.error}"
        return where, entering(client, "ip route")
    return None


def kept_out(seen: Evidence) -> Reason | None:
    """Its mapping is not for where it was sent from."""
    trial, hop = seen.trial, stopping(seen.request)
    if seen.left or trial.is_let_in or (hop and not _keeps_out(hop)):
        return None
    sources, client = trial.mapping.sources, trial.client
    ip = client.address_of(trial.family) if client else None
    by = f" ({rule_of(seen, hop)})" if hop else ""
    return (
        f"--from of {trial.mapping.key}: {', '.join(sources)} may use it, not {ip}{by}",
        f"to allow {trial.origin}: repeat its dnet map add with --from {ip} and the others",
    )


def _keeps_out(hop: Hop) -> bool:
    """Whether it is a rule about who may use a mapping."""
    table, chain = hop.place[1:]
    return (table == "dnet" and chain.startswith("from-")) or chain == "DNET-INPUT"


def by_rule(seen: Evidence) -> Reason | None:
    """A rule or a policy of nftables dropped it."""
    return None if seen.arrived else ruled_out(seen, seen.request)


def early(seen: Evidence) -> Reason | None:
    """It came to a device, and not to IP."""
    if seen.request is None or seen.request or not seen.device or seen.left:
        return None
    came = any(not one.leaving and one.device == seen.device for one in seen.packets)
    if not came or not seen.around.early[0]:
        return None
    return f"{seen.device} drops it ahead of IP: {', '.join(seen.around.early[0])}", None


def untracked(seen: Evidence) -> Reason | None:
    """A rule lets connection tracking pass it over, or takes it for another connection."""
    mapping = seen.trial.mapping
    hop = untracking(seen, seen.request)
    ends = [hop.destination for hop in seen.request or () if hop.destination]
    if seen.left or hop is None or ends[-1:] == [mapping.container_ip]:
        return None
    return f"it is not translated: {rule_of(seen, hop)}", look_at(hop)


def untranslated(seen: Evidence) -> Reason | None:
    """No rule made the container's address of the host's."""
    mapping = seen.trial.mapping
    if seen.left or not seen.request:
        return None
    ends = [hop.destination for hop in seen.request if hop.destination]
    if not ends or ends[-1] == mapping.container_ip:
        return None
    if ends[-1] != seen.address:
        hop = next((one for one in seen.request if one.rule and one.verdict == "accept"), None)
        rule = f" by {rule_of(seen, hop)}" if hop else ""
        return f"it is translated to {ends[-1]}{rule}, not to {mapping.container_ip}", None
    if not is_past(seen.request, INPUT) and not is_past(seen.request, POSTROUTING):
        return None
    who = f", and {seen.around.process} listens there" if seen.around.process else ""
    return f"no rule translates {mapping.endpoint}{who}", "dnet check; dnet restore"


def unforwarded(seen: Evidence) -> Reason | None:
    """The host took it in, and did not send it on."""
    if seen.left or seen.device is None or is_past(seen.request, FORWARD):
        return None
    setting, filtering = seen.around.forwarding[0], seen.around.filtering[0]
    if filtering and seen.around.back:
        return filtered(filtering, seen.around.back, seen.device)
    return by_setting(setting) if setting else None


def astray(seen: Evidence) -> Reason | None:
    """The host has another way to the container, or none."""
    way, mapping = seen.around.way, seen.trial.mapping
    if seen.left or way is None or way.device == mapping.bridge:
        return None
    return (
        f"a packet from the host to {way.address} {way.instead_of(mapping.bridge)}",
        f"ip route get {way.address}; {routing_rules(seen)}",
    )


def unlocal(seen: Evidence) -> Reason | None:
    """What comes from 127.0.0.1 leaves by no bridge."""
    return by_setting(seen.around.loopback) if seen.around.loopback and not seen.left else None


def secured(seen: Evidence) -> Reason | None:
    """Policies of IPsec take what is to leave."""
    is_on_its_way = not seen.left and bool(seen.request)
    return by_policy(seen, "") if is_on_its_way else None


def full(seen: Evidence) -> Reason | None:
    """There is no room for one more connection."""
    tracking = seen.around.tracking
    is_dropped = not seen.left and between(seen, seen.request)
    return by_setting(tracking) if tracking and is_dropped else None


def legacy(seen: Evidence) -> Reason | None:
    """Neither a rule of nftables nor a route: something else at a hook of netfilter."""
    if seen.left:
        return None
    if seen.legacy:
        return seen.legacy, counters(seen)
    return between(seen, seen.request)
