"""IPv6 of what is published, reserved and linked: in the store, and who gets which port."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dnet.errors import StateUnreadableError
from dnet.model import fields, ports
from dnet.model.entities import Link, Mapping, Reservation
from dnet.model.state import State
from dnet.network import interface
from dnet.store import document as documents
from dnet.store import integrity
from dnet.values.endpoint import Endpoint
from tests.unit.facts import FACTS, snapshot, with_bridge


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
    assert snapshot(documents.read(documents.write(everything()).encode())) == document
    for table in ("mappings", "reservations", "links"):
        before, again = getattr(everything(), table), getattr(State(document), table)
        assert list(before.values()) == list(again.values())


BROKEN: list[tuple[tuple[str, ...], Any, str]] = [
    (("mappings", "[::]:8080/tcp", "container_ip"), "10.0.0.2", "of another family"),
    (("mappings", "[::]:8080/tcp", "container_ip"), "fd00:1::9", "is free"),
    (("mappings", "[fe80::1]:8080/tcp"), {}, "is not a host endpoint"),
    (("reservations", "0.0.0.0:53/udp", "host_ip6"), "0.0.0.0", "host_ip6 is not"),
    (("reservations", "[::1]:54/udp", "host_ip6"), "::", "beside another one"),
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
        ip: ports.taken_at(state, (ip,), "tcp")(8080)
        for ip in ("::", "::1", "2001:db8::1", "0.0.0.0", "127.0.0.1")
    }
    assert taken == {
        "::": True,
        "::1": True,
        "2001:db8::1": True,
        "0.0.0.0": False,
        "127.0.0.1": False,
    }
    assert ports.taken_at(state, ("0.0.0.0", "::"), "tcp")(8080)
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
