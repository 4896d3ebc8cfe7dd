"""Mappings: a port of the host stands for a port of a container.

The source's portmapper (daemon/networkdriver/portmapper/mapper.go).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from dnet.errors import NotFoundError, UsageError
from dnet.model import find, ports
from dnet.model.entities import Bridge, Interface, Mapping
from dnet.model.state import State
from dnet.network import portallocator
from dnet.typing import TYPE_CHECKING, NamedTuple
from dnet.values import address, family, names, nearby
from dnet.values.endpoint import Endpoint, EndpointQuery, PublishSpec
from dnet.values.family import V6

if TYPE_CHECKING:
    from dnet.network.facts import Facts
    from dnet.values.sources import Sources


class Target(NamedTuple):
    """Whose ports are published: of a bridge, the addresses of an interface, or one without."""

    bridge: Bridge
    addresses: tuple[str, ...]
    interface_id: str | None = None


def add(
    state: State,
    facts: Facts,
    *,
    target: str,
    specs: Sequence[PublishSpec],
    sources: Sources | None = None,
) -> list[Mapping]:
    """Publish ports of a target: an interface's id, or an address that is taken.

    `sources` are who may use them, None whoever might before, which is everybody at first.

    Where no host address is named and the target has both families, each port is two mappings, that
    of IPv4 first: both or neither, but that what was there stays. The same mapping again is
    confirmed, not made twice. Raises NotFoundError, PortInUseError, ExhaustedError, ConflictError
    on a bridge that has no iptables, and UsageError for a target without the address's family, and
    for sources of a family that nothing is published in.
    """
    whom = publishable(state, target)
    refuse_strangers(whom, specs, sources)
    return [one for spec in specs for one in add_one(state, facts, whom, spec, sources)]


def publishable(state: State, target: str) -> Target:
    """A target whose ports can be published. Raises NotFoundError and ConflictError; see `add`."""
    whom = _resolve_taken(state, target)
    find.filtered(state, whom.bridge.name, "mapping")
    return whom


def refuse_strangers(whom: Target, specs: Sequence[PublishSpec], sources: Sources | None) -> None:
    """Raises UsageError for sources of a family in which nothing is published."""
    if not sources:
        return
    served = {family.of(at) for spec in specs for at, _ in _halves(whom, spec.host_ip)}
    for one in sources:
        if family.of(one) not in served:
            version = family.of(one).version
            raise UsageError(
                f"--from {one}: no port is published by IPv{version}",
                "give networks of the family of the host address",
            )


def let_in(state: State, facts: Facts, mappings: Sequence[Mapping], sources: Sources) -> None:
    """Let mappings that are there be used from other networks than before."""
    _make(state, facts, _restricted(state, mappings, sources), None)


def add_beside(state: State, facts: Facts, *, mapping: Mapping) -> None:
    """Publish in IPv6 what is published in IPv4 without a host address, where that can be.

    Raises PortInUseError.
    """
    home, at = state.bridges[mapping.bridge], mapping.endpoint
    holder = state.holder(mapping.container_ip)
    if holder and holder.ip6 and at.host_ip == home.binding_ip:
        beside = mapping._replace(
            endpoint=at._replace(host_ip=home.binding_ip6), container_ip=holder.ip6
        )
        _make(state, facts, [_for(beside, mapping.sources)], holder.id)


def beside(mapping: Mapping, among: Iterable[Mapping]) -> Mapping | None:
    """What the same port of the same container is in IPv6, among all that it has published."""
    for other in among:
        same = (
            other.endpoint[1:] == mapping.endpoint[1:]
            and other.container_port == mapping.container_port
        )
        if same and family.of(other.container_ip) is V6 and other != mapping:
            return other
    return None


def remove(
    state: State, _facts: Facts, *, queries: Sequence[EndpointQuery], if_exists: bool = False
) -> None:
    """Take mappings away by their endpoints, all or none. Raises NotFoundError."""
    keys: list[str] = []
    for query in queries:
        try:
            keys += meant(state, query)
        except NotFoundError:
            if not if_exists:
                raise
    for key in dict.fromkeys(keys):
        state.mappings.drop(key)


def meant(state: State, query: EndpointQuery) -> list[str]:
    """The mappings that an endpoint as typed means; see portallocator.match. Raises NotFoundError.

    Raises UsageError where it may be one of several.
    """
    found = portallocator.match(state, query, state.mappings.rows, partial(_are_one, state))
    if not found:
        raise _no_mapping(state, query)
    return found


def remove_all(state: State, _facts: Facts, *, target: str, if_exists: bool = False) -> None:
    """Take away every mapping of a target. Raises NotFoundError where there is no such target."""
    try:
        whom = resolve(state, target)
    except NotFoundError:
        if if_exists:
            return
        raise
    for ip in whom.addresses:
        drop_of(state, ip)


def drop_of(state: State, ip: str) -> None:
    """Drop every mapping to a container address."""
    for key in state.mappings_by_target.keys(ip):
        state.mappings.drop(key)


def resolve(state: State, target: str) -> Target:
    """Who is meant by an id or an address. Raises NotFoundError, UsageError."""
    if not names.reads_as_address(target):
        return _container(state, find.interface(state, target))
    ip = address.parse_any(target)
    holder = state.holder(ip)
    if holder is not None:
        return _container(state, holder)
    bridge = state.bridge_of(ip)
    if bridge is None:
        raise NotFoundError(f"{ip} is in no bridge's subnet", "dnet bridge list")
    return Target(bridge, (ip,))


def _container(state: State, interface: Interface) -> Target:
    return Target(state.bridges[interface.bridge], interface.addresses, interface.id)


def _resolve_taken(state: State, target: str) -> Target:
    """Of a target that ports can be published of: an address that is free may be anybody's soon."""
    found = resolve(state, target)
    ip = found.addresses[0]
    if ip not in state.leases_with(found.bridge.name, ip):
        raise NotFoundError(f"{ip} is not allocated", f"dnet ip request --ip {ip}")
    return found


