"""Addresses asked for by name, and given back.

The order they come in is a matter of the source's suite and of the properties.
"""

from __future__ import annotations

import pytest

from dnet.errors import AddressInUseError, ConflictError, ExhaustedError, NotFoundError, UsageError
from dnet.model.state import State
from dnet.network import bridge, interface, ipallocator, portallocator, portmapper
from tests.unit.facts import FACTS, FakeFacts, make_bridge, queries, snapshot, specs, with_bridge


def request(state: State, count: int = 1) -> list[str]:
    return ipallocator.request(state, FACTS, count=count)


def named(state: State, ip: str, owner: str | None = None) -> list[str]:
    return ipallocator.request(state, FACTS, ip=ip, owner=owner)


def release(state: State, *ips: str, if_exists: bool = False) -> None:
    ipallocator.release(state, FACTS, ips=ips, if_exists=if_exists)


@pytest.mark.parametrize(
    ("ip", "what"),
    [
        ("10.0.0.0", "network's own address"),
        ("10.0.0.1", "subnet's first address"),
        ("10.0.0.255", "broadcast address"),
        ("10.0.0.9", "address of dnet0 itself"),
    ],
)
def test_reserved_addresses_are_named(ip: str, what: str) -> None:
    with pytest.raises(AddressInUseError, match=f"{what}, which cannot be allocated"):
        named(with_bridge("10.0.0.9/24"), ip)


def on_a_network(*, adopted: bool) -> tuple[State, FakeFacts]:
    """A bridge, and a host with an address on its loopback, a gateway and two nameservers."""
    state = with_bridge("10.0.0.1/29")
    state.bridges.put("dnet0", state.bridges["dnet0"]._replace(adopted=adopted))
    facts = FakeFacts(
        addresses={"10.0.0.1": "dnet0", "10.0.0.3": "lo", "10.9.0.9": "eth0"},
        next_hops=["10.0.0.4", "192.0.2.1"],
        resolvers=["10.0.0.5", "127.0.0.53", "fe80::1"],
    )
    return state, facts


@pytest.mark.parametrize(
    ("adopted", "free"),
    [(True, ["10.0.0.2", "10.0.0.6"]), (False, ["10.0.0.2", *(f"10.0.0.{n}" for n in (4, 5, 6))])],
)
def test_what_the_host_has_or_needs_on_an_adopted_network_is_never_handed_out(
    adopted: bool, free: list[str]
) -> None:
    """On a bridge that dnet made, a gateway or a nameserver is somebody's container."""
    state, facts = on_a_network(adopted=adopted)
    home = state.bridges["dnet0"]
    assert list(ipallocator.available(state, facts, home)) == free
    assert ipallocator.count_free(state, facts, home) == len(free)
    assert ipallocator.request(state, facts, count=len(free)) == free
    with pytest.raises(ExhaustedError):
        ipallocator.request(state, facts)


@pytest.mark.parametrize(
    ("ip", "what"),
    [
        ("10.0.0.3", "an address of this host, on lo"),
        ("10.0.0.4", "a gateway of this host"),
        ("10.0.0.5", "a nameserver of this host"),
        ("10.0.0.1", "the address of dnet0 itself"),
    ],
)
def test_what_the_host_has_or_needs_is_refused_by_name(ip: str, what: str) -> None:
    state, facts = on_a_network(adopted=True)
    for ask in (
        lambda: ipallocator.request(state, facts, ip=ip),
        lambda: interface.allocate(state, facts, interface_id="web", ip=ip),
    ):
        with pytest.raises(AddressInUseError, match=f"{ip} is {what}, which cannot be allocated"):
            ask()
    assert not state.leases("dnet0")


def test_what_was_handed_out_before_the_host_had_it_stays_and_goes_as_ever() -> None:
    state, facts = on_a_network(adopted=True)
    named(state, "10.0.0.3", "web")
    assert ipallocator.count_free(state, facts, state.bridges["dnet0"]) == 2
    ipallocator.release(state, facts, ips=["10.0.0.3"])
    with pytest.raises(AddressInUseError):
        ipallocator.request(state, facts, ip="10.0.0.3")


