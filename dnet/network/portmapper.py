"""Mappings: a port of the host stands for a port of a container.

The source's portmapper (daemon/networkdriver/portmapper/mapper.go).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from dnet.errors import NotFoundError, UsageError
from dnet.model import find, ports
from dnet.model.entities import Bridge, Mapping
from dnet.model.state import State
from dnet.network import portallocator
from dnet.values import address, family, names, nearby
from dnet.values.endpoint import Endpoint, EndpointQuery, PublishSpec

if TYPE_CHECKING:
    from dnet.network.facts import Facts


def add(
    state: State,
    facts: Facts,
    *,
    target: str,
    specs: Sequence[PublishSpec],
) -> list[Mapping]:
    """Publish ports of a target: an interface's id, or an address that is taken.

    The same mapping again is confirmed, not made twice. Raises NotFoundError, PortInUseError,
    ExhaustedError, and ConflictError on a bridge that has no iptables.
    """
    ip, home = _resolve_taken(state, target)
    find.filtered(state, home.name, "mapping")
    return [_add_one(state, facts, home, ip, spec) for spec in specs]


def remove(
    state: State, _facts: Facts, *, queries: Sequence[EndpointQuery], if_exists: bool = False
) -> None:
    """Take mappings away by their endpoints, all or none. Raises NotFoundError."""
    keys: list[str] = []
    for query in queries:
        found = portallocator.match(query, state.mappings.rows)
        if found is not None:
            keys.append(found)
        elif not if_exists:
            raise _no_mapping(state, query)
    for key in dict.fromkeys(keys):
        state.mappings.drop(key)


def remove_all(state: State, _facts: Facts, *, target: str, if_exists: bool = False) -> None:
    """Take away every mapping of a target. Raises NotFoundError where there is no such target."""
    try:
        ip, _ = resolve(state, target)
    except NotFoundError:
        if if_exists:
            return
        raise
    drop_of(state, ip)


def drop_of(state: State, ip: str) -> None:
    """Drop every mapping to a container address."""
    for key in state.mappings_by_target.keys(ip):
        state.mappings.drop(key)


def resolve(state: State, target: str) -> tuple[str, Bridge]:
    """The address of a target, and its bridge. Raises NotFoundError."""
    if not names.reads_as_address(target):
        interface = find.interface(state, target)
        return interface.ip, state.bridges[interface.bridge]
    ip = address.parse(target)
    bridge = state.bridge_of(ip)
    if bridge is None:
        raise NotFoundError(f"{ip} is in no bridge's subnet", "dnet bridge list")
    return ip, bridge


def _resolve_taken(state: State, target: str) -> tuple[str, Bridge]:
    """Of a target that ports can be published of: an address that is free may be anybody's soon."""
    ip, bridge = resolve(state, target)
    if ip not in state.leases(bridge.name):
        raise NotFoundError(
            f"{ip} is not taken, so it could become somebody else's", f"dnet ip request --ip {ip}"
        )
    return ip, bridge


def _add_one(state: State, facts: Facts, bridge: Bridge, ip: str, spec: PublishSpec) -> Mapping:
    host_ip = spec.host_ip or bridge.binding_ip
    if family.of(host_ip) is not family.of(ip):
        raise find.without_ipv6(bridge, f"mapping on {host_ip}")
    interface = state.holder(ip)
    length = spec.end - spec.port + 1
    if spec.host_port is None or spec.picks_one:
        among = (spec.host_port, spec.host_end) if spec.host_port and spec.host_end else None
        port = portallocator.choose(
            state, facts, bridge, host_ip, spec.proto, length=length, among=among
        )[0]
        endpoint = Endpoint(host_ip, port, spec.proto, port + length - 1)
        return _put(state, Mapping(endpoint, ip, spec.port, bridge.name))
    endpoint = Endpoint(host_ip, spec.host_port, spec.proto, spec.host_port + length - 1)
    mapping = Mapping(endpoint, ip, spec.port, bridge.name)
    if state.mappings.get(mapping.key) == mapping:
        state.confirm()
        return mapping
    portallocator.claim(state, facts, endpoint, owner=interface.id if interface else None)
    return _put(state, mapping)


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
    holder = ports.find_holder(state, query.endpoint)
    if holder is not None and holder.kind == "mapping":
        return NotFoundError(
            f"{query} is part of the mapping {holder.key}, which goes whole",
            f"dnet map remove {holder.key}",
        )
    near = partial(nearby.endpoints, query, state.mappings)
    return NotFoundError(message, "dnet map list", near)
