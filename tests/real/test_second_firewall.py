"""The transaction with another firewall behind the door: nothing else knows which one it is.

The tests of kills and faults are those of the first one, as they are, in the suite with some of
the commands.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import figures, toy
from tests import lab as labs
from tests.cases import CASES, Case, Stage
from tests.contract import STATUS
from tests.host import Host
from tests.lab import Lab
from tests.real import test_faults, test_kill


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, variant_folders: Path) -> Iterator[Stage]:
    """Where commands are tried, with the other firewall."""
    folder = tmp_path_factory.mktemp("stage")
    stage = Stage(folder, variant_folders, "nft", {toy.VARIABLE: f"{folder}/rules"})
    yield stage
    stage.close()


@pytest.fixture
def host(tmp_path: Path, variant_folders: Path) -> Iterator[Host]:
    """A machine with a bridge, an interface and a mapping."""
    with labs.opened(tmp_path, variant_folders, "nft", {toy.VARIABLE: f"{tmp_path}/rules"}) as lab:
        yield busy(lab)


def busy(lab: Lab) -> Host:
    host = lab.host()
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16", "--no-icc")
    host.ok("interface", "allocate", "web", "--expose", "80/tcp")
    host.ok("map", "add", "web", "8080:80")
    return host


def rules(host: Host) -> list[str]:
    return Path(host.env[toy.VARIABLE]).read_text().splitlines()


@pytest.mark.parametrize("case", figures.some(CASES, 12, "kill"), ids=str)
def test_killed_at_any_point(stage: Stage, case: Case) -> None:
    test_kill.test_killed_at_any_point(stage, case)


@pytest.mark.parametrize("case", figures.some(CASES, 6, "fault"), ids=str)
def test_a_step_that_fails(stage: Stage, case: Case) -> None:
    test_faults.test_a_step_that_fails(stage, case)


RULES = [
    "dnet0 forwards 172.17.0.0/16",
    "dnet0 keeps apart dnet0",
    "dnet0 guards 127.0.0.0/8",
    "dnet0 publishes 0.0.0.0:8080/tcp of 172.17.0.2",
]


def test_its_rules_are_made_and_iptables_is_left_alone(host: Host) -> None:
    assert sorted(rules(host)) == sorted(RULES)
    assert not [line for line in host.snapshot().splitlines() if line.startswith("*")]
    host.quiet("check")
    host.ok("bridge", "remove", "dnet0", "--force")
    assert rules(host) == []


def test_what_is_done_is_shown_beforehand(host: Host) -> None:
    before = host.everything()
    told = host.ok("map", "remove", "8080", "--dry-run").splitlines()
    assert "toy delete dnet0 publishes 0.0.0.0:8080/tcp of 172.17.0.2" in told
    assert host.everything() == before


def test_what_differs_is_found_and_mended(host: Host) -> None:
    file = Path(host.env[toy.VARIABLE])
    file.write_text(f"{RULES[0]}\ndnet0 is wide open\nsomebody else's\n")
    found = host.dnet("check")
    assert found.returncode == STATUS["drift"]
    assert "toy dnet0: not dnet's: dnet0 is wide open" in found.stdout.splitlines()
    assert f"toy dnet0: missing: {RULES[3]}" in found.stdout.splitlines()
    host.ok("restore")
    assert sorted(rules(host)) == sorted([*RULES, "somebody else's"])
    host.quiet("check")


def test_a_change_that_is_refused_is_made_after_a_look(host: Host) -> None:
    host.ok("map", "add", "web", "8081:81")
    Path(host.env[toy.VARIABLE]).write_text("")
    done = host.dnet("map", "remove", "8081")
    assert done.returncode == 0
    assert f"repaired: toy dnet0: missing: {RULES[0]}" in done.stderr
    assert sorted(rules(host)) == sorted(RULES)
    host.quiet("check")


def test_what_somebody_else_made_is_a_conflict(host: Host) -> None:
    file = Path(host.env[toy.VARIABLE])
    file.write_text("\n".join([*rules(host), "dnet1 is mine"]) + "\n")
    before = host.everything()
    init = ("bridge", "init", "dnet1", "--address", "10.1.0.1/24", "--chain", "SECOND")
    host.fails(STATUS["conflict"], *init)
    assert host.everything() == before


def test_what_is_left_of_a_lost_store_is_known(host: Host) -> None:
    for file in host.state_dir.iterdir():
        file.unlink()
    host.ok("reset", "--unowned", "--yes")
    assert rules(host) == []
    assert "dnet0" not in host.run("ip -o link")


def test_its_objections_are_heard(host: Host) -> None:
    for number in range(1, 4):
        address = f"10.{number}.0.1/24"
        host.ok("bridge", "init", f"dnet{number}", "--address", address, "--chain", f"C{number}")
    host.fails(STATUS["conflict"], "bridge", "init", "dnet4", "--chain", "C4")
