"""How much a test of reliability tries, and the figures it comes to.

In the suite the short form; with DNET_SOAK set, as `scripts/soak` does, the full one. Each test
adds what it counted to the file that DNET_FIGURES names, from which `scripts/soak` makes its table.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from traceback import format_exception
from typing import TypeVar

T = TypeVar("T")
# What the full form has to come to: of one host, and of several.
PROMISED = {
    "": {"kill": 500, "concurrency": 2000, "fuzz": 25_000},
    "hosts": {"hosts": 1000, "many hosts": 500},
}
FULL = bool(os.environ.get("DNET_SOAK"))
SEED = int(os.environ.get("DNET_SEED") or 20140418)


def amount(short: int, full: int) -> int:
    """How many, in the suite or in full."""
    return full if FULL else short


def chance(*what: object) -> random.Random:
    """The random numbers of a test: the same in each run with the same DNET_SEED."""
    return random.Random(f"{SEED} {what}")


def some(things: Sequence[T], short: int, *what: object) -> list[T]:
    """So many of the things in the suite, whichever, and all of them in full."""
    return list(things) if FULL else chance(*what).sample(things, short)


class Tally:
    """What a test has tried, and where it went wrong: one failure does not hide the others."""

    def __init__(self) -> None:
        self.tried = 0
        self.wrong: list[str] = []

    @contextmanager
    def trial(self, where: object, many: int = 1) -> Iterator[None]:
        """One more trial, or as `many` at once; an assertion that fails within is noted."""
        self.tried += many
        try:
            yield
        except AssertionError as error:
            self.wrong.append("".join([f"{where}: ", *format_exception(error, limit=-1)]))


@contextmanager
def tally(figure: str, tries: str, failures: str) -> Iterator[Tally]:
    """Count trials under a figure, such as the kills and leaks of `kill`.

    Asserts in the end that none went wrong, and says which did.
    """
    found = Tally()
    try:
        yield found
    except BaseException as error:
        found.wrong.append(repr(error))
        raise
    finally:
        counts = {tries: found.tried, failures: len(found.wrong)}
        print(f"{figure}: {counts}, seed {SEED}")
        path = os.environ.get("DNET_FIGURES")
        if path:
            with open(path, "a", encoding="utf-8") as file:
                file.write(json.dumps({"figure": figure, **counts}) + "\n")
    assert not found.wrong, "\n\n".join([f"seed {SEED}", *found.wrong])


def table(lines: list[str], promised: Mapping[str, int]) -> tuple[str, bool]:
    """What `tally` has noted, and whether it is all that was promised, without a failure."""
    sums: dict[str, Counter[str]] = {}
    for line in lines:
        counts = json.loads(line)
        sums.setdefault(counts.pop("figure"), Counter()).update(counts)
    rows = [f"{figure:12} " + _columns(counts) for figure, counts in sorted(sums.items())]
    is_good = True
    for figure, counts in sums.items():
        tried, wrong = counts.values()
        is_good = is_good and not wrong and tried >= promised.get(figure, 0)
    return "\n".join([*rows, f"seed         {SEED}"]), is_good and sums.keys() >= promised.keys()


def _columns(counts: Counter[str]) -> str:
    return "  ".join(f"{number:7,} {name:24}" for name, number in counts.items()).rstrip()


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        shown, is_good = table(file.readlines(), PROMISED[sys.argv[2]])
    print(f"\n{shown}")
    sys.exit(0 if is_good else 1)
