"""Names and texts that others chose are letters: they make no line, and move no terminal."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from dnet.store import document
from tests import terminal
from tests.contract import STATUS
from tests.fakes import Fake
from tests.host import Host, read_refusal
from tests.lab import Lab

# The end of a line, an escape sequence, DEL, an 8-bit CSI, another end of a line, and letters that
# would turn what follows around.
SIGNS = ["\n", "\x1b[2J", "\x7f", "\u009b2J", "\u2028", "\r", "\t", "\x07"]
TURNED = "\u202e"
NASTY = f"a{''.join(SIGNS)}{TURNED}b"


def is_tame(text: str) -> bool:
    """Whether nothing in a text but the ends of its lines would not print."""
    return text.replace("\n", "").isprintable()


@pytest.fixture
def haunted(host: Host) -> Host:
    """A machine whose store has an interface in a namespace of such a name, as older ones may."""
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    for name in ("web", "db"):
        host.ok("interface", "allocate", name)
    path = host.state_dir / "state.json"
    state = document.read(path.read_bytes())
    for name, place in (("web", NASTY), ("db", f"/run/{NASTY}")):
        state.interfaces.put(name, state.interfaces[name]._replace(netns=place, ifname="eth0"))
    path.write_bytes(document.write(state))
    return host


# --- what is typed -----------------------------------------------------------------------------


@pytest.mark.parametrize("sign", SIGNS, ids=ascii)
@pytest.mark.parametrize("place", ["a{}b", "/run/netns/a{}b", "./a{}b", "{}"])
def test_a_namespace_with_such_a_name_is_refused(host: Host, place: str, sign: str) -> None:
    host.ok("bridge", "init", "dnet0")
    before = host.everything()
    netns = place.replace("{}", sign)
    refusal = host.fails(2, "attach", "web", "--netns", netns, code="usage")
    assert "control character" in refusal.message
    assert is_tame(host.dnet("attach", "web", "--netns", netns).stderr)
    assert host.everything() == before


def test_a_namespace_by_a_folder_of_such_a_name_is_refused(
    host: Host, lab: Lab, tmp_path: Path
) -> None:
    host.ok("bridge", "init", "dnet0")
    (tmp_path / "a\nb").mkdir()
    (tmp_path / "a\nb" / "ns").symlink_to(lab.node().path)
    before = host.everything()
    done = host.try_run(
        "env", "-C", str(tmp_path / "a\nb"), "dnet", "attach", "w", "--netns", "./ns"
    )
    assert read_refusal(done).status == STATUS["usage"]
    assert host.everything() == before


def test_letters_of_any_script_are_letters(host: Host, lab: Lab, tmp_path: Path) -> None:
    host.ok("bridge", "init", "dnet0")
    path = tmp_path / "netz-für-日本"
    path.symlink_to(lab.node().path)
    host.ok("attach", "web", "--netns", str(path))
    assert str(path) in host.ok("interface", "list")
    assert str(path) in host.ok("interface", "list", "--json")
    host.quiet("check")


# --- what is in the store ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "lines"),
    [
        ("interface list", 3),
        ("interface list -q", 2),
        ("interface list --json", 1),
        ("interface show web", 13),
        ("interface show web --json", 1),
        ("interface show web --format env", 20),
        ("show", 5),
        ("show --json", 1),
        ("show --format dot", 13),
        ("check", 2),
        ("check --json", 1),
        ("restore --dry-run", 0),
        ("restore", 2),
        ("-v restore", 2),
        ("gc --dry-run", None),
        ("gc", 2),
        ("detach web --dry-run", None),
        ("detach web", 0),
        ("attach web --netns NODE", 1),
    ],
)
def test_one_in_the_store_makes_no_line(
    haunted: Host, lab: Lab, command: str, lines: int | None
) -> None:
    words = command.replace("NODE", lab.node().netns).split()
    done = haunted.dnet(*words)
    said = done.stdout + done.stderr
    assert is_tame(said), said
    assert lines is None or len(said.splitlines()) == lines, said


@pytest.mark.parametrize("options", [[], ["--each"], ["--json"]])
def test_one_in_the_store_makes_no_line_of_a_batch(haunted: Host, options: list[str]) -> None:
    lines = ["interface list", "interface show web", "show", "interface show web --format env"]
    done = haunted.dnet("batch", *options, stdin="\n".join(lines))
    assert (done.returncode, done.stderr) == (0, "")
    assert is_tame(done.stdout), done.stdout
    if options == ["--each"]:
        assert len(done.stdout.splitlines()) == len(lines)


@pytest.mark.libraries
@pytest.mark.parametrize("command", ["interface list", "interface show web", "show"])
def test_one_in_the_store_moves_no_terminal(haunted: Host, command: str) -> None:
    shown = terminal.plain(terminal.on_terminal(haunted, 200, *command.split()))
    assert is_tame(shown), shown
    assert r"\x1b[2J" in shown


def test_a_program_reads_it_as_it_is(haunted: Host, tmp_path: Path) -> None:
    assert haunted.json("interface", "show", "web")["netns"] == NASTY
    read = 'eval "$(dnet interface show web --format env)"; printf %s "$DNET_NETNS" > "$0"'
    for shell in ("sh", "bash"):
        haunted.run(shell, "-c", read, str(tmp_path / shell))
        assert (tmp_path / shell).read_bytes().decode() == NASTY


# --- packets from elsewhere -------------------------------------------------------------------


def test_a_process_that_listens_under_such_a_name(host: Host) -> None:
    host.ok("bridge", "init", "dnet0")
    host.ok("interface", "allocate", "web")
    name = "x\x1b[2J\u202ey"
    code = f"""
