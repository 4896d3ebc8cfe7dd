"""What must hold between the parts of a store, each of which is well-formed.

No address or port has two holders, and nothing points to what is not there.
"""

from __future__ import annotations

from itertools import pairwise

from dnet.errors import StateUnreadableError, UsageError
from dnet.model import ports
from dnet.model.entities import Bridge, Link
from dnet.model.pool import PEER
from dnet.model.state import State
from dnet.network import link
from dnet.typing import NoReturn
from dnet.values import address, address6, family, names
from dnet.values.endpoint import Endpoint
from dnet.values.family import FAMILIES, V4, V6


def examine(state: State) -> None:
    """Raise StateUnreadableError for the first thing that does not hold."""
    for part in (_bridges, _interfaces, _reservations, _mappings, _links, _ports, _hosts):
        part(state)


def reject(place: str, reason: str) -> NoReturn:
    """Raise StateUnreadableError."""
    raise StateUnreadableError(f"{place}: {reason}")


def require(holds: bool, place: str, reason: str) -> None:
    """Raise StateUnreadableError unless something holds."""
    if not holds:
        reject(place, reason)


def _bridges(state: State) -> None:
    for bridge in state.bridges.values():
        place = f"bridges {bridge.name}"
        for of in FAMILIES:
            taken, released = state.leases(bridge.name, of), state.released(bridge.name, of)
            both = taken.rows.keys() & released.rows.keys()
            require(not both, place, f"{', '.join(sorted(both))} is both taken and released")
        try:
            pool = bridge.range and address.parse_range(bridge.range, bridge.address)
            _ipv6(place, bridge)
        except UsageError as error:
            reject(place, str(error))
        require(pool == bridge.range, place, f"range is not {pool}")
    # In this order, a subnet that overlaps any other overlaps its neighbour.
    subnets = [(one, bridge.name) for bridge in state.bridges.values() for one in bridge.subnets]
    subnets.sort(key=lambda of: (of[0].family.version, address.network(of[0].address)))
    for (one, name), (other, other_name) in pairwise(subnets):
        apart = not address.overlap(one.address, other.address)
        require(apart, f"bridges {other_name}", f"its subnet overlaps that of {name}")


def _ipv6(place: str, bridge: Bridge) -> None:
    """Raises UsageError for a range that does not lie in the subnet."""
    if bridge.address6 is None:
        alone = bridge.range6 is None and bridge.masquerade6 is None
        require(alone, place, "range6 or masquerade6 without address6")
        return
    pool = bridge.range6 and address6.parse_range(bridge.range6, bridge.address6)
    require(pool == bridge.range6, place, f"range6 is not {pool}")
    least = address6.LEAST_MTU
    require(bridge.mtu >= least, place, f"IPv6 needs an MTU of {least}, and it has {bridge.mtu}")


def _filtered(state: State, place: str, name: str) -> None:
    require(_on_bridge(state, place, name).iptables, place, f"{name} has no iptables")


def _on_bridge(state: State, place: str, name: str) -> Bridge:
    bridge = state.bridges.get(name)
    if bridge is None:
        reject(place, f"there is no bridge {name}")
    return bridge


def _interfaces(state: State) -> None:
    for one in state.interfaces.values():
        place = f"interfaces {one.id}"
        _on_bridge(state, place, one.bridge)
        for ip in one.addresses:
            leases = state.leases_with(one.bridge, ip)
            require(ip in leases, place, f"{ip} is not leased")
            require(leases[ip] == one.id, place, f"{ip} is leased to {leases[ip]}")
        whole = (one.netns is None) == (one.ifname is None) and (one.netns or one.cookie is None)
        require(bool(whole), place, "netns, ifname and cookie belong together")
        plugged = one.netns or not (one.rate_in or one.rate_out or one.hosts_file)
        require(bool(plugged), place, "a rate or a hosts file without a netns")
        alone = not one.netns or len(state.interfaces_by_place.keys((one.netns, one.ifname))) == 1
        require(alone, place, f"another one is {one.ifname} in {one.netns}")
        alike = state.interfaces_by_origin.keys(one.origin.key) if one.origin else ()
        require(len(alike) <= 1, place, "another one has the same origin")


def _reservations(state: State) -> None:
    for one in state.reservations.values():
        place = f"reservations {one.key}"
        home = _on_bridge(state, place, one.bridge)
        families = [family.of(at.host_ip) for at in one.endpoints]
        require(families in ([V4], [V6], [V4, V6]), place, "host_ip6 next to another one")
        require(V6 not in families or bool(home.address6), place, f"{home.name} has no IPv6")


