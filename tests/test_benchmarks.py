"""What the figures in docs/benchmarks.md rest on."""

from __future__ import annotations

import sys

import pytest

from benchmarks import clock, report
from benchmarks.comparisons import Comparison, Halves
from benchmarks.figures import Figure


def test_in_every_round_each_way_has_its_turn_and_the_median_counts() -> None:
    turns: list[str] = []
    seconds = {"one": iter([5.0, 1.0, 2.0]), "other": iter([1.0, 9.0, 8.0])}

    def way(name: str) -> clock.Way:
        def take() -> float:
            turns.append(name)
            return next(seconds[name])

        return take

    assert clock.take_turns({name: way(name) for name in seconds}, 3) == {"one": 2, "other": 8}
    assert turns == ["one", "other"] * 3


def test_a_program_that_fails_is_no_measurement() -> None:
    code = "import sys; print(sys.stdin.read()); sys.exit('no such thing')"
    with pytest.raises(RuntimeError, match="status 1: no such thing"):
        clock.run([sys.executable, "-c", code], {})
    ran = clock.run([sys.executable, "-c", "print(input()[::-1])"], {}, "abc\n")
    assert ran.output == "cba\n"
    assert ran.seconds > 0 < ran.megabytes


def test_a_promise_is_kept_up_to_its_limit() -> None:
    assert Figure("work", 5, 5).kept
    assert not Figure("work", 5.01, 5).kept
    assert Figure("work", 10, 10, at_least=True).kept
    assert not Figure("work", 9.99, 10, at_least=True).kept


def test_what_was_not_measured_is_left_open() -> None:
    rows: list[tuple[int, dict[str, Halves]]] = [
        (2, {"dnet batch": (1.0, 0.5), "other": (4.0, None)}),
        (8, {"dnet batch": (2.0, 4.0)}),
    ]
    lines = report.compare(Comparison("Title", ("dnet batch", "other"), rows)).splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "ms" in line]
    assert cells == [
        ["2", "500 ms", "2,000 ms (4.0)"],
        ["8", "250 ms", "–"],
        ["2", "250 ms", "–"],
        ["8", "500 ms", "–"],
    ]
