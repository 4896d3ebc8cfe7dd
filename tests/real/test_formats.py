"""What is printed, and where: text, JSON, shell variables and bare keys; stdout and stderr."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest

from tests import contract
from tests.host import Host, read_refusal
from tests.lab import Lab

LISTS = ("bridge", "ip", "interface", "port", "map", "link")


@pytest.fixture(scope="module")
def busy(shared_lab: Lab) -> Host:
    """A machine that has something of everything, which no test of this module changes."""
    host = shared_lab.host()
    host.ok("bridge", "init", "br0", "--address", "172.17.42.1/16", "--no-icc")
    host.ok("bridge", "init", "br1", "--address", "10.5.0.1/24", "--chain", "B1")
    for name in ("web", "db"):
        host.ok("interface", "allocate", name, "--expose", "80/tcp", "--bridge", "br0")
    host.ok("interface", "allocate", "far", "--bridge", "br1")
    host.ok("map", "add", "web", "8080:80")
    host.ok("map", "add", "far", "8081:80")
    host.ok("link", "add", "web", "db")
    return host


@pytest.fixture(scope="module")
def empty(shared_lab: Lab) -> Host:
    """A machine on which nothing was ever done."""
    return shared_lab.host()


# --- lists -------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", LISTS)
def test_a_list_in_each_form(busy: Host, group: str) -> None:
    rows: list[dict[str, Any]] = busy.json(group, "list")
    assert rows
    assert all(row.keys() >= contract.KEYS[group] for row in rows)
    assert json.loads(busy.ok(group, "list", "-j")) == rows
    assert json.loads(busy.ok(group, "list", "--format", "json")) == rows

    keys = busy.ok(group, "list", "--quiet").splitlines()
    assert keys == busy.ok(group, "list", "-q").splitlines()
    assert len(keys) == len(rows) == len(set(keys))
    assert not any(" " in key for key in keys)

    lines = busy.ok(group, "list").splitlines()
    assert lines == busy.ok(group, "list", "--format", "text").splitlines()
    assert len(lines) == len(rows) + 1, "one heading, then one line a row"
    busy.fails(2, group, "list", "--format", "env")


@pytest.mark.parametrize("group", LISTS)
def test_text_is_plain_aligned_columns_when_piped(busy: Host, group: str) -> None:
    text = busy.dnet(group, "list", env={"COLUMNS": "20", "FORCE_COLOR": ""}).stdout
    assert "\x1b" not in text
    assert "…" not in text
    assert text.isascii()
    assert not any(line != line.rstrip() for line in text.splitlines())
    heading, *rows = text.splitlines()
    # Every column begins where its heading does, two blanks from the one before.
    for column in re.finditer(r"  (?=\S)", heading):
        for row in rows:
            assert row[column.start() : column.end()].strip() == "", row
            assert row[column.end() : column.end() + 1].strip() != "", row


@pytest.mark.parametrize("group", LISTS)
def test_a_list_of_nothing(empty: Host, group: str) -> None:
    assert empty.json(group, "list") == []
    assert empty.ok(group, "list", "--quiet") == ""
    assert empty.dnet(group, "list").returncode == 0
    assert not empty.state_dir.exists()


@pytest.mark.parametrize("group", ["ip", "interface", "port", "map", "link"])
def test_a_list_shows_every_bridge_unless_given_one(busy: Host, group: str) -> None:
    of = [set(busy.keys(group, "list", "--bridge", name)) for name in ("br0", "br1")]
    assert of[0] | of[1] == set(busy.keys(group, "list"))
    assert not of[0] & of[1]
    busy.fails(3, group, "list", "--bridge", "br9", code="not-found")


def test_a_list_of_what_is_named_has_those_rows_alone(busy: Host) -> None:
    rows = {group: busy.json(group, "list") for group in ("ip", "port", "link")}
    for name in ("web", "far"):
        of = [row for row in rows["ip"] if row["owner"] == name]
        assert busy.json("ip", "list", name) == of != []
        assert busy.json("ip", "list", of[0]["ip"]) == of
        assert busy.json("port", "list", name) == [
            row for row in rows["port"] if row["owner"] == name
        ]
    assert busy.keys("port", "list", "8081", "--bridge", "br1") == ["0.0.0.0:8081/tcp"]
    assert busy.keys("port", "list", "8081", "--bridge", "br0") == []
    assert busy.json("link", "list", "db") == busy.json("link", "list", "web") == rows["link"]
    assert busy.json("link", "list", "far") == busy.json("link", "list", "host") == []
    shown = busy.json("show", "far")
    assert shown == {
        kind: [row for row in every if "far" in (row.get("id"), row.get("owner"))]
        for kind, every in busy.json("show").items()
    } | {"bridges": shown["bridges"]}
    assert [bridge["name"] for bridge in shown["bridges"]] == ["br1"]
    for words in (["ip", "list", "172.17.0.9"], ["port", "list", "8082"], ["link", "list", "wbe"]):
        busy.fails(3, *words, code="not-found")
    busy.fails(3, "show", "wbe", code="not-found")


# --- one thing ---------------------------------------------------------------------------------


def variables(host: Host, *args: str | int) -> dict[str, str]:
    """What a shell knows after `eval "$(dnet … --format env)"`."""
    text = host.ok(*args, "--format", "env")
    assert all(line.startswith("DNET_") for line in text.splitlines())
    # `set -a` exports what is assigned, and `env -0` prints it however it is quoted.
    script = 'set -a; eval "$1"; exec env -0'
    shown = subprocess.run(
        ["sh", "-euc", script, "sh", text], env={}, capture_output=True, text=True, check=True
    )
    return dict(entry.split("=", 1) for entry in shown.stdout.split("\0") if entry)


@pytest.mark.libraries
def test_a_bridge_as_shell_variables(busy: Host) -> None:
    found = variables(busy, "bridge", "show", "br0")
    assert found["DNET_NAME"] == "br0"
    assert found["DNET_ADDRESS"] == "172.17.42.1/16"
    assert (found["DNET_ICC"], found["DNET_MASQUERADE"]) == ("false", "true")
    assert found["DNET_MTU"] == "1500"
    assert found.keys() >= {f"DNET_{key.upper()}" for key in contract.KEYS["bridge"]}


def test_an_interface_as_shell_variables(busy: Host) -> None:
    found = variables(busy, "interface", "show", "web")
    assert (found["DNET_ID"], found["DNET_IP"]) == ("web", "172.17.0.2")
    assert (found["DNET_PREFIX_LEN"], found["DNET_MASK"]) == ("16", "255.255.0.0")


def test_what_is_allocated_as_shell_variables(lab: Lab) -> None:
    host = lab.host()
    host.ok("bridge", "init", "br0", "--address", "172.17.42.1/16")
    for command, key, value in (
        (("ip", "request"), "DNET_IP", "172.17.0.2"),
        (("interface", "allocate", "web"), "DNET_IP", "172.17.0.3"),
        (("port", "allocate"), "DNET_PORT", "49153"),
        (("map", "add", "web", "8080:80"), "DNET_HOST_PORT", "8080"),
    ):
        assert variables(host, *command)[key] == value


def test_what_is_allocated_as_one_document(lab: Lab) -> None:
    host = lab.host()
    host.ok("bridge", "init", "br0", "--address", "172.17.42.1/16")
    address = {"ip": "172.17.0.2", "owner": None, "bridge": "br0"}
    assert address.items() <= host.json("ip", "request").items()
    assert [row["ip"] for row in host.json("ip", "request", "--count", 2)] == [
        *("172.17.0.3", "172.17.0.4"),
    ]
    port = {"host_ip": "0.0.0.0", "port": 49153, "proto": "tcp", "owner": None}
    assert port.items() <= host.json("port", "allocate").items()
    assert host.json("interface", "allocate", "web").keys() >= contract.KEYS["interface"]
    mappings = host.json("map", "add", "web", "8080:80", "8081:80")
    assert [row["host_port"] for row in mappings] == [8080, 8081]
    assert all(row.keys() >= contract.KEYS["map"] for row in mappings)


def test_a_shell_script_gets_the_bare_value(lab: Lab) -> None:
    host = lab.host()
    host.ok("bridge", "init", "br0", "--address", "172.17.42.1/16")
    script = 'ip=$(dnet ip request) && port=$(dnet port allocate) && echo "$ip:$port"'
    assert host.run(script) == "172.17.0.2:49153\n"
    assert host.dnet("ip", "request").stdout == "172.17.0.3\n"


# --- streams, options, errors ------------------------------------------------------------------


@pytest.mark.libraries
def test_dnet_alone_prints_the_help_and_is_an_error(empty: Host) -> None:
    done = empty.dnet()
    assert done.returncode == 2
    assert "Usage: dnet" in done.stdout + done.stderr


@pytest.mark.libraries
@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("group", [(), ("bridge",), ("bridge", "init"), ("map", "add")])
def test_help_is_on_stdout(empty: Host, group: tuple[str, ...], option: str) -> None:
    assert "Usage: dnet" in empty.ok(*group, option)


@pytest.mark.libraries
def test_the_version(empty: Host) -> None:
    assert empty.ok("--version").split()[-1].count(".") == 2


def test_the_state_folder_by_option(lab: Lab) -> None:
    host = lab.host()
    other = host.state_dir.parent / "other folder"
    host.ok("--state-dir", str(other), "bridge", "init", "br0", "--address", "172.17.42.1/16")
    assert not host.state_dir.exists()
    assert (other / "state.json").is_file()
    assert host.ok("--state-dir", str(other), "bridge", "list", "-q") == "br0"
    assert host.ok("bridge", "list", "-q") == ""


def test_verbose_tells_each_kernel_step_on_stderr(lab: Lab) -> None:
    host = lab.host()
    done = host.dnet("-v", "bridge", "init", "br0", "--address", "172.17.42.1/16")
    assert done.returncode == 0
    for named in ("br0", "172.17.42.1/16", "MASQUERADE", "ip_forward"):
        assert named in done.stderr
        assert named not in done.stdout or named in ("br0", "172.17.42.1/16")


@pytest.mark.parametrize("option", ["-j", "-qj", "--format=json"])
def test_an_error_in_json_however_it_is_asked_for(busy: Host, option: str) -> None:
    done = busy.dnet("map", "list", "nobody", option)
    assert read_refusal(done).code == "not-found"


@pytest.mark.libraries
def test_an_error_in_json(busy: Host) -> None:
    refusal = busy.fails(4, "map", "add", "db", "8080:80", code="port-in-use")
    assert "8080" in refusal.message
    assert "web" in refusal.message
    assert busy.fails(2, "ip", "request", "--no-such-option", code="usage").message
    assert busy.fails(2, "ip", "request", "--count", "x", code="usage").message


@pytest.mark.parametrize("command", ["dnet map list --json", "dnet --help", "dnet ip list -q"])
@pytest.mark.parametrize("elsewhere", ["| true", ">&-", "2>&1 >/dev/full | cat >&2"])
def test_a_stdout_that_takes_nothing_is_no_traceback(
    busy: Host, command: str, elsewhere: str
) -> None:
    done = busy.try_run(f"{command} {elsewhere}; echo done")
    assert done.stdout == "done\n"
    assert "Traceback" not in done.stderr
    if elsewhere == "| true":
        assert done.stderr == ""
    elif done.stderr:
        assert done.stderr.startswith(("dnet: error: ", '{"error": '))