def add_one(
    state: State, facts: Facts, whom: Target, spec: PublishSpec, sources: Sources | None
) -> list[Mapping]:
    """Publish what one spec asks for; see `add`."""
    halves = _halves(whom, spec.host_ip)
    length = spec.end - spec.port + 1
    if spec.host_port is None or spec.picks_one:
        among = (spec.host_port, spec.host_end) if spec.host_port and spec.host_end else None
        hosts = [at for at, _ in halves]
        port = portallocator.choose(
            state, facts, whom.bridge, hosts, spec.proto, length=length, among=among
        )[0]
    else:
        port = spec.host_port
    mappings = [
        Mapping(Endpoint(at, port, spec.proto, port + length - 1), ip, spec.port, whom.bridge.name)
        for at, ip in halves
    ]
    mappings = _restricted(state, mappings, sources)
    if spec.leaves_open:
        return [_put(state, one) for one in mappings]
    return _make(state, facts, mappings, whom.interface_id)


def _halves(whom: Target, host_ip: str | None) -> list[tuple[str, str]]:
    """Host and container addresses of a mapping: one, or one of each family."""
    hosts = (host_ip,) if host_ip else whom.bridge.binding_ips
    found = [(at, ip) for at in hosts for ip in whom.addresses if family.of(at) is family.of(ip)]
    if not found:
        raise _without_family(whom, hosts[0])
    return found


def _without_family(whom: Target, at: str) -> UsageError:
    mapping, home = f"mapping on {at}", whom.bridge
    if home.subnet_of(family.of(at)) is None:
        return find.without_ipv6(home, mapping)
    if whom.interface_id is None:
        return UsageError(
            f"{whom.addresses[0]} can have no {mapping}", "give a host address of its family"
        )
    return UsageError(
        f"{whom.interface_id} has no IPv6 address, so it can have no {mapping}",
        f"dnet interface allocate {whom.interface_id}",
    )


def _make(state: State, facts: Facts, mappings: list[Mapping], owner: str | None) -> list[Mapping]:
    """Add mappings of given host ports, as far as they are not there; those are confirmed.

    Of those that are there it may change who uses them.
    """
    new = [one for one in mappings if _standing(state, one) is None]
    if len(new) < len(mappings):
        state.confirm()
    for one in new:
        portallocator.claim(state, facts, one.endpoint, owner=owner)
    for one in mappings:
        if state.mappings.get(one.key) != one:
            _put(state, one)
    return mappings


def _standing(state: State, one: Mapping) -> Mapping | None:
    """The mapping of the same port to the same place, whoever may use it, that is there."""
    there = state.mappings.get(one.key)
    is_same = there is not None and there._replace(sources=one.sources) == one
    return there if is_same else None


def _restricted(
    state: State, mappings: Sequence[Mapping], sources: Sources | None
) -> list[Mapping]:
    """Mappings for who may use them; None is whoever might before, be it in the other family."""
    if sources is not None:
        return [_for(one, sources) for one in mappings]
    there = [_standing(state, one) for one in mappings]
    before = next((one.sources for one in there if one), ())
    return [same or _for(one, before) for same, one in zip(there, mappings, strict=True)]


def _for(mapping: Mapping, sources: Sources) -> Mapping:
    """A mapping for networks, as far as they are of its family."""
    if not sources:
        return mapping._replace(sources=()) if mapping.sources else mapping
    from dnet.values.sources import of_family

    return mapping._replace(sources=of_family(sources, family.of(mapping.container_ip)))


def _are_one(state: State, one: str, other: str) -> bool:
    """Whether two mappings go to the same port of the same interface."""
    first, second = state.mappings[one], state.mappings[other]
    holder = state.holder(first.container_ip)
    return (
        holder is not None
        and second.container_ip in holder.addresses
        and first.container_port == second.container_port
    )


def _put(state: State, mapping: Mapping) -> Mapping:
    if mapping.container_end > 65535:
        raise UsageError(
            f"port range of {mapping.key} ends above 65535 in the container",
            "begin at a lower container port",
        )
    state.mappings.put(mapping.key, mapping)
    return mapping


def _no_mapping(state: State, query: EndpointQuery) -> NotFoundError:
    """For a port inside of a range the hint is the range, which is removed whole."""
    message = f"there is no mapping {query}"
    for endpoint in query.endpoints:
        holder = ports.find_holder(state, endpoint)
        if holder is not None and holder.kind == "mapping":
            return NotFoundError(
                f"{query} is part of the mapping {holder.key}: a range can only be removed as a "
                "whole",
                f"dnet map remove {holder.key}",
            )
    suggest = partial(nearby.endpoints, query, state.mappings)
    return NotFoundError(message, "dnet map list", suggest)
