"""A state folder that was named and is not there is told of: what it does not have says nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.contract import STATUS
from tests.host import Host, read_refusal

FINDING = (
    *("bridge list", "ip list -q", "ip list --available", "interface list --json", "port list"),
    *("map list", "link list", "show", "show --format dot", "check", "check --json"),
    *("restore", "restore --dry-run", "gc", "gc --dry-run", "reset --yes", "reset --dry-run"),
)
MISSING = "there is no store in {}, which {} names: no such folder"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "nowhere"


@pytest.mark.parametrize("command", FINDING)
@pytest.mark.parametrize("by", ["--state-dir", "DNET_STATE_DIR"])
def test_what_finds_nothing_says_so(host: Host, folder: Path, command: str, by: str) -> None:
    is_option = by.startswith("-")
    options = [by, str(folder)] if is_option else []
    env = {} if is_option else {by: str(folder)}
    done = host.dnet(*options, *command.split(), env=env)
    assert done.returncode == 0
    assert done.stderr == f"dnet: warning: {MISSING.format(folder, by)}\n"
    if "json" in command:
        assert json.loads(done.stdout) == []


@pytest.mark.parametrize(
    "command", ["bridge show", "interface show web", "ip request", "gc --owner w"]
)
def test_what_is_not_found_may_be_elsewhere(host: Host, folder: Path, command: str) -> None:
    done = host.dnet("--state-dir", str(folder), *command.split())
    refusal = read_refusal(done)
    assert refusal.status == STATUS["not-found"]
    assert str(refusal.hint).endswith(MISSING.format(folder, "--state-dir"))


@pytest.mark.parametrize("command", FINDING)
def test_a_folder_without_a_store_is_one_that_waits_for_it(
    host: Host, folder: Path, command: str
) -> None:
    """As a service manager makes it."""
    folder.mkdir()
    done = host.dnet("--state-dir", str(folder), *command.split())
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "option", ["", "--state-dir /var/lib/dnet", "--state-dir /var/lib/../lib/dnet"]
)
def test_nothing_is_said_of_the_folder_of_a_host_that_has_no_bridge(
    host: Host, option: str
) -> None:
    for command in ("map list", "check", "restore"):
        words = f"mount -t tmpfs none /var/lib && unset DNET_STATE_DIR && dnet {option} {command}"
        done = host.try_run("unshare", "--mount", "sh", "-c", words)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("command", ["map list", "port allocate", "bridge init --dry-run"])
def test_no_folder_at_all_is_refused(host: Host, command: str) -> None:
    refusal = read_refusal(host.dnet("--state-dir", "", *command.split()))
    assert (refusal.status, refusal.message) == (STATUS["usage"], "--state-dir: '' is no folder")


def test_what_makes_a_store_makes_its_folder(host: Host, folder: Path) -> None:
    done = host.dnet("--state-dir", str(folder), "bridge", "init")
    assert (done.returncode, done.stderr) == (0, "")
    lines = "bridge init\nmap list\n"
    done = host.dnet("--state-dir", str(folder / "below"), "batch", "--each", stdin="map list\n")
    assert done.stderr.startswith("dnet: warning: there is no store in ")
    host.ok("--state-dir", str(folder), "batch", "--each", stdin=lines)