def test_with_reuse_a_released_address_that_the_host_has_by_now_is_passed_over() -> None:
    state = with_bridge("10.0.0.1/29", allocation="reuse")
    request(state, 2)
    release(state, "10.0.0.2", "10.0.0.3")
    facts = FakeFacts(addresses={"10.0.0.2": "eth0"})
    assert ipallocator.request(state, facts, count=2) == ["10.0.0.3", "10.0.0.4"]


def test_a_taken_address_is_named_with_its_owner() -> None:
    state = with_bridge("10.0.0.1/24")
    named(state, "10.0.0.7", "web")
    named(state, "10.0.0.8")
    with pytest.raises(AddressInUseError, match=r"10\.0\.0\.7 is taken by web$"):
        named(state, "10.0.0.7")
    with pytest.raises(AddressInUseError, match=r"10\.0\.0\.8 is taken$"):
        named(state, "10.0.0.8")


def test_an_address_asked_for_by_name_is_never_handed_out_again() -> None:
    state = with_bridge("10.0.0.1/29")
    named(state, "10.0.0.4")
    assert request(state, 4) == ["10.0.0.2", "10.0.0.3", "10.0.0.5", "10.0.0.6"]


def test_by_name_it_may_lie_outside_of_the_range() -> None:
    state = with_bridge("10.0.0.1/24", range="10.0.0.128/30")
    assert named(state, "10.0.0.7") == ["10.0.0.7"]
    assert request(state, 4) == [f"10.0.0.{n}" for n in range(128, 132)]
    with pytest.raises(ExhaustedError, match=r"left on dnet0 \(10\.0\.0\.128/30\)"):
        request(state)


def test_a_range_may_hold_reserved_addresses_which_stay_so() -> None:
    state = with_bridge("10.0.0.2/24", range="10.0.0.0/30")
    assert request(state) == ["10.0.0.3"]
    with pytest.raises(ExhaustedError):
        request(state)


def test_another_range_goes_on_there() -> None:
    state = with_bridge("10.0.0.1/24")
    assert request(state) == ["10.0.0.2"]
    bridge.init(state, FACTS, options={"range": "10.0.0.64/26"})
    assert request(state) == ["10.0.0.64"]
    bridge.init(state, FACTS, options={"range": "10.0.0.0/26"})
    assert request(state) == ["10.0.0.3"]


def test_with_reuse_the_order_goes_on_after_the_highest_ever_used() -> None:
    state = with_bridge("10.0.0.1/29", allocation="reuse")
    named(state, "10.0.0.5")
    assert request(state, 2) == ["10.0.0.6", "10.0.0.2"]
    release(state, "10.0.0.6")
    assert request(state, 2) == ["10.0.0.6", "10.0.0.3"]


def test_with_reuse_one_released_outside_of_the_range_does_not_come_by_itself() -> None:
    state = with_bridge("10.0.0.1/24", allocation="reuse", range="10.0.0.128/30")
    named(state, "10.0.0.7")
    release(state, "10.0.0.7")
    assert request(state, 4) == [f"10.0.0.{n}" for n in range(128, 132)]
    with pytest.raises(ExhaustedError):
        request(state)


def test_a_policy_left_and_come_back_to_begins_anew() -> None:
    state = with_bridge("10.0.0.1/24", allocation="reuse")
    release(state, *request(state, 9))
    for policy in ("round-robin", "reuse"):
        bridge.init(state, FACTS, options={"allocation": policy})
    assert request(state) == ["10.0.0.2"]


@pytest.mark.parametrize("policy", ["round-robin", "reuse"])
def test_another_address_begins_anew_and_leaves_the_ports_where_they_are(policy: str) -> None:
    state = with_bridge("10.0.0.1/24", allocation=policy)
    release(state, *request(state, 9))
    portallocator.allocate(state, FACTS)
    portallocator.release(state, FACTS, queries=queries("49153"))
    bridge.init(state, FACTS, options={"address": "10.0.0.2/24"})
    assert request(state) == ["10.0.0.3"]
    assert portallocator.allocate(state, FACTS)[0].endpoint.port == 49154


