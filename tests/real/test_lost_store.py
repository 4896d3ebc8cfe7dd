"""A store that is gone is not taken for one that is empty."""

from __future__ import annotations

import pytest

from tests.contract import STATUS
from tests.host import Host


@pytest.fixture
def host(host: Host) -> Host:
    """A machine with a mapping, and with a store before the last change."""
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    host.ok("interface", "allocate", "web")
    host.ok("map", "add", "web", "8080:80")
    return host


@pytest.mark.parametrize(
    "command", ["check", "restore", "show", "ip list", "ip request", "bridge init", "gc"]
)
def test_a_file_that_is_gone_is_said_to_be(host: Host, command: str) -> None:
    (host.state_dir / "state.json").unlink()
    before = host.everything()
    refusal = host.fails(STATUS["state-unreadable"], *command.split())
    assert refusal.message.endswith("state.json is gone")
    assert str(refusal.hint).endswith(
        "state.json.prev " + f"{host.state_dir}/state.json && dnet restore"
    )
    assert host.everything() == before


@pytest.mark.parametrize("command", ["ip list", "interface allocate b", "restore"])
def test_also_where_a_killed_command_has_left_its_journal(host: Host, command: str) -> None:
    store = host.state_dir / "state.json"
    (host.state_dir / "journal.json").write_text(store.read_text())
    store.unlink()
    before = host.everything()
    refusal = host.fails(STATUS["state-unreadable"], *command.split())
    assert refusal.message.endswith("state.json is gone")
    assert host.everything() == before


def test_the_hint_brings_it_back(host: Host) -> None:
    host.ok("ip", "request")
    (host.state_dir / "state.json").unlink()
    hint = host.fails(STATUS["state-unreadable"], "check").hint
    host.run(str(hint).partition(": ")[2])
    host.quiet("check")
    assert host.keys("map", "list") == ["0.0.0.0:8080/tcp"]


def test_reset_removes_what_the_store_before_knew(host: Host) -> None:
    (host.state_dir / "state.json").unlink()
    done = host.dnet("reset", "--yes")
    assert done.returncode == 0
    assert "DNET" not in host.snapshot()
    assert host.store() == {}


def test_check_names_the_chains_that_an_empty_store_does_not_know(host: Host) -> None:
    for file in host.state_dir.iterdir():
        file.unlink()
    done = host.dnet("check")
    assert done.returncode == STATUS["drift"]
    assert "filter DNET-FORWARD: the chain is unknown to this store" in done.stdout
    assert "nat DNET: the chain is unknown to this store" in done.stdout


def test_output_that_cannot_be_written_is_no_change_undone(host: Host) -> None:
    done = host.try_run("dnet map add web 81:81 > /dev/full")
    assert done.returncode == STATUS["failed"]
    assert done.stderr.splitlines() == [
        "dnet: error: cannot write the output: No space left on device",
        "dnet: hint: the command itself succeeded",
    ]
    assert "hint" not in host.try_run("dnet map list > /dev/full").stderr
    assert "0.0.0.0:81/tcp" in host.keys("map", "list")


def test_a_line_that_begins_with_dnet(host: Host) -> None:
    done = host.dnet("batch", stdin="dnet map list\n")
    assert done.returncode == STATUS["usage"]
    assert "dnet: hint: leave out the word dnet" in done.stderr
