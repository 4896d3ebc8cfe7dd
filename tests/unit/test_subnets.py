"""What of the host's routes is in the way of a subnet, and what is said of one that overlaps."""

from __future__ import annotations

import pytest

from dnet.errors import ExhaustedError
from dnet.model.state import State
from dnet.network import bridge, ipallocator, subnets
from dnet.network.facts import Device, Route
from tests.unit.facts import FACTS, FakeFacts, make_bridge, snapshot

FIRST, SECOND = subnets.CANDIDATES[:2]
VPN = 52


@pytest.mark.parametrize(
    "halves",
    [
        ["0.0.0.0/0"],
        ["0.0.0.0/1", "128.0.0.0/1"],
        ["0.0.0.0/2", "64.0.0.0/2", "128.0.0.0/2", "192.0.0.0/2"],
        ["0.0.0.0/1", "128.0.0.0/3", "160.0.0.0/5", "168.0.0.0/6", "192.0.0.0/2"],
    ],
)
@pytest.mark.parametrize("table", [254, VPN])
def test_what_stands_for_a_default_route_is_in_nobody_s_way(halves: list[str], table: int) -> None:
    facts = FakeFacts(routes_there=[Route(one, "tun0", table=table) for one in halves])
    assert subnets.choose(State(), facts) == FIRST
    made = make_bridge(State(), "b", FIRST)
    assert not list(subnets.overlapped(State(), facts, made, made.subnets))


@pytest.mark.parametrize(
    ("route", "is_in_the_way"),
    [
        (Route("172.0.0.0/8", "eth0"), True),
        (Route("172.17.3.4/32", "wg0", table=VPN), True),
        (Route("172.17.3.4/32", "lo", "local", 255), True),
        # What no packet of the host's leaves to is nobody's, and a bridge's route wins …
        (Route("172.16.0.0/12", None, "blackhole"), False),
        (Route("172.16.0.0/12", "lo", "unreachable"), False),
        (Route("172.16.0.0/12", None, "prohibit", 253), False),
        # … unless it is as specific, or asked for before that.
        (Route("172.17.0.0/16", None, "blackhole"), True),
        (Route("172.17.8.0/26", None, "blackhole"), True),
        (Route("172.16.0.0/12", None, "unreachable", VPN), True),
        (Route("172.16.0.0/12", None, "prohibit", None), True),
    ],
)
def test_which_routes_are_in_the_way(route: Route, is_in_the_way: bool) -> None:
    facts = FakeFacts(routes_there=[route])
    assert subnets.choose(State(), facts) == (SECOND if is_in_the_way else FIRST)


def test_what_is_in_the_way_is_described_as_it_is_looked_up() -> None:
    there = [
        Route("10.0.0.0/8", "eth1"),
        Route("172.17.0.0/16", "wg0", table=51820),
        Route("172.16.42.7/32", "lo", "local", 255),
        Route("172.16.43.0/24", None, "blackhole"),
        Route("172.16.44.0/24", None, "prohibit", None),
        Route("192.168.0.0/16"),
    ]
    with pytest.raises(ExhaustedError) as error:
        subnets.choose(State(), FakeFacts(routes_there=there))
    assert error.value.hint == (
        "in the way: the route 172.17.0.0/16 dev wg0 table 51820, the route 10.0.0.0/8 dev eth1, "
        "the address 172.16.42.7 of lo, the route blackhole 172.16.43.0/24, "
        "the rule to 172.16.44.0/24 prohibit, the route 192.168.0.0/16; choose one with --address"
    )


# An address that is given


def given(facts: FakeFacts, address: str = "10.0.0.1/24", state: State | None = None) -> list[str]:
    state = state or State()
    bridge.init(state, facts, name="dnet0", options={"address": address})
    return state.remarks


