"""What leads to the other hosts of a pool: from how it is to how it should be.

Each peer is a route, and with VXLAN a neighbour and an entry for where its frames go: nothing is
learnt, so that each of them can be compared and made. What is no peer's goes.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator

from dnet.model.pool import PEER, VXLAN, Overlay, Peer
from dnet.plan.devicesteps import DeleteLink, DeviceStep, SetLink
from dnet.plan.poolsteps import (
    AddForwarding,
    AddNeighbour,
    AddPoolRoute,
    AddVxlan,
    DeleteForwarding,
    DeleteNeighbour,
    DeletePoolRoute,
)
from dnet.plan.settings import LEAST_IPV6_MTU, will_be
from dnet.plan.steps import SettingStep
from dnet.typing import TYPE_CHECKING, NamedTuple
from dnet.values import address
from dnet.values.family import V6

if TYPE_CHECKING:
    from dnet.model.entities import Bridge
    from dnet.model.state import State
    from dnet.network.facts import PoolRoute, Tunnel
    from dnet.plan.steps import Step
    from dnet.plan.view import View


_GOING = (DeleteLink, DeleteNeighbour, DeleteForwarding, DeletePoolRoute)


class Moves(NamedTuple):
    """What has to be done: what goes, ahead of the rules, and what comes, behind them."""

    going: list[Step]
    coming: list[Step]


def moves(state: State, former: Iterable[Overlay], failed: Container[str], view: View) -> Moves:
    """The steps for the overlay of a state, where `former` ones may have left something.

    On a bridge that is `failed` there is nothing to send from.
    """
    own = state.overlay
    known = [*former, *([own] if own else [])]
    here = own if own and own.block and own.bridge not in failed else None
    peers = [one for one in state.peers.values() if one.state == PEER] if here else []
    wanted = here.device if here and here.transport == VXLAN else None
    steps: list[Step] = list(_left_devices(known, wanted, view))
    is_new = False
    if here and wanted:
        tunnel = view.tunnel(wanted)
        device = list(_device(here, state.bridges[here.bridge], tunnel, view))
        is_new = any(isinstance(one, AddVxlan) for one in device)
        steps += [*device, *_entries(here, peers, None if is_new else tunnel)]
    pools = [one.pool for one in known if one.pool]
    there = [
        one
        for one in view.pool_routes()
        if any(address.overlap(one.subnet, pool) for pool in pools)
        and not (is_new and one.device == wanted)
    ]
    routes = _wanted(here, state.bridges[here.bridge], peers) if here else {}
    steps += _routes(routes, there, is_new=is_new)
    going: list[Step] = [one for one in steps if isinstance(one, _GOING)]
    return Moves(going, [one for one in steps if not isinstance(one, _GOING)])


def _left_devices(known: Iterable[Overlay], wanted: str | None, view: View) -> Iterator[DeleteLink]:
    for name in dict.fromkeys(one.device for one in known if one.transport == VXLAN):
        tunnel = view.tunnel(name) if name != wanted else None
        if tunnel is not None and tunnel.device.kind == "vxlan":
            yield DeleteLink(name, f"the device {name} is left over")


def vtep(block: str) -> str:
    """The address that stands for a host behind VXLAN: its block's own, which nobody else has."""
    return address.host(block)


def _device(
    own: Overlay, bridge: Bridge, tunnel: Tunnel | None, view: View
) -> Iterator[DeviceStep | SettingStep]:
    name, mac = own.device, address.mac(vtep(str(own.block)))
    settings = own.vni, own.underlay, own.port, False
    if tunnel is not None and tunnel[1:5] != settings:
        yield DeleteLink(name, f"{name} is not as dnet creates it")
        tunnel = None
        why = ""
    else:
        why = f"the device {name} is missing"
    if tunnel is None:
        yield AddVxlan(name, own.vni, own.underlay, own.port, mac, bridge.mtu, why)
    else:
        device = tunnel.device
        if device.mac != mac:
            yield SetLink(name, f"{name} has the address {device.mac}, not {mac}", mac=mac)
        if device.mtu != bridge.mtu:
            why = f"{name} has MTU {device.mtu}, not {bridge.mtu}"
            yield SetLink(name, why, mtu=bridge.mtu)
    # Nothing but the packets of the pool, which are of IPv4, is to come out of it.
    off = SettingStep(("net", V6.name, "conf", name, "disable_ipv6"), "1")
    has = view.value(off.of_new_device) if tunnel is None else will_be(view, off)
    if bridge.mtu >= LEAST_IPV6_MTU and has not in (None, off.value):
        yield off
    if tunnel is None or not tunnel.device.up:
        yield SetLink(name, f"{name} is down" if tunnel else "", up=True)


def _entries(own: Overlay, peers: Iterable[Peer], tunnel: Tunnel | None) -> Iterator[DeviceStep]:
    """Who is behind the device; where it is made again, nobody is yet."""
    name, wanted = own.device, list(peers)
    macs = {vtep(one.block): address.mac(vtep(one.block)) for one in wanted}
    hosts = {address.mac(vtep(one.block)): str(one.underlay) for one in wanted}
    neighbours = tunnel.neighbours if tunnel else {}
    forwarded = tunnel.hosts if tunnel else {}
    for ip in neighbours:
        if ip not in macs:
            yield DeleteNeighbour(name, ip, f"{name} has the neighbour {ip}, which is not a peer")
    for mac, host in forwarded.items():
        if mac not in hosts:
            yield DeleteForwarding(name, mac, f"{name} sends to {host}, which is not a peer")
    for ip, mac in macs.items():
        if neighbours.get(ip) != mac:
            yield AddNeighbour(name, ip, mac, f"{name} has no neighbour {ip}" if tunnel else "")
    for mac, host in hosts.items():
        if forwarded.get(mac) != host:
            why = f"{name} has no entry for {mac} to {host}" if tunnel else ""
            yield AddForwarding(name, mac, host, why)


def _wanted(own: Overlay, bridge: Bridge, peers: Iterable[Peer]) -> dict[str, AddPoolRoute]:
    """The routes: one a peer, and one that lets nothing out which is nobody's."""
    pool = str(own.pool)
    found = {pool: AddPoolRoute(bridge.name, pool)} if pool != own.block else {}
    tunnelled = own.transport == VXLAN
    for one in peers:
        router = vtep(one.block) if tunnelled else str(one.underlay)
        device = own.device if tunnelled else bridge.name
        found[one.block] = AddPoolRoute(device, one.block, router, bridge.gateway, tunnelled)
    return found


def _routes(
    wanted: dict[str, AddPoolRoute], there: Iterable[PoolRoute], *, is_new: bool
) -> Iterator[AddPoolRoute | DeletePoolRoute]:
    """Make the routes that are not there: no news of those whose device `is_new`."""
    found = {one.subnet: one for one in there}
    for subnet, one in found.items():
        if subnet not in wanted:
            why = f"the route to {subnet} is left over"
            yield DeletePoolRoute(one.device or "", subnet, one.router is None, why)
    for subnet, step in wanted.items():
        seen = found.get(subnet)
        by = step.device if step.onlink else (seen and seen.device)
        if seen is None or seen[1:] != (step.router, by, step.source):
            told = "" if is_new and step.onlink else f"there is no route to {subnet}"
            yield step._replace(why=told)
