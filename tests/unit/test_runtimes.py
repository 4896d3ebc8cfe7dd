from __future__ import annotations

import dataclasses

import pytest

from dnet.errors import ConflictError, NotFoundError, StateUnreadableError, UsageError
from dnet.model.entities import Origin
from dnet.model.state import State
from dnet.network import attachment, bridge, portallocator, runtimes
from dnet.network.attachment import Wiring
from dnet.network.facts import Namespace
from dnet.network.runtimes import Home
from dnet.store import document
from dnet.values import origins
from tests.unit.facts import FakeFacts, snapshot, specs

FACTS = FakeFacts(
    namespaces={name: Namespace(name, f"/run/netns/{name}", at) for at, name in enumerate("abcd")}
)
LAB = Home("lab0", {"address": "10.5.0.1/24"})
ID = "0123456789abcdef" * 4


def origin(
    container: str = ID, ifname: str = "eth0", name: str | None = None, network: str = "lab"
) -> Origin:
    return Origin("cni", network, container, ifname, name)


def attach(state: State, one: Origin, netns: str, facts: FakeFacts = FACTS, **more: object) -> str:
    given = {"home": LAB, "wiring": Wiring(netns, one.ifname), **more}
    return runtimes.attach(state, facts, origin=one, **given).id  # type: ignore[arg-type]


def test_the_bridge_comes_with_the_first_and_goes_with_the_last() -> None:
    state = State()
    attach(state, origin("one"), "a")
    attach(state, origin("two"), "b")
    assert (state.bridges["lab0"].address, state.bridges["lab0"].origin) == (
        "10.5.0.1/24",
        "cni:lab",
    )
    runtimes.detach(state, FACTS, origin=origin("one").key)
    assert "lab0" in state.bridges
    runtimes.detach(state, FACTS, origin=origin("two").key)
    assert snapshot(state) == snapshot(State())


def test_a_bridge_of_a_person_s_stays() -> None:
    state = State()
    attach(state, origin("one"), "a")
    bridge.init(state, FACTS, name="lab0", options={"icc": False})
    runtimes.detach(state, FACTS, origin=("cni",))
    assert not state.bridges["lab0"].icc


def test_a_bridge_stays_with_what_somebody_keeps_on_it() -> None:
    state = State()
    attach(state, origin("one"), "a")
    portallocator.allocate(state, FACTS, bridge="lab0")
    runtimes.detach(state, FACTS, origin=("cni",))
    assert "lab0" in state.bridges


def test_gc_takes_the_bridge_along() -> None:
    state = State()
    attach(state, origin("one"), "a")
    attachment.collect(state, FakeFacts())
    assert snapshot(state) == snapshot(State())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"address": "10.6.0.1/24"}, "has the address 10.5.0.1/24, not 10.6.0.1/24"),
        ({"icc": False}, "has the icc on, not off"),
        ({"range": "10.5.0.128/25"}, "has the range none, not 10.5.0.128/25"),
        ({"firewall": "nftables"}, "has the firewall iptables, not nftables"),
    ],
)
def test_another_configuration_is_refused(options: dict[str, object], said: str) -> None:
    state = State()
    attach(state, origin("one"), "a")
    with pytest.raises(ConflictError, match=said):
        attach(state, origin("two"), "b", home=Home("lab0", options))


def test_the_same_configuration_in_other_words_is_the_same() -> None:
    state = State()
    attach(state, origin("one"), "a")
    same = {"address": "10.5.0.1/24", "range": "10.5.0.0/24", "firewall": "auto", "icc": True}
    attach(state, origin("two"), "b", home=Home("lab0", same))


def test_without_options_the_bridge_has_to_be_there() -> None:
    with pytest.raises(NotFoundError):
        attach(State(), origin(), "a", home=Home("lab0"))


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (origin(name="web"), "web"),
        (origin(), "0123456789ab"),
        (origin(name="-x"), "0123456789ab"),
        (origin(name="host"), "0123456789ab"),
        (origin(name="x" * 129), "0123456789ab"),
        (origin("a"), "a"),
        (origin("x" * 300), "x" * 12),
    ],
)
def test_an_id_is_one_that_people_can_read(one: Origin, expected: str) -> None:
    assert attach(State(), one, "a") == expected


def test_an_id_is_nobody_else_s() -> None:
    state = State()
    assert attach(state, origin("1" * 64, name="web"), "a") == "web"
    assert attach(state, origin("2" * 64, name="web"), "b") == "2" * 12
    odd = attach(state, origin("2" * 63, name="web"), "c")
    assert odd.startswith("cni-")
    assert len(odd) == 14


def test_an_id_that_a_port_is_kept_for_is_somebody_s() -> None:
    state = State()
    bridge.init(state, FACTS, name="lab0", options={"address": "10.5.0.1/24"})
    portallocator.allocate(state, FACTS, owner="web")
    assert attach(state, origin(name="web"), "a") == ID[:12]


