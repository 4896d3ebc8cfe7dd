"""A damaged store is left as it is; the message says what is wrong, where, and what to do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dnet.model.fields import SCHEMA
from tests.contract import PROBE, STATUS
from tests.host import Host, read_refusal
from tests.lab import Lab

Document = dict[str, Any]
UNREADABLE = STATUS["state-unreadable"]
COMMANDS = ("ip request", "ip list", "map add web 8081:80", "check", "restore")
DEEP = 200_000


def busy(lab: Lab) -> Host:
    """A machine with something of everything, and a store of the time before."""
    host = lab.host()
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    for name in ("web", "db"):
        host.ok("interface", "allocate", name, "--expose", "80/tcp")
    host.ok("map", "add", "web", "8080:80")
    host.ok("link", "add", "web", "db")
    host.ok("port", "allocate", "--port", "7000")
    return host


@pytest.fixture(scope="module")
def shared_host(shared_lab: Lab) -> Host:
    """The machine of those tests in which nothing may happen to its kernel."""
    return busy(shared_lab)


@pytest.fixture
def host(shared_host: Host) -> Iterator[Host]:
    """That machine, whose files are put back afterwards."""
    folder = shared_host.state_dir
    files = {path: path.read_bytes() for path in folder.iterdir()}
    yield shared_host
    for path in folder.iterdir():
        path.unlink()
    for path, data in files.items():
        path.write_bytes(data)


@pytest.fixture
def own(lab: Lab) -> Host:
    """A machine of the test's own."""
    return busy(lab)


def second_lease(store: Document) -> None:
    store["interfaces"]["thief"] = dict(store["interfaces"]["web"])


def change(path: str, value: object) -> Callable[[Document], None]:
    """What sets one value of a document, by its place."""

    def changed(store: Document) -> None:
        *way, last = (part.replace("~1", "/") for part in path.split("/"))
        for part in way:
            store = store[part]
        store[last] = value

    return changed


# What is changed, and what the message has to say of it.
CHANGES: dict[str, tuple[Callable[[Document], None], str]] = {
    "wrong type": (change("interfaces", []), "interfaces"),
    "wrong type within": (change("bridges/dnet0/mtu", "1500"), "mtu"),
    "number for a text": (change("bridges/dnet0/address", 17), "address"),
    "null": (change("bridges/dnet0/icc", None), "icc"),
    "unknown key": (change("extra", 1), "extra"),
    "unknown key within": (change("bridges/dnet0/colour", "blue"), "colour"),
    "two of one address": (second_lease, "172.17.0.2"),
    "lease of nobody": (change("leases/dnet0/172.17.0.2", "nobody"), "172.17.0.2"),
    "lease outside": (change("leases/dnet0/10.9.9.9", None), "10.9.9.9"),
    "bridge that is not there": (change("interfaces/web/bridge", "nowhere"), "nowhere"),
    "mapping to nobody": (change("mappings/0.0.0.0:9999~1tcp", {}), "9999"),
    "chain with a blank": (change("bridges/dnet0/chain", "DNET -j X"), "chain"),
    "bridge with a slash": (change("bridges/..~1x", {}), "x"),
    "half a character": (change("bridges/dnet0/created", "\ud800"), "created"),
    "negative serial": (change("serial", -1), "serial"),
}


def edit(host: Host, changed: Callable[[Document], None]) -> str:
    """Change the store by hand; the text it has then."""
    path = host.state_dir / "state.json"
    store = json.loads(path.read_text())
    changed(store)
    text = json.dumps(store)
    path.write_text(text)
    return text


def refused_by_all(host: Host, word: str) -> None:
    """Asserts that every command leaves all as it is, and says what and where."""
    before = host.everything()
    for command in COMMANDS:
        done = host.dnet(*command.split())
        assert done.returncode == UNREADABLE, (command, done)
        refusal = read_refusal(done)
        assert f"{host.state_dir}/state.json: " in refusal.message
        assert word in refusal.message
        assert f"cp {host.state_dir}/state.json.prev" in str(refusal.hint)
        assert len(refusal.message) < 400
    assert host.everything() == before
    host.fails(UNREADABLE, "ip", "request", code="state-unreadable")


