"""A published port answers wherever a user expects it to, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import lab as labs
from tests import reachability as table
from tests.node import ANSWER_SECONDS, SILENCE_SECONDS
from tests.reachability import Conditions, Row
from tests.world import Answers, World


class Observed(NamedTuple):
    """What came back in one lab: with everything published, and after its removal."""

    icc: bool
    published: Answers
    removed: Answers
    flows: dict[Row, str | None]
    flows_removed: dict[Row, str | None]


@pytest.fixture(scope="module", params=table.CONDITIONS, ids=str)
def observed(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    variant_folders: Path,
) -> Iterator[Observed]:
    conditions: Conditions = request.param
    if not (variant_folders / conditions.variant).exists():
        pytest.skip(str(labs.why_no_variant(conditions.variant)))
    folder = tmp_path_factory.mktemp("reachability")
    with labs.opened(folder, variant_folders, conditions.variant) as lab:
        world = World(lab, conditions)
        published = world.ask(lambda row: row.answer is not None)
        flows = world.open()
        said = world.say(flows, ANSWER_SECONDS)
        world.unpublish()
        said_removed = world.say(flows, SILENCE_SECONDS)
        removed = world.ask(lambda row: row.answer is not None and row.until is None)
        yield Observed(conditions.icc, published, removed, said, said_removed)


def differences(answers: Answers, line: str, *, removed: bool) -> list[str]:
    """One text for each row of a line of the table whose answer is not the expected one."""
    wrong = []
    for (row, proto), answer in answers.items():
        expected = None if removed and row.until else row.answer
        right = answer is None if expected is None else (answer or "").startswith(expected)
        if row.line == line and not right:
            where = f"{row.source} to {row.address}:{row.port}/{proto}"
            wrong.append(f"{where} got {answer!r}, not {expected!r}")
    return wrong


@pytest.mark.parametrize("line", table.LINES)
def test_published(observed: Observed, line: str) -> None:
    assert differences(observed.published, line, removed=False) == []


@pytest.mark.parametrize("line", table.LINES)
def test_after_removal(observed: Observed, line: str) -> None:
    assert differences(observed.removed, line, removed=True) == []


def test_established_udp_flows_end_with_the_removal(observed: Observed) -> None:
    silent = [row for row, answer in observed.flows.items() if answer is None]
    assert silent == []
    going_on = [row for row, answer in observed.flows_removed.items() if answer is not None]
    assert going_on == []
