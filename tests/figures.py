"""How much a test of reliability tries, and the figures it prints.

In the suite the short form; with DNET_SOAK set, as `scripts/soak` does, the full one. Each test
adds its counts to the file that DNET_FIGURES names, from which `scripts/soak` prints the sums.
"""

from __future__ import annotations

import json
import os
import random

FULL = bool(os.environ.get("DNET_SOAK"))
SEED = int(os.environ.get("DNET_SEED") or 20140418)


def amount(short: int, full: int) -> int:
    """How many, in the suite or in full."""
    return full if FULL else short


def chance(*what: object) -> random.Random:
    """The random numbers of a test: the same in each run with the same DNET_SEED."""
    return random.Random(f"{SEED} {what}")


def count(figure: str, **counts: int) -> None:
    """Add to a figure, such as kills and leaks of `kill`."""
    print(f"{figure}: " + ", ".join(f"{number} {name}" for name, number in counts.items()))
    path = os.environ.get("DNET_FIGURES")
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"figure": figure, **counts}) + "\n")
