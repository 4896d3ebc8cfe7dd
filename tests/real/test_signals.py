"""Ctrl-C, SIGTERM and a hang-up at any step undo what was done or finish it; a pipe may end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from dnet.store.lock import held
from tests import figures, terminal
from tests.cases import CASES, Case, Stage
from tests.fakes import Fake
from tests.host import Host
from tests.node import Completed

PACKAGE = Path(__file__).parents[2] / "dnet"
ENDS = {"int": 130, "term": 143, "hup": 129, "storm": 143}


def interrupted(done: Completed, status: int) -> None:
    """Asserts the documented exit status, and no word too many."""
    assert done.returncode == status, done
    lines = [line for line in done.stderr.splitlines() if line]
    said = ("dnet: warning: ", "dnet: repaired: ", "dnet: published ")
    assert all(line.startswith(said) for line in lines), done
    assert "could not undo" not in done.stderr, done


@pytest.mark.parametrize("case", figures.some(CASES, 8, "signals"), ids=str)
def test_a_signal_at_any_step(stage: Stage, case: Case) -> None:
    scene = stage.scene(case)
    chance = figures.chance(case)
    every = [(point, chance.choice([*ENDS])) for point in range(1, len(scene.points) + 1)]
    chosen = chance.sample(every, figures.amount(2, len(every)))
    with figures.tally("signal", "signals", "leftovers") as tally:
        for point, does in sorted(chosen):
            with tally.trial(f"{does} {scene.points[point - 1]} ({point})"):
                done = scene.trial({"DNET_POINT_AT": str(point), "DNET_POINT_DO": does})
                interrupted(done, ENDS[does])
                assert not scene.site.has_journal, done
                assert not [name for name in scene.site.files() if name.endswith(".new")], done
                now = scene.now()
                now.has_to_be_one_of(scene.before, scene.after)
                if does != "storm" and not case.drifted:
                    # What is done is told: else nobody knew what to give back.
                    assert done.stdout == (scene.answer if now == scene.after else ""), done


@pytest.mark.parametrize("does", ["int", "term", "hup"])
def test_a_dialogue_ends_with_the_answer_to_what_is_done(
    host: Host, tmp_path: Path, does: str
) -> None:
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    line, log = "port allocate", tmp_path / "points"
    host.ok("batch", "--each", stdin=line, env={"DNET_POINT_LOG": str(log)})
    points = len(log.read_text().splitlines())
    assert points > 5
    for point in range(1, points + 1):
        env = {"DNET_POINT_AT": str(point), "DNET_POINT_DO": does}
        known = set(host.keys("port", "list"))
        done = host.dnet("batch", "--each", stdin=f"{line}\n{line}\n", env=env)
        interrupted(done, ENDS[does])
        new = set(host.keys("port", "list")) - known
        assert [f"0.0.0.0:{port}/tcp" for port in done.stdout.split()] == sorted(new), point


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["int", "term", "hup"]
)
def test_a_signal_at_any_time(host: Host, number: signal.Signals) -> None:
    """From the start of the interpreter to its end: never a traceback."""
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    host.ok("interface", "allocate", "web")
    chance = figures.chance(number)
    with figures.tally("signal", "signals", "leftovers") as tally:
        for port in range(9000, 9000 + figures.amount(6, 60)):
            with tally.trial(port):
                after = chance.uniform(0, 0.4)
                done = signalled(host, number, after, "map", "add", "web", f"{port}:80")
                if not is_before_dnet(done):
                    # A shell says 128 and the number also of what a signal has ended.
                    assert done.returncode in (0, 128 + number, -number), done
                    assert done.stderr.strip() == "", done
                mapped = f"0.0.0.0:{port}/tcp" in host.keys("map", "list")
                assert mapped or done.returncode, done
                host.quiet("check")
                host.ok("map", "remove", str(port), "--if-exists")


def is_before_dnet(done: Completed) -> bool:
    """Whether Python was interrupted, in its own way, before dnet had put an end to that.

    Which is what the first line of its main function does.
    """
    frames = [line for line in done.stderr.splitlines() if str(PACKAGE) in line]
    return "KeyboardInterrupt" in done.stderr and all(
        re.search(r"__(init|main)__\.py\", line \d+, in (<module>|main)$", line) for line in frames
    )


def signalled(host: Host, number: int, after: float, *words: str) -> Completed:
    """A `dnet` that is sent a signal after so many seconds, unless it has ended by then."""
    with subprocess.Popen(
        host.argv("dnet", *words),
        env=host.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        with suppress(subprocess.TimeoutExpired):
            process.wait(after)
        process.send_signal(number)
        stdout, stderr = process.communicate()
    return Completed(words, process.returncode, stdout, stderr)


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["int", "term", "hup"]
)
def test_a_signal_while_waiting_for_the_lock(host: Host, number: signal.Signals) -> None:
    host.ok("bridge", "init", "dnet0")
    before = host.everything()
    with held(str(host.state_dir / "lock"), 0), terminal.opened(80) as (reading, end):
        with subprocess.Popen(
            host.argv("dnet", "ip", "request"), env=host.env, stdout=subprocess.PIPE, stderr=end
        ) as process:
            os.close(end)
            told = terminal.read_until(reading, lambda text: "\n" in text)
            process.send_signal(number)
            assert process.communicate()[0] == b""
        assert process.returncode == 128 + number
        assert "the store is locked" in told
        assert terminal.read_until(reading).strip() == ""
    assert host.everything() == before


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


@contextmanager
def in_the_middle(host: Host, folder: Path, *command: str) -> Iterator[subprocess.Popen[str]]:
    """A `dnet` whose iptables-restore has begun, and goes on with the end of the block."""
    fake = Fake(host, folder, "iptables-restore")
    fake.wait()
    os.mkfifo(folder / "go")
    with host.started(*command, env=fake.env) as process:
        while not (folder / "begun").exists():
            assert process.poll() is None
        go = os.open(folder / "go", os.O_RDWR)
        try:
            yield process
        finally:
            os.write(go, b"\n")
            process.wait()
            os.close(go)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP], ids=["int", "hup"])
def test_a_signal_that_is_ignored_stays_so(
    host: Host, tmp_path: Path, number: signal.Signals
) -> None:
    """In the background of a script Ctrl-C is ignored, and under nohup a hang-up."""
    words = f'trap "" {number}; exec dnet bridge init dnet0'
    with in_the_middle(host, tmp_path / "fake", "sh", "-c", words) as process:
        process.send_signal(number)
    assert process.returncode == 0
    host.quiet("check")
    assert host.keys("bridge", "list") == ["dnet0"]


def test_the_hang_up_of_a_terminal(host: Host, tmp_path: Path) -> None:
    """It comes to all that runs there, to the programs that dnet has started as well."""
    host.ok("bridge", "init", "dnet0")
    host.ok("interface", "allocate", "web")
    before = host.everything()
    words = ("setsid", "dnet", "map", "add", "web", "8080:80")
    with in_the_middle(host, tmp_path / "fake", *words) as process:
        os.killpg(process.pid, signal.SIGHUP)
    assert process.returncode == 129
    assert host.everything() == before


# While a class is made, another error comes out of it than the one that is raised.
_SIGNALLED_IN_A_CLASS = """
import functools, os, signal, sys
from dnet.__main__ import main
named = functools.cached_property.__set_name__
def signalled(self, *about):
    if callable(signal.getsignal({number})):
        os.kill(os.getpid(), {number})
    named(self, *about)
functools.cached_property.__set_name__ = signalled
sys.argv = ["dnet", "map", "add", "web", "8080:80"]
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["int", "term"])
def test_a_signal_while_a_class_is_made(host: Host, number: signal.Signals) -> None:
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    host.ok("interface", "allocate", "web")
    code = _SIGNALLED_IN_A_CLASS.format(number=int(number))
    done = host.try_run(sys.executable, "-c", code)
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, "", "")
    assert host.keys("map", "list") == []
    host.quiet("check")
