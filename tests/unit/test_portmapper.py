"""Mappings: what is made of a publish spec, for whom, and how it goes."""

from __future__ import annotations

import pytest

from dnet.errors import ConflictError, DnetError, NotFoundError, PortInUseError, UsageError
from dnet.model.entities import Mapping
from dnet.model.state import State
from dnet.network import bridge, interface, ipallocator, portallocator, portmapper
from tests.unit.facts import FACTS, queries, snapshot, specs, with_bridge


def two() -> State:
    """Interfaces: web at 172.17.0.2 and db at 172.17.0.3."""
    state = with_bridge()
    for name in ("web", "db"):
        interface.allocate(state, FACTS, interface_id=name)
    return state


def add(state: State, target: str, *texts: str) -> list[Mapping]:
    return portmapper.add(state, FACTS, target=target, specs=specs(*texts))


def remove(state: State, *texts: str, if_exists: bool = False) -> None:
    portmapper.remove(state, FACTS, queries=queries(*texts), if_exists=if_exists)


@pytest.mark.parametrize(
    ("text", "key", "port", "end"),
    [
        ("80", "0.0.0.0:49153/tcp", 80, 80),
        ("8080:80", "0.0.0.0:8080/tcp", 80, 80),
        ("8080:80/sctp", "0.0.0.0:8080/sctp", 80, 80),
        ("127.0.0.1:8080:80/udp", "127.0.0.1:8080/udp", 80, 80),
        ("127.0.0.1::80", "127.0.0.1:49153/tcp", 80, 80),
        ("8000-8010:80", "0.0.0.0:8000/tcp", 80, 80),
        ("8000-8009:9000-9009", "0.0.0.0:8000-8009/tcp", 9000, 9009),
        ("7000-7009/udp", "0.0.0.0:49153-49162/udp", 7000, 7009),
        ("1-65535:1-65535", "0.0.0.0:1-65535/tcp", 1, 65535),
    ],
)
def test_what_a_publish_spec_becomes(text: str, key: str, port: int, end: int) -> None:
    state = two()
    (made,) = add(state, "web", text)
    assert (made.key, made.container_ip, made.bridge) == (key, "172.17.0.2", "dnet0")
    assert (made.container_port, made.container_end) == (port, end)
    assert state.mappings[key] == made


def test_several_specs_at_once() -> None:
    made = add(two(), "web", "80", "81", "8080:80", "80/udp")
    assert [one.key for one in made] == [
        "0.0.0.0:49153/tcp",
        "0.0.0.0:49154/tcp",
        "0.0.0.0:8080/tcp",
        "0.0.0.0:49153/udp",
    ]


def test_one_free_port_of_a_range_is_another_each_time() -> None:
    state = two()
    assert [add(state, "web", "8000-8001:80")[0].endpoint.port for _ in range(2)] == [8000, 8001]
    with pytest.raises(DnetError) as error:
        add(state, "web", "8000-8001:80")
    assert error.value.code == "exhausted"


def test_a_target_may_be_an_address() -> None:
    state = two()
    assert add(state, "172.17.0.3", "8080:80")[0].container_ip == "172.17.0.3"
    (alone,) = ipallocator.request(state, FACTS, owner="vm")
    (mapping,) = add(state, alone, "9090:90")
    assert mapping.container_ip == alone


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("nobody", NotFoundError),
        ("172.17.0.9", NotFoundError),
        ("10.9.9.9", NotFoundError),
        ("host", UsageError),
        ("a/b", UsageError),
        ("web\n", UsageError),
        ("1.2.3", UsageError),
        ("fe80::1", NotFoundError),
    ],
)
def test_what_is_no_target(target: str, error: type[DnetError]) -> None:
    state = two()
    before = snapshot(state)
    with pytest.raises(error) as refused:
        add(state, target, "8080:80")
    assert str(refused.value).isprintable()
    assert snapshot(state) == before