@pytest.mark.parametrize("name", CHANGES)
def test_a_value_that_cannot_be(host: Host, name: str) -> None:
    changed, word = CHANGES[name]
    edit(host, changed)
    refused_by_all(host, word)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "damaged: the file is empty"),
        ("\0" * 512, "damaged: the file contains only zero bytes"),
        ("not JSON\n", "damaged at line 1, column 1"),
        ('{"schema": 1,\n"serial": }\n', "damaged at line 2, column 11"),
        ("[]", "not a JSON object"),
        ("null", "not a JSON object"),
        ('{"schema": 1}', "missing"),
        ("[" * DEEP + "]" * DEEP, "damaged: it is nested too deeply"),
        ('{"a":' * DEEP + "1" + "}" * DEEP, "damaged: it is nested too deeply"),
        ('{"serial": ' + "9" * 5000 + "}", "digits"),
        ('{"schema": 1, "schema": 1}', "twice"),
        ("\ufeff{}", "damaged at line 1, column 1"),
        ('{"serial": NaN}', "whole number"),
    ],
    ids=lambda value: repr(value[:12]),
)
def test_a_text_that_is_no_store(host: Host, text: str, word: str) -> None:
    (host.state_dir / "state.json").write_text(text)
    refused_by_all(host, word)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_truncated_one(host: Host, kept: float) -> None:
    path = host.state_dir / "state.json"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    refused_by_all(host, "damaged at line ")


def test_bytes_that_are_no_text(host: Host) -> None:
    path = host.state_dir / "state.json"
    path.write_bytes(path.read_bytes().replace(b"172.17", b"\xff\xfe\xc3\x28.17", 1))
    refused_by_all(host, "")


def test_one_flipped_byte_is_noticed_where_it_matters(host: Host) -> None:
    path = host.state_dir / "state.json"
    text = path.read_text()
    path.write_text(text.replace("172.17.0.2", "172.17.0.9", 1))
    refused_by_all(host, "172.17.0.")


NEWER: dict[str, Callable[[Document], None]] = {
    "number": change("schema", SCHEMA + 1),
    "field of a bridge": change("bridges/dnet0/future", True),
    "field of an interface": change("interfaces/web/future", "x"),
    "field of a mapping": change("mappings/0.0.0.0:8080~1tcp/future", ["10.0.0.0/8"]),
    "field of a link": change("links/web:db/future", 1),
    "field of a reservation": change("reservations/0.0.0.0:7000~1tcp/future", None),
    "field of a cursor": change("cursors/dnet0/future", 1),
    "table": change("policies", {"x": {"y": 1}}),
    "value at the head": change("future", "x"),
}


@pytest.mark.parametrize("what", NEWER)
@pytest.mark.parametrize("name", ["state.json", "journal.json"])
def test_one_from_a_newer_version(host: Host, name: str, what: str) -> None:
    """It is as that version leaves it, with a sum that is right; nothing in it is lost."""
    path = host.state_dir / name
    store = json.loads((host.state_dir / "state.json").read_text())
    store["serial"] += 9
    NEWER[what](store)
    path.write_text(with_sum(as_written(store)))
    refused_as_newer(host, name)


@pytest.mark.parametrize("name", ["state.json", "journal.json"])
def test_an_edited_one_from_a_newer_version(host: Host, name: str) -> None:
    text = (host.state_dir / "state.json").read_text()
    newer = text.replace('"schema": 1', f'"schema": {SCHEMA + 1}').replace(
        '"serial": ', '"serial": 9'
    )
    (host.state_dir / name).write_text(newer)
    refused_as_newer(host, name)


def refused_as_newer(host: Host, name: str) -> None:
    """Asserts that whoever would have to read a file leaves all as it is."""
    before = host.everything()
    for command in ("ip request", "map add web 8081:80", "restore", "reset --yes"):
        refusal = host.fails(UNREADABLE, *command.split())
        assert f"{host.state_dir}/{name}: it is from a newer version of dnet (" in refusal.message
        assert refusal.hint == "use the version that wrote it"
    # Whoever only reads has nothing to do with a journal.
    for command in ("bridge list", "interface list", "map list", "link list", "port list", "show"):
        done = host.dnet(*command.split())
        assert done.returncode == (0 if name == "journal.json" else UNREADABLE)
    host.fails(UNREADABLE, "check")
    assert host.everything() == before


