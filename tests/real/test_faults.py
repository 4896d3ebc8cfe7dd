"""A step that fails, whichever it is, leaves the kernel and the store as they were."""

from __future__ import annotations

import pytest

from tests import figures
from tests.cases import CASES, Case, Range, Sites
from tests.contract import STATUS
from tests.node import Completed
from tests.points import FILE, NETLINK, PROCESS, SYSCTL
from tests.real.test_kill import NEXT
from tests.site import Site

# What fails: the kind of the events, and the exit statuses a command may end with.
KERNEL, FAILED = STATUS["kernel"], STATUS["failed"]
FAULTS = {
    NETLINK: (NETLINK, {KERNEL}),
    SYSCTL: (SYSCTL, {KERNEL}),
    PROCESS: (PROCESS, {KERNEL}),
    "ENOSPC": (FILE, {FAILED}),
    "EROFS": (FILE, {FAILED}),
    "EACCES": (FILE, {STATUS["permission"]}),
}
UNDONE = "could not undo everything"


def provoke(site: Site, case: Case, fault: str, point: int, *, stays: bool) -> Completed:
    """A command that meets a fault at a point, and from then on where it stays."""
    environment = {"DNET_POINT_AT": str(point), "DNET_POINT_DO": fault}
    if stays:
        environment["DNET_POINT_ON"] = "1"
    return site.passes_points(site.words_of(case.line), environment)


def refused(done: Completed, statuses: set[int]) -> None:
    """Asserts the documented exit status, and one clear line."""
    assert done.returncode in statuses, done
    assert done.stdout == "", done
    assert "Traceback" not in done.stderr, done.stderr
    kinds = [line.split(": ")[1] for line in done.stderr.splitlines()]
    assert kinds.count("error") == 1, done
    assert set(kinds) <= {"warning", "error", "hint"}, done


@pytest.mark.parametrize("stays", [False, True], ids=["once", "stays"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_step_that_fails(ground: Range, case: Case, fault: str, stays: bool) -> None:
    kind, statuses = FAULTS[fault]
    chance = figures.chance(case, fault, stays)
    if not figures.FULL and chance.random() < 0.85:
        pytest.skip("in full only")
    before, after, points = ground.outcomes(case)
    some = [n for n, line in enumerate(points, 1) if line.startswith(f"before {kind} ")]
    chosen = chance.sample(some, min(len(some), figures.amount(1, len(some))))
    with Sites(ground, case, before) as sites:
        for point in sorted(chosen):
            site = sites.one()
            done = provoke(site, case, fault, point, stays=stays)
            where = f"{fault} {points[point - 1]}, {done}"
            if done.returncode:
                refused(done, statuses)
            if site.has_journal:
                # Said to be half done, which the next command mends.
                assert UNDONE in done.stderr or case.goes_on, where
                assert stays or case.goes_on, where
                assert site.host.dnet(*NEXT).returncode == 0, where
            assert not site.has_journal, where
            may_be = [after] if done.returncode == 0 else [before]
            if case.goes_on or case.drifted:
                may_be = [before, after]
            assert site.view().is_one_of(*may_be), where
    figures.count("fault", faults=len(chosen), leftovers=0)