def test_of_an_address_that_is_free_there_is_nothing_to_list_or_remove() -> None:
    """Only publishing asks for one that is taken."""
    state = with_bridge()
    portmapper.remove_all(state, FACTS, target="172.17.0.77")
    with pytest.raises(NotFoundError, match="is not allocated"):
        portmapper.add(state, FACTS, target="172.17.0.77", specs=specs("80"))


def test_without_iptables_there_is_no_mapping() -> None:
    state = with_bridge(iptables=False)
    interface.allocate(state, FACTS, interface_id="web")
    with pytest.raises(ConflictError, match="--no-iptables") as error:
        add(state, "web", "80")
    assert error.value.hint == "dnet bridge init dnet0 --iptables"
    bridge.init(state, FACTS, options={"iptables": True})
    add(state, "web", "80")


@pytest.mark.parametrize("text", ["8080:80", "8000-8009:9000-9009/udp", "127.0.0.1:8080:80"])
def test_the_same_again_is_confirmed(text: str) -> None:
    state = two()
    made = add(state, "web", text)
    again = State(snapshot(state))
    assert add(again, "web", text) == made
    assert add(again, "172.17.0.2", text) == made
    assert not again.changes()
    assert again.confirmed


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("db", "8080:80"),
        ("web", "8080:81"),
        ("web", "127.0.0.1:8080:80"),
        ("web", "8080-8081:80-81"),
        ("web", "8079-8080:80-81"),
    ],
)
def test_the_same_port_for_something_else_is_in_use(target: str, text: str) -> None:
    state = two()
    add(state, "web", "8080:80")
    before = snapshot(state)
    with pytest.raises(PortInUseError):
        add(state, target, text)
    assert snapshot(state) == before


def test_two_host_ports_of_one_container_port_come_and_go_in_any_order() -> None:
    state = two()
    add(state, "web", "8080:80", "8081:80")
    remove(state, "8080")
    add(state, "web", "8080:80")
    remove(state, "8081")
    assert list(state.mappings) == ["0.0.0.0:8080/tcp"]


def test_remove_is_all_or_none() -> None:
    state = two()
    add(state, "web", "8080:80", "8081:80", "8000-8009:8000-8009")
    before = snapshot(state)
    with pytest.raises(NotFoundError, match="there is no mapping 9999/tcp"):
        remove(state, "8080", "9999")
    assert snapshot(state) == before
    remove(state, "8080", "9999", "8080", if_exists=True)
    assert list(state.mappings) == ["0.0.0.0:8081/tcp", "0.0.0.0:8000-8009/tcp"]


@pytest.mark.parametrize("text", ["8005", "0.0.0.0:8000", "8000-8008"])
def test_a_range_goes_whole(text: str) -> None:
    state = two()
    add(state, "web", "8000-8009:8000-8009")
    with pytest.raises(NotFoundError) as error:
        remove(state, text)
    assert error.value.hint == "dnet map remove 0.0.0.0:8000-8009/tcp"
    remove(state, "8000-8009")
    assert not state.mappings


def test_removing_the_mapping_leaves_the_reservation_it_used() -> None:
    state = two()
    portallocator.allocate(state, FACTS, owner="web", ports=(8080, 8080))
    add(state, "web", "8080:80")
    remove(state, "8080")
    assert list(state.reservations) == ["0.0.0.0:8080/tcp"]


def test_remove_all_of_a_target() -> None:
    state = two()
    add(state, "web", "8080:80", "8000-8009:8000-8009")
    add(state, "db", "5432:5432")
    portmapper.remove_all(state, FACTS, target="web")
    portmapper.remove_all(state, FACTS, target="web")
    assert list(state.mappings) == ["0.0.0.0:5432/tcp"]
    portmapper.remove_all(state, FACTS, target="172.17.0.3")
    assert not state.mappings
    with pytest.raises(NotFoundError):
        portmapper.remove_all(state, FACTS, target="nobody")
    portmapper.remove_all(state, FACTS, target="nobody", if_exists=True)


def test_a_range_that_would_end_above_the_last_port() -> None:
    with pytest.raises(UsageError):
        specs("60000-60001:65535-65536")
