"""Setting a bridge up, changing it, removing it, and which one a command means."""

from __future__ import annotations

from typing import Any

import pytest

from dnet.errors import (
    AddressInUseError,
    ConflictError,
    DnetError,
    ExhaustedError,
    NotFoundError,
    UsageError,
)
from dnet.model import find
from dnet.model.entities import Bridge
from dnet.model.state import State
from dnet.network import bridge, interface, ipallocator, link, portallocator, portmapper
from dnet.network.facts import Device
from tests.unit.facts import FACTS, FakeFacts, make_bridge, snapshot, specs, with_bridge


def init(state: State, facts: FakeFacts = FACTS, name: str = "dnet0", **options: Any) -> Bridge:
    return bridge.init(state, facts, name=name, options=options)


def device(*addresses: str, name: str = "dnet0", kind: str | None = "bridge") -> FakeFacts:
    there = Device(
        name=name, ifindex=5, kind=kind, mac=None, mtu=1400, up=True, addresses=addresses
    )
    return FakeFacts(devices={name: there})


# The address


def test_defaults() -> None:
    made = init(State(), FakeFacts(mtu=1450))
    assert made == Bridge(
        name="dnet0",
        address="172.17.42.1/16",
        mtu=1450,
        created="2026-01-01T00:00:00Z",
        range=None,
        chain="DNET",
        icc=True,
        masquerade=True,
        ip_forward=True,
        iptables=True,
        isolate=True,
        binding_ip="0.0.0.0",
        port_range=(49153, 65535),
        allocation="round-robin",
        adopted=False,
    )
    assert (made.gateway, made.subnet) == ("172.17.42.1", "172.17.0.0/16")


def test_the_source_s_candidates_one_after_another() -> None:
    """Each chosen one becomes a bridge of its own, which is in the way of the next."""
    state = State()
    chosen = [init(state, name=f"b{n}").address for n in range(8)]
    assert chosen == [
        "172.17.42.1/16",
        "10.0.42.1/16",
        "10.1.42.1/16",
        "10.42.42.1/16",
        "172.16.42.1/24",
        "172.16.43.1/24",
        "172.16.44.1/24",
        "192.168.42.1/24",
    ]
    init(state, name="b8")
    init(state, name="b9")
    with pytest.raises(ExhaustedError):
        init(state, name="b10")


@pytest.mark.parametrize(
    ("routes", "nameservers", "chosen"),
    [
        ([], [], "172.17.42.1/16"),
        (["172.16.0.0/12"], [], "10.0.42.1/16"),
        (["172.17.3.0/24"], [], "10.0.42.1/16"),
        ([], ["172.17.0.1"], "10.0.42.1/16"),
        ([], ["8.8.8.8", "127.0.0.53"], "172.17.42.1/16"),
        ([], ["fe80::1%eth0"], "172.17.42.1/16"),
        ([], ["fe80::1", "2001:db8::53", "::ffff:172.17.0.1"], "172.17.42.1/16"),
        (["10.0.0.0/8", "172.17.0.0/16"], [], "172.16.42.1/24"),
        (["10.0.0.0/8", "172.16.0.0/12"], ["192.168.42.53"], "192.168.43.1/24"),
        (["10.0.0.0/17", "10.0.128.0/17", "172.17.0.0/16"], ["10.1.1.1"], "10.42.42.1/16"),
    ],
)
def test_what_a_candidate_must_not_overlap(
    routes: list[str], nameservers: list[str], chosen: str
) -> None:
    facts = FakeFacts(routes_there=routes, resolvers=nameservers)
    assert init(State(), facts).address == chosen


def test_what_is_in_the_way_of_all_is_named() -> None:
    facts = FakeFacts(
        routes_there=["10.0.0.0/8", "172.16.0.0/12"],
        resolvers=["192.168.43.1", "192.168.44.1"],
    )
    state = with_bridge("192.168.42.1/24")
    with pytest.raises(ExhaustedError, match="no subnet is free") as error:
        init(state, facts, name="other")
    hint = error.value.hint or ""
    assert "the route 172.16.0.0/12" in hint
    assert "the route 10.0.0.0/8" in hint
    assert "the nameserver 192.168.43.1" in hint
    assert "the bridge dnet0" in hint
    assert "--address" in hint


