"""What is new in a store raises the number its readers have to know, and only where it is used."""

from __future__ import annotations

import json
from typing import Any
from zlib import crc32

import pytest

from dnet.errors import ForeignStateError, StateUnreadableError
from dnet.model import fields
from dnet.model.state import State
from dnet.network import bridge, interface
from dnet.store import document as documents
from dnet.store import integrity
from tests.unit.facts import FACTS, make_bridge, with_bridge
from tests.unit.test_integrity import DOCUMENT, Document

# What the readers of the first version know.
FIRST = {
    "bridges": {
        *("address", "mtu", "created", "range", "chain", "icc", "masquerade", "ip_forward"),
        *("iptables", "isolate", "binding_ip", "port_range", "allocation", "adopted", "other_ips"),
    },
    "cursors": {"tcp", "udp", "sctp", "last_ip", "highest"},
    "interfaces": {"bridge", "ip", "expose", "mac", "netns", "ifname", "cookie"},
    "reservations": {"bridge", "owner"},
    "mappings": {"container_ip", "container_port", "bridge"},
    "links": {"parent_ip", "parent_bridge", "child_ip", "child_bridge", "ports", "alias"},
}
HEAD = {"schema", "serial", "boot_id", "netns", "variant", *FIRST, "leases", "released"}


def text(document: Document) -> bytes:
    """A document as a version writes it that has all of this."""
    body = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in document.items())
    return b'{"checksum": "%08x",\n' % crc32(f"{body}}}\n".encode()) + f"{body}}}\n".encode()


def copy_of_document() -> Document:
    copied: Document = json.loads(json.dumps(DOCUMENT))
    return copied


def test_the_number_of_the_ruleset_is_there_only_where_there_is_one() -> None:
    state = State(copy_of_document())
    assert "generation" not in state.document()
    state.generation = 7
    again = documents.read(documents.write(state))
    assert (again.generation, again.document()["schema"]) == (7, fields.SCHEMA)


def test_the_text_of_the_test_is_the_text_of_the_store() -> None:
    assert documents.write(State(copy_of_document())) == text(DOCUMENT)


def test_whatever_the_first_version_does_not_know_has_a_number() -> None:
    numbered: dict[str, set[str]] = {}
    for table, field in fields.SINCE:
        numbered.setdefault(table, set()).update([field] if field else [])
    for table, known in fields.FIELDS.items():
        if (table, None) in fields.SINCE:
            continue
        assert known - FIRST.get(table, set()) == numbered.get(table, set())
    parts = {part for part, field in fields.SINCE if field is None}
    assert State().document().keys() == HEAD
    assert not parts & HEAD
    assert all(number > fields.FIRST for number in fields.SINCE.values())


@pytest.fixture
def isolate(monkeypatch: pytest.MonkeyPatch) -> None:
    """A version to which the field `isolate` of a bridge is new."""
    monkeypatch.setitem(fields.SINCE, ("bridges", "isolate"), 7)
    monkeypatch.setattr(fields, "SCHEMA", 7)


@pytest.mark.usefixtures("isolate")
def test_the_number_is_that_of_what_is_used() -> None:
    state = with_bridge()
    make_bridge(state, "dnet1", "10.1.0.1/24")
    assert state.document()["schema"] == fields.FIRST
    bridge.init(state, FACTS, name="dnet1", options={"isolate": False})
    assert state.document()["schema"] == 7
    again = documents.read(documents.write(state))
    interface.allocate(again, FACTS, interface_id="web", bridge="dnet0")
    assert again.document()["schema"] == 7
    bridge.remove(again, FACTS, name="dnet1")
    assert again.document()["schema"] == fields.FIRST


@pytest.mark.usefixtures("isolate")
def test_the_number_follows_what_is_undone() -> None:
    state = with_bridge()
    mark = state.mark()
    bridge.init(state, FACTS, options={"isolate": False})
    state.undo(mark)
    assert state.document()["schema"] == fields.FIRST


def test_the_highest_number_of_several_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fields.SINCE, ("bridges", "icc"), 2)
    monkeypatch.setitem(fields.SINCE, ("interfaces", "expose"), 3)
    state = with_bridge(icc=False)
    interface.allocate(state, FACTS, interface_id="web")
    assert state.document()["schema"] == 2
    interface.allocate(state, FACTS, interface_id="db", expose=["5432/tcp"])
    assert state.document()["schema"] == 3


def test_a_new_part_of_the_head_is_there_only_where_it_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(fields.SINCE, ("links", None), 4)
    monkeypatch.setattr(fields, "SCHEMA", 4)
    without = {**copy_of_document(), "links": {}}
    stamped = fields.stamp(without)
    assert "links" not in stamped
    assert stamped["schema"] == fields.FIRST
    assert documents.read(text(stamped)).document() == stamped
    integrity.verify(stamped)
    assert fields.stamp(copy_of_document()) == DOCUMENT | {"schema": 4}


@pytest.mark.usefixtures("isolate")
def test_a_reader_takes_what_it_knows_and_no_more() -> None:
    document = State(copy_of_document()).document()
    document["bridges"]["dnet0"]["isolate"] = False
    for number in (1, 7):
        document["schema"] = number
        assert not documents.read(text(document)).bridges["dnet0"].isolate
    document["schema"] = 8
    with pytest.raises(ForeignStateError, match=r"newer version of dnet \(schema 8, not 7\)"):
        documents.read(text(document))


def with_field(table: str) -> Document:
    """A document with something unknown in the last row of a table."""
    document = copy_of_document()
    *_, key = document[table]
    document[table][key]["future"] = 1
    return document


@pytest.mark.parametrize("table", FIRST)
def test_an_unknown_field_is_of_a_newer_version(table: str) -> None:
    document = with_field(table)
    *_, key = document[table]
    with pytest.raises(ForeignStateError) as caught:
        documents.read(text(document))
    unknown = f"'future' of {table} {key} is unknown"
    assert str(caught.value) == f"it is from a newer version of dnet ({unknown})"
    assert caught.value.hint == "use the version that wrote it"


@pytest.mark.parametrize("value", [{"x": {"y": 1}}, {}, [], None, 3, "on"])
def test_an_unknown_part_of_the_head_is_of_a_newer_version(value: Any) -> None:
    with pytest.raises(ForeignStateError, match="'policies' is unknown"):
        documents.read(text({**DOCUMENT, "policies": value}))


@pytest.mark.parametrize("table", FIRST)
def test_one_that_somebody_wrote_there_is_refused_with_its_place(table: str) -> None:
    edited = json.dumps(with_field(table)).encode()
    with pytest.raises(StateUnreadableError, match=rf"{table} .*: 'future' is unknown") as caught:
        documents.read(edited)
    assert not isinstance(caught.value, ForeignStateError)
