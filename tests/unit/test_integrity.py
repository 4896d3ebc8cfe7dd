"""A store that was edited by hand: what dnet could not have written is refused, with its place."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnet.errors import StateUnreadableError
from dnet.model import fields
from dnet.model.entities import Bridge, Interface, Link, Mapping, Reservation
from dnet.model.pool import Overlay, Peer
from dnet.model.state import State
from dnet.network import bridge, interface, ipallocator, link, portallocator, portmapper
from dnet.store import schema
from dnet.store.integrity import unique, verify
from tests.unit.facts import FACTS, STABLE, make_bridge, snapshot, specs, with_bridge

Document = dict[str, Any]


def furnished() -> Document:
    """A document with everything in it that dnet writes, each option and each exception."""
    state = with_bridge("10.0.0.1/24", allocation="reuse", range="10.0.0.0/25", icc=False)
    make_bridge(state, "br1", "10.0.1.7/24", port_range=(40000, 40009), binding_ip="127.0.0.1")
    make_bridge(state, "bare", "10.0.2.1/30", iptables=False)
    for name in ("web", "db", "old"):
        expose = ["80/tcp", "53/udp"] if name == "db" else []
        interface.allocate(state, FACTS, interface_id=name, bridge="dnet0", expose=expose)
    interface.release(state, FACTS, ids=["old"])
    interface.allocate(state, FACTS, interface_id="far", bridge="br1", expose=["80/tcp"])
    plugged = Interface(
        "vm", "br1", "10.0.1.9", (), "02:00:00:00:00:01", "/run/netns/vm", "eth0", 4242
    )
    state.leases("br1").put(plugged.ip, plugged.id)
    state.interfaces.put(plugged.id, plugged)
    ipallocator.request(state, FACTS, bridge="br1", owner="web")
    ipallocator.request(state, FACTS, bridge="br1")
    for ports, owner in (((7000, 7000), None), ((8080, 8080), "web"), ((80, 80), "db")):
        portallocator.allocate(state, FACTS, bridge="dnet0", owner=owner, ports=ports)
    portallocator.allocate(state, FACTS, bridge="br1", proto="udp")
    wanted = specs("8080:80", "80/udp", "8000-8009:9000-9009/sctp", "192.0.2.1:90:90")
    portmapper.add(state, FACTS, target="web", specs=wanted)
    portmapper.add(state, FACTS, target="10.0.1.2", specs=specs("192.0.2.2:90:90"))
    for parent, child in (("web", "db"), ("host", "db"), ("web", "far"), ("far", "web")):
        link.add(state, FACTS, parent=parent, child=child, ports=["80/tcp"] * (child == "web"))
    document = snapshot(state)
    head = {"serial": 7, "boot_id": "b1c5", "netns": 4026531840, "variant": "nft"}
    return {**document, **head}


DOCUMENT = furnished()
HOSTS: Document = {
    "overlays": {
        "br1": {
            "name": "a",
            "registry": "file:///hosts",
            "underlay": "192.0.2.1",
            "pool": "10.0.0.0/16",
            "block": "10.0.1.0/24",
        }
    },
    "peers": {
        "b": {"block": "10.0.8.0/24", "underlay": "192.0.2.2", "revision": 4},
        "c": {"block": "10.0.9.0/24", "state": "left"},
    },
}
WHOLE = DOCUMENT | HOSTS


def test_what_dnet_writes_is_accepted_and_left_as_it_is() -> None:
    for document in (DOCUMENT, WHOLE, snapshot(State()), {"checksum": "0123abcd", **DOCUMENT}):
        before = copy.deepcopy(document)
        verify(document)
        assert document == before


def test_every_field_has_its_check() -> None:
    entities: dict[str, tuple[str, ...]] = {
        "bridges": Bridge._fields[1:],
        "interfaces": Interface._fields[1:],
        "reservations": Reservation._fields[1:],
        "mappings": Mapping._fields[1:],
        "links": Link._fields[2:],
        "overlays": Overlay._fields[1:],
        "peers": Peer._fields[1:],
    }
    for table, names in entities.items():
        assert set(schema.KINDS[table].fields) == set(names) == fields.FIELDS[table]
    assert schema.CURSOR.keys() == fields.FIELDS["cursors"]
    assert schema.SETTINGS.keys() == fields.FIELDS["settings"]
    optional = {part for part, field in fields.SINCE if field is None}
    assert {*snapshot(State())} == {*schema.HEAD} - optional


# Damage of the document itself


@pytest.mark.parametrize("document", [None, [], "text", 7, 1.5, True, [[[]]]])
def test_what_is_no_object(document: object) -> None:
    with pytest.raises(StateUnreadableError, match="the store: it is not a JSON object"):
        verify(document)


def test_a_newer_schema_is_named_before_anything_else() -> None:
    for document in ({"schema": fields.SCHEMA + 1, "new": {}}, {**DOCUMENT, "schema": 99}):
        with pytest.raises(StateUnreadableError, match="from a newer version of dnet"):
            verify(document)


@pytest.mark.parametrize("key", sorted(DOCUMENT))
def test_every_part_must_be_there_and_of_its_kind(key: str) -> None:
    with pytest.raises(StateUnreadableError, match=f"the store: {key} is missing"):
        verify({name: value for name, value in DOCUMENT.items() if name != key})
    others: list[object] = [[], 1.5, True, -1, ""]
    for value in others:
        with pytest.raises(StateUnreadableError, match=f"the store: {key} is not"):
            verify({**DOCUMENT, key: value})


# Damage within it


@pytest.mark.parametrize("table", sorted(schema.KINDS))
@pytest.mark.parametrize("row", [None, [], "text", 7])
def test_a_row_must_be_an_object(table: str, row: object) -> None:
    document = copy.deepcopy(WHOLE)
    key = next(iter(document[table]))
    document[table][key] = row
    with pytest.raises(StateUnreadableError) as error:
        verify(document)
    assert str(error.value) == f"{table} {key}: it is not a JSON object"


@pytest.mark.parametrize("table", sorted(schema.KINDS))
def test_an_unknown_field(table: str) -> None:
    document = copy.deepcopy(WHOLE)
    key = next(iter(document[table]))
    document[table][key]["colour\n"] = "red"
    with pytest.raises(StateUnreadableError) as error:
        verify(document)
    assert str(error.value) == rf"{table} {key}: 'colour\n' is unknown"


MISSING = {
    "bridges": {"address", "mtu", "created"},
    "interfaces": {"bridge", "ip"},
    "reservations": {"bridge"},
    "mappings": {"container_ip", "container_port", "bridge"},
    "links": {
        *("parent_ip", "parent_bridge", "child_ip", "child_bridge", "ports", "alias"),
    },
    "overlays": {"name", "registry", "underlay"},
    "peers": {"block"},
}


@pytest.mark.parametrize(
    ("table", "field"), [(table, one) for table in MISSING for one in sorted(MISSING[table])]
)
def test_a_missing_field(table: str, field: str) -> None:
    document = copy.deepcopy(WHOLE)
    key = next(iter(document[table]))
    del document[table][key][field]
    with pytest.raises(StateUnreadableError) as error:
        verify(document)
    assert str(error.value) == f"{table} {key}: {field} is missing"


def damaged(*path: str, value: object) -> Document:
    document = copy.deepcopy(WHOLE)
    place: Any = document
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return document


WEB, RANGE = "0.0.0.0:8080/tcp", "0.0.0.0:8000-8009/sctp"
IP, PORT = "10.0.0.2", "0.0.0.0:7000/tcp"
# (the way to a value, what else may not stand there)
VALUES: list[tuple[tuple[str, ...], list[object]]] = [
    (("serial",), [-1, 1.0, "7", None, True, 10**30]),
    (("netns",), [-1, "1", 1.5, []]),
    (("boot_id",), ["", 7, {}]),
    (("generation",), [-1, "7", True, {}]),
    (("variant",), ["iptables", "", 7, ["nft"]]),
    (("bridges", "dnet0", "address"), ["10.0.0.0/24", "10.0.0.1", "10.0.0.1/33", 7, None]),
    (("bridges", "dnet0", "mtu"), [67, 65536, "1500", 1500.0, True, None, 10**20]),
    (("bridges", "dnet0", "created"), [7, None, ""]),
    (("bridges", "dnet0", "range"), ["10.0.1.0/25", "10.0.0.1/25", "x", 7, "10.0.0.0/025", ""]),
    (("bridges", "dnet0", "chain"), ["INPUT", "a b", "", 7, None]),
    (("bridges", "dnet0", "icc"), [0, "false", None]),
    (("bridges", "dnet0", "adopted"), [1, "true"]),
    (("bridges", "dnet0", "other_ips"), ["10.0.0.9", ["10.0.0.9/24"], [7], None, {}]),
    (("bridges", "dnet0", "binding_ip"), ["224.0.0.1", "x", 7, None]),
    (
        ("bridges", "dnet0", "port_range"),
        [[1], [2, 1], [1, 2, 3], [0, 1], [1, 65536], ["1", "2"], [1.0, 2], "1-2", [], None, {}],
    ),
    (("bridges", "dnet0", "allocation"), ["random", 7, None, ["reuse"]]),
    (("interfaces", "web", "bridge"), ["nobody", "br1", 7, None, ""]),
    (("interfaces", "web", "ip"), ["10.0.0.99", "10.0.0.3", "10.0.9.9", "010.0.0.2", "x", None]),
    (("interfaces", "web", "expose"), ["80/tcp", ["80"], ["0/tcp"], [80], ["80/tcp"] * 2, [[]]]),
    (("interfaces", "db", "expose"), [["80/tcp", "53/udp"], None]),
    (("interfaces", "vm", "mac"), ["01:00:00:00:00:01", "02-00", "02:00:00:00:00:0A", 7, ""]),
    (("interfaces", "vm", "netns"), [None, "", 7]),
    (("interfaces", "vm", "ifname"), [None, "", "a/b", "x" * 16]),
    (("interfaces", "vm", "cookie"), ["4242", -1, 1.5]),
    (("interfaces", "web", "cookie"), [4242]),
    (("interfaces", "vm", "rate_in"), ["8mbit", "7Kbit", "none", "", 8, []]),
    (("interfaces", "vm", "hosts_file"), ["hosts", "/a/../b", "/a/", "/a\nb", "", 7]),
    (("interfaces", "web", "rate_out"), ["8Mbit"]),
    (("interfaces", "web", "hosts_file"), ["/etc/netns/web/hosts"]),
    (("interfaces", "web", "ifname"), ["eth0"]),
    (("leases", "dnet0", IP), [None, "db", "a b", 7, []]),
    (("leases", "br1", "10.0.1.3"), [7, "a/b", "host", {}]),
    (("leases", "dnet0"), [None, [], {}, "x"]),
    (("released", "dnet0"), [None, [], {"10.0.0.4": 0}, {"10.9.9.9": None}, {IP: None}]),
    (("cursors", "dnet0"), [None, [], {"tcp": 0}, {"tcp": "1"}, {"icmp": 1}, {"highest": 7}]),
    (("cursors", "br1"), [{"last_ip": "10.0.0.2"}, {"last_ip": "x"}, {"tcp": True}]),
    (("reservations", PORT, "bridge"), ["nobody", 7, None]),
    (("reservations", PORT, "owner"), ["a b", 7, "", "host"]),
    (("mappings", WEB, "container_ip"), ["10.0.0.9", "10.0.1.2", "x", 7, None]),
    (("mappings", WEB, "container_port"), [0, 65536, "80", 80.0, True, None]),
    (("mappings", RANGE, "container_port"), [65527]),
    (("mappings", WEB, "bridge"), ["br1", "nobody", "bare", None, 7]),
    (("links", "web:db", "parent_ip"), ["10.0.0.3", "127.0.0.1", "x", None]),
    (("links", "web:db", "parent_bridge"), ["br1", None, "nobody", 7]),
    (("links", "web:db", "child_ip"), ["10.0.0.2", "x", None]),
    (("links", "web:db", "child_bridge"), ["br1", "nobody", None, 7]),
    (("links", "web:db", "ports"), [[], ["80"], "80/tcp", ["80/tcp", "53/udp"], None, [80]]),
    (("links", "web:db", "alias"), ["a b", "", 7, None, "FAR"]),
    (("links", "host:db", "parent_ip"), ["10.0.0.2", "127.0.0.2"]),
    (("links", "host:db", "parent_bridge"), ["dnet0"]),
    (("links", "host:db", "ports"), [["7000/tcp"], ["8080/tcp"]]),
    (("overlays",), [[], 7, {"br1": HOSTS["overlays"]["br1"], "dnet0": {}}]),
    (("overlays", "br1", "name"), ["", 7, None]),
    (("overlays", "br1", "underlay"), ["192.0.2.256", "fd00::1", None, ""]),
    (("overlays", "br1", "pool"), ["10.0.0.1/16", "10.0.0.0", "10.0.1.0/25", "10.9.0.0/16", None]),
    (("overlays", "br1", "block"), ["10.0.2.0/24", "10.0.1.0/25", "x", 7, None]),
    (("overlays", "br1", "transport"), ["wireguard", "", None]),
    (("overlays", "br1", "vni"), [0, 1 << 24, "7", None]),
    (("overlays", "br1", "port"), [0, 65536, "4789"]),
    (("overlays", "br1", "expelled"), [1, "no"]),
    (("peers", "b", "block"), ["10.0.1.0/24", "10.0.9.0/24", "10.9.0.0/24", "10.0.0.0/8", None]),
    (("peers", "b", "underlay"), [None, "x", "fd00::2"]),
    (("peers", "b", "revision"), [-1, "4", None]),
    (("peers", "b", "state"), ["left", "dead", None]),
    (("peers", "c", "underlay"), ["192.0.2.3"]),
]


@pytest.mark.parametrize(
    ("path", "value"),
    [(path, value) for path, values in VALUES for value in values],
    ids=lambda one: ".".join(one) if isinstance(one, tuple) else repr(one)[:20],
)
def test_a_value_that_cannot_be(path: tuple[str, ...], value: object) -> None:
    with pytest.raises(StateUnreadableError) as error:
        verify(damaged(*path, value=value))
    assert str(error.value).isprintable()
    assert error.value.status == 8


ROWS: list[tuple[str, str, object]] = [
    ("bridges", "a/b", {"address": "10.9.0.1/24", "mtu": 1500, "created": "now"}),
    ("bridges", "two", {"address": "10.0.0.129/25", "mtu": 1500, "created": "now"}),
    ("bridges", "two", {"address": "10.0.0.1/8", "mtu": 1500, "created": "now"}),
    ("interfaces", "a b", {"bridge": "dnet0", "ip": IP}),
    ("interfaces", "host", {"bridge": "dnet0", "ip": IP}),
    ("interfaces", "two", {"bridge": "dnet0", "ip": IP}),
    ("interfaces", "two", {"bridge": "dnet0", "ip": "10.0.0.77"}),
    ("leases", "nobody", {}),
    ("leases", "nobody", {"10.0.0.9": None}),
    ("released", "nobody", {}),
    ("cursors", "nobody", {}),
    ("reservations", "", {"bridge": "dnet0"}),
    ("reservations", "7001", {"bridge": "dnet0"}),
    ("reservations", "0.0.0.0:7001", {"bridge": "dnet0"}),
    ("reservations", "0.0.0.0:7001-7002/tcp", {"bridge": "dnet0"}),
    ("reservations", "0.0.0.0:07001/tcp", {"bridge": "dnet0"}),
    ("reservations", "10.0.0.9:7000/tcp", {"bridge": "dnet0"}),
    ("reservations", "0.0.0.0:8009/sctp", {"bridge": "dnet0"}),
    ("reservations", "127.0.0.1:80/tcp", {"bridge": "dnet0", "owner": "db"}),
    ("reservations", "192.0.2.1:90/tcp", {"bridge": "dnet0", "owner": "db"}),
    ("mappings", "x", {"container_ip": IP, "container_port": 80, "bridge": "dnet0"}),
    ("mappings", "0.0.0.0:0/tcp", {"container_ip": IP, "container_port": 80, "bridge": "dnet0"}),
    ("mappings", "0.0.0.0:9-8/tcp", {"container_ip": IP, "container_port": 80, "bridge": "dnet0"}),
    ("mappings", "0.0.0.0:99/icmp", {"container_ip": IP, "container_port": 80, "bridge": "dnet0"}),
    ("mappings", "10.9.9.9:8080/tcp", {"container_ip": IP, "container_port": 1, "bridge": "dnet0"}),
    ("mappings", "0.0.0.0:90/tcp", {"container_ip": IP, "container_port": 90, "bridge": "dnet0"}),
    ("mappings", "127.0.0.1:80/tcp", {"container_ip": IP, "container_port": 1, "bridge": "dnet0"}),
    ("mappings", "0.0.0.0:7000/tcp", {"container_ip": IP, "container_port": 1, "bridge": "dnet0"}),
    (
        "mappings",
        "0.0.0.0:7990-8000/sctp",
        {"container_ip": IP, "container_port": 1, "bridge": "dnet0"},
    ),
]


@pytest.mark.parametrize(("table", "key", "row"), ROWS, ids=[f"{t} {k}" for t, k, _ in ROWS])
def test_a_row_that_cannot_be(table: str, key: str, row: object) -> None:
    with pytest.raises(StateUnreadableError) as error:
        verify(damaged(table, key, value=row))
    assert str(error.value).isprintable()


@pytest.mark.parametrize("key", ["web", "web:web", "web:nobody", "nobody:db", "db:host", "a:b:c"])
def test_a_link_of_what_cannot_be_linked(key: str) -> None:
    row = DOCUMENT["links"]["web:db"]
    with pytest.raises(StateUnreadableError):
        verify(damaged("links", key, value=row))


@pytest.mark.parametrize("ip", ["10.0.0.0", "10.0.0.1", "10.0.0.255", "10.0.1.2", "10.0.0.300"])
def test_a_lease_of_what_is_never_handed_out(ip: str) -> None:
    with pytest.raises(StateUnreadableError, match=r"^leases dnet0: "):
        verify(damaged("leases", "dnet0", ip, value=None))


def test_two_interfaces_cannot_be_one_device() -> None:
    document = damaged("leases", "br1", "10.0.1.10", value="two")
    document["interfaces"]["two"] = {**document["interfaces"]["vm"], "ip": "10.0.1.10"}
    with pytest.raises(StateUnreadableError, match="another one is eth0 in /run/netns/vm"):
        verify(document)
    document["interfaces"]["two"]["ifname"] = "eth1"
    verify(document)


@pytest.mark.parametrize("table", ["bridges", "interfaces", "leases"])
def test_what_others_point_to_must_be_there(table: str) -> None:
    for key in DOCUMENT[table]:
        if (table, key) == ("bridges", "bare"):
            continue
        document = copy.deepcopy(DOCUMENT)
        del document[table][key]
        # The interface without anything but an address leaves a lease that is allowed.
        if (table, key) == ("interfaces", "vm"):
            verify(document)
        else:
            with pytest.raises(StateUnreadableError):
                verify(document)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda d: d["mappings"][WEB].update(container_port="80"),
            "mappings 0.0.0.0:8080/tcp: container_port is not a port",
        ),
        (
            lambda d: d["interfaces"]["db"].update(ip=IP),
            "interfaces db: 10.0.0.2 is leased to web",
        ),
        (
            lambda d: d["leases"]["dnet0"].pop(IP),
            "interfaces web: 10.0.0.2 is not leased",
        ),
        (
            lambda d: d["bridges"]["dnet0"].update(iptables=False),
            "mappings 0.0.0.0:8080/tcp: dnet0 has no iptables",
        ),
        (
            lambda d: d["reservations"][WEB].update(owner="db"),
            "mappings 0.0.0.0:8080/tcp: 0.0.0.0:8080/tcp belongs to the reservation "
            "0.0.0.0:8080/tcp",
        ),
        (
            lambda d: d["interfaces"].pop("db"),
            "links web:db: there is no interface db",
        ),
        (
            lambda d: (
                d["mappings"].pop("192.0.2.2:90/tcp"),
                d["bridges"]["br1"].update(iptables=False),
            ),
            "links web:far: br1 has no iptables",
        ),
        (
            lambda d: d["leases"]["dnet0"].update({"10.0.0.1": None}),
            "leases dnet0: 10.0.0.1 is the address of dnet0 itself",
        ),
    ],
)
def test_the_place_and_the_reason_are_named(
    damage: Callable[[Document], object], message: str
) -> None:
    document = copy.deepcopy(DOCUMENT)
    damage(document)
    with pytest.raises(StateUnreadableError) as error:
        verify(document)
    assert str(error.value) == message


def test_a_key_that_is_there_twice_is_not_lost() -> None:
    text = '{"leases": {"dnet0": {"10.0.0.2": "web", "10.0.0.3": null, "10.0.0.2": "db"}}}'
    with pytest.raises(StateUnreadableError, match=r"'10\.0\.0\.2': it occurs twice"):
        json.loads(text, object_pairs_hook=unique)
    assert json.loads(json.dumps(DOCUMENT), object_pairs_hook=unique) == DOCUMENT


# Damage of every kind, and anywhere

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 70000)
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["web", "db", "dnet0", "br1", "host", IP, "10.0.0.3", "80/tcp", WEB, RANGE])
)
KEYS = st.sampled_from(
    ["two", "0.0.0.0:1/tcp", "0.0.0.0:2-3/udp", "db:web", "far:db", "10.0.0.9", "10.0.1.99"]
) | st.text(max_size=6)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def nested(depth: int, shape: str) -> object:
    value: object = None
    for _ in range(depth):
        value = [value] if shape == "list" else {"dnet0": value}
    return value


DEEP = st.builds(nested, st.just(3000), st.sampled_from(["list", "object"]))


def paths(value: object, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The way to every value of the document."""
    inner = value.items() if isinstance(value, dict) else ()
    below = [way for key, one in inner for way in paths(one, (*path, key))]
    return [path, *below] if path else below


