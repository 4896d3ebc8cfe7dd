"""What a terminal shows: tables and a tree, fitted to it, with nothing cut off.

`UPDATE_GOLDEN=1` writes the golden files anew, to be read before they are committed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dnet.model.state import State
from dnet.network import interface, ipallocator, link, portallocator, portmapper
from dnet.store import document
from dnet.store.lock import held
from dnet.values import endpoint
from dnet.values.veth import veth_name
from tests import namespaces, terminal
from tests.host import Host
from tests.lab import Lab
from tests.real.devices import wait_until_gone
from tests.terminal import on_terminal, plain
from tests.unit.facts import FACTS, specs, with_bridge

GOLDEN = Path(__file__).parents[1] / "golden" / "terminal"
LONG = "long-" + "x" * 60 + "-y." * 20 + "end"
COMMANDS = ("bridge list", "interface list", "link list", "interface show web", "show")
RED, BOLD = "\x1b[31m", "\x1b[1m"


def write(host: Host, state: State) -> Host:
    host.state_dir.mkdir(parents=True)
    (host.state_dir / "state.json").write_bytes(document.write(state))
    return host


def put(state: State, name: str, *, plugged_into: str | None = None) -> None:
    """An interface, and with a namespace one that was attached."""
    made = interface.allocate(state, FACTS, interface_id=name, expose=["80/tcp"])
    if plugged_into:
        state.interfaces.put(name, made._replace(netns=plugged_into, ifname="eth0"))


@pytest.fixture(scope="module")
def drawn(shared_lab: Lab) -> Host:
    """A machine with something of everything, long and short, one interface of it unplugged."""
    state = with_bridge()
    put(state, "web", plugged_into="web")
    put(state, "db", plugged_into="/proc/4711/ns/net")
    put(state, LONG)
    published = specs("8080:80", "127.0.0.1::53/udp", "7000-7009:7000-7009")
    portmapper.add(state, FACTS, target="web", specs=published)
    link.add(state, FACTS, parent="web", child="db", alias="store")
    link.add(state, FACTS, parent="host", child=LONG)
    ipallocator.request(state, FACTS, owner="router")
    portallocator.allocate(state, FACTS, owner="web")
    portallocator.allocate(state, FACTS)
    host = write(shared_lab.host(), state)
    host.ip("link add dnet0 type bridge", f"link add {veth_name('web')} type bridge")
    return host


@pytest.fixture(scope="module")
def many(shared_lab: Lab) -> Host:
    """A machine with 300 mappings and more than a thousand addresses."""
    state = with_bridge()
    put(state, LONG)
    for port in range(8000, 8300):
        portmapper.add(state, FACTS, target=LONG, specs=[endpoint.parse_publish(f"{port}:80")])
    ipallocator.request(state, FACTS, count=1000)
    return write(shared_lab.host(), state)


def transcript(show: Callable[[str], str]) -> str:
    return "".join(f"$ dnet {command}\n{show(command)}" for command in COMMANDS)


@pytest.mark.libraries
@pytest.mark.parametrize("where", ["80", "140", "pipe"])
def test_it_looks_like_the_golden_file(drawn: Host, where: str) -> None:
    def show(command: str) -> str:
        words = command.split()
        if where == "pipe":
            return drawn.dnet(*words).stdout
        lines = plain(on_terminal(drawn, int(where), *words)).splitlines()
        return "".join(f"{line.rstrip()}\n" for line in lines)

    path, text = GOLDEN / f"{where}.txt", transcript(show)
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()
    if where != "pipe":
        assert max(map(len, text.splitlines())) <= int(where)


@pytest.mark.libraries
def test_colour_says_what_is_wrong_and_nothing_else(drawn: Host) -> None:
    for command in ("interface list", "show"):
        text = on_terminal(drawn, 140, *command.split())
        coloured = re.findall(r"\x1b\[3[0-9]m[^\x1b]*", text)
        assert len(coloured) == 1, text
        assert coloured[0].startswith(RED)
        assert coloured[0].endswith("unplugged")
    assert on_terminal(drawn, 80, "ip", "list").startswith(f"{BOLD}ADDRESS")
    assert f"{BOLD}web\x1b[0m" in on_terminal(drawn, 80, "show")


def test_a_terminal_without_colour(drawn: Host) -> None:
    text = on_terminal(drawn, 80, "show", env={"NO_COLOR": "1"})
    assert "\x1b[3" not in text
    assert "unplugged" in text
    assert "\x1b" not in on_terminal(drawn, 80, "interface", "list", env={"TERM": "dumb"})


@pytest.mark.libraries
@pytest.mark.parametrize("columns", [24, 80])
def test_nothing_is_cut_off_a_long_list(many: Host, columns: int) -> None:
    piped = many.dnet("map", "list").stdout
    text = plain(on_terminal(many, columns, "map", "list"))
    assert max(map(len, text.splitlines())) <= columns
    assert sorted("".join(text.split())) == sorted("".join(piped.split()))


def test_a_list_too_long_to_be_drawn_is_plain(many: Host) -> None:
    assert on_terminal(many, 80, "ip", "list") == many.dnet("ip", "list").stdout


def test_keys_and_json_are_the_same_on_a_terminal(drawn: Host) -> None:
    for words in (("map", "list", "-q"), ("show", "--json"), ("show", "--format", "dot")):
        assert on_terminal(drawn, 80, *words) == drawn.dnet(*words).stdout


NAME = r'"[A-Za-z0-9 ._-]+"'
ATTRIBUTES = r'\[(?:[a-z]+=(?:[a-z0-9]+|"[^"]*")(?:, )?)+\]'


def test_graphviz_can_read_the_drawing(drawn: Host) -> None:
    text = drawn.ok("show", "--format", "dot")
    first, *statements, last = text.splitlines()
    assert (first, last) == ("digraph dnet {", "}")
    assert statements[:2] == ["  rankdir=LR;", "  ranksep=1;"]
    for statement in statements[2:]:
        assert re.fullmatch(rf"  (?:node|edge|{NAME}(?: -> {NAME})?) {ATTRIBUTES};", statement), (
            statement
        )
    picture = subprocess.run(["dot", "-Tpng"], input=text.encode(), capture_output=True, check=True)
    assert picture.stdout.startswith(b"\x89PNG")


def test_links_tear_no_ranks_apart_in_a_picture(drawn: Host) -> None:
    text = drawn.ok("show", "--format", "dot")
    assert "constraint=false" in text
    plainly = subprocess.run(
        ["dot", "-Tplain"], input=text, text=True, capture_output=True, check=True
    ).stdout
    places = dict(re.findall(r'^node ("[^"]*"|\S+) (\S+)', plainly, re.MULTILINE))
    ranks = {name.strip('"'): float(x) for name, x in places.items()}
    containers = {ranks[one["id"]] for one in drawn.json("interface", "list")}
    bridges = {ranks[f"bridge {one['name']}"] for one in drawn.json("bridge", "list")}
    assert len(containers) == len(bridges) == 1
    assert ranks["host"] < min(bridges) < min(containers)


# --- what is unplugged -------------------------------------------------------------------------


def test_what_is_plugged_in_and_what_is_not(lab: Lab) -> None:
    host, node = lab.host(), lab.node()
    lines = f"bridge init dnet0\ninterface allocate db\nattach web --netns {node.netns}\n"
    made, db, web = json.loads(host.ok("batch", "--json", stdin=lines))
    assert (made["present"], db["plugged"], web["plugged"]) == (True, None, True)
    assert host.json("attach", "web", "--netns", node.netns) == web

    def seen() -> dict[str, bool | None]:
        return {one["id"]: one["plugged"] for one in host.json("interface", "list")}

    assert seen() == {"web": True, "db": None}
    assert host.json("bridge", "show")["present"] is True
    # The store is another namespace's there, and nobody can tell.
    elsewhere = node.try_run("dnet", "interface", "list", "--json", env=host.env)
    assert [one["plugged"] for one in json.loads(elsewhere.stdout)] == [None, None]

    namespaces.remove([node.netns])
    wait_until_gone(host, veth_name("web"))
    assert seen() == {"web": False, "db": None}
    assert host.json("interface", "show", "web")["plugged"] is False
    assert "DNET_PLUGGED=false" in host.ok("interface", "show", "web", "--format", "env")
    assert "color=red" in host.ok("show", "--format", "dot")
    host.ip("link delete dnet0")
    assert host.json("show")["bridges"][0]["present"] is False
    assert re.search(r"^dnet0  \S+  the device is missing$", host.ok("show"), re.MULTILINE)
    assert host.json("bridge", "init", "dnet0")["present"] is True


# --- waiting ---------------------------------------------------------------------------------


@pytest.mark.libraries
def test_who_waits_for_the_store_is_told_on_a_terminal(host: Host) -> None:
    host.ok("bridge", "init")
    with terminal.opened(80) as (reading, end):
        with held(str(host.state_dir / "lock"), 0):
            process = subprocess.Popen(
                host.argv("dnet", "ip", "request"), stdout=subprocess.PIPE, stderr=end, env=host.env
            )
            os.close(end)
            shown = terminal.read_until(reading, lambda text: "\n" in text)
        with process:
            assert process.stdout is not None
            assert process.stdout.read().split() == [b"172.17.0.2"]
        shown += terminal.read_until(reading)
    assert process.returncode == 0
    by = f"the store is locked by process {os.getpid()}"
    assert shown == f"dnet: waiting up to 29 s: {by}\n"


# --- progress ----------------------------------------------------------------------------------


@pytest.fixture
def slow(host: Host) -> Iterator[tuple[Host, subprocess.Popen[str], int]]:
    """A batch whose lines are long in coming, with a terminal for its stderr."""
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    with terminal.opened(80) as (reading, end):
        process = subprocess.Popen(
            host.argv("dnet", "batch"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=end,
            env={**host.env, "TERM": "xterm"},
            text=True,
        )
        os.close(end)
        with process:
            yield host, process, reading


@pytest.mark.libraries
def test_a_batch_that_takes_long_shows_where_it_is(
    slow: tuple[Host, subprocess.Popen[str], int],
) -> None:
    host, process, reading = slow
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("ip request\n" * 3)
    process.stdin.flush()
    shown = terminal.read_until(reading, lambda text: re.search(r"reading.* 3", text) is not None)
    process.stdin.close()
    assert process.stdout.read().split() == ["172.17.0.2", "172.17.0.3", "172.17.0.4"]
    assert process.wait() == 0
    shown += terminal.read_until(reading)
    assert "\x1b" in shown
    assert shown.endswith("\x1b[2K"), "the line is gone in the end"
    assert "\x1b[?25l" not in shown, "a cursor that is hidden stays so if dnet is killed"
    assert len(host.keys("ip", "list")) == 3
