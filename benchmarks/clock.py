"""Running programs and taking their time; and taking turns, so that noise falls on everybody."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

BASE = "python -c pass"
Way = Callable[[], float]
"""Does something once, and gives the seconds of it that count."""


class Ran(NamedTuple):
    """A program that has ended: wall-clock seconds, peak memory in MB, and what it printed."""

    seconds: float
    megabytes: float
    output: str


def run(words: Sequence[str], env: Mapping[str, str], text: str = "") -> Ran:
    """Run a program to its end. Raises RuntimeError where it fails."""
    files = [os.memfd_create(name, 0) for name in ("in", "out", "error")]
    try:
        os.write(files[0], text.encode())
        os.lseek(files[0], 0, os.SEEK_SET)
        turn = [(os.POSIX_SPAWN_DUP2, file, number) for number, file in enumerate(files)]
        begin = time.perf_counter()
        pid = os.posix_spawn(words[0], list(words), dict(env), file_actions=turn)
        _, status, usage = os.wait4(pid, 0)
        seconds = time.perf_counter() - begin
        if status:
            told = _content(files[2]) or _content(files[1])
            raise RuntimeError(f"{' '.join(words)[:200]}: status {status >> 8}: {told[:500]}")
        return Ran(seconds, usage.ru_maxrss / 1024, _content(files[1]))
    finally:
        for file in files:
            os.close(file)


def _content(file: int) -> str:
    size = os.fstat(file).st_size
    return os.pread(file, size, 0).decode(errors="replace")


def bare_interpreter(env: Mapping[str, str]) -> Way:
    """The unit of measure: an interpreter of the same environment that does nothing."""
    return lambda: run([sys.executable, "-c", "pass"], env).seconds


def take_turns(ways: Mapping[str, Way], rounds: int) -> dict[str, float]:
    """The median of each way's seconds; in every round each has its turn."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            times[name].append(way())
    return {name: statistics.median(found) for name, found in times.items()}


def progress(what: str) -> None:
    """Say what is being measured."""
    print(f"bench: {what}", file=sys.stderr, flush=True)
