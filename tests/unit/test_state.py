"""The state as a value: what is on record, what can be taken back, what is found by index."""

from __future__ import annotations

from dnet.model.entities import GONE
from dnet.model.state import State
from dnet.model.table import ABSENT
from dnet.network import bridge, interface, ipallocator, link, portallocator, portmapper
from dnet.store import document
from tests.unit.facts import FACTS, make_bridge, snapshot, specs, with_bridge


def furnished() -> State:
    """A bit of everything, as it comes from a file."""
    state = with_bridge("10.0.0.1/24", allocation="reuse")
    for name in ("web", "db", "old"):
        interface.allocate(state, FACTS, interface_id=name, expose=["80/tcp"])
    interface.release(state, FACTS, ids=["old"])
    portmapper.add(state, FACTS, target="web", specs=specs("8080:80", "80"))
    link.add(state, FACTS, parent="web", child="db")
    link.add(state, FACTS, parent="host", child="db")
    portallocator.allocate(state, FACTS, owner="web")
    return State(snapshot(state))


def test_an_empty_state() -> None:
    state = State()
    assert (state.serial, state.boot_id, state.netns, state.variant) == (0, None, None, None)
    assert not state.changes()
    assert state.document() == {
        "schema": 1,
        "serial": 0,
        "boot_id": None,
        "netns": None,
        "variant": None,
        "bridges": {},
        "cursors": {},
        "interfaces": {},
        "reservations": {},
        "mappings": {},
        "links": {},
        "leases": {},
        "released": {},
    }


def test_looking_leaves_no_trace() -> None:
    state = State()
    before = snapshot(state)
    assert not state.leases("dnet0")
    assert not state.released("dnet0")
    assert state.cursor("dnet0") == {}
    assert state.bridge_of("10.0.0.1") is None
    assert state.holder("10.0.0.1") is None
    assert state.interfaces.get("web") is None
    assert snapshot(state) == before
    assert not state.changes()


def test_the_head_comes_back() -> None:
    state = State()
    state.serial, state.boot_id, state.netns, state.variant = 7, "b", 4242, "legacy"
    again = State(snapshot(state))
    assert (again.serial, again.boot_id, again.netns, again.variant) == (7, "b", 4242, "legacy")


def test_changes_are_the_difference_to_what_was_loaded() -> None:
    state = furnished()
    interface.allocate(state, FACTS, interface_id="new")
    interface.release(state, FACTS, ids=["new"])
    portmapper.add(state, FACTS, target="web", specs=specs("9090:90", "9091:91"))
    state.mappings.drop("0.0.0.0:9091/tcp")
    state.mappings.drop("0.0.0.0:8080/tcp")
    bridge.init(state, FACTS, options={"icc": False})
    found = {(table.name, key): (old, new) for table, key, old, new in state.changes()}
    assert set(found) == {
        ("mappings", "0.0.0.0:9090/tcp"),
        ("mappings", "0.0.0.0:8080/tcp"),
        ("bridges", "dnet0"),
    }
    old, new = found["mappings", "0.0.0.0:9090/tcp"]
    assert old is ABSENT
    assert new["container_port"] == 90
    old, new = found["mappings", "0.0.0.0:8080/tcp"]
    assert old["container_port"] == 80
    assert new is ABSENT
    old, new = found["bridges", "dnet0"]
    assert ("icc" in old, new["icc"]) == (False, False)


def test_what_is_undone_is_no_change() -> None:
    state = furnished()
    before = snapshot(state)
    portmapper.add(state, FACTS, target="web", specs=specs("9090:90"))
    mark, middle = state.mark(), snapshot(state)
    bridge.remove(state, FACTS, name="dnet0", force=True)
    make_bridge(state, "dnet0", "10.9.0.1/24")
    ipallocator.request(state, FACTS, count=5)
    state.undo(mark)
    assert snapshot(state) == middle
    state.undo(0)
    assert snapshot(state) == before
    assert state.changes() == []


def test_indexes_follow_what_comes_goes_and_comes_back() -> None:
    state = furnished()
    looked_up = lookups(state)
    mark = state.mark()
    interface.release(state, FACTS, ids=["db"])
    assert lookups(state) == lookups(State(snapshot(state))) != looked_up
    state.undo(mark)
    assert lookups(state) == lookups(State(snapshot(state))) == looked_up


