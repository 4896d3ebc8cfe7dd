"""A run that is killed at any instant leaves the old state or the new one, and nothing else."""

from __future__ import annotations

import subprocess
from contextlib import suppress

import pytest

from tests import figures
from tests.cases import CASES, Case, Range, Sites
from tests.site import Site, View

KILLED = -9
LEFT_BEHIND = "a command was killed half-way"
# A changing command with nothing to change: what it repairs is the killed one's.
NEXT = ("ip", "release", "192.0.2.1", "--if-exists")


def recover(site: Site, case: Case, before: View) -> None:
    """What an administrator finds after the kill, and what the next command makes of it."""
    left = site.has_journal
    site.host.ok("interface", "list")
    found = site.host.dnet("check").stdout.splitlines()
    if left:
        assert any(LEFT_BEHIND in line for line in found), found
    elif not case.drifted:
        assert found == []
    done = site.host.dnet(*NEXT)
    assert done.returncode == 0, done
    if left:
        told = [line for line in found if LEFT_BEHIND not in line]
        assert bool(told) == ("dnet: warning: repaired: " in done.stderr), (told, done)
    else:
        assert done.stderr == ""
    assert not site.has_journal
    if not (case.drifted and site.view() == before):
        site.host.quiet("check")


def kill(site: Site, case: Case, point: int) -> bool:
    """Whether the command was killed at a point, or had come to its end before."""
    environment = {"DNET_POINT_AT": str(point), "DNET_POINT_DO": "kill"}
    done = site.passes_points(site.words_of(case.line), environment)
    assert done.returncode in (0, KILLED), done
    return done.returncode == KILLED


@pytest.mark.parametrize("case", CASES, ids=str)
def test_killed_at_any_point(ground: Range, case: Case) -> None:
    before, after, points = ground.outcomes(case)
    every = range(1, len(points) + 1)
    chosen = figures.chance(case).sample(every, figures.amount(2, len(points)))
    with Sites(ground, case, before) as sites:
        for point in sorted(chosen):
            site = sites.one()
            assert kill(site, case, point), points[point - 1]
            recover(site, case, before)
            assert site.view().is_one_of(before, after), f"killed {points[point - 1]}"
    figures.count("kill", kills=len(chosen), leaks=0)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_killed_after_any_time(ground: Range, case: Case) -> None:
    chance = figures.chance(case, "time")
    if not figures.FULL and chance.random() < 0.8:
        pytest.skip("in full only")
    before, after, _ = ground.outcomes(case)
    kills = figures.amount(1, 5)
    with Sites(ground, case, before) as sites:
        for _ in range(kills):
            site = sites.one()
            with site.host.started("dnet", *site.words_of(case.line)) as process:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(chance.uniform(0.05, 0.8))
                process.kill()
            recover(site, case, before)
            assert site.view().is_one_of(before, after)
    figures.count("kill", kills=kills, leaks=0)