def test_an_address_given_by_hand_skips_both_checks() -> None:
    facts = FakeFacts(routes_there=["10.0.0.0/8"], resolvers=["10.0.0.53"])
    assert init(State(), facts, address="10.0.0.1/24").address == "10.0.0.1/24"


def test_subnets_of_bridges_may_not_overlap() -> None:
    state = with_bridge("10.0.0.1/16")
    with pytest.raises(ConflictError, match=r"10\.0\.5\.0/24 overlaps the subnet 10\.0\.0\.0/16"):
        init(state, name="other", address="10.0.5.1/24")
    assert list(state.bridges) == ["dnet0"]
    init(state, name="other", address="10.1.0.1/24")


# A device that is there already


def test_a_device_that_is_there_is_adopted_as_it_is() -> None:
    made = init(State(), device("10.5.0.1/24"))
    assert (made.address, made.mtu, made.adopted) == ("10.5.0.1/24", 1400, True)


def test_an_adopted_device_stays_in_the_zone_that_it_has() -> None:
    there = device("10.5.0.1/24")
    assert init(State(), there).firewalld
    there.zoned = ["dnet0"]
    assert not init(State(), there).firewalld
    assert init(State(), there, firewalld=True).firewalld
    assert init(State(), FakeFacts(zoned=["dnet0"])).firewalld  # It was not there before.


def test_no_container_gets_another_address_of_an_adopted_device() -> None:
    there = device("10.5.0.1/24", "10.5.0.2/24", "10.6.0.1/24", "10.6.0.2/24")
    state = State()
    made = init(state, there)
    assert made.other_ips == ("10.5.0.2",)
    assert ipallocator.take_next(state, FACTS, made, None) == ["10.5.0.3"]
    with pytest.raises(AddressInUseError, match="another address of dnet0"):
        ipallocator.take(state, FACTS, made, "10.5.0.2", None)
    ipallocator.release(state, FakeFacts(), ips=["10.5.0.3"])
    made = init(state, there, address="10.6.0.1/24")
    assert made.other_ips == ("10.6.0.2",)
    assert Bridge.from_row(made.key, made.row()) == made


def test_an_adopted_device_must_have_the_address() -> None:
    facts = device("10.4.0.1/24", "10.5.0.1/24")
    assert init(State(), facts, address="10.5.0.1/24", mtu=1300).mtu == 1300
    for other in ("10.5.0.1/16", "10.6.0.1/24"):
        with pytest.raises(ConflictError, match=r"with 10\.4\.0\.1/24, 10\.5\.0\.1/24") as error:
            init(State(), facts, address=other)
        assert error.value.hint == f"give it one with: ip address add {other} dev dnet0"


def test_a_device_without_an_address_will_not_do() -> None:
    with pytest.raises(ConflictError, match="with no address"):
        init(State(), device())


@pytest.mark.parametrize(
    ("addresses", "chosen"),
    [
        (["10.1.0.1/32", "10.2.0.1/24"], "10.2.0.1/24"),
        (["10.1.0.0/31", "10.2.0.1/7", "10.3.0.0/24", "10.4.0.1/30"], "10.4.0.1/30"),
        (["169.254.7.7/16", "10.2.0.1/24", "10.3.0.1/24"], "10.2.0.1/24"),
        (["10.1.0.1/32", "169.254.7.7/16"], "169.254.7.7/16"),
    ],
)
def test_the_first_address_that_will_do_is_taken(addresses: list[str], chosen: str) -> None:
    assert init(State(), device(*addresses)).address == chosen


def test_a_device_none_of_whose_addresses_will_do_is_named_with_them() -> None:
    with pytest.raises(ConflictError) as error:
        init(State(), device("10.1.0.1/32", "10.2.0.1/31"))
    assert str(error.value) == (
        "the device dnet0 already exists, with 10.1.0.1/32, 10.2.0.1/31, none of which a bridge "
        "can use"
    )
    assert error.value.hint == (
        "give it one with: ip address add ADDRESS/PREFIX dev dnet0; its prefix is /8 to /30"
    )


