"""Ctrl-C and SIGTERM at any step undo what was done or finish it; a pipe may end at any time."""

from __future__ import annotations

import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests import figures
from tests.cases import CASES, Case, Range, Sites
from tests.host import Host
from tests.node import Completed

ENDS = {"int": 130, "term": 143, "storm": 143}
# Those that take the most different steps.
SOME = [case for case in CASES if case.name in ("cold-init", "attach-first", "remove", "restore")]


def interrupted(done: Completed, status: int) -> None:
    """Asserts the documented exit status, and no word too many."""
    assert done.returncode == status, done
    lines = [line for line in done.stderr.splitlines() if line]
    assert all(line.startswith(("dnet: warning: ", "dnet: repaired: ")) for line in lines), done
    assert "could not undo" not in done.stderr, done


@pytest.mark.parametrize("does", ENDS)
@pytest.mark.parametrize("case", CASES if figures.FULL else SOME, ids=str)
def test_a_signal_at_any_step(ground: Range, case: Case, does: str) -> None:
    before, after, points = ground.outcomes(case)
    every = range(1, len(points) + 1)
    chosen = figures.chance(case, does).sample(every, figures.amount(2, len(points)))
    with Sites(ground, case, before) as sites:
        for point in sorted(chosen):
            site = sites.one()
            environment = {"DNET_POINT_AT": str(point), "DNET_POINT_DO": does}
            done = site.passes_points(site.words_of(case.line), environment)
            where = f"{does} {points[point - 1]}, {done}"
            interrupted(done, ENDS[does])
            assert not site.has_journal, where
            assert site.view().is_one_of(before, after), where
    figures.count("signal", signals=len(chosen), leftovers=0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["int", "term"])
@pytest.mark.parametrize("case", CASES if figures.FULL else SOME[1:2], ids=str)
def test_a_signal_at_any_time(ground: Range, case: Case, number: signal.Signals) -> None:
    """Also where Python is not yet, or no longer, ready for it: then nothing has begun."""
    before, after, _ = ground.outcomes(case)
    chance = figures.chance(case, number)
    tries = figures.amount(2, 5)
    with Sites(ground, case, before) as sites:
        for _ in range(tries):
            site = sites.one()
            with site.host.started("dnet", *site.words_of(case.line)) as process:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(chance.uniform(0.05, 0.8))
                process.send_signal(number)
            assert process.returncode in (0, 128 + number, -number, 1), process.returncode
            assert not site.has_journal
            assert site.view().is_one_of(before, after)
    figures.count("signal", signals=tries, leftovers=0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["int", "term"])
def test_a_signal_while_waiting_for_the_lock(host: Host, number: signal.Signals) -> None:
    host.ok("bridge", "init", "dnet0")
    before = host.everything()
    with host.started(
        "flock", "--no-fork", str(host.state_dir / "lock"), "sleep", "1000"
    ) as holder:
        host.run("sh", "-c", f"until ! flock -n {host.state_dir}/lock true; do :; done")
        with host.started("dnet", "ip", "request") as waiting:
            wait_until_open(waiting.pid, host.state_dir / "lock")
            waiting.send_signal(number)
        holder.kill()
    assert waiting.returncode == 128 + number
    assert host.everything() == before


def wait_until_open(pid: int, path: Path) -> None:
    """Return once a process has a file open, which `dnet` has only while it tries to lock it."""
    while not any(is_open(link, path) for link in Path(f"/proc/{pid}/fd").iterdir()):
        pass


def is_open(link: Path, path: Path) -> bool:
    with suppress(OSError):
        return link.samefile(path)
    return False


@pytest.mark.parametrize("command", ["map list | head -1", "-v map add web 8080:80 2>&1 | true"])
def test_a_reader_that_goes_away(host: Host, command: str) -> None:
    """What nobody reads is no traceback, and no reason to leave a change half done."""
    host.ok("bridge", "init", "dnet0")
    host.ok("interface", "allocate", "web")
    for port in range(9000, 9020):
        host.ok("map", "add", "web", f"{port}:80") if port < 9003 else None
    done = host.try_run("sh", "-c", f"dnet {command}; exit $?")
    assert "Traceback" not in done.stderr
    host.quiet("check")
    assert host.dnet("map", "list", "-q").stdout.split().count("0.0.0.0:8080/tcp") == (
        1 if "8080" in command else 0
    )


def test_a_signal_that_is_ignored_stays_so(host: Host) -> None:
    """In the background of a script Ctrl-C is ignored."""
    done = host.try_run("sh", "-c", 'trap "" INT; dnet bridge init dnet0; echo $?')
    assert done.stdout.endswith("0\n")