import socket, subprocess
open("/proc/self/comm", "w").write({name!r})
with socket.create_server(("", 8080)):
    subprocess.run(["dnet", "map", "add", "web", "8080:80"])
"""
    done = host.try_run(sys.executable, "-c", code)
    assert is_tame(done.stderr), done
    assert "process x[2Jy (pid " in done.stderr


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_program_that_fails_in_such_words(host: Host, tmp_path: Path, options: list[str]) -> None:
    host.ok("bridge", "init", "dnet0")
    host.ok("interface", "allocate", "web")
    fake = Fake(host, tmp_path / "bin", "iptables-restore")
    (fake.folder / "iptables-restore").write_text(
        "#!/bin/sh\nprintf 'no\\033[2J\\302\\2332J' >&2; exit 1\n"
    )
    (fake.folder / "iptables-restore").chmod(0o755)
    done = host.dnet("map", "add", "web", "8080:80", *options, env=fake.env)
    assert done.returncode == STATUS["kernel"]
    assert is_tame(done.stderr), done


def test_a_device_of_such_a_name(host: Host) -> None:
    name = "x\x1b[2Jy"
    host.ip(f"link add {name} type bridge", f"link property add dev {name} altname lan0")
    done = host.dnet("bridge", "init", "lan0")
    assert read_refusal(done).status == STATUS["conflict"]
    assert is_tame(done.stderr), done


@pytest.mark.parametrize("options", [[], ["--json"], ["--dry-run"]])
def test_a_rule_with_such_a_comment(host: Host, options: list[str]) -> None:
    host.ok("bridge", "init", "dnet0")
    comment = "a\x1b[2J\x0c\u2028b"
    host.run("iptables", "-t", "nat", "-A", "DNET", "-m", "comment", "--comment", comment)
    done = host.dnet("restore" if options == ["--dry-run"] else "check", *options)
    assert is_tame(done.stdout), done
    assert len(done.stdout.splitlines()) == 1
    if options == ["--json"]:
        assert comment in json.loads(done.stdout)[0]
    host.ok("restore")
    host.quiet("check")


def test_a_folder_of_such_a_name(host: Host, tmp_path: Path) -> None:
    folder = tmp_path / "a\x1b[2Jb"
    for words in (("bridge", "init", "--iptables"), ("bridge", "remove", "dnet0"), ("map", "list")):
        done = host.dnet("--state-dir", str(folder), *words, env={"DNET_STATE_DIR": ""})
        assert is_tame(done.stdout + done.stderr), done
    (folder / "state.json").write_text("{")
    refusal = read_refusal(host.dnet("--state-dir", str(folder), "map", "list"))
    assert is_tame(f"{refusal.message}{refusal.hint}")