def as_written(store: Document) -> str:
    """The text of a document, a line for each part."""
    parts = (f"{json.dumps(key)}: {json.dumps(value)}" for key, value in store.items())
    return "{" + ",\n".join(parts) + "}\n"


def with_sum(text: str) -> str:
    """A document with the checksum that belongs to it."""
    from zlib import crc32

    head, body = text.split("\n", 1)
    return f'{head[:14]}{crc32(body.encode()):08x}",\n{body}'


def test_the_sum_of_the_test_is_the_sum_of_the_store(host: Host) -> None:
    text = (host.state_dir / "state.json").read_text()
    assert with_sum(as_written(json.loads(text))) == text


def test_an_edit_that_keeps_every_promise_is_welcome(own: Host) -> None:
    edit(own, change("bridges/dnet0/icc", False))
    assert own.json("bridge", "show")["icc"] is False
    own.ok("restore")
    own.quiet("check")
    own.ok("ip", "request")
    assert "-i dnet0 -o dnet0 -j DROP" in own.run("iptables -S FORWARD")


def test_the_way_back(own: Host) -> None:
    """What the hint says works."""
    listed = own.ok("map", "list"), own.ok("link", "list"), own.ok("ip", "list")
    (own.state_dir / "state.json").write_text("{")
    hint = str(own.fails(UNREADABLE, "ip", "list").hint)
    own.run("sh", "-c", hint.split(": ", 1)[1])
    own.quiet("check")
    # The last change was the port, which is gone now.
    assert own.keys("port", "list") == ["0.0.0.0:8080/tcp"]
    assert (own.ok("map", "list"), own.ok("link", "list"), own.ok("ip", "list")) == listed


@pytest.mark.parametrize("previous", ["", "{"], ids=["missing", "damaged"])
def test_without_a_way_back(own: Host, previous: str) -> None:
    (own.state_dir / "state.json").write_text("{")
    (own.state_dir / "state.json.prev").unlink()
    if previous:
        (own.state_dir / "state.json.prev").write_text(previous)
    hint = str(own.fails(UNREADABLE, "ip", "list").hint)
    assert hint.endswith("dnet reset --unowned")
    assert "cp" not in hint
    before = own.snapshot()
    done = own.dnet("reset", "--yes")
    assert done.returncode == 0
    assert "left alone, because it is not in this store: the chain DNET-FORWARD" in done.stderr
    assert own.snapshot() == before
    own.ok("reset", "--unowned", "--yes")
    assert "DNET" not in own.snapshot()
    own.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    own.quiet("check")


DAMAGED = {"empty": "", "zeroed": "\0" * 4096, "cut": '{"checksum": "0', "edited": '{"schema": 1}'}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_journal(own: Host, text: str) -> None:
    """Restore does without it; what else changes something says how to go on."""
    before = own.everything()
    journal = own.state_dir / "journal.json"
    journal.write_text(text)
    own.ok("ip", "list")
    for command in ("ip request", "map add web 81:81", "map add web 81:81 --dry-run"):
        refusal = own.fails(UNREADABLE, *command.split())
        assert refusal.message.startswith(f"{journal}: ")
        assert refusal.hint == "to go on without it: dnet restore"
    found = own.dnet("check")
    assert (found.returncode, found.stderr) == (STATUS["drift"], PROBE)
    (line,) = found.stdout.splitlines()
    assert line.startswith(f"{journal}: ")
    assert line.endswith("; to go on without it: dnet restore")
    assert own.everything() == (before[0], before[1] | {"journal.json": text})
    own.iptables("-F DNET-LINK")
    assert own.ok("restore", "--dry-run")
    assert journal.exists()
    done = own.dnet("restore")
    assert (done.returncode, done.stdout) == (0, "")
    assert f"dnet: warning: {journal}: " in done.stderr
    assert "; continuing without it\n" in done.stderr
    assert own.everything() == before
    own.quiet("check")


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_reset_does_without_a_damaged_journal(own: Host, text: str) -> None:
    (own.state_dir / "journal.json").write_text(text)
    assert own.dnet("reset", "--yes").returncode == 0
    assert own.store() == {}
    assert "DNET" not in own.snapshot()
