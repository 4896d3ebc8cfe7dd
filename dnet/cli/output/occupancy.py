"""How full a bridge is: taken and free addresses, taken and free ports."""

from __future__ import annotations

from collections.abc import Iterator

from dnet.model.entities import Bridge
from dnet.model.ports import meet
from dnet.model.state import State
from dnet.network import ipallocator
from dnet.typing import TYPE_CHECKING, Any
from dnet.values.endpoint import Endpoint
from dnet.values.family import V4, V6, Family

if TYPE_CHECKING:
    from dnet.network.facts import Facts

Counts = dict[str, Any]


def of_bridge(state: State, facts: Facts, bridge: Bridge) -> Counts:
    """`addresses` and, by protocol, `ports`, each with how many are `taken` and `free`.

    `addresses6` are those of IPv6, None where the bridge has none.
    Free are addresses that can be had without asking by name, and ports of the dynamic range that
    nobody has from dnet; tcp is there always, other protocols once they are used.
    """
    ports = {proto: _ports(state, bridge, proto) for proto in _protocols(state, bridge)}
    addresses = _addresses(state, facts, bridge, V4)
    addresses6 = _addresses(state, facts, bridge, V6) if bridge.address6 else None
    return {"addresses": addresses, "addresses6": addresses6, "ports": ports}


def _addresses(state: State, facts: Facts, bridge: Bridge, of: Family) -> dict[str, int]:
    taken = len(state.leases(bridge.name, of))
    return {"taken": taken, "free": ipallocator.count_free(state, facts, bridge, of)}


def _protocols(state: State, bridge: Bridge) -> list[str]:
    used = {endpoint.proto for name, endpoint in _endpoints(state) if name == bridge.name}
    return ["tcp", *sorted(used - {"tcp"})]


def _ports(state: State, bridge: Bridge, proto: str) -> dict[str, int]:
    low, high = bridge.port_range
    busy: set[int] = set()
    taken: dict[str, set[int]] = {V4.any: set()}  # By address, whatever the family.
    for name, at in _endpoints(state):
        if at.proto != proto:
            continue
        if name == bridge.name:
            taken.setdefault(at.host_ip, set()).update(range(at.port, at.end + 1))
        if any(meet(at.host_ip, ip) for ip in bridge.binding_ips):
            busy.update(range(max(at.port, low), min(at.end, high) + 1))
    # What an id has reserved it may have mapped as well, on all addresses or on one of them.
    everywhere = taken.pop(V4.any)
    count = len(everywhere) + sum(len(ports - everywhere) for ports in taken.values())
    return {"taken": count, "free": high - low + 1 - len(busy)}


def _endpoints(state: State) -> Iterator[tuple[str, Endpoint]]:
    """Every taken port or range of ports, with the bridge it was taken for."""
    for reserved in state.reservations.values():
        for endpoint in reserved.endpoints:
            yield reserved.bridge, endpoint
    for mapped in state.mappings.values():
        yield mapped.bridge, mapped.endpoint
    for endpoint, link in state.link_endpoints():
        yield link.child_bridge, endpoint
