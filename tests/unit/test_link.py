"""Links: what they open, how they are named, and what they tell their parent."""

from __future__ import annotations

import re
from typing import Any

import pytest

from dnet.errors import ConflictError, DnetError, NotFoundError, UsageError
from dnet.model.entities import Link
from dnet.model.state import State
from dnet.network import bridge, interface, link
from dnet.values.endpoint import Endpoint
from tests.unit.facts import FACTS, make_bridge, snapshot, with_bridge


def three(*expose: str) -> State:
    """Interfaces web, db with exposed ports, and cache, which exposes none."""
    state = with_bridge("10.0.0.1/24")
    interface.allocate(state, FACTS, interface_id="web")
    interface.allocate(state, FACTS, interface_id="db", expose=expose or ("5432/tcp",))
    interface.allocate(state, FACTS, interface_id="cache")
    return state


def add(state: State, parent: str, child: str, *ports: str, alias: str | None = None) -> Link:
    return link.add(state, FACTS, parent=parent, child=child, ports=ports, alias=alias)


# Making one


def test_a_link_opens_what_the_child_exposes() -> None:
    state = three("5432/tcp", "53/udp")
    assert add(state, "web", "db") == Link(
        parent="web",
        child="db",
        parent_ip="10.0.0.2",
        parent_bridge="dnet0",
        child_ip="10.0.0.3",
        child_bridge="dnet0",
        ports=("53/udp", "5432/tcp"),
        alias="db",
    )
    assert list(state.links) == ["web:db"]


def test_named_ports_stand_for_those_exposed() -> None:
    made = add(three(), "web", "db", "9000/tcp", "8000/tcp", "9000/tcp")
    assert made.ports == ("8000/tcp", "9000/tcp")


def test_a_link_from_the_host() -> None:
    made = add(three("5432/tcp", "53/udp"), "host", "db", alias="postgres")
    assert (made.parent_ip, made.parent_bridge, made.alias) == ("127.0.0.1", None, "postgres")
    assert made.endpoints == (
        Endpoint.single("127.0.0.1", 53, "udp"),
        Endpoint.single("127.0.0.1", 5432, "tcp"),
    )


def test_a_link_between_interfaces_has_no_port_of_the_host() -> None:
    state = three()
    assert add(state, "web", "db").endpoints == ()
    assert list(state.link_endpoints()) == []


def test_the_other_direction_is_another_link() -> None:
    state = three()
    add(state, "web", "db")
    add(state, "db", "web", "80/tcp")
    assert list(state.links) == ["web:db", "db:web"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"parent": "web", "child": "nobody"}, NotFoundError),
        ({"parent": "nobody", "child": "db"}, NotFoundError),
        ({"parent": "web", "child": "cache"}, UsageError),
        ({"parent": "db", "child": "db"}, UsageError),
        ({"parent": "host", "child": "host"}, UsageError),
        ({"parent": "web", "child": "10.0.0.3"}, UsageError),
        ({"parent": "a/b", "child": "db"}, UsageError),
        ({"parent": "web", "child": "d\nb"}, UsageError),
        ({"parent": "web", "child": "db", "alias": "a b"}, UsageError),
        ({"parent": "web", "child": "db", "alias": "host"}, UsageError),
    ],
)
def test_what_cannot_be_linked(arguments: dict[str, Any], error: type[DnetError]) -> None:
    state = three()
    before = snapshot(state)
    with pytest.raises(error) as refused:
        link.add(state, FACTS, **arguments)
    assert refused.type is error
    assert str(refused.value).isprintable()
    assert snapshot(state) == before


@pytest.mark.parametrize("which", ["dnet0", "other"])
def test_both_bridges_must_have_iptables(which: str) -> None:
    state = three()
    make_bridge(state, "other", "10.1.0.1/24")
    interface.allocate(state, FACTS, interface_id="far", bridge="other", expose=["80/tcp"])
    bridge.init(state, FACTS, name=which, options={"iptables": False})
    for parent, child in (("web", "far"), ("far", "db")):
        with pytest.raises(ConflictError, match=f"{which} was set up with --no-iptables"):
            add(state, parent, child)
    bridge.init(state, FACTS, name=which, options={"iptables": True})
    assert add(state, "web", "far").child_bridge == "other"


# Making it again


@pytest.mark.parametrize("parent", ["web", "host"])
def test_the_same_link_again_is_confirmed(parent: str) -> None:
    made = add(state := three(), parent, "db", "5432/tcp", "53/udp", alias="postgres")
    again = State(snapshot(state))
    assert add(again, parent, "db", "53/udp", "5432/tcp", alias="postgres") == made
    assert not again.changes()
    assert again.confirmed


