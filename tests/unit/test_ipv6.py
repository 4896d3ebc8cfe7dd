"""IPv6 of bridges and interfaces: which subnet, which address, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dnet.cli.output import views
from dnet.errors import (
    AddressInUseError,
    ConflictError,
    ExhaustedError,
    KernelError,
    StateUnreadableError,
    UsageError,
)
from dnet.model import fields
from dnet.model.entities import Bridge, Mapping
from dnet.model.state import State
from dnet.network import bridge, interface, ipallocator, link
from dnet.network.facts import Device, Route
from dnet.store import document as documents
from dnet.store import integrity, nametext
from dnet.values import address6
from dnet.values.endpoint import Endpoint
from dnet.values.family import V6
from tests.unit.facts import FACTS, FakeFacts, make_bridge, snapshot, with_bridge

SITE = "fd12:3456:789a::/48"
OWN = "fd00:1::1/64"
BR0 = Device("br0", 7, "bridge", "02:00:00:00:00:07", 1500, up=True, addresses=("10.7.0.1/24",))


class Unseen:
    """Nobody looks at the kernel."""

    def of_bridge(self, _: Any) -> None:
        return None

    def of_interface(self, _: Any) -> None:
        return None


def init(state: State, facts: FakeFacts = FACTS, name: str = "dnet0", **options: Any) -> Bridge:
    return bridge.init(state, facts, name=name, options=options)


def dual(address: str = "10.0.0.1/24", address6: str = OWN, **options: Any) -> State:
    return with_bridge(address, address6=address6, **options)


def allocate(state: State, name: str, **options: Any) -> tuple[str, str | None]:
    made = interface.allocate(state, FACTS, interface_id=name, **options)
    return made.ip, made.ip6


def requested(state: State, **options: Any) -> list[str]:
    return ipallocator.request(state, FACTS, ipv6=True, **options)


def refused(state: State, error: type[Exception], **options: Any) -> str:
    """The message of a refused init, which leaves the state as it was."""
    before = snapshot(state)
    with pytest.raises(error) as caught:
        init(state, **options)
    assert snapshot(state) == before
    return str(caught.value)


# Which subnet


def test_each_bridge_has_the_next_subnet_of_one_site() -> None:
    state = State()
    made = [
        init(state, name=f"br{number}", address=f"10.0.{number}.1/24", ipv6=True).address6
        for number in range(3)
    ]
    assert made == [
        "fd12:3456:789a::1/64",
        "fd12:3456:789a:1::1/64",
        "fd12:3456:789a:2::1/64",
    ]
    assert state.site6 == SITE
    bridge.remove(state, FACTS, name="br1")
    assert init(state, name="br9", address="10.0.9.1/24", ipv6=True).address6 == made[1]


def test_the_site_outlives_its_bridges_and_a_store() -> None:
    state = State()
    init(state, ipv6=True)
    bridge.remove(state, FACTS, name="dnet0")
    again = documents.read(documents.write(state))

    assert init(again, FakeFacts(global_id=7), ipv6=True).address6 == "fd12:3456:789a::1/64"


def test_a_site_that_was_not_needed_is_not_kept() -> None:
    state = State()
    init(state, address6="fd77::1/64")
    assert state.site6 is None
    assert "settings" not in state.document()


@pytest.mark.parametrize(
    ("route", "number"),
    [
        (Route("fd12:3456:789a::/64", "wg0"), 1),
        (Route("fd12:3456:789a::5/128", "wg0"), 1),
        (Route("fd12:3456:789a::/62", "wg0"), 4),
        (Route("fd12:3456:789a:1::/64", "wg0"), 0),
        # What is wider than any site goes the way of a default route.
        (Route("fd00::/8", "wg0"), 0),
        (Route("::/0", "eth0"), 0),
        # A delegating router refuses what it has not given away.
        (Route(SITE, None, "unreachable"), 0),
    ],
)
def test_what_a_route_leads_to_is_passed_over(route: Route, number: int) -> None:
    made = init(State(), FakeFacts(routes_there=[route]), ipv6=True)
    assert made.address6 == address6.gateway(SITE, number)


def test_no_subnet_is_left() -> None:
    facts = FakeFacts(routes_there=[Route(SITE, "wg0")])
    with pytest.raises(ExhaustedError, match="no IPv6 subnet is free") as caught:
        init(State(), facts, ipv6=True)
    assert "--address6" in str(caught.value.hint)


def test_what_a_given_subnet_overlaps_is_told_and_another_bridge_s_is_refused() -> None:
    state = State()
    facts = FakeFacts(routes_there=[Route("2001:db8::/56", "eth0")])
    init(state, facts, address="10.0.0.1/24", address6="2001:db8::1/64")
    (told,) = state.remarks
    assert "2001:db8::/64 of dnet0 overlaps the route 2001:db8::/56 dev eth0" in told
    message = refused(
        state, ConflictError, name="two", address="10.0.1.1/24", address6="2001:db8:0:0:1::1/80"
    )
    assert "overlaps the subnet 2001:db8::/64 of dnet0" in message


# Its options


def test_masquerading_follows_the_kind_of_prefix_unless_it_is_said() -> None:
    def masquerades(**options: Any) -> bool:
        subnet = init(State(), **options).subnet_of(V6)
        assert subnet is not None
        return subnet.masquerade

    assert masquerades(ipv6=True)
    assert masquerades(address6="fd00::1/64")
    assert not masquerades(address6="2001:db8::1/64")
    assert masquerades(address6="2001:db8::1/64", masquerade6=True)
    assert not masquerades(ipv6=True, masquerade6=False)


def test_ipv6_comes_and_goes_with_an_option() -> None:
    state = with_bridge("10.0.0.1/24")
    before = documents.write(state)
    made = init(state, ipv6=True)
    assert made.address6 == "fd12:3456:789a::1/64"
    assert init(state, ipv6=True) == made
    assert init(state, mtu=1400) == made._replace(mtu=1400)
    gone = init(state, ipv6=False, mtu=1500)
    state.settings.drop("site6")
    assert gone.address6 is None
    assert documents.write(state) == before


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"ipv6": True, "mtu": 1279}, "an MTU of at least 1280"),
        ({"ipv6": False, "address6": OWN}, "exclude each other"),
        ({"ipv6": False, "masquerade6": True}, "exclude each other"),
        ({"range6": "fd00:1::/80"}, "no IPv6"),
        ({"masquerade6": False}, "no IPv6"),
        ({"address6": OWN, "range6": "fd00:2::/80"}, "--range6: range .* is not inside"),
    ],
)
def test_what_does_not_go_together(options: dict[str, Any], reason: str) -> None:
    for state in (State(), with_bridge("10.0.0.1/24")):
        with pytest.raises(UsageError, match=reason) as caught:
            init(state, **options)
        assert caught.value.hint
        assert state.site6 is None


def test_an_mtu_that_would_cost_the_bridge_its_ipv6_is_refused_later_too() -> None:
    assert "1280" in refused(dual(), UsageError, mtu=1000)


def test_a_kernel_without_ipv6_refuses_that_alone() -> None:
    facts = FakeFacts(lacks_ipv6=True)
    with pytest.raises(KernelError, match="the kernel has none") as caught:
        init(State(), facts, ipv6=True)
    assert caught.value.hint == "another kernel"
    assert init(State(), facts).address6 is None
    assert init(dual(), facts, mtu=1400).address6 == OWN


def test_what_is_in_use_keeps_its_subnet() -> None:
    state = dual()
    requested(state)
    assert "it still has fd00:1::2" in refused(state, ConflictError, ipv6=False)
    assert "it still has fd00:1::2" in refused(state, ConflictError, address6="fd00:2::1/64")
    allocate(state, "web")
    assert "and 1 more" in refused(state, ConflictError, ipv6=False)
    bare = dual()
    mapping = Mapping(Endpoint.single("::1", 80, "tcp"), "10.0.0.2", 80, "dnet0")
    bare.mappings.put(mapping.key, mapping)
    assert "[::1]:80/tcp" in refused(bare, ConflictError, ipv6=False)


def test_an_adopted_device_needs_an_address_of_its_own_and_keeps_others_to_itself() -> None:
    facts = FakeFacts(
        devices={"br0": BR0}, addresses6={"br0": ["2001:db8::1/64", "2001:db8::9/64"]}
    )
    state = State()
    made = init(state, facts, name="br0", ipv6=True)
    assert (made.address6, made.other_ips) == ("2001:db8::1/64", ("2001:db8::9",))
    with pytest.raises(AddressInUseError, match="another address of br0"):
        requested(state, ip="2001:db8::9")
    integrity.verify(snapshot(state))
    late = State()
    init(late, facts, name="br0")
    assert init(late, facts, name="br0", ipv6=True).other_ips == made.other_ips
    with pytest.raises(ConflictError, match="no IPv6 address except link-local ones") as caught:
        init(State(), FakeFacts(devices={"br0": BR0}), name="br0", ipv6=True)
    assert "nodad" in str(caught.value.hint)


# Addresses


def test_an_interface_has_both_at_the_same_place() -> None:
    state = dual("172.17.42.1/16")
    assert allocate(state, "a") == ("172.17.0.2", "fd00:1::2")
    assert allocate(state, "b", ip="172.17.1.16") == ("172.17.1.16", "fd00:1::110")
    assert allocate(state, "c", ip6="fd00:1::dead:beef") == ("172.17.0.3", "fd00:1::dead:beef")
    assert state.leases("dnet0", V6).rows == {
        "fd00:1::2": "a",
        "fd00:1::110": "b",
        "fd00:1::dead:beef": "c",
    }
    holder = state.holder("fd00:1::110")
    assert holder is not None
    assert holder.id == "b"
    integrity.verify(snapshot(state))


def test_that_place_may_be_either_end_of_the_range() -> None:
    state = dual(range6="fd00:1::4/126")
    assert allocate(state, "between", ip="10.0.0.5")[1] == "fd00:1::5"
    assert allocate(state, "first", ip="10.0.0.4")[1] == "fd00:1::4"
    assert allocate(state, "last", ip="10.0.0.7")[1] == "fd00:1::7"


def test_where_that_place_cannot_be_it_is_the_next_free_one() -> None:
    state = dual("10.0.0.9/8", address6="fd00:1::2/64")
    # The bridge has ::2 itself.
    assert allocate(state, "a", ip="10.0.0.2") == ("10.0.0.2", "fd00:1::3")
    assert allocate(state, "b", ip="10.0.0.3") == ("10.0.0.3", "fd00:1::4")
    # No more than the first /112 can be listed.
    assert allocate(state, "c", ip="10.1.0.5") == ("10.1.0.5", "fd00:1::5")
    part = dual(range6="fd00:1::100/120")
    assert allocate(part, "a", ip="10.0.0.5") == ("10.0.0.5", "fd00:1::100")


def test_what_was_made_before_gets_its_address_when_it_is_asked_for_again() -> None:
    state = with_bridge("10.0.0.1/24")
    assert allocate(state, "a") == ("10.0.0.2", None)
    init(state, address6=OWN)
    assert allocate(state, "a") == ("10.0.0.2", "fd00:1::2")
    mark = state.mark()
    assert allocate(state, "a", ip6="fd00:1::2") == ("10.0.0.2", "fd00:1::2")
    assert state.mark() == mark
    with pytest.raises(ConflictError, match="already exists, with fd00:1::2"):
        allocate(state, "a", ip6="fd00:1::7")


def test_an_interface_gives_both_back() -> None:
    state = dual(allocation="reuse")
    allocate(state, "a")
    allocate(state, "b")
    interface.release(state, FACTS, ids=["a"])
    assert list(state.leases("dnet0", V6)) == ["fd00:1::3"]
    assert list(state.released("dnet0", V6)) == ["fd00:1::2"]
    integrity.verify(snapshot(state))
    assert requested(state) == ["fd00:1::2"]
    assert not list(state.released("dnet0", V6))


def test_each_family_has_an_order_of_its_own() -> None:
    state = dual()
    assert requested(state, count=2) == ["fd00:1::2", "fd00:1::3"]
    ipallocator.release(state, FACTS, ips=["fd00:1::2"])
    assert requested(state) == ["fd00:1::4"]
    assert ipallocator.request(state, FACTS) == ["10.0.0.2"]
    # An address that comes with one of IPv4 rests as any other once it is given back.
    assert allocate(state, "a", ip="10.0.0.9")[1] == "fd00:1::9"
    interface.release(state, FACTS, ids=["a"])
    assert requested(state) == ["fd00:1::a"]


def test_a_change_of_one_subnet_leaves_the_order_of_the_other() -> None:
    state = with_bridge("10.0.0.1/24", allocation="reuse")
    for name in ("a", "b"):
        allocate(state, name)
    interface.release(state, FACTS, ids=["a"])
    init(state, address6=OWN)
    assert list(state.released("dnet0")) == ["10.0.0.2"]
    init(state, ipv6=False)
    assert list(state.released("dnet0")) == ["10.0.0.2"]


def test_the_smallest_subnet_has_two_for_containers() -> None:
    state = dual(address6="fd00:1::1/126")
    home = state.bridges["dnet0"]
    assert list(ipallocator.available(state, FACTS, home, V6)) == ["fd00:1::2", "fd00:1::3"]
    assert ipallocator.count_free(state, FACTS, home, V6) == 2
    requested(state, count=2)
    with pytest.raises(ExhaustedError, match=r"left on dnet0 \(fd00:1::/126\)"):
        requested(state)
    with pytest.raises(ExhaustedError):
        allocate(state, "a")


@pytest.mark.parametrize("length", [48, 64, 112])
def test_what_is_free_can_be_listed_and_counted(length: int) -> None:
    state = dual(address6=f"fd00:1::1/{length}")
    home = state.bridges["dnet0"]
    free = list(ipallocator.available(state, FACTS, home, V6))
    assert len(free) == ipallocator.count_free(state, FACTS, home, V6) == (1 << 16) - 2
    assert (free[0], free[-1]) == ("fd00:1::2", "fd00:1::ffff")


@pytest.mark.parametrize("ip", ["fd00:1::", "fd00:1::1", "fd00:1::77"])
def test_what_nobody_gets(ip: str) -> None:
    facts = FakeFacts(addresses={"fd00:1::77": "eth0"})
    with pytest.raises(AddressInUseError, match="cannot be allocated"):
        ipallocator.request(dual(), facts, ip=ip)


def test_what_is_asked_for_where_it_cannot_be() -> None:
    state = with_bridge("10.0.0.1/24")
    with pytest.raises(UsageError, match="dnet0 has no IPv6") as caught:
        requested(state)
    assert caught.value.hint == "dnet bridge init dnet0 --ipv6"
    for options in ({"ip": "fd00:1::2"}, {"ip": "10.0.0.2"}):
        with pytest.raises(UsageError):
            requested(state, **options)
    with pytest.raises(UsageError, match="no IPv6"):
        allocate(state, "a", ip6="fd00:1::2")
    both = dual()
    make_bridge(both, "two", "10.0.1.1/24", address6="fd00:2::1/64")
    with pytest.raises(UsageError, match="not in two's subnet fd00:2::/64"):
        allocate(both, "a", ip="10.0.1.5", ip6="fd00:1::5")
    assert allocate(both, "b", ip6="fd00:2::5") == ("10.0.1.2", "fd00:2::5")


def test_a_bridge_that_goes_takes_what_is_taken_along() -> None:
    state = dual(allocation="reuse")
    requested(state, count=2)
    ipallocator.release(state, FACTS, ips=["fd00:1::2"])
    allocate(state, "a")
    bridge.remove(state, FACTS, name="dnet0", force=True)
    assert state.document() == State().document() | {"serial": 0}


# What is told


def test_what_is_told_of_it() -> None:
    state = dual(address6="2001:db8::1/64")
    for name in ("web", "db"):
        interface.allocate(state, FACTS, interface_id=name, expose=["80/tcp"])
    link.add(state, FACTS, parent="web", child="db")
    link.add(state, FACTS, parent="host", child="db")
    whole = views.inventory(state, Unseen())
    (told,) = whole["bridges"]
    assert {key: told[key] for key in sorted(views.OF_IPV6 & told.keys())} == {
        "address6": "2001:db8::1/64",
        "binding_ip6": "::",
        "gateway6": "2001:db8::1",
        "ipv6": True,
        "masquerade6": False,
        "range6": None,
        "subnet6": "2001:db8::/64",
    }
    web = whole["interfaces"][0]
    assert (web["ip6"], web["prefix_len6"], web["gateway6"]) == (
        *("2001:db8::2", 64),
        "2001:db8::1",
    )
    ends = [(one["parent_ip6"], one["child_ip6"]) for one in whole["links"]]
    assert ends == [("2001:db8::2", "2001:db8::3"), ("::1", "2001:db8::3")]
    assert [one["ip"] for one in whole["addresses"]] == [
        *("10.0.0.2", "10.0.0.3"),
        *("2001:db8::2", "2001:db8::3"),
    ]


def test_without_it_all_that_is_told_is_null() -> None:
    state = with_bridge("10.0.0.1/24")
    for name in ("web", "db"):
        interface.allocate(state, FACTS, interface_id=name, expose=["80/tcp"])
    link.add(state, FACTS, parent="host", child="db")
    whole = views.inventory(state, Unseen())
    told = [*whole["bridges"], *whole["interfaces"], *whole["links"]]
    values = {item[key] for item in told for key in item if key.endswith("6")}
    assert values == {None, False}


def test_names_for_the_shell() -> None:
    state = dual()
    allocate(state, "web")
    requested(state)
    assert "address fd00:1::3\n" in nametext.write(state)
    assert "fd00:1::2" not in nametext.write(state)


# The store


def furnished() -> dict[str, Any]:
    state = dual(allocation="reuse", range6="fd00:1::/120", masquerade6=False)
    init(state, name="auto", address="10.0.1.1/24", ipv6=True)
    allocate(state, "web", bridge="dnet0")
    allocate(state, "old", bridge="dnet0")
    requested(state, bridge="dnet0")
    interface.release(state, FACTS, ids=["old"])
    requested(state, bridge="auto")
    document: dict[str, Any] = snapshot(state)
    return document


def test_a_store_with_it_is_one_of_a_newer_version_and_comes_back_whole() -> None:
    document = furnished()
    assert document["schema"] == 3
    integrity.verify(document)
    state = State(document)
    assert documents.read(documents.write(state)).document() == state.document()


def test_a_store_without_it_is_the_one_of_before() -> None:
    state = with_bridge("10.0.0.1/24", allocation="reuse")
    for name in ("a", "b"):
        allocate(state, name)
    interface.release(state, FACTS, ids=["a"])
    document = state.document()
    assert document["schema"] == fields.FIRST
    assert '6"' not in json.dumps(document)


def damaged(*path: str, value: Any) -> dict[str, Any]:
    document = furnished()
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (damaged("settings", "site6", value="fd00::1/48"), "site6 is not a unique local /48"),
        (damaged("settings", "site6", value="2001:db8::/48"), "site6 is not a unique local /48"),
        (damaged("bridges", "dnet0", "address6", value="FD00:1::1/64"), "address6 is not"),
        (damaged("bridges", "dnet0", "address6", value="fd00:1::1/127"), "address6 is not"),
        (damaged("bridges", "dnet0", "address6", value=None), "has no IPv6|without address6"),
        (damaged("bridges", "dnet0", "range6", value="fd00:2::/64"), "not inside"),
        (damaged("bridges", "dnet0", "mtu", value=1279), "an MTU of 1280"),
        (damaged("bridges", "dnet0", "binding_ip6", value="0.0.0.0"), "binding_ip6 is not"),
        (
            damaged("bridges", "auto", "address6", value="fd00:1::7/64"),
            "is not in|subnet overlaps",
        ),
        (damaged("interfaces", "web", "ip6", value="fd00:1::9"), "fd00:1::9 is not leased"),
        (damaged("interfaces", "web", "ip6", value="10.0.0.2"), "ip6 is not an IPv6 address"),
        (damaged("leases6", "dnet0", "fd00:1::2", value="db"), "is leased to db"),
        (damaged("leases6", "dnet0", "fd00:1::0:3", value=None), "is not an IPv6 address"),
        (damaged("leases6", "dnet0", "fd00:2::3", value=None), "is not in fd00:1::/64"),
        (damaged("leases6", "dnet0", "fd00:1::1", value=None), "the address of dnet0 itself"),
        (damaged("leases6", "other", value={}), "there is no bridge 'other'"),
        (damaged("released6", "dnet0", "fd00:1::2", value=None), "both taken and released"),
        (damaged("cursors", "dnet0", "highest6", value="fd00:2::2"), "highest6 is not in"),
        (damaged("cursors", "dnet0", "highest6", value="10.0.0.2"), "highest6 is not"),
    ],
)
def test_what_dnet_could_not_have_written(document: dict[str, Any], reason: str) -> None:
    with pytest.raises(StateUnreadableError, match=reason):
        integrity.verify(document)
