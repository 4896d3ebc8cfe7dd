"""The names that a shell completes: which there are, and when there are others."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dnet.model.state import State
from dnet.network import bridge, interface, ipallocator, link, portallocator, portmapper
from dnet.store import nametext
from tests.unit.facts import FACTS, queries, snapshot, specs, with_bridge


def lab() -> State:
    """A state with something of everything, as it comes out of a store."""
    state = with_bridge()
    for name in ("web", "db"):
        interface.allocate(state, FACTS, interface_id=name, expose=["80/tcp"])
    ipallocator.request(state, FACTS, ip="172.17.0.9", owner="web")
    portmapper.add(state, FACTS, target="web", specs=specs("8080:80", "9000-9009:9000-9009/udp"))
    portallocator.allocate(state, FACTS, ports=(7000, 7000))
    link.add(state, FACTS, parent="web", child="db")
    link.add(state, FACTS, parent="host", child="db")
    return State(snapshot(state))


def test_the_lines_of_a_state() -> None:
    assert nametext.write(lab()).splitlines() == [
        "bridge dnet0",
        "id web",
        "id db",
        "address 172.17.0.9",
        "mapping 0.0.0.0:8080/tcp",
        "mapping 0.0.0.0:9000-9009/udp",
        "port 0.0.0.0:7000/tcp",
        "link web:db",
        "link host:db",
    ]
    assert nametext.write(State()) == ""


CHANGES: dict[str, Callable[[State], object]] = {
    "bridge": lambda state: bridge.init(
        state, FACTS, name="br1", options={"address": "10.5.0.1/24"}
    ),
    "interface": lambda state: interface.allocate(state, FACTS, interface_id="new"),
    "release": lambda state: interface.release(state, FACTS, ids=["db"]),
    "address": lambda state: ipallocator.request(state, FACTS),
    "mapping": lambda state: portmapper.add(state, FACTS, target="db", specs=specs("80")),
    "unmap": lambda state: portmapper.remove(state, FACTS, queries=queries("8080")),
    "port": lambda state: portallocator.allocate(state, FACTS),
    "link": lambda state: link.add(state, FACTS, parent="db", child="web"),
    "unlink": lambda state: link.remove(state, FACTS, parent="host", child="db"),
    "remove": lambda state: bridge.remove(state, FACTS, name="dnet0", force=True),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_name_that_comes_or_goes_is_noticed(name: str) -> None:
    state = lab()
    before = nametext.write(state)
    assert not nametext.differ(state.changes())
    CHANGES[name](state)
    assert nametext.differ(state.changes())
    assert nametext.write(state) != before


def test_what_lies_behind_a_name_is_not() -> None:
    state = lab()
    before = nametext.write(state)
    bridge.init(state, FACTS, name="dnet0", options={"icc": False})
    one = state.interfaces["web"]._replace(netns="blue", ifname="eth0", cookie=1)
    state.interfaces.put("web", one)
    assert state.changes()
    assert not nametext.differ(state.changes())
    assert nametext.write(state) == before