PATHS = paths(DOCUMENT)


@st.composite
def mutations(draw: st.DrawFn) -> object:
    """The document with a few changes of any kind: removed, replaced, renamed, copied."""
    document = copy.deepcopy(DOCUMENT)
    for path in draw(st.lists(st.sampled_from(PATHS), min_size=1, max_size=3)):
        place: Any = document
        key = path[-1]
        for name in path[:-1]:
            place = place.get(name) if isinstance(place, dict) else {}
        if not isinstance(place, dict) or key not in place:
            continue
        match draw(st.sampled_from(["remove", "replace", "rename", "copy", "borrow", "deepen"])):
            case "remove":
                del place[key]
            case "replace":
                place[key] = draw(JSON)
            case "rename":
                place[draw(KEYS)] = place.pop(key)
            case "copy":
                place[draw(KEYS)] = copy.deepcopy(place[key])
            case "borrow":
                place[key] = copy.deepcopy(place[draw(st.sampled_from(sorted(place)))])
            case "deepen":
                place[key] = draw(DEEP)
                return document
    return document


def read_all(document: Any) -> None:
    """Everything that dnet reads of a state, and something it does with one."""
    state = State(document)
    for table in (state.bridges, state.interfaces, state.reservations, state.mappings, state.links):
        for thing in table.values():
            assert table.decode(thing.key, thing.row()) == thing
    for one in state.interfaces.values():
        assert state.holder(one.ip) == one
        assert one.hardware_address
    for name in state.bridges:
        for ip in state.leases(name):
            assert state.mappings_by_target.keys(ip) is not None
    list(state.link_endpoints())
    for parent in (*state.interfaces, "host"):
        link.environment(state, parent)
    mark = state.mark()
    for name in list(state.bridges):
        bridge.remove(state, FACTS, name=name, force=True)
    for table in (state.bridges, state.interfaces, state.reservations, state.mappings, state.links):
        assert not table
    state.undo(mark)
    assert State(snapshot(state)).document() == state.document()


@settings(STABLE, max_examples=600)
@given(mutations())
def test_whatever_is_changed_is_refused_or_can_be_read(document: object) -> None:
    try:
        verify(document)
    except StateUnreadableError as error:
        refused = str(error)
    else:
        refused = "not refused"
        read_all(document)
    assert refused.isprintable()


@settings(STABLE, max_examples=150)
@given(JSON | DEEP)
def test_any_json_is_refused(document: object) -> None:
    with pytest.raises(StateUnreadableError):
        verify(document)
