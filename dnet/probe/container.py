"""What stops a request at the container, or keeps it from answering."""

from __future__ import annotations

from dnet.probe.evidence import ANSWER, REFUSED, RESET, Evidence
from dnet.probe.reasons import (
    Reason,
    between,
    counters,
    entering,
    is_out,
    mistaken,
    ruled_out,
    stopping,
)
from dnet.values.address import bracketed
from dnet.values.names import for_shell


def unplugged(seen: Evidence) -> Reason | None:
    """It came to the bridge, and nobody was there."""
    trial, around = seen.trial, seen.around
    if seen.arrived:
        return None
    if seen.elsewhere:
        return mistaken(seen, seen.elsewhere)
    if around.gone:
        return f"the network namespace {around.gone} of {trial.whose} is gone", (
            f"attach it again: dnet attach {trial.whose} --netns NAME; or release it: dnet gc"
        )
    if around.port:
        name, what = around.port
        hint = f"ip link set {for_shell(name)} up" if what == "down" else f"bridge link show {name}"
        return f"{name}, the port of {trial.whose} on {trial.mapping.bridge}, is {what}", hint
    ip, bridge = trial.mapping.container_ip, trial.mapping.bridge
    if around.queues[0] and (seen.left or is_out(seen.request)):
        return f"a queue drops it as it leaves by {bridge}: {', '.join(around.queues[0])}", None
    if around.neighbour is False:
        others = "".join(f"; {one}" for one in around.early[1])
        return f"nobody has {ip} on {bridge}: it has no neighbour", (
            f"ip neigh show {ip} dev {bridge}; "
            f"look into the container: its address, its link, arp_ignore{others}"
        )
    return None


def unheard(seen: Evidence) -> Reason | None:
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


def ruled_out_inside(seen: Evidence) -> Reason | None:
    """The container's own rules took it, or its answer."""
    trace = seen.in_container
    if trace is None:
        return None
    for hops, what in ((trace.request, ""), (trace.answer, "the answer is stopped ")):
        found = ruled_out(seen._replace(rules=trace.rules), hops) or between(seen, hops)
        if found:
            look = "nft -a list ruleset" if stopping(hops) else counters(seen)
            return f"{what}in {seen.trial.whose}: {found[0]}", entering(seen.trial.target, look)
    return None


def heard_late(seen: Evidence) -> Reason | None:
    """It was refused, and whoever listens was found afterwards."""
    if seen.outcome != REFUSED or not seen.came_back(RESET) or not seen.around.listens:
        return None
    mapping, whose = seen.trial.mapping, seen.trial.whose
    port = f"{mapping.container_port}/{mapping.endpoint.proto}"
    return (
        f"{whose} refused it, and listens on {port} by now: the server may have just started",
        f"dnet probe {mapping.key}",
    )


def silent(seen: Evidence) -> Reason | None:
    """The container got it, and did not answer."""
    if not seen.arrived or seen.came_back(ANSWER) or seen.came_back(RESET):
        return None
    for find in (_led_astray_inside, _unknown_inside, _stuck, _lost_at_device):
        if found := find(seen):
            return found
    what = "" if seen.in_container else ": its own rules, or a server that is stuck"
    look = entering(seen.trial.target, "nft list ruleset")
    return f"{seen.trial.whose} got it and did not answer{what}", look


def _led_astray_inside(seen: Evidence) -> Reason | None:
    """Its answer has no way, or another one."""
    target, inside, beyond = seen.trial.target, seen.around.inside, seen.around.beyond
    if target is None or inside is None:
        return None
    look = entering(target, "ip route")
    if inside.device != (target.ifname or inside.device):
        way = inside.instead_of(str(target.ifname))
        return f"in {target.id} a packet to {inside.address} {way}", look
    if beyond is None:
        return None
    what = "the router" if beyond != inside.address else "which it takes for a neighbour"
    return f"in {target.id} nobody has {beyond}, {what}", f"{look}; {entering(target, 'ip neigh')}"


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
    look = entering(seen.trial.target, "ss -ltn")
    return f"{where}: its backlog of {backlog} is full", look


def _lost_at_device(seen: Evidence) -> Reason | None:
    """It did not come to the container's IP, or the answer not out of it."""
    trace, target = seen.in_container, seen.trial.target
    if trace is None or target is None:
        return None
    device = target.ifname or "eth0"
    if not trace.request:
        where = f"{device} in {target.id} drops it ahead of IP: tc(8), or a chain of netdev"
        return where, entering(target, f"tc filter show dev {device} ingress")
    if is_out(trace.answer):
        where = f"{device} in {target.id} drops the answer as it leaves: tc(8)"
        return where, entering(target, f"tc -s qdisc show dev {device}")
    return None