def _mappings(state: State) -> None:
    for one in state.mappings.values():
        place = f"mappings {one.key}"
        _filtered(state, place, one.bridge)
        leases = state.leases_with(one.bridge, one.container_ip)
        require(one.container_ip in leases, place, f"{one.container_ip} is free")
        same = family.of(one.endpoint.host_ip) is family.of(one.container_ip)
        require(same, place, f"{one.container_ip} is of another family")
        for source in one.sources:
            same = family.of(source) is family.of(one.container_ip)
            require(same, place, f"{source} is of another family")
        require(one.container_end <= 65535, place, "it ends above port 65535 in the container")


def _links(state: State) -> None:
    aliases = set[tuple[str, str]]()
    for one in state.links.values():
        place = f"links {one.key}"
        _ends(state, place, one)
        require(bool(one.ports), place, "it has no port")
        prefix = one.parent, link.prefix(one.alias)
        require(prefix not in aliases, place, f"{one.parent} has another link {one.alias}")
        aliases.add(prefix)


def _ends(state: State, place: str, link: Link) -> None:
    both = (link.parent_ip6 is None) == (link.child_ip6 is None)
    require(both, place, "parent_ip6 and child_ip6 belong together")
    ends = [(link.child, link.child_ip, link.child_ip6, link.child_bridge)]
    if link.from_host:
        at_host = (link.parent_ip, link.parent_bridge) == (V4.loopback, None)
        require(at_host, place, f"its parent is not at {V4.loopback}")
        require(
            link.parent_ip6 in (None, V6.loopback), place, f"its parent is not at {V6.loopback}"
        )
    else:
        ends.append((link.parent, link.parent_ip, link.parent_ip6, str(link.parent_bridge)))
    for interface_id, ip, ip6, bridge in ends:
        if names.reads_as_address(interface_id):
            here = state.overlay
            beyond = here and here.pool and here.device == bridge and interface_id == ip
            require(bool(beyond), place, f"{interface_id} is on no other host")
            continue
        end = state.interfaces.get(interface_id)
        if end is None:
            reject(place, f"there is no interface {interface_id}")
        there = (end.ip, end.bridge) == (ip, bridge) and ip6 in (None, end.ip6)
        require(there, place, f"{end.id} is elsewhere")
        _filtered(state, place, bridge)


def _ports(state: State) -> None:
    """Let everybody claim their ports again, in a state that has none."""
    claimed = State()
    for reservation in state.reservations.values():
        for endpoint in reservation.endpoints:
            _claim(claimed, f"reservations {reservation.key}", endpoint, None)
        claimed.reservations.put(reservation.key, reservation)
    for mapping in state.mappings.values():
        holder = state.holder(mapping.container_ip)
        owner = holder.id if holder else None
        _claim(claimed, f"mappings {mapping.key}", mapping.endpoint, owner)
        claimed.mappings.put(mapping.key, mapping)
    for one in state.links.values():
        for endpoint in one.endpoints:
            _claim(claimed, f"links {one.key}", endpoint, one.child)
        claimed.links.put(one.key, one)


def _hosts(state: State) -> None:
    """One overlay at most, whose block is its bridge's subnet; peers are next to it in the pool."""
    require(len(state.overlays) <= 1, "overlays", "there is more than one")
    own = state.overlay
    blocks: list[tuple[str, str]] = []
    if own is not None:
        place = f"overlays {own.bridge}"
        both = (own.pool is None) == (own.block is None)
        require(both, place, "its pool and its block belong together")
    if own is not None and own.block is not None:
        home = _on_bridge(state, place, own.bridge)
        require(home.subnet == own.block, place, f"its block is not the subnet of {home.name}")
        blocks.append((own.block, "this host"))
    blocks += [(one.block, one.name) for one in state.peers.values()]
    pool = own.pool if own is not None else None
    for block, name in blocks:
        inside = pool is not None and address.overlap(pool, block)
        wide = inside and address.prefix_len(block) >= address.prefix_len(str(pool))
        require(wide, "peers", f"the block of {name} is not in the pool")
    blocks.sort(key=lambda of: address.to_int(address.host(of[0])))
    for (one, name), (other, other_name) in pairwise(blocks):
        apart = not address.overlap(one, other)
        require(apart, "peers", f"the block of {other_name} overlaps that of {name}")
    for peer in state.peers.values():
        whole = (peer.underlay is None) == (peer.state != PEER)
        require(whole, f"peers {peer.name}", "its state and its underlay do not go together")


def _claim(state: State, place: str, endpoint: Endpoint, owner: str | None) -> None:
    holder = ports.find_holder(state, endpoint, owner)
    if holder is not None:
        reject(place, f"{endpoint} belongs to the {holder.kind} {holder.key}")
