"""How full a bridge is."""

from __future__ import annotations

import pytest

from dnet.cli.output import occupancy
from dnet.model.state import State
from dnet.network import bridge, interface, ipallocator, portallocator, portmapper
from tests.unit.facts import FACTS, specs


def made(**options: object) -> State:
    state = State()
    bridge.init(state, FACTS, options={"address": "10.5.0.1/24", **options})
    interface.allocate(state, FACTS, interface_id="web")
    return state


@pytest.mark.parametrize("pool", [None, "10.5.0.0/28", "10.5.0.64/28", "10.5.0.248/29"])
def test_free_addresses_are_those_that_are_available(pool: str | None) -> None:
    state = made(range=pool)
    ipallocator.request(state, FACTS, ip="10.5.0.200")
    ipallocator.request(state, FACTS, ip="10.5.0.66" if pool == "10.5.0.64/28" else "10.5.0.3")
    home = state.bridges["dnet0"]
    counts = occupancy.of_bridge(state, FACTS, home)["addresses"]
    assert counts == {"taken": 3, "free": len(list(ipallocator.available(state, FACTS, home)))}


def test_ports_are_counted_by_protocol_and_free_ones_in_the_dynamic_range() -> None:
    state = made(port_range=(50000, 50009))
    portmapper.add(state, FACTS, target="web", specs=specs("80", "8080:80", "50008-50012:1-5/udp"))
    portallocator.allocate(state, FACTS, owner="web")
    assert occupancy.of_bridge(state, FACTS, state.bridges["dnet0"])["ports"] == {
        "tcp": {"taken": 3, "free": 8},
        "udp": {"taken": 5, "free": 8},
    }


def test_a_port_that_is_reserved_and_mapped_by_its_owner_is_one() -> None:
    state = made(port_range=(50000, 50009))
    for port in (8005, 8080, 9000):
        portallocator.allocate(state, FACTS, ports=(port, port), owner="web")
    wanted = specs("8000-8025:8000-8025", "127.0.0.1:8080:80", "127.0.0.2:8081:81")
    portmapper.add(state, FACTS, target="web", specs=[*wanted, *specs("127.0.0.3:8081:81")])
    assert occupancy.of_bridge(state, FACTS, state.bridges["dnet0"])["ports"] == {
        "tcp": {"taken": 26 + 1 + 1 + 2, "free": 10}
    }


def test_a_port_of_another_address_is_free_and_one_of_another_bridge_is_not() -> None:
    state = made(binding_ip="10.99.0.1", port_range=(50000, 50009))
    second = {"address": "10.6.0.1/24", "chain": "SECOND"}
    bridge.init(state, FACTS, name="dnet1", options=second)
    for at in ("10.99.0.2", "0.0.0.0"):
        port = 50001 if at == "0.0.0.0" else 50002
        portallocator.allocate(state, FACTS, bridge="dnet1", host_ip=at, ports=(port, port))
    assert occupancy.of_bridge(state, FACTS, state.bridges["dnet0"])["ports"] == {
        "tcp": {"taken": 0, "free": 9}
    }