@pytest.mark.parametrize("kind", ["dummy", "veth", None])
def test_a_device_that_is_no_bridge_will_not_do(kind: str | None) -> None:
    with pytest.raises(ConflictError, match="is not a bridge"):
        init(State(), device("10.5.0.1/24", kind=kind))


# Changing


def test_exactly_what_is_given_changes() -> None:
    state = State()
    options: dict[str, Any] = {
        "address": "10.5.0.1/24",
        "range": "10.5.0.128/25",
        "chain": "DOCKER",
        "mtu": 9000,
        "icc": False,
        "masquerade": False,
        "ip_forward": False,
        "isolate": False,
        "binding_ip": "127.0.0.1",
        "port_range": (40000, 40009),
        "allocation": "reuse",
    }
    made = init(state, **options)
    others: dict[str, Any] = {
        "range": "10.5.0.0/25",
        "mtu": 1500,
        "icc": True,
        "masquerade": True,
        "ip_forward": True,
        "iptables": False,
        "isolate": True,
        "binding_ip": "0.0.0.0",
        "port_range": (50000, 50009),
        "allocation": "round-robin",
    }
    for name, value in others.items():
        before = made
        made = init(state, FakeFacts(mtu=666), **{name: value})
        changed = [key for key in Bridge._fields if getattr(made, key) != getattr(before, key)]
        assert changed == [name]
        assert getattr(made, name) == value
    assert state.bridges["dnet0"] == made


@pytest.mark.parametrize("options", [{}, {"icc": True}, {"address": "172.17.42.1/16"}])
def test_what_is_so_already_is_confirmed(options: dict[str, Any]) -> None:
    state = State(snapshot(with_bridge()))
    init(state, **options)
    assert not state.changes()
    assert state.confirmed_bridges == {"dnet0"}


def test_another_chain_is_a_conflict() -> None:
    with pytest.raises(ConflictError, match="has the chain DNET"):
        init(with_bridge(), chain="DOCKER")


@pytest.mark.parametrize(
    ("there", "other"),
    [("DNET", "DNET-tcp-0"), ("DNET-udp-8192", "DNET"), ("A" * 28, "A" * 8 + "-801cd1f5-sctp-1")],
)
def test_a_chain_that_the_other_s_chains_by_port_could_be_is_a_conflict(
    there: str, other: str
) -> None:
    state = State()
    init(state, chain=there)
    before = snapshot(state)
    with pytest.raises(ConflictError, match=f"{other} .* {there}"):
        init(state, name="b2", chain=other)
    assert snapshot(state) == before
    init(state, name="b2", chain=f"{other}x"[-28:])


def test_another_address_is_a_conflict_only_while_something_is_allocated() -> None:
    state = with_bridge("10.0.0.1/24")
    (ip,) = ipallocator.request(state, FACTS)
    for other in ("10.0.1.1/24", "10.0.0.1/16", "10.0.0.2/24"):
        with pytest.raises(ConflictError, match="it still has 1 address"):
            init(state, address=other)
    ipallocator.release(state, FACTS, ips=[ip])
    assert init(state, address="10.0.1.1/24").subnet == "10.0.1.0/24"
    assert ipallocator.request(state, FACTS) == ["10.0.1.2"]


def test_another_address_may_not_overlap_another_bridge() -> None:
    state = with_bridge("10.0.0.1/24")
    make_bridge(state, "other", "10.0.1.1/24")
    before = snapshot(state)
    with pytest.raises(ConflictError):
        init(state, address="10.0.1.1/16", allocation="reuse")
    assert snapshot(state) == before


def test_an_adopted_device_must_have_the_new_address_too() -> None:
    state = State()
    init(state, device("10.5.0.1/24"))
    with pytest.raises(ConflictError):
        init(state, device("10.5.0.1/24"), address="10.6.0.1/24")
    made = init(state, device("10.5.0.1/24", "10.6.0.1/24"), address="10.6.0.1/24")
    assert (made.address, made.adopted) == ("10.6.0.1/24", True)