@pytest.mark.parametrize(
    ("facts", "what"),
    [
        (FakeFacts(routes_there=[Route("10.0.0.0/24", "eth0")]), "the route 10.0.0.0/24 dev eth0"),
        (FakeFacts(routes_there=[Route("10.0.0.0/8", "eth0")]), "the route 10.0.0.0/8 dev eth0"),
        (
            FakeFacts(routes_there=[Route("10.0.0.9/32", "wg0", table=VPN)]),
            "the route 10.0.0.9/32 dev wg0 table 52",
        ),
        (FakeFacts(resolvers=["10.0.0.53"]), "the nameserver 10.0.0.53"),
        (
            FakeFacts(routes_there=[Route(f"10.0.0.{n}/32", "eth0") for n in range(9)]),
            "the route 10.0.0.0/32 dev eth0, the route 10.0.0.1/32 dev eth0, "
            "the route 10.0.0.2/32 dev eth0, others",
        ),
    ],
)
def test_a_network_that_is_overlapped_is_named(facts: FakeFacts, what: str) -> None:
    assert given(facts) == [
        f"10.0.0.0/24 of dnet0 overlaps {what}: an address in both leads to only one of them"
    ]


@pytest.mark.parametrize(
    "facts",
    [
        FACTS,
        FakeFacts(routes_there=["0.0.0.0/0", "0.0.0.0/1", "10.0.1.0/24"]),
        FakeFacts(routes_there=[Route("10.0.0.0/8", None, "blackhole")]),
        # What no container gets, and what answers at the bridge itself.
        FakeFacts(routes_there=[Route("10.0.0.9/32", "lo", "local", 255)]),
        FakeFacts(resolvers=["10.0.0.1", "127.0.0.53", "fe80::1"]),
    ],
)
def test_nothing_is_said_without_cause(facts: FakeFacts) -> None:
    assert given(facts) == []


def test_a_bridge_is_not_in_its_own_way() -> None:
    state = State()
    make_bridge(state, "dnet0", "10.0.0.1/24")
    state = State(snapshot(state))
    facts = FakeFacts(routes_there=[Route("10.0.0.0/24", "dnet0")])
    assert given(facts, "10.0.0.2/24", state) == []
    assert given(facts, "10.0.0.2/24", state) == []


def test_what_goes_in_the_same_change_is_in_nobody_s_way() -> None:
    state = State()
    make_bridge(state, "old", FIRST)
    state = State(snapshot(state))
    facts = FakeFacts(routes_there=[Route("172.17.0.0/16", "old")])
    bridge.init(state, facts, name="old", options={"address": "10.9.0.1/24"})
    assert given(facts, FIRST, state) == []
    state = State(snapshot(state))
    bridge.remove(state, facts, name="old")
    bridge.remove(state, facts, name="dnet0")
    facts = FakeFacts(routes_there=[Route("172.17.0.0/16", "dnet0"), Route("10.9.0.0/24", "old")])
    assert bridge.init(state, facts, name="new", options={}).address == FIRST


def test_an_adopted_device_s_network_is_no_news_and_stays_in_the_way() -> None:
    there = Device("br0", 5, "bridge", None, 1500, up=True, addresses=("10.0.0.1/24",))
    facts = FakeFacts(
        devices={"br0": there},
        routes_there=[Route("10.0.0.0/24", "br0"), Route("10.0.0.0/8", "br0")],
        resolvers=["10.0.0.2"],
    )
    state = State()
    bridge.init(state, facts, name="br0", options={})
    assert state.remarks == []
    state = State(snapshot(state))
    bridge.remove(state, facts, name="br0")
    assert "br0" in given(facts, "10.0.0.9/24", state)[0]


def test_what_is_said_is_taken_back_with_what_it_is_about() -> None:
    state, facts = State(), FakeFacts(routes_there=[Route("10.0.0.0/8", "eth0")])
    make_bridge(state, "other", "192.168.0.1/24")
    mark = state.mark()
    assert len(given(facts, state=state)) == 1
    state.undo(mark)
    assert state.remarks == []
    assert len(given(facts, "10.1.0.1/24", state)) == 1
    assert ipallocator.request(state, FACTS, bridge="dnet0") == ["10.1.0.2"]
