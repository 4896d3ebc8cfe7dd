"""A step that fails, whichever it is, leaves the kernel and the store as they were."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from unittest.mock import ANY

import pytest

from tests import figures
from tests.cases import CASES, Case, Scene, Stage
from tests.contract import STATUS
from tests.node import Completed
from tests.points import FILE, NETLINK, PROCESS, SYSCTL
from tests.real.test_kill import NEXT

# What fails: the kind of the events, and the exit status a command may end with.
KERNEL, FAILED, DENIED = STATUS["kernel"], STATUS["failed"], STATUS["permission"]
FAULTS = {
    NETLINK: (NETLINK, KERNEL),
    SYSCTL: (SYSCTL, KERNEL),
    PROCESS: (PROCESS, KERNEL),
    "ENOSPC": (FILE, FAILED),
    "EROFS": (FILE, FAILED),
    "EACCES": (FILE, DENIED),
}
# What takes all the steps that can be taken, and undoes none, has no better word for it.
AS_FAR_AS_POSSIBLE = {True: (FAILED,), False: ()}
UNDONE = "could not undo everything"


class Fault(NamedTuple):
    """What fails at which point, and whether it goes on failing from there."""

    name: str
    point: int
    stays: bool

    @property
    def env(self) -> dict[str, str]:
        point = {"DNET_POINT_AT": str(self.point), "DNET_POINT_DO": self.name}
        return point | ({"DNET_POINT_ON": "1"} if self.stays else {})


def faults(points: list[str]) -> Iterator[Fault]:
    """Every fault that the points a command passes leave room for."""
    for name, (kind, _) in FAULTS.items():
        for number, line in enumerate(points, 1):
            if line.startswith(f"before {kind} "):
                yield from (Fault(name, number, stays) for stays in (False, True))


def refused(done: Completed, *statuses: int) -> None:
    """Asserts the documented exit status, and one clear line."""
    assert done.returncode in statuses, done
    assert done.stdout == "", done
    kinds = [line.split(": ")[1] for line in done.stderr.splitlines()]
    assert kinds.count("error") == 1, done
    assert set(kinds) <= {"warning", "repaired", "error", "hint"}, done


def left_as_it_was(scene: Scene, done: Completed, *, stays: bool) -> None:
    """Asserts that a command that failed has left nothing, and one that did not, everything."""
    site, case = scene.site, scene.case
    if site.has_journal:
        # Said to be half done, which the next command mends.
        assert UNDONE in done.stderr or case.goes_on, done
        assert stays or case.goes_on, done
        assert site.dnet(NEXT).returncode == 0
    elif done.returncode and case.goes_on:
        # It may have done all but what failed, of which nothing but itself has to know.
        assert site.dnet(case.line).returncode == 0
    elif done.returncode:
        files = site.files()
        # The next change writes over what cannot be removed any more, and over names that lie
        # ready, by which it knows that it has to.
        may_stay = [name for name in files if name.endswith(".new" if stays else "names.new")]
        assert files == scene.files | dict.fromkeys(may_stay, ANY), done
    assert not site.has_journal, done
    has_warned = not done.returncode and "dnet: warning: web: " in done.stderr
    # The failure of an attachment that was not asked for stays its own, and is told. Where it was
    # a question that failed, there may be nothing to mend.
    if has_warned and site.dnet("check").returncode == STATUS["drift"]:
        site.ok("restore")
    may_be = [scene.before] if done.returncode else [scene.after]
    if case.goes_on or case.drifted:
        may_be = [scene.before, scene.after]
    scene.now().has_to_be_one_of(*may_be)


KILLED = next(case for case in CASES if case.name == "attach")


@pytest.mark.parametrize("line", [NEXT, "restore", "reset --yes"])
def test_what_a_killed_command_left_is_known_until_it_is_gone(
    stage: Stage, line: str, tmp_path: Path
) -> None:
    """Whatever goes wrong with the next one: it has to be tried again."""
    scene, site, log = stage.scene(KILLED), stage.scene(KILLED).site, tmp_path / "points"
    killing = 1 + scene.points.index("before file link")
    kill = {"DNET_POINT_AT": str(killing), "DNET_POINT_DO": "kill"}
    assert scene.trial(kill).returncode == -9
    site.dnet(line, {"DNET_POINT_LOG": str(log)})
    points = log.read_text().splitlines()
    sends = [one for one, what in enumerate(points, 1) if what == f"before {NETLINK} send"]
    sends += [one for one, what in enumerate(points, 1) if what == f"before {NETLINK} sendto"]
    assert sends
    with figures.tally("fault", "faults", "leftovers") as tally:
        for point in figures.some(sends, 3, line):
            with tally.trial(f"{line}, {points[point - 1]} ({point})"):
                assert scene.trial(kill).returncode == -9
                done = site.dnet(line, {"DNET_POINT_AT": str(point), "DNET_POINT_DO": NETLINK})
                if done.returncode and not site.has_journal:
                    scene.now().has_to_be_one_of(scene.before)
                site.ok(line)
                if line == "reset --yes":
                    assert "veth" not in site.kernel()
                else:
                    scene.now().has_to_be_one_of(scene.before)


@pytest.mark.parametrize("case", figures.some(CASES, 12, "faults"), ids=str)
def test_a_step_that_fails(stage: Stage, case: Case) -> None:
    scene = stage.scene(case)
    every = list(faults(scene.points))
    chosen = figures.chance(case).sample(every, figures.amount(2, len(every)))
    with figures.tally("fault", "faults", "leftovers") as tally:
        for fault in sorted(chosen):
            with tally.trial(f"{fault}, {scene.points[fault.point - 1]}"):
                done = scene.trial(fault.env)
                if done.returncode:
                    refused(done, FAULTS[fault.name][1], *AS_FAR_AS_POSSIBLE[case.goes_on])
                left_as_it_was(scene, done, stays=fault.stays)