def lookups(state: State) -> list[set[str]]:
    holder = state.holder("10.0.0.3")
    return [
        {holder.id} if holder else set(),
        set(state.mappings_by_target.keys("10.0.0.2")),
        set(state.mappings_by_bridge.keys("dnet0")),
        set(state.links_by_member.keys("db")),
        set(state.links_by_member.keys("host")),
        set(state.reservations_by_owner.keys("web")),
        {str(endpoint) for endpoint, _ in state.link_endpoints()},
    ]


def test_who_has_what() -> None:
    state = furnished()
    make_bridge(state, "other", "10.1.0.1/24")
    found = [state.bridge_of(ip) for ip in ("10.0.0.200", "10.1.0.0", "10.2.0.1")]
    assert [one.name if one else None for one in found] == ["dnet0", "other", None]
    endpoints = [(str(endpoint), one.key) for endpoint, one in state.link_endpoints()]
    assert endpoints == [("127.0.0.1:80/tcp", "host:db")]


def test_a_lease_without_an_owner_is_a_lease() -> None:
    state = with_bridge("10.0.0.1/24")
    (ip,) = ipallocator.request(state, FACTS)
    again = State(snapshot(state))
    assert ip in again.leases("dnet0")
    assert again.leases("dnet0")[ip] is None
    assert ipallocator.request(again, FACTS) == ["10.0.0.3"]


def test_defaults_are_not_written_down() -> None:
    rows = snapshot(furnished())
    assert rows["bridges"]["dnet0"] == {
        "address": "10.0.0.1/24",
        "mtu": 1500,
        "created": "2026-01-01T00:00:00Z",
        "allocation": "reuse",
    }
    assert rows["interfaces"]["web"] == {"bridge": "dnet0", "ip": "10.0.0.2", "expose": ["80/tcp"]}
    assert rows["leases"] == {"dnet0": {"10.0.0.2": "web", "10.0.0.3": "db"}}
    assert rows["released"] == {"dnet0": {"10.0.0.4": None}}


def test_a_thing_is_what_its_row_says_now_however_often_it_was_asked_for() -> None:
    state = furnished()
    web = state.interfaces["web"]
    assert state.interfaces["web"] is web
    mark = state.mark()
    state.interfaces.put("web", web._replace(ip="10.0.0.9"))
    assert state.interfaces["web"].ip == "10.0.0.9"
    state.undo(mark)
    assert state.interfaces["web"] == web
    state.interfaces.drop("web")
    assert state.interfaces.get("web") is None
    old = {**web.row(), "ip": "10.0.0.8"}
    assert state.interfaces.decode("web", old).ip == "10.0.0.8"


def test_after_a_boot_no_namespace_is_the_one_it_was() -> None:
    """But that a name alone stands for, where the kernel has no cookies."""
    state = with_bridge("10.0.0.1/24")
    for key in "abcd":
        interface.allocate(state, FACTS, interface_id=key)
    places = {"a": ("blue", 7), "b": ("/proc/7/ns/net", None), "c": ("red", None)}
    for key, (netns, cookie) in places.items():
        one = state.interfaces[key]
        state.interfaces.put(key, one._replace(netns=netns, ifname="eth0", cookie=cookie))
    again = State(state.document())
    again.forget_boot()
    assert [again.interfaces[key].cookie for key in "abcd"] == [GONE, GONE, None, None]
    assert again.changes() == []


def test_what_a_table_has_more_than_before_is_written_behind_it() -> None:
    names = ["172.17.0.9", "{}", "empty"]  # As an address that is taken, and as rows begin and end.
    state = State()
    for number, name in enumerate(["dnet0", *names]):
        make_bridge(state, name, f"172.{17 + number}.0.1/16")
    for name in ("dnet0", *names[:-1]):
        ipallocator.request(state, FACTS, bridge=name, owner=None if name == "{}" else "empty")
    ipallocator.request(state, FACTS, bridge="dnet0", ip="172.17.0.9")
    for name in ("dnet0", *names):
        again = document.read(document.write(state))
        ipallocator.request(again, FACTS, bridge=name, count=2)
        assert again.appended("leases", name)
        text = document.write(again)
        again.text = b""
        assert document.write(again) == text
        assert again.document() == document.read(text).document()
