"""Processes that a test has started, and their end in whatever state they are."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# What is told to end does so at once, or hangs.
END_SECONDS = 20.0
POLL_SECONDS = 0.002


def end(process: subprocess.Popen[str]) -> None:
    """Lets a process end that does so with its standard input, and kills one that does not."""
    process.send_signal(signal.SIGCONT)
    with suppress(BrokenPipeError):
        try:
            process.communicate(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@contextmanager
def killed_where_it_fails(process: subprocess.Popen[str]) -> Iterator[None]:
    """Kills a process, which would else be waited for, where the block ends with an exception."""
    try:
        yield
    except BaseException:
        process.kill()
        raise


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A process that is there and does nothing; a signal alone stops some threads later."""
    os.kill(pid, signal.SIGSTOP)
    try:
        while not all(map(_is_stopped, _tasks(str(pid)))):
            time.sleep(POLL_SECONDS)
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _is_stopped(task: Path) -> bool:
    # "1234 (name) T …", where the name may hold whatever it likes (proc_pid_stat(5)).
    return (task / "stat").read_text().rpartition(") ")[2].startswith("T")


def let_go_on() -> None:
    """Continues what descends from this process and was left stopped."""
    for pid in _descendants("self"):
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGCONT)


def _descendants(pid: str) -> Iterator[str]:
    for task in _tasks(pid):
        with suppress(OSError):  # It has ended meanwhile.
            for child in (task / "children").read_text().split():
                yield child
                yield from _descendants(child)


def _tasks(pid: str) -> list[Path]:
    """Those of a process; none once it has ended. A glob raises where one ends under it."""
    folder = f"/proc/{pid}/task"
    with suppress(OSError):
        return [Path(folder, task) for task in os.listdir(folder)]
    return []


def is_inside(pid: int, namespace: Path) -> bool:
    """Whether a process is in a network namespace."""
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino == namespace.stat().st_ino
    except FileNotFoundError:
        return False


def kill_inside(namespaces: Collection[Path]) -> None:
    """Kills every process in one of some network namespaces."""
    inside = {path.stat().st_ino for path in namespaces if path.exists()}
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        with suppress(OSError):  # It has ended meanwhile.
            if os.stat(f"/proc/{pid}/ns/net").st_ino in inside:
                os.kill(int(pid), signal.SIGKILL)
