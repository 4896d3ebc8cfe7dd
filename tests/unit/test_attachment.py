"""Attaching: whose hardware address, and for how many a bridge has room."""

from __future__ import annotations

from typing import Any

import pytest

from dnet.errors import ConflictError, ExhaustedError
from dnet.model.entities import Interface
from dnet.model.state import State
from dnet.network import attachment, bridgeports, interface, ipallocator
from dnet.network.attachment import Wiring
from dnet.network.facts import Namespace
from tests.unit.facts import FACTS, FakeFacts, make_bridge, snapshot, with_bridge

HERE = {name: Namespace(name, f"/run/netns/{name}", 7) for name in "abcdef"}
CONTAINERS = FakeFacts(namespaces=HERE)
THIRD = "02:42:0a:00:00:03"
"""What belongs to the second address that is handed out, 10.0.0.3."""


def attach(
    state: State, one: str, *, facts: FakeFacts = CONTAINERS, mac: str | None = None, **given: Any
) -> Interface:
    wiring = Wiring("a", ifname=one, mac=mac)
    return attachment.attach(state, facts, interface_id=one, wiring=wiring, **given)


def refusal(state: State, one: str, **given: Any) -> str:
    mark, before = state.mark(), snapshot(state)
    with pytest.raises(ConflictError) as error:
        attach(state, one, **given)
    state.undo(mark)
    assert snapshot(state) == before
    return f"{error.value}; {error.value.hint}"


# Hardware addresses


def test_one_that_a_sibling_was_given_is_refused_in_both_directions() -> None:
    state = with_bridge("10.0.0.1/24")
    attach(state, "chosen", mac=THIRD)
    by_address = f"{THIRD} is the MAC of chosen; choose another one with --mac"
    assert refusal(state, "b", ip="10.0.0.3") == by_address
    assert refusal(state, "b", mac=THIRD).startswith(f"{THIRD} is the MAC of chosen; choose")
    assert attach(state, "b", ip="10.0.0.3", mac="02:00:00:00:00:01").mac == "02:00:00:00:00:01"
    assert refusal(state, "c", mac="02:00:00:00:00:01").startswith("02:00:00:00:00:01 is the MAC")
    attach(state, "c", ip="10.0.0.9")
    assert "is the MAC of c;" in refusal(state, "d", mac="02:42:0a:00:00:09")


def test_an_address_whose_own_is_given_away_is_passed_over() -> None:
    state = with_bridge("10.0.0.1/29")
    attach(state, "a", mac=THIRD)
    home = state.bridges["dnet0"]
    assert list(ipallocator.available(state, FACTS, home)) == [f"10.0.0.{n}" for n in (4, 5, 6)]
    assert ipallocator.count_free(state, FACTS, home) == 3
    assert [attach(state, one).ip for one in "bcd"] == ["10.0.0.4", "10.0.0.5", "10.0.0.6"]
    with pytest.raises(ExhaustedError):
        attach(state, "e")
    interface.release(state, FACTS, ids=["a"])
    # Its turn comes again.
    assert [attach(state, one).ip for one in "ef"] == ["10.0.0.2", "10.0.0.3"]


def test_it_may_be_given_by_name_to_who_has_one_of_another_s() -> None:
    state = with_bridge("10.0.0.1/24")
    attach(state, "a", mac=THIRD)
    interface.allocate(state, FACTS, interface_id="b", ip="10.0.0.3")
    assert "is the MAC of a;" in refusal(state, "b")
    # A sibling on another bridge is no sibling.
    make_bridge(state, "other", "10.1.0.1/24")
    assert attach(state, "c", bridge="other", mac=THIRD).mac == THIRD


def test_the_bridge_s_own_is_refused() -> None:
    state = with_bridge("10.0.0.1/24")
    own = "02:42:0a:00:00:01 is the MAC of dnet0 itself; choose another one, or none, with --mac"
    assert refusal(state, "a", mac="02:42:0a:00:00:01") == own


def test_an_adopted_bridge_s_own_is_the_one_it_has() -> None:
    state = with_bridge("10.0.0.1/24")
    state.bridges.put("dnet0", state.bridges["dnet0"]._replace(adopted=True))
    facts = FakeFacts(namespaces=HERE, macs={"dnet0": "02:42:0a:00:00:02"})
    assert "is the MAC of dnet0 itself" in refusal(state, "a", facts=facts, ip="10.0.0.2")
    assert attach(state, "a", facts=facts).ip == "10.0.0.3"
    assert attach(state, "b", facts=facts, mac="02:42:0a:00:00:01").ip == "10.0.0.4"


def test_the_same_attachment_again_is_not_compared_with_anybody() -> None:
    """It is there, and has to be mended where it came loose, whoever has its address besides."""
    state = with_bridge("10.0.0.1/24")
    attach(state, "a")
    attach(state, "b", mac=THIRD.replace("03", "09"))
    row = state.interfaces["b"]._replace(mac="02:42:0a:00:00:02")
    state.interfaces.put("b", row)
    for one in ("a", "b"):
        attach(state, one)
    assert state.replug == {"a", "b"}


# The ports of a bridge


FULL = [f"tap{n}" for n in range(bridgeports.MOST)]


def full_but_for(number: int, *more: str) -> FakeFacts:
    return FakeFacts(namespaces=HERE, ports={"dnet0": [*FULL[number:], *more]})


def test_a_bridge_that_is_full_takes_no_more() -> None:
    state = with_bridge("10.0.0.1/16")
    facts = full_but_for(2)
    attach(state, "a", facts=facts)
    attach(state, "b", facts=facts)
    mark, before = state.mark(), snapshot(state)
    with pytest.raises(ExhaustedError, match="dnet0 has 1,023 ports, the most"):
        attach(state, "c", facts=facts)
    state.undo(mark)
    assert snapshot(state) == before
    # Others have room, and so has it once one has gone.
    make_bridge(state, "other", "10.1.0.1/24")
    attach(state, "c", facts=facts, bridge="other")
    interface.release(state, facts, ids=["a"])
    attach(state, "d", facts=facts, bridge="dnet0")
    with pytest.raises(ExhaustedError):
        attach(state, "e", facts=facts, bridge="dnet0")


def test_what_goes_in_the_same_change_makes_room() -> None:
    state = with_bridge("10.0.0.1/16")
    for one in "abc":
        attach(state, one)
    state = State(snapshot(state))
    facts = full_but_for(3, "a-port", "b-port", "c-port")
    interface.release(state, facts, ids=["a", "b"])
    attach(state, "d", facts=facts)
    attach(state, "e", facts=facts)
    with pytest.raises(ExhaustedError):
        attach(state, "f", facts=facts)


def test_who_is_unplugged_takes_no_room_until_attached_again() -> None:
    state = with_bridge("10.0.0.1/16")
    for one in "abc":
        attach(state, one)
    state = State(snapshot(state))
    facts = full_but_for(2, "a-port")  # The namespaces of b and c are gone.
    mark = state.mark()
    attach(state, "d", facts=facts)
    state.undo(mark)
    interface.release(state, facts, ids=["c"])
    state.undo(mark)
    wiring = Wiring("b", ifname="b")
    attachment.attach(state, facts, interface_id="b", wiring=wiring)
    with pytest.raises(ExhaustedError):
        attach(state, "d", facts=facts)