def test_with_reuse_a_released_one_taken_by_name_is_no_longer_released() -> None:
    state = with_bridge("10.0.0.1/24", allocation="reuse")
    request(state, 4)
    release(state, "10.0.0.2", "10.0.0.3")
    named(state, "10.0.0.2")
    release(state, "10.0.0.2")
    named(state, "10.0.0.2")
    assert request(state, 2) == ["10.0.0.3", "10.0.0.6"]


def test_with_reuse_several_at_once_are_released_ones_and_then_others() -> None:
    state = with_bridge("10.0.0.1/29", allocation="reuse")
    request(state, 4)
    release(state, "10.0.0.4", "10.0.0.2")
    assert request(state, 3) == ["10.0.0.2", "10.0.0.4", "10.0.0.6"]
    release(state, "10.0.0.3")
    with pytest.raises(ExhaustedError):
        request(state, 2)


def test_a_name_and_a_number_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="exclude each other"):
        ipallocator.request(with_bridge(), FACTS, ip="172.17.0.9", count=2)


def test_release_is_all_or_none() -> None:
    state = with_bridge("10.0.0.1/24")
    request(state, 3)
    before = snapshot(state)
    for bad in ("10.0.0.200", "10.0.0.1", "192.0.2.1"):
        with pytest.raises(NotFoundError, match="is not taken"):
            release(state, "10.0.0.2", bad)
        assert snapshot(state) == before
    release(state, "10.0.0.2", "192.0.2.1", "10.0.0.200", "10.0.0.2", if_exists=True)
    assert list(state.leases("dnet0")) == ["10.0.0.3", "10.0.0.4"]


def test_releasing_what_was_never_taken_puts_nothing_into_the_pool() -> None:
    state = with_bridge("10.0.0.1/29", allocation="reuse")
    request(state)
    for ip in ("10.0.0.5", "10.0.0.1", "10.0.0.7"):
        release(state, ip, if_exists=True)
    assert request(state, 4) == [f"10.0.0.{n}" for n in range(3, 7)]


@pytest.mark.parametrize("if_exists", [False, True])
def test_what_others_hold_is_not_released_as_an_address(if_exists: bool) -> None:
    state = with_bridge("10.0.0.1/24")
    held = interface.allocate(state, FACTS, interface_id="web").ip
    (mapped,) = request(state)
    portmapper.add(state, FACTS, target=mapped, specs=specs("8080:80"))
    before = snapshot(state)
    with pytest.raises(ConflictError, match="belongs to the interface web") as error:
        release(state, held, if_exists=if_exists)
    assert error.value.hint == "dnet interface release web"
    with pytest.raises(ConflictError, match=r"is the target of 0\.0\.0\.0:8080/tcp") as error:
        release(state, mapped, if_exists=if_exists)
    assert error.value.hint == f"dnet map remove --all {mapped}"
    assert snapshot(state) == before


def test_each_bridge_has_addresses_of_its_own() -> None:
    state = with_bridge("10.0.0.1/24")
    make_bridge(state, "other", "10.1.0.1/24")
    assert ipallocator.request(state, FACTS, bridge="other", count=2) == ["10.1.0.2", "10.1.0.3"]
    assert ipallocator.request(state, FACTS, bridge="dnet0") == ["10.0.0.2"]
    assert named(state, "10.1.0.9") == ["10.1.0.9"]
    release(state, "10.1.0.2", "10.0.0.2")
    assert list(state.leases("other")) == ["10.1.0.3", "10.1.0.9"]
    assert not state.leases("dnet0")


def test_a_whole_subnet_at_once() -> None:
    state = with_bridge("172.17.42.1/16")
    taken = request(state, 65532)
    assert len(set(taken)) == 65532
    assert (taken[0], taken[-1]) == ("172.17.0.2", "172.17.255.254")
    assert "172.17.42.1" not in taken
    with pytest.raises(ExhaustedError):
        request(state)
    release(state, "172.17.9.9")
    assert request(state) == ["172.17.9.9"]


def test_available_addresses() -> None:
    state = with_bridge("10.0.0.3/29")
    request(state)
    listed = ipallocator.available(state, FACTS, state.bridges["dnet0"])
    assert list(listed) == ["10.0.0.4", "10.0.0.5", "10.0.0.6"]