@pytest.mark.parametrize("container", ["host", "10.0.0.1", "-", "ab:cd", "ä"])
def test_any_container_id_comes_to_an_id(container: str) -> None:
    assert attach(State(), origin(container), "a").startswith("cni-")


def test_a_container_s_further_interfaces_bear_their_names() -> None:
    state = State()
    assert attach(state, origin(name="web"), "a") == "web"
    second = Home("two0", {"address": "10.6.0.1/24"})
    two = origin(ifname="eth1", name="web", network="two")
    assert attach(state, two, "a", home=second) == "web.eth1"
    runtimes.detach(state, FACTS, origin=two.key)
    assert list(state.interfaces) == ["web"]


def test_again_it_is_the_same_one() -> None:
    state = State()
    wiring = Wiring("a", "eth0", publish=specs("8080:80"))
    first = attach(state, origin(name="web"), "a", wiring=wiring)
    before = snapshot(state)
    assert attach(state, origin(name="web"), "a", wiring=wiring) == first
    assert snapshot(state) == before
    assert state.replug == {"web"}


def test_in_a_new_namespace_it_is_made_anew() -> None:
    state = State()
    attach(state, origin(name="web"), "a", wiring=Wiring("a", publish=specs("8080:80")))
    facts = dataclasses.replace(FACTS, namespaces={"b": FACTS.namespaces["b"]})
    attach(state, origin(name="web"), "b", facts)
    assert (state.interfaces["web"].netns, list(state.mappings)) == ("b", [])


def test_where_its_namespace_is_there_it_is_not_moved() -> None:
    state = State()
    attach(state, origin(name="web"), "a")
    facts = dataclasses.replace(FACTS, plugged=["web"])
    with pytest.raises(ConflictError, match="already attached"):
        attach(state, origin(name="web"), "b", facts)


def test_what_a_runtime_left_at_a_place_gives_way() -> None:
    state = State()
    attach(state, origin("one"), "a")
    facts = FakeFacts(namespaces={"a": Namespace("a", "/run/netns/a", 99)})
    attach(state, origin("two"), "a", facts)
    assert list(state.interfaces) == ["two"]


def test_detaching_what_is_not_there_is_no_error() -> None:
    assert runtimes.detach(State(), FACTS, origin=origin().key) == []


def test_collecting_spares_all_that_others_made() -> None:
    state = State()
    attach(state, origin("gone"), "a")
    attach(state, origin("kept"), "b")
    attach(state, origin("busy"), "c")
    attach(state, origin("other", network="two"), "d")
    attachment.attach(state, FACTS, interface_id="mine", bridge="lab0", wiring=Wiring("a", "eth9"))
    facts = dataclasses.replace(FACTS, inhabited=["c"])
    found = runtimes.collect(state, facts, origin=("cni", "lab"), but={("kept", "eth0")})
    assert [one.id for one in found.gone] == ["gone"]
    assert [one.id for one in found.spared] == ["busy"]
    assert sorted(state.interfaces) == ["busy", "kept", "mine", "other"]


def test_gc_of_an_origin_leaves_others() -> None:
    state = State()
    attach(state, origin("one"), "a")
    attach(state, origin("two", network="two"), "b")
    gone = attachment.collect(state, FakeFacts(), origin=("cni", "two"))
    assert [one.id for one in gone] == ["two"]


def test_an_origin_comes_back_from_the_store() -> None:
    state = State()
    attach(state, origin(name="web"), "a")
    text = document.write(state).decode()
    assert '"schema": 3' in text
    assert document.read(text.encode()).interfaces["web"].origin == origin(name="web")
    edited = text.replace('{"checksum"', '{ "checksum"').encode()
    assert document.read(edited).interfaces["web"].origin == origin(name="web")


@pytest.mark.parametrize(
    ("part", "other"),
    [('"by": "cni"', '"by": "docker"'), ('"name": "web"', '"name": 1'), ('"by": "cni", ', "")],
)
def test_an_edited_origin_is_examined(part: str, other: str) -> None:
    state = State()
    attach(state, origin(name="web"), "a")
    text = document.write(state).decode()
    assert part in text
    with pytest.raises(StateUnreadableError, match="origin is not"):
        document.read(text.replace(part, other).encode())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cni", ("cni",)),
        ("oci:lab", ("oci", "lab")),
        ("netavark:lab/web", ("netavark", "lab", "web")),
        ("cni:lab/web/eth0", ("cni", "lab", "web", "eth0")),
    ],
)
def test_an_origin_on_the_command_line(text: str, expected: tuple[str, ...]) -> None:
    assert origins.parse(text) == expected


@pytest.mark.parametrize("text", ["", "docker", "cni:", "cni:a//c", "cni:a/b/c/d", "cni/a"])
def test_what_is_no_origin(text: str) -> None:
    with pytest.raises(UsageError):
        origins.parse(text)
