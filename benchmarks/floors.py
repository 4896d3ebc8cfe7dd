"""What no work on dnet can take away: what it loads, and what it has to call."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.clock import BASE, Way, bare_interpreter, progress, take_turns
from benchmarks.figures import MANY, Figure, host_with


def floors(folder: Path, rounds: int) -> Iterator[Figure]:
    """The floors, as multiples of a bare interpreter."""
    progress("floors")
    with host_with("floors", folder, MANY) as made:
        rules = made.run("iptables-save", "-t", "nat").output

        def load(code: str) -> Way:
            return lambda: made.run(sys.executable, "-c", code).seconds

        ways: dict[str, Way] = {
            "loading click, as help and mistakes do": load("import click"),
            "`iptables-restore` of 10,000 rules, and nothing else": lambda: (
                made.run("iptables-restore", text=rules).seconds
            ),
        }
        times = take_turns({BASE: bare_interpreter(made.env)} | ways, rounds)
        for name in ways:
            yield Figure(name, times[name] / times[BASE], None, seconds=times[name])