@pytest.mark.parametrize(("ports", "alias"), [(["80/tcp"], None), ([], "other")])
def test_another_link_between_the_same_is_a_conflict(ports: list[str], alias: str | None) -> None:
    state = three()
    add(state, "web", "db")
    with pytest.raises(
        ConflictError, match="already exists with 5432/tcp and the alias db"
    ) as error:
        add(state, "web", "db", *ports, alias=alias)
    assert error.value.hint == "dnet link remove web:db"


@pytest.mark.parametrize(("one", "other"), [("db", "DB"), ("a-b", "a_b"), ("x.y", "x-y")])
def test_two_aliases_that_give_the_same_variables_are_a_conflict(one: str, other: str) -> None:
    state = three()
    add(state, "web", "db", alias=one)
    with pytest.raises(ConflictError, match=f"with the alias {one}"):
        add(state, "web", "cache", "80/tcp", alias=other)
    add(state, "db", "cache", "80/tcp", alias=other)
    add(state, "host", "cache", "80/tcp", alias=other)


# Removing


def test_remove() -> None:
    state = three()
    before = snapshot(state)
    add(state, "web", "db")
    add(state, "host", "db")
    link.remove(state, FACTS, parent="web", child="db")
    link.remove(state, FACTS, parent="host", child="db")
    assert snapshot(state) == before
    with pytest.raises(NotFoundError, match="there is no link web:db"):
        link.remove(state, FACTS, parent="web", child="db")
    link.remove(state, FACTS, parent="web", child="db", if_exists=True)


# The variables


def test_variables_of_several_ports() -> None:
    state = three("5432/udp", "5432/tcp", "8080/tcp")
    add(state, "web", "db", alias="Post-gres.1")
    variables = link.environment(state, "web")
    assert variables["POST_GRES_1_PORT"] == "tcp://10.0.0.3:5432"
    assert variables["POST_GRES_1_NAME"] == "/web/Post-gres.1"
    for port, proto in ((5432, "tcp"), (5432, "udp"), (8080, "tcp")):
        name = f"POST_GRES_1_PORT_{port}_{proto.upper()}"
        assert variables[name] == f"{proto}://10.0.0.3:{port}"
        assert variables[f"{name}_ADDR"] == "10.0.0.3"
        assert variables[f"{name}_PORT"] == str(port)
        assert variables[f"{name}_PROTO"] == proto
    assert len(variables) == 2 + 3 * 4


@pytest.mark.parametrize("alias", ["1db", "9", "db"])
def test_every_variable_has_a_name_of_the_shell(alias: str) -> None:
    state = three("5432/tcp")
    add(state, "web", "db", alias=alias)
    variables = link.environment(state, "web")
    assert all(re.fullmatch("[A-Z_][A-Z0-9_]*", name) for name in variables), variables
    assert len({name for name in variables if name.endswith(f"{alias.upper()}_NAME")}) == 1


@pytest.mark.parametrize(
    ("ports", "first"),
    [
        (["53/udp", "80/tcp"], "udp://10.0.0.3:53"),
        (["80/udp", "80/tcp"], "tcp://10.0.0.3:80"),
        (["80/sctp", "80/udp"], "udp://10.0.0.3:80"),
        (["1000/tcp", "999/tcp"], "tcp://10.0.0.3:999"),
    ],
)
def test_the_first_port_is_the_lowest_and_tcp_before_udp(ports: list[str], first: str) -> None:
    state = three(*ports)
    add(state, "web", "db")
    assert link.environment(state, "web")["DB_PORT"] == first


def test_variables_of_several_children() -> None:
    state = three()
    add(state, "web", "db")
    add(state, "web", "cache", "6379/tcp")
    add(state, "cache", "web", "80/tcp")
    variables = link.environment(state, "web")
    assert variables["DB_PORT"] == "tcp://10.0.0.3:5432"
    assert variables["CACHE_PORT"] == "tcp://10.0.0.4:6379"
    assert not any(name.startswith("WEB_") for name in variables)


def test_the_host_reaches_its_children_at_the_loopback_address() -> None:
    state = three()
    add(state, "host", "db")
    variables = link.environment(state, "host")
    assert variables["DB_PORT"] == "tcp://127.0.0.1:5432"
    assert variables["DB_PORT_5432_TCP_ADDR"] == "127.0.0.1"
    assert variables["DB_NAME"] == "/host/db"


def test_without_links_there_are_no_variables_and_without_a_parent_there_is_an_error() -> None:
    state = three()
    assert link.environment(state, "web") == {}
    assert link.environment(state, "host") == {}
    with pytest.raises(NotFoundError):
        link.environment(state, "nobody")
