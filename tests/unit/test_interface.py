"""Interfaces: an id with its address, and all that goes when it goes."""

from __future__ import annotations

from typing import Any

import pytest

from dnet.errors import AddressInUseError, ConflictError, ExhaustedError, NotFoundError, UsageError
from dnet.model.entities import Interface
from dnet.model.state import State
from dnet.network import interface, ipallocator, link, portallocator, portmapper
from tests.unit.facts import FACTS, make_bridge, snapshot, specs, with_bridge


def allocate(state: State, interface_id: str, **arguments: Any) -> Interface:
    return interface.allocate(state, FACTS, interface_id=interface_id, **arguments)


def release(state: State, interface_id: str, *, if_exists: bool = False) -> None:
    interface.release(state, FACTS, ids=[interface_id], if_exists=if_exists)


def test_several_are_released_together_or_none() -> None:
    state = with_bridge()
    for name in ("web", "db", "cache"):
        allocate(state, name)
    link.add(state, FACTS, parent="web", child="db", ports=["80/tcp"])
    interface.release(state, FACTS, ids=["web", "db", "web"])
    assert list(state.interfaces) == ["cache"]
    mark = state.mark()
    with pytest.raises(NotFoundError, match="no interface web"):
        interface.release(state, FACTS, ids=["cache", "web"])
    state.undo(mark)
    interface.release(state, FACTS, ids=["web", "cache"], if_exists=True)
    assert list(state.interfaces) == []


def test_the_next_address_under_an_id() -> None:
    state = with_bridge("10.0.0.1/24")
    made = allocate(state, "web", expose=["53/udp", "80/tcp", "80/tcp"])
    assert made == Interface("web", "dnet0", "10.0.0.2", ("53/udp", "80/tcp"))
    assert state.leases("dnet0").rows == {"10.0.0.2": "web"}
    assert state.holder("10.0.0.2") == made
    assert allocate(state, "db").ip == "10.0.0.3"


def test_an_address_by_name() -> None:
    state = with_bridge("10.0.0.1/24")
    make_bridge(state, "other", "10.1.0.1/24")
    assert allocate(state, "web", ip="10.1.0.7").bridge == "other"
    assert allocate(state, "db", ip="10.0.0.7", bridge="dnet0").ip == "10.0.0.7"
    assert allocate(state, "cache", bridge="other").ip == "10.1.0.2"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"ip": "10.0.0.2"}, AddressInUseError),
        ({"ip": "10.0.0.1"}, AddressInUseError),
        ({"ip": "10.0.0.0"}, AddressInUseError),
        ({"ip": "10.0.0.7"}, AddressInUseError),
        ({"ip": "10.9.9.9"}, UsageError),
        ({"ip": "10.9.9.9", "bridge": "dnet0"}, UsageError),
        ({"bridge": "other"}, NotFoundError),
        ({"ip": "10.0.0.3", "bridge": "other"}, NotFoundError),
    ],
)
def test_what_is_refused_leaves_no_trace(arguments: dict[str, Any], error: type) -> None:
    state = with_bridge("10.0.0.1/29")
    allocate(state, "web")
    before = snapshot(state)
    with pytest.raises(error):
        allocate(state, "db", **arguments)
    assert snapshot(state) == before


def test_the_last_address_and_no_more() -> None:
    state = with_bridge("10.0.0.1/30")
    allocate(state, "web")
    with pytest.raises(ExhaustedError):
        allocate(state, "db")
    assert list(state.interfaces) == ["web"]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"bridge": "dnet0"},
        {"ip": "10.0.0.2"},
        {"expose": ["80/tcp", "53/udp"]},
        {"bridge": "dnet0", "ip": "10.0.0.2", "expose": ["53/udp", "80/tcp"]},
    ],
)
def test_the_same_again_is_the_same_interface(arguments: dict[str, Any]) -> None:
    state = with_bridge("10.0.0.1/24")
    made = allocate(state, "web", expose=["53/udp", "80/tcp"])
    again = State(snapshot(state))
    assert allocate(again, "web", **arguments) == made
    assert not again.changes()


@pytest.mark.parametrize(
    ("arguments", "has"),
    [
        ({"ip": "10.0.0.3"}, "with 10.0.0.2"),
        ({"bridge": "other"}, "on dnet0"),
        ({"expose": ["81/tcp"]}, "exposing 80/tcp"),
    ],
)
def test_the_same_id_with_other_arguments_is_a_conflict(
    arguments: dict[str, Any], has: str
) -> None:
    state = with_bridge("10.0.0.1/24")
    make_bridge(state, "other", "10.1.0.1/24")
    allocate(state, "web", bridge="dnet0", expose=["80/tcp"])
    before = snapshot(state)
    with pytest.raises(ConflictError, match=has) as error:
        allocate(state, "web", **arguments)
    assert error.value.hint == "to release it with everything it has: dnet interface release web"
    assert snapshot(state) == before


def test_release_takes_all_that_is_its_own_and_nothing_else() -> None:
    state = with_bridge("10.0.0.1/24")
    make_bridge(state, "other", "10.1.0.1/24")
    for name in ("db", "cache"):
        allocate(state, name, bridge="dnet0", expose=["80/tcp"])
    link.add(state, FACTS, parent="db", child="cache")
    portmapper.add(state, FACTS, target="db", specs=specs("5432:5432"))
    portallocator.allocate(state, FACTS, bridge="dnet0", owner="db", ports=(7000, 7000))
    portallocator.allocate(state, FACTS, bridge="dnet0", ports=(7001, 7001))
    before = snapshot(state)
    made = allocate(state, "web", bridge="dnet0", expose=["80/tcp"])
    portmapper.add(state, FACTS, target="web", specs=specs("8080:80", "9000-9009:1-10/udp"))
    portmapper.add(state, FACTS, target=made.ip, specs=specs("127.0.0.1:8081:80"))
    portallocator.allocate(state, FACTS, bridge="dnet0", owner="web", ports=(7002, 7002))
    portallocator.allocate(state, FACTS, bridge="other", owner="web", ports=(7003, 7003))
    for parent, child in (("web", "db"), ("cache", "web"), ("host", "web")):
        link.add(state, FACTS, parent=parent, child=child)
    release(state, "web")
    after = snapshot(state)
    assert after.pop("cursors") != before.pop("cursors")
    assert after == before


def test_release_forgets_the_id() -> None:
    """A second release must not take what now belongs to somebody else."""
    state = with_bridge("10.0.0.1/24", allocation="reuse")
    allocate(state, "web")
    release(state, "web")
    assert allocate(state, "db").ip == "10.0.0.2"
    with pytest.raises(NotFoundError, match="there is no interface web"):
        release(state, "web")
    release(state, "web", if_exists=True)
    assert state.leases("dnet0").rows == {"10.0.0.2": "db"}
    assert allocate(state, "web", expose=["80/tcp"]).ip == "10.0.0.3"


def test_an_address_requested_for_the_same_id_is_not_the_interface_s() -> None:
    state = with_bridge("10.0.0.1/24")
    ipallocator.request(state, FACTS, owner="web")
    allocate(state, "web")
    release(state, "web")
    assert state.leases("dnet0").rows == {"10.0.0.2": "web"}


def test_its_hardware_address_is_given_or_follows_from_its_address() -> None:
    assert Interface("web", "dnet0", "10.0.0.2").hardware_address == "02:42:0a:00:00:02"
    given = Interface("web", "dnet0", "10.0.0.2", mac="02:00:00:00:00:01")
    assert given.hardware_address == "02:00:00:00:00:01"
