"""IPv6 of what is published, reserved and linked: in the store, and who gets which port."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from dnet.cli.output import occupancy, views
from dnet.errors import (
    ConflictError,
    DnetError,
    NotFoundError,
    PortInUseError,
    StateUnreadableError,
    UsageError,
)
from dnet.model import fields, ports
from dnet.model.entities import Link, Mapping, Reservation
from dnet.model.state import State
from dnet.network import (
    attachment,
    bridge,
    interface,
    ipallocator,
    link,
    portallocator,
    portmapper,
)
from dnet.network.facts import Namespace
from dnet.plan import flows
from dnet.store import document as documents
from dnet.store import integrity
from dnet.values.endpoint import Endpoint
from dnet.values.family import V6
from tests.unit.facts import FACTS, FakeFacts, make_bridge, queries, snapshot, specs, with_bridge


def dual(**options: Any) -> State:
    """A bridge with both families, and the interfaces web and db on it."""
    state = with_bridge("10.0.0.1/24", address6="fd00:1::1/64", **options)
    for name in ("web", "db"):
        interface.allocate(state, FACTS, interface_id=name, expose=("5432/tcp",))
    return state


def everything() -> State:
    """A state with each of what can be of IPv6."""
    state = dual()
    endpoint = Endpoint("::", 8080, "tcp", 8080)
    state.mappings.put(str(endpoint), Mapping(endpoint, "fd00:1::2", 80, "dnet0"))
    reserved = Reservation(Endpoint.single("0.0.0.0", 53, "udp"), "dnet0", "web", "::")
    state.reservations.put(reserved.key, reserved)
    alone = Reservation(Endpoint.single("::1", 54, "udp"), "dnet0")
    state.reservations.put(alone.key, alone)
    for parent, parent_ip, parent_ip6, home in (
        ("web", "10.0.0.2", "fd00:1::2", "dnet0"),
        ("host", "127.0.0.1", "::1", None),
    ):
        made = Link(
            *(parent, "db", parent_ip, home, "10.0.0.3", "dnet0", ("5432/tcp",), "db"),
            parent_ip6=parent_ip6,
            child_ip6="fd00:1::3",
        )
        state.links.put(made.key, made)
    return state


# In the store


def test_it_stands_in_the_store() -> None:
    document = snapshot(everything())
    assert document["schema"] == 3
    assert document["mappings"] == {
        "[::]:8080/tcp": {"container_ip": "fd00:1::2", "container_port": 80, "bridge": "dnet0"}
    }
    assert document["reservations"] == {
        "0.0.0.0:53/udp": {"bridge": "dnet0", "owner": "web", "host_ip6": "::"},
        "[::1]:54/udp": {"bridge": "dnet0"},
    }
    assert {
        key: (row["parent_ip6"], row["child_ip6"]) for key, row in document["links"].items()
    } == {
        "web:db": ("fd00:1::2", "fd00:1::3"),
        "host:db": ("::1", "fd00:1::3"),
    }
    integrity.verify(document)
    assert snapshot(documents.read(documents.write(everything()))) == document
    for table in ("mappings", "reservations", "links"):
        before, again = getattr(everything(), table), getattr(State(document), table)
        assert list(before.values()) == list(again.values())


BROKEN: list[tuple[tuple[str, ...], Any, str]] = [
    (("mappings", "[::]:8080/tcp", "container_ip"), "10.0.0.2", "of another family"),
    (("mappings", "[::]:8080/tcp", "container_ip"), "fd00:1::9", "is free"),
    (("mappings", "[fe80::1]:8080/tcp"), {}, "is not a host endpoint"),
    (("reservations", "0.0.0.0:53/udp", "host_ip6"), "0.0.0.0", "host_ip6 is not"),
    (("reservations", "[::1]:54/udp", "host_ip6"), "::", "next to another one"),
    (("reservations", "[::]:53/udp"), {"bridge": "dnet0"}, "belongs to the reservation"),
    (("reservations", "[::1]:8080/tcp"), {"bridge": "dnet0"}, "belongs to the reservation"),
    (("reservations", "[::1]:5432/tcp"), {"bridge": "dnet0"}, "belongs to the reservation"),
    (("links", "web:db", "child_ip6"), None, "belong together"),
    (("links", "web:db", "child_ip6"), "fd00:1::2", "db is elsewhere"),
    (("links", "web:db", "parent_ip6"), "::1", "web is elsewhere"),
    (("links", "host:db", "parent_ip6"), "fd00:1::2", "is not at ::1"),
]


@pytest.mark.parametrize(("path", "value", "message"), BROKEN)
def test_what_does_not_fit_is_found(path: tuple[str, ...], value: Any, message: str) -> None:
    document = json.loads(json.dumps(snapshot(everything())))
    place = document
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    with pytest.raises(StateUnreadableError, match=message):
        integrity.verify(document)


@pytest.mark.parametrize("key", ["[::]:8080/tcp", "[::1]:8080/tcp"])
@pytest.mark.parametrize("table", ["mappings", "reservations"])
def test_a_key_of_ipv6_stands_in_no_store_that_an_older_version_takes(table: str, key: str) -> None:
    state = with_bridge("10.0.0.1/24")
    interface.allocate(state, FACTS, interface_id="web")
    document = snapshot(state)
    assert document["schema"] == fields.FIRST
    rows = {
        "mappings": {"container_ip": "fd00:1::2", "container_port": 80, "bridge": "dnet0"},
        "reservations": {"bridge": "dnet0"},
    }
    document[table][key] = rows[table]
    with pytest.raises(StateUnreadableError):
        integrity.verify(document)


# Who has which port


def test_families_do_not_meet_but_addresses_of_one_do() -> None:
    state = everything()
    taken = {
        ip: ports.taken_on(state, (ip,), "tcp")(8080)
        for ip in ("::", "::1", "2001:db8::1", "0.0.0.0", "127.0.0.1")
    }
    assert taken == {
        "::": True,
        "::1": True,
        "2001:db8::1": True,
        "0.0.0.0": False,
        "127.0.0.1": False,
    }
    assert ports.taken_on(state, ("0.0.0.0", "::"), "tcp")(8080)
    for ip in ("::", "::1"):
        at = Endpoint.single(ip, 53, "udp")
        assert ports.find_holder(state, at) == ("reservation", "0.0.0.0:53/udp")
        assert ports.find_holder(state, at, "web") is None
        at = Endpoint.single(ip, 5432, "tcp")
        assert ports.find_holder(state, at) == ("link", "host:db")
    assert ports.find_holder(state, Endpoint.single("2001:db8::1", 5432, "tcp")) is None
    assert ports.find_holder(state, Endpoint("::", 8000, "tcp", 8099)) == (
        "mapping",
        "[::]:8080/tcp",
    )


# Publishing


def add(state: State, target: str, *texts: str, facts: FakeFacts = FACTS) -> list[str]:
    made = portmapper.add(state, facts, target=target, specs=specs(*texts))
    return [f"{one.key} {one.container_ip} {one.container_port}" for one in made]


def remove(state: State, *texts: str) -> list[str]:
    """What is left."""
    portmapper.remove(state, FACTS, queries=queries(*texts))
    return list(state.mappings)


def refused(state: State, error: type[DnetError], change: Callable[[], object]) -> DnetError:
    before = snapshot(state)
    mark = state.mark()
    with pytest.raises(error) as caught:
        change()
    state.undo(mark)
    assert snapshot(state) == before
    return caught.value


@pytest.mark.parametrize("target", ["web", "10.0.0.2", "fd00:1::2"])
def test_without_a_host_address_a_port_is_published_in_both_families(target: str) -> None:
    state = dual()
    assert add(state, target, "8080:80", "7000-7009:17000-17009/udp") == [
        "0.0.0.0:8080/tcp 10.0.0.2 80",
        "[::]:8080/tcp fd00:1::2 80",
        "0.0.0.0:7000-7009/udp 10.0.0.2 17000",
        "[::]:7000-7009/udp fd00:1::2 17000",
    ]
    integrity.verify(snapshot(state))
    mark = state.mark()
    add(state, target, "8080:80", "7000-7009:17000-17009/udp")
    assert state.mark() == mark
    assert state.confirmed


@pytest.mark.parametrize(
    ("spec", "made"),
    [
        ("[::]:8080:80", "[::]:8080/tcp fd00:1::2 80"),
        ("[::1]:8080:80", "[::1]:8080/tcp fd00:1::2 80"),
        ("[2001:db8::1]::80", "[2001:db8::1]:49153/tcp fd00:1::2 80"),
        ("0.0.0.0:8080:80", "0.0.0.0:8080/tcp 10.0.0.2 80"),
        ("localhost:8080:80", "127.0.0.1:8080/tcp 10.0.0.2 80"),
    ],
)
def test_a_host_address_is_of_one_family(spec: str, made: str) -> None:
    assert add(dual(), "web", spec) == [made]


def test_the_binding_addresses_are_one_a_family() -> None:
    state = dual(binding_ip="127.0.0.1", binding_ip6="::1")
    assert add(state, "web", "8080:80") == [
        "127.0.0.1:8080/tcp 10.0.0.2 80",
        "[::1]:8080/tcp fd00:1::2 80",
    ]
    assert remove(state, "8080") == []


def test_a_target_with_one_family_is_published_in_that() -> None:
    state = with_bridge("10.0.0.1/24")
    interface.allocate(state, FACTS, interface_id="old")
    bridge.init(state, FACTS, name="dnet0", options={"address6": "fd00:1::1/64"})
    assert add(state, "old", "8080:80") == ["0.0.0.0:8080/tcp 10.0.0.2 80"]
    (alone,) = ipallocator.request(state, FACTS, ipv6=True)
    assert add(state, alone, "8081:80") == [f"[::]:8081/tcp {alone} 80"]
    error = refused(state, UsageError, lambda: add(state, "old", "[::]:8082:80"))
    assert error.hint == "dnet interface allocate old"
    refused(state, UsageError, lambda: add(state, alone, "0.0.0.0:8082:80"))


def test_without_ipv6_there_is_nothing_on_an_address_of_it() -> None:
    state = with_bridge("10.0.0.1/24")
    interface.allocate(state, FACTS, interface_id="web")
    error = refused(state, UsageError, lambda: add(state, "web", "[::1]:8080:80"))
    assert error.hint == "dnet bridge init dnet0 --ipv6"
    refused(state, UsageError, lambda: portallocator.allocate(state, FACTS, host_ip="::"))
    refused(
        state,
        UsageError,
        lambda: bridge.init(state, FACTS, name="dnet0", options={"binding_ip6": "::1"}),
    )


@pytest.mark.parametrize("taken", ["[::]:8080:80", "[::1]:8080:80", "0.0.0.0:8080:80"])
def test_a_port_that_is_taken_in_one_family_is_published_in_neither(taken: str) -> None:
    state = dual()
    add(state, "db", taken)
    refused(state, PortInUseError, lambda: add(state, "web", "8080:80"))
    busy = FakeFacts(busy=[("::1", 8081, "tcp"), ("127.0.0.1", 8082, "tcp")])
    for port in (8081, 8082):
        refused(state, PortInUseError, lambda: add(state, "web", f"{port}:80", facts=busy))  # noqa: B023
    assert add(state, "web", "8080-8084:80", facts=busy)[0] == "0.0.0.0:8083/tcp 10.0.0.2 80"


def test_a_dynamic_port_is_free_in_both_families() -> None:
    state = dual()
    add(state, "db", "[::1]:49153:80", "127.0.0.1:49154:80")
    busy = FakeFacts(busy=[("::1", 49155, "tcp")])
    assert add(state, "web", "80", facts=busy) == [
        "0.0.0.0:49156/tcp 10.0.0.2 80",
        "[::]:49156/tcp fd00:1::2 80",
    ]
    assert add(state, "web", "[::]::80", facts=busy) == ["[::]:49157/tcp fd00:1::2 80"]


def test_a_bridge_that_gets_ipv6_is_published_in_it_when_asked_again() -> None:
    state = with_bridge("10.0.0.1/24")
    interface.allocate(state, FACTS, interface_id="web")
    add(state, "web", "8080:80", "8081:81")
    bridge.init(state, FACTS, name="dnet0", options={"address6": "fd00:1::1/64"})
    interface.allocate(state, FACTS, interface_id="web")
    busy = FakeFacts(busy=[("::1", 8081, "tcp")])
    refused(state, PortInUseError, lambda: add(state, "web", "8081:81", facts=busy))
    assert list(state.mappings) == ["0.0.0.0:8080/tcp", "0.0.0.0:8081/tcp"]
    assert add(state, "web", "8080:80", facts=busy)[1] == "[::]:8080/tcp fd00:1::2 80"
    assert state.confirmed


@pytest.mark.parametrize(
    ("specs_", "named", "left"),
    [
        (["8080:80"], "8080", []),
        (["8080:80"], "0.0.0.0:8080", ["[::]:8080/tcp"]),
        (["8080:80"], "[::]:8080", ["0.0.0.0:8080/tcp"]),
        (["7000-7009:7000-7009/udp"], "7000-7009/udp", []),
        (["0.0.0.0:8080:80", "[::]:8080:81"], "8080", ["[::]:8080/tcp"]),
        (["[::]:8080:80"], "8080", []),
        (["0.0.0.0:8080:80", "[::1]:8080:80"], "8080", []),
    ],
)
def test_what_an_endpoint_without_an_address_removes(
    specs_: list[str], named: str, left: list[str]
) -> None:
    state = dual()
    add(state, "web", *specs_)
    assert remove(state, named) == left


def test_two_interfaces_at_one_port_are_not_named_at_once() -> None:
    state = dual()
    add(state, "web", "0.0.0.0:8080:80")
    add(state, "db", "[::]:8080:80")
    assert remove(state, "8080") == ["[::]:8080/tcp"]
    assert remove(state, "8080") == []


def test_all_of_a_target_are_those_of_both_families() -> None:
    state = dual()
    for target in ("web", "10.0.0.2", "fd00:1::2"):
        add(state, "web", "8080:80", "[::1]::81")
        portmapper.remove_all(state, FACTS, target=target)
        assert list(state.mappings) == []


def test_a_port_inside_of_a_range_of_ipv6_is_told_of() -> None:
    state = dual()
    add(state, "web", "[::]:7000-7009:7000-7009")
    error = refused(state, NotFoundError, lambda: remove(state, "7005"))
    assert error.hint == "dnet map remove [::]:7000-7009/tcp"


# Reserved ports


def reserve(state: State, **options: Any) -> list[str]:
    return [one.key for one in portallocator.allocate(state, FACTS, **options)]


def test_a_port_is_reserved_in_both_families_by_one_row() -> None:
    state = dual()
    assert reserve(state, ports=(8080, 8080), owner="web") == ["0.0.0.0:8080/tcp"]
    for host_ip in ("::", "::1", "0.0.0.0"):
        refused(
            state,
            PortInUseError,
            lambda: reserve(state, ports=(8080, 8080), host_ip=host_ip),  # noqa: B023
        )
    refused(state, PortInUseError, lambda: add(state, "db", "[::]:8080:80"))
    assert add(state, "web", "8080:80")[1] == "[::]:8080/tcp fd00:1::2 80"
    assert remove(state, "8080") == []
    portallocator.release(state, FACTS, queries=queries("8080"))
    assert reserve(state, ports=(8080, 8080), host_ip="::") == ["[::]:8080/tcp"]


@pytest.mark.parametrize("named", ["8080", "0.0.0.0:8080"])
def test_the_row_goes_whole(named: str) -> None:
    state = dual()
    reserve(state, ports=(8080, 8080))
    error = refused(
        state,
        NotFoundError,
        lambda: portallocator.release(state, FACTS, queries=queries("[::]:8080")),
    )
    assert error.hint == "dnet port release 0.0.0.0:8080/tcp"
    portallocator.release(state, FACTS, queries=queries(named))
    assert not state.reservations
    assert reserve(state, ports=(8080, 8080)) == ["0.0.0.0:8080/tcp"]


def test_a_dynamic_port_is_reserved_where_it_is_free_in_both() -> None:
    state = dual()
    add(state, "db", "[::1]:49154:80")
    assert reserve(state, count=2) == ["0.0.0.0:49153/tcp", "0.0.0.0:49155/tcp"]


def test_what_a_mapping_of_ipv6_holds_is_not_given_back() -> None:
    state = dual()
    add(state, "web", "[::1]:8080:80")
    error = refused(
        state,
        ConflictError,
        lambda: portallocator.release(state, FACTS, queries=queries("8080")),
    )
    assert error.hint == "dnet map remove [::1]:8080/tcp"


def test_without_ipv6_reserved_ports_are_kept_in_ipv4() -> None:
    state = with_bridge("10.0.0.1/24", address6="fd00:1::1/64")
    reserve(state, ports=(8080, 8080))
    reserve(state, ports=(8081, 8081), host_ip="::1")

    def without() -> None:
        bridge.init(state, FACTS, name="dnet0", options={"ipv6": False})

    error = refused(state, ConflictError, without)
    assert error.hint == "dnet port release [::1]:8081/tcp"
    portallocator.release(state, FACTS, queries=queries("8081"))
    without()
    assert snapshot(state)["schema"] == fields.FIRST
    assert list(state.reservations) == ["0.0.0.0:8080/tcp"]


def test_without_ipv6_nothing_may_be_published_in_it() -> None:
    state = dual()
    add(state, "web", "8080:80")
    error = refused(
        state,
        ConflictError,
        lambda: bridge.init(state, FACTS, name="dnet0", options={"ipv6": False}),
    )
    assert "fd00:1::2 and 2 more" in str(error)


# Attaching


NETNS = {"web": Namespace("web", "/run/netns/web", 7)}


def attach(state: State, *publish: str, links: Sequence[str] = (), **facts: Any) -> list[str]:
    """The host ports that were left open."""
    asked = specs(*publish)
    wiring = attachment.Wiring("web", publish=asked, links=[(child, None) for child in links])
    seen = FakeFacts(namespaces=NETNS, **facts)
    made = attachment.attach(state, seen, interface_id="web", wiring=wiring)
    return [one.key for one in attachment.chosen(state, made, asked)]


def test_attaching_publishes_in_both_families_and_again_it_is_the_same() -> None:
    state = with_bridge("10.0.0.1/24", address6="fd00:1::1/64")
    for _ in range(2):
        assert attach(state, "80", "8080:80", "[::1]::80", "80") == [
            "0.0.0.0:49153/tcp",
            "[::]:49153/tcp",
            "[::1]:49154/tcp",
            "0.0.0.0:49155/tcp",
            "[::]:49155/tcp",
        ]
        assert len(state.mappings) == 7


def test_attaching_again_makes_the_half_that_is_missing() -> None:
    state = with_bridge("10.0.0.1/24")
    interface.allocate(state, FACTS, interface_id="db", expose=("5432/tcp",))
    assert attach(state, "80", "8080:80", links=["db"]) == ["0.0.0.0:49153/tcp"]
    bridge.init(state, FACTS, name="dnet0", options={"address6": "fd00:1::1/64"})
    interface.allocate(state, FACTS, interface_id="db")
    before = list(state.mappings)
    taken = {"busy": [("::1", 49153, "tcp")]}
    refused(state, PortInUseError, lambda: attach(state, "80", "8080:80", links=["db"], **taken))
    assert list(state.mappings) == before
    for _ in range(2):
        open_ = attach(state, "80", "8080:80", links=["db"])
        assert open_ == ["0.0.0.0:49153/tcp", "[::]:49153/tcp"]
        assert len(state.mappings) == 4
    assert state.links["web:db"].ways == (("10.0.0.3", "10.0.0.2"), ("fd00:1::3", "fd00:1::2"))
    refused(state, ConflictError, lambda: attach(state, "80", "8080:80", "8081:81"))


def test_what_an_interface_had_of_ipv6_goes_with_it() -> None:
    state = dual()
    add(state, "web", "8080:80", "[::1]:9:9")
    reserve(state, owner="web")
    link.add(state, FACTS, parent="web", child="db")
    interface.release(state, FACTS, ids=["web"])
    assert not state.mappings
    assert not state.reservations
    assert not state.links
    assert list(state.leases("dnet0", V6)) == ["fd00:1::3"]


# Links


def test_a_link_leads_in_the_families_that_both_ends_have() -> None:
    state = dual()
    made = link.add(state, FACTS, parent="web", child="db")
    assert made.ways == (("10.0.0.2", "10.0.0.3"), ("fd00:1::2", "fd00:1::3"))
    host = link.add(state, FACTS, parent="host", child="db")
    assert host.ways == (("127.0.0.1", "10.0.0.3"), ("::1", "fd00:1::3"))
    assert list(map(str, host.endpoints)) == ["127.0.0.1:5432/tcp", "[::1]:5432/tcp"]
    integrity.verify(snapshot(state))
    refused(state, PortInUseError, lambda: add(state, "web", "[::1]:5432:80"))
    refused(state, PortInUseError, lambda: add(state, "web", "[::]:5432:80"))
    assert add(state, "web", "[2001:db8::1]:5432:80")
    again = link.add(state, FACTS, parent="host", child="db")
    assert again == host


def test_a_link_to_one_without_ipv6_is_of_ipv4_alone() -> None:
    state = dual()
    make_bridge(state, "br1", "10.1.0.1/24")
    interface.allocate(state, FACTS, interface_id="old", bridge="br1", expose=("80/tcp",))
    for parent in ("web", "host"):
        made = link.add(state, FACTS, parent=parent, child="old")
        assert len(made.ways) == 1
    assert add(state, "web", "[::1]:80:80")


def test_links_follow_an_interface_that_gets_ipv6() -> None:
    state = with_bridge("10.0.0.1/24")
    for name in ("web", "db"):
        interface.allocate(state, FACTS, interface_id=name, expose=("5432/tcp", "5433/udp"))
    for parent in ("web", "host"):
        link.add(state, FACTS, parent=parent, child="db")
    bridge.init(state, FACTS, name="dnet0", options={"address6": "fd00:1::1/64"})
    interface.allocate(state, FACTS, interface_id="web")

    def families() -> dict[str, int]:
        return {one.key: len(one.ways) for one in state.links.values()}

    assert families() == {"web:db": 1, "host:db": 1}
    busy = FakeFacts(busy=[("::1", 5432, "tcp")])
    interface.allocate(state, busy, interface_id="db")
    assert families() == {"web:db": 2, "host:db": 1}
    assert "the link host:db has no IPv6" in state.remarks[-1]
    assert "dnet link add host db" in state.remarks[-1]
    refused(state, PortInUseError, lambda: link.add(state, busy, parent="host", child="db"))
    link.add(state, FACTS, parent="host", child="db")
    assert families() == {"web:db": 2, "host:db": 2}
    integrity.verify(snapshot(state))


def test_the_variables_tell_the_addresses_of_ipv6_beside_the_others() -> None:
    state = dual()
    for parent, ip, ip6 in (("web", "10.0.0.3", "fd00:1::3"), ("host", "127.0.0.1", "::1")):
        link.add(state, FACTS, parent=parent, child="db")
        assert link.environment(state, parent) == {
            "DB_PORT": f"tcp://{ip}:5432",
            "DB_PORT_5432_TCP": f"tcp://{ip}:5432",
            "DB_PORT_5432_TCP_ADDR": ip,
            "DB_PORT_5432_TCP_ADDR6": ip6,
            "DB_PORT_5432_TCP_PORT": "5432",
            "DB_PORT_5432_TCP_PROTO": "tcp",
            "DB_NAME": f"/{parent}/db",
        }


# Tracked connections


def ended(change: Callable[[State], object], state: State) -> list[str]:
    loaded = State(snapshot(state))
    change(loaded)
    return [flow.shown for flow in flows.ended(loaded.changes(), loaded)]


def test_the_connections_of_an_interface_end_in_both_families() -> None:
    found = ended(lambda now: interface.release(now, FACTS, ids=["web"]), dual())
    places = ("-s", "-d", "-r", "-q")
    assert found == [
        "; ".join(f"conntrack -D {one} {ip}" for one in places) for ip in ("10.0.0.2", "fd00:1::2")
    ]


def test_the_connections_of_a_mapping_end_in_its_family() -> None:
    state = dual()
    add(state, "web", "53:53/udp")
    assert ended(lambda now: remove(now, "[::]:53/udp"), state) == [
        "conntrack -D -f ipv6 -p udp -d LOCAL -r fd00:1::2 --orig-port-dst 53 --reply-port-src 53"
    ]
    loaded = State(snapshot(state))
    remove(loaded, "[::]:53/udp")
    assert [flow.hold for flow in flows.ended(loaded.changes(), loaded)] == [True]
    assert ended(lambda now: add(now, "web", "[::]:54:54/udp", "[::1]:55:55/udp"), state) == [
        "conntrack -D -f ipv6 -p udp -d LOCAL --orig-port-dst 54",
        "conntrack -D -p udp -d ::1 --orig-port-dst 55",
    ]


def test_the_connections_of_a_link_end_in_both_families() -> None:
    state = dual()
    link.add(state, FACTS, parent="web", child="db")
    assert ended(lambda now: link.remove(now, FACTS, parent="web", child="db"), state) == [
        "conntrack -D -p tcp -s 10.0.0.2 -d 10.0.0.3 --orig-port-dst 5432",
        "conntrack -D -p tcp -s fd00:1::2 -d fd00:1::3 --orig-port-dst 5432",
    ]
    link.add(state, FACTS, parent="host", child="db")
    assert ended(lambda now: link.remove(now, FACTS, parent="host", child="db"), state) == [
        "conntrack -D -p tcp -d 127.0.0.1 -r 10.0.0.3 --orig-port-dst 5432",
        "conntrack -D -p tcp -d ::1 -r fd00:1::3 --orig-port-dst 5432",
    ]


def test_a_link_that_gets_a_second_family_goes_on_in_the_first() -> None:
    state = with_bridge("10.0.0.1/24")
    for name in ("web", "db"):
        interface.allocate(state, FACTS, interface_id=name, expose=("5433/udp",))
    for parent in ("web", "host"):
        link.add(state, FACTS, parent=parent, child="db")
    bridge.init(state, FACTS, name="dnet0", options={"address6": "fd00:1::1/64"})

    def repeat(now: State) -> None:
        for name in ("web", "db"):
            interface.allocate(now, FACTS, interface_id=name)

    assert ended(repeat, state) == ["conntrack -D -p udp -d ::1 --orig-port-dst 5433"]


def test_what_is_kept_apart_from_now_on_is_so_in_both_families() -> None:
    state = dual()
    assert ended(
        lambda now: bridge.init(now, FACTS, name="dnet0", options={"icc": False}), state
    ) == [
        "conntrack -D -s 10.0.0.0/24 -d 10.0.0.0/24",
        "conntrack -D -s fd00:1::/64 -d fd00:1::/64",
    ]


# What is shown


def test_a_pair_as_shell_variables_is_the_mapping_of_ipv4_with_what_ipv6_adds() -> None:
    state = dual()
    made = portmapper.add(state, FACTS, target="web", specs=specs("8080:80"))
    alone = portmapper.add(state, FACTS, target="web", specs=specs("[::1]:81:81"))
    one = views.mapping(state, made[0])
    assert views.published_twice(state, made) == one | {
        "host_ip6": "::",
        "container_ip6": "fd00:1::2",
    }
    assert views.published_twice(state, alone) == views.mapping(state, alone[0])


def test_a_bridge_is_as_full_as_either_family_is() -> None:
    state = dual(port_range=(50000, 50009))
    add(state, "web", "50000:80", "[::1]:50001:80", "127.0.0.1:50002:80")
    reserve(state, ports=(50003, 50003))
    assert occupancy.of_bridge(state, FACTS, state.bridges["dnet0"])["ports"] == {
        "tcp": {"taken": 4, "free": 6}
    }
    make_bridge(state, "br1", "10.1.0.1/24", port_range=(50000, 50009))
    assert occupancy.of_bridge(state, FACTS, state.bridges["br1"])["ports"]["tcp"]["free"] == 7
