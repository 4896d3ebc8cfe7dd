"""Who may use a mapping: what is typed, what it covers, and what becomes of a mapping."""

from __future__ import annotations

import pytest

from dnet.errors import UsageError
from dnet.model.state import State
from dnet.network import interface, portmapper
from dnet.plan.flows import ended, left_behind
from dnet.values import sources
from dnet.values.family import V4, V6
from tests.unit.facts import FakeFacts, snapshot, specs, with_bridge

FACTS = FakeFacts()
NEAR, FAR, NEAR6 = "192.0.2.0/24", "198.51.100.7/32", "2001:db8::/32"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("192.0.2.7", "192.0.2.7/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("2001:DB8:0::/48", "2001:db8::/48"),
        ("fd00::7", "fd00::7/128"),
        ("ANY", "any"),
    ],
)
def test_a_network_has_one_form(text: str, canonical: str) -> None:
    assert sources.parse(text) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "",
        "web",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "10.0.0.0/255.0.0.0",
        "fe80::1%eth0",
        "/8",
        "::ffff:10.0.0.1",
    ],
)
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        sources.parse(text)


def test_ipv4_written_as_ipv6_is_told_in_its_own_form() -> None:
    with pytest.raises(UsageError) as refused:
        sources.parse("::ffff:192.0.2.0/120")
    assert refused.value.hint == "give 192.0.2.0/24"
    assert sources.parse("::/0") == "::/0"
    assert sources.parse("::fffe:192.0.2.1")


def test_networks_are_kept_in_their_order_each_once() -> None:
    given = sources.given([NEAR6, FAR, NEAR, FAR])
    assert given == (NEAR, FAR, NEAR6)
    assert sources.given(["any"]) == ()
    assert sources.given([]) is None
    with pytest.raises(UsageError):
        sources.given(["any", NEAR])
    assert sources.of_family(given, V4) == (NEAR, FAR)
    assert sources.of_family((NEAR,), V6) == ("::1/128",)
    assert sources.of_family((), V6) == ()


@pytest.mark.parametrize(
    ("before", "after", "widens"),
    [
        ((), (), True),
        ((NEAR,), (), True),
        ((), (NEAR,), False),
        ((NEAR,), (NEAR, FAR), True),
        (("192.0.2.0/28",), (NEAR,), True),
        ((NEAR,), ("192.0.2.0/28",), False),
        (("0.0.0.0/0",), (NEAR6,), False),
    ],
)
def test_who_loses_nothing(before: tuple[str, ...], after: tuple[str, ...], widens: bool) -> None:
    assert sources.widens(before, after) is widens


def published(*networks: str) -> State:
    state = with_bridge()
    interface.allocate(state, FACTS, interface_id="web")
    portmapper.add(state, FACTS, target="web", specs=specs("53:53/udp"), sources=networks)
    return State(snapshot(state))


def test_a_store_without_is_as_it_was() -> None:
    assert snapshot(published())["schema"] == 1
    assert "sources" not in snapshot(published())["mappings"]["0.0.0.0:53/udp"]


def test_narrowing_ends_all_but_who_may_and_widening_nothing_that_is_translated() -> None:
    state = published()
    portmapper.add(state, FACTS, target="web", specs=specs("53:53/udp"), sources=(NEAR,))
    (flow,) = ended(state.changes(), state)
    assert [one.orig_src for one in flow.spared] == ["LOCAL", NEAR]
    assert flow.hold
    assert flow.shown.endswith(f"! -s LOCAL ! -s {NEAR}")
    state = published(NEAR)
    portmapper.add(state, FACTS, target="web", specs=specs("53:53/udp"), sources=(NEAR, FAR))
    (flow,) = ended(state.changes(), state)
    (spared,) = flow.spared
    assert spared.reply_src == "172.17.0.2"
    portmapper.add(state, FACTS, target="web", specs=specs("53:53/udp"))
    assert state.mappings["0.0.0.0:53/udp"].sources == (NEAR, FAR)


def test_what_came_in_while_a_command_was_killed_is_ended() -> None:
    assert next(iter(left_behind(published(), published(NEAR)))).spared
    assert not list(left_behind(published(NEAR), published(NEAR)))