def test_a_range_is_inside_the_subnet_and_in_its_canonical_form() -> None:
    with pytest.raises(UsageError, match="not inside"):
        with_bridge("10.0.0.1/24", range="10.0.1.0/25")
    state = with_bridge("10.0.0.1/24", range="10.0.0.128/025")
    assert state.bridges["dnet0"].range == "10.0.0.128/25"
    with pytest.raises(UsageError, match="not inside"):
        init(state, address="10.0.1.1/24")
    assert init(state, address="10.0.1.1/24", range="10.0.1.64/26").range == "10.0.1.64/26"


def test_a_range_that_is_all_of_the_subnet_is_none() -> None:
    assert with_bridge("10.0.0.1/24", range="10.0.0.0/24").bridges["dnet0"].range is None
    state = with_bridge("10.0.0.1/24", range="10.0.0.128/25")
    assert init(state, range="10.0.0.0/24").range is None


@pytest.mark.parametrize("text", ["x", "10.0.0.1/25", "10.0.1.0/25", "10.0.0.0/31"])
def test_an_error_of_a_range_names_the_option(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--range: .*") as error:
        with_bridge("10.0.0.1/24", range=text)
    assert error.value.hint


def test_iptables_stay_while_something_needs_them() -> None:
    state = with_bridge()
    interface.allocate(state, FACTS, interface_id="db", expose=["5432/tcp"])
    link.add(state, FACTS, parent="host", child="db")
    with pytest.raises(ConflictError, match="which need iptables"):
        init(state, iptables=False)
    link.remove(state, FACTS, parent="host", child="db")
    (mapping,) = portmapper.add(state, FACTS, target="db", specs=specs("5432"))
    with pytest.raises(ConflictError):
        init(state, iptables=False)
    state.mappings.drop(mapping.key)
    assert init(state, iptables=False).iptables is False


def test_options_change_while_mappings_and_links_stay() -> None:
    state = with_bridge()
    for name in ("db", "web"):
        interface.allocate(state, FACTS, interface_id=name, expose=["80/tcp"])
    portmapper.add(state, FACTS, target="web", specs=specs("8080:80"))
    link.add(state, FACTS, parent="web", child="db")
    before = snapshot(state)
    init(state, icc=False, mtu=1400)
    after = snapshot(state)
    assert after.pop("bridges") != before.pop("bridges")
    assert after == before


# Removing


def test_an_empty_bridge_leaves_nothing() -> None:
    state = State()
    before = snapshot(state)
    init(state)
    ipallocator.release(state, FACTS, ips=ipallocator.request(state, FACTS, count=3))
    bridge.remove(state, FACTS, name="dnet0")
    assert snapshot(state) == before


@pytest.mark.parametrize(
    ("allocate", "held"),
    [
        (lambda s: ipallocator.request(s, FACTS, count=2), "2 addresses"),
        (lambda s: portallocator.allocate(s, FACTS), "1 reserved port"),
        (lambda s: interface.allocate(s, FACTS, interface_id="web"), "1 address"),
        (
            lambda s: (
                interface.allocate(s, FACTS, interface_id="web"),
                portmapper.add(s, FACTS, target="web", specs=specs("80", "81")),
                portallocator.allocate(s, FACTS),
            ),
            "1 address, 2 mappings and 1 reserved port",
        ),
    ],
)
def test_a_bridge_is_not_removed_while_anything_is_allocated(allocate: Any, held: str) -> None:
    state = with_bridge()
    allocate(state)
    before = snapshot(state)
    with pytest.raises(ConflictError, match=f"dnet0 still has {held}$") as error:
        bridge.remove(state, FACTS, name="dnet0")
    assert error.value.hint == "dnet bridge remove dnet0 --force"
    assert snapshot(state) == before


@pytest.mark.parametrize("allocation", ["reuse", "round-robin"])
def test_by_force_goes_all_that_is_on_it_and_nothing_else(allocation: str) -> None:
    state = State()
    make_bridge(state, "other", "10.0.0.1/24")
    interface.allocate(state, FACTS, interface_id="stays", bridge="other", expose=["80/tcp"])
    portmapper.add(state, FACTS, target="stays", specs=specs("9090:90"))
    portallocator.allocate(state, FACTS, bridge="other", ports=(7000, 7000))
    before = snapshot(state)
    make_bridge(state, "dnet0", "10.1.0.1/24", allocation=allocation)
    for name in ("web", "db"):
        interface.allocate(state, FACTS, interface_id=name, expose=["80/tcp"])
    (alone,) = ipallocator.request(state, FACTS, bridge="dnet0")
    for target in ("web", alone):
        portmapper.add(state, FACTS, target=target, specs=specs("80"))
    for parent, child in (("web", "db"), ("host", "web"), ("stays", "db"), ("db", "stays")):
        link.add(state, FACTS, parent=parent, child=child)
    portallocator.allocate(state, FACTS, bridge="dnet0", count=3)
    portallocator.allocate(state, FACTS, bridge="other", owner="web", ports=(7001, 7001))
    interface.release(state, FACTS, ids=["db"])
    bridge.remove(state, FACTS, name="dnet0", force=True)
    assert snapshot(state) == before


def test_a_name_that_the_shell_would_take_apart_is_quoted_in_a_hint() -> None:
    state = State()
    make_bridge(state, "a;id", "10.0.0.1/30")
    with pytest.raises(NotFoundError) as missing:
        find.bridge(State(), "$x")
    ipallocator.request(state, FACTS)
    hints = [missing.value.hint]
    for refused in (
        lambda: bridge.remove(state, FACTS, name="a;id"),
        lambda: ipallocator.request(state, FACTS),
        lambda: bridge.init(state, FACTS, name="a;id", options={"chain": "OTHER"}),
        lambda: bridge.init(state, FACTS, name="a;id", options={"address": "10.1.0.1/24"}),
        lambda: ipallocator.request(state, FACTS, ip="10.9.9.9", bridge="a;id"),
    ):
        with pytest.raises(DnetError) as error:
            refused()
        hints.append(error.value.hint)
    assert hints == [
        "dnet bridge init '$x'",
        "dnet bridge remove 'a;id' --force",
        "dnet ip list --bridge 'a;id'",
        "remove it first: dnet bridge remove 'a;id'",
        "release them first, or all at once: dnet bridge remove 'a;id' --force",
        "dnet ip list --available --bridge 'a;id'",
    ]


def test_removing_what_is_gone() -> None:
    state = with_bridge()
    with pytest.raises(NotFoundError, match="there is no bridge other"):
        bridge.remove(state, FACTS, name="other", force=True)
    bridge.remove(state, FACTS, name="other", if_exists=True)
    assert list(state.bridges) == ["dnet0"]


def test_nothing_is_to_be_made_in_order_to_remove_it() -> None:
    with pytest.raises(NotFoundError) as error:
        bridge.remove(State(), FACTS, name="dnet0")
    assert error.value.hint is None


# Which bridge


def test_the_only_one_else_dnet0() -> None:
    state = State()
    with pytest.raises(NotFoundError) as error:
        find.bridge(state, None)
    assert error.value.hint == "dnet bridge init dnet0"
    make_bridge(state, "one", "10.0.0.1/24")
    assert find.bridge(state, None).name == "one"
    make_bridge(state, "two", "10.0.1.1/24")
    with pytest.raises(NotFoundError) as error:
        find.bridge(state, None)
    assert error.value.hint == "name one of these: one, two"
    make_bridge(state, "dnet0", "10.0.2.1/24")
    assert find.bridge(state, None).name == "dnet0"
    assert find.bridge(state, "two").name == "two"
    with pytest.raises(NotFoundError):
        find.bridge(state, "three")


def test_an_address_tells_its_bridge() -> None:
    state = with_bridge("10.0.0.1/24")
    with pytest.raises(UsageError, match=r"10\.0\.1\.7 is not in dnet0's subnet 10\.0\.0\.0/24"):
        find.bridge_for_address(state, "10.0.1.7", None)
    make_bridge(state, "other", "10.0.1.1/24")
    assert find.bridge_for_address(state, "10.0.1.7", None).name == "other"
    assert find.bridge_for_address(state, "10.0.1.7", "other").name == "other"
    with pytest.raises(UsageError):
        find.bridge_for_address(state, "10.0.1.7", "dnet0")
    with pytest.raises(UsageError, match="is in no bridge's subnet"):
        find.bridge_for_address(state, "10.9.9.9", None)
    with pytest.raises(NotFoundError):
        find.bridge_for_address(State(), "10.9.9.9", None)
