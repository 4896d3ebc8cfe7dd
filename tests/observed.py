"""What a `dnet` loads, starts and locks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.host import Host
from tests.node import Completed

OBSERVER = Path(__file__).with_name("observer.py")


@dataclass(frozen=True)
class Observed:
    """A finished `dnet`: how it ended, and what it did meanwhile.

    `modules` are those that were not there when the interpreter had started, `processes` the
    command lines of those it started, `locks` how often it took an exclusive lock.
    """

    done: Completed
    modules: frozenset[str]
    processes: tuple[tuple[str, ...], ...]
    locks: int

    @property
    def programs(self) -> list[str]:
        """The names of the programs that were started."""
        return [os.path.basename(words[0]) for words in self.processes]


def on(host: Host, *arguments: str, stdin: str = "") -> Observed:
    """Run `dnet` on a machine of a test; it has to succeed."""
    return _observe(lambda words: host.try_run(*words, stdin=stdin), arguments)


def with_store(state_dir: Path, *arguments: str) -> Observed:
    """Run `dnet` on a store, for what needs no network of its own; it has to end well."""
    return _observe(lambda words: _run(words, state_dir), arguments)


def _run(words: Sequence[str], state_dir: Path) -> Completed:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("DNET_")}
    env = {**kept, "DNET_STATE_DIR": str(state_dir)}
    return subprocess.run(words, env=env, capture_output=True, text=True, timeout=60, check=False)


def _observe(run: Callable[[Sequence[str]], Completed], arguments: Sequence[str]) -> Observed:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report")
        done = run([sys.executable, str(OBSERVER), str(report), *arguments])
        assert done.returncode == 0, done
        noted = json.loads(report.read_text())
    return Observed(
        done,
        frozenset(noted["modules"]),
        tuple(tuple(words) for words in noted["processes"]),
        noted["locks"],
    )
