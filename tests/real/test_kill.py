"""A run that is killed at any instant leaves the old state or the new one, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tests import conntrack, figures
from tests.accounts import balances
from tests.cases import CASES, Case, Scene, Stage
from tests.contract import STATUS
from tests.lab import Lab
from tests.node import Completed
from tests.site import Site, settled
from tests.walk import Walk

KILLED = -9
LEFT_BEHIND = "a command was killed half-way"
# A changing command with nothing to change: what it repairs is the killed one's.
NEXT = "ip release 192.0.2.1 --if-exists"


def recover(scene: Scene) -> None:
    """What an administrator finds after the kill, and what the next command makes of it."""
    site, case = scene.site, scene.case
    left = site.has_journal
    site.ok("interface list")
    found = site.dnet("check").stdout.splitlines()
    if left:
        assert any(LEFT_BEHIND in line for line in found), found
    elif not case.drifted:
        assert found == []
    done = site.dnet(NEXT)
    assert done.returncode == 0, done
    if left:
        told = [line for line in found if LEFT_BEHIND not in line]
        assert bool(told) == ("dnet: warning: repaired: " in done.stderr), (told, done)
    else:
        assert done.stderr == ""
    assert not site.has_journal
    now = scene.now()
    now.has_to_be_one_of(scene.before, scene.after)
    if not (case.drifted and now == scene.before):
        site.quiet("check")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_killed_at_any_point(stage: Stage, case: Case) -> None:
    scene = stage.scene(case)
    every = range(1, len(scene.points) + 1)
    chosen = figures.chance(case).sample(every, figures.amount(2, len(scene.points)))
    with figures.tally("kill", "kills", "leaks") as tally:
        for point in sorted(chosen):
            with tally.trial(f"killed {scene.points[point - 1]} ({point})"):
                done = scene.trial({"DNET_POINT_AT": str(point), "DNET_POINT_DO": "kill"})
                assert done.returncode == KILLED, done
                recover(scene)


LINKLESS = [case for case in CASES if case.name in ("map", "port")]


@pytest.fixture
def linkless(stage: Stage) -> Iterator[Site]:
    """A site whose file system has no hard links."""
    site = stage.renewed()
    site.host.env["DNET_POINT_LINKS"] = "EPERM"
    yield site
    del site.host.env["DNET_POINT_LINKS"]


@pytest.mark.parametrize("case", LINKLESS, ids=str)
def test_killed_where_there_are_no_hard_links(linkless: Site, case: Case, tmp_path: Path) -> None:
    """At each point from the store's second name on: there it is a copy."""
    scene = Scene(linkless, case, tmp_path / "points")
    copying = 1 + scene.points.index("before file link")
    with figures.tally("kill", "kills", "leaks") as tally:
        every = range(copying, len(scene.points) + 1)
        for point in figures.some(every, min(6, len(every)), case):
            with tally.trial(f"killed {scene.points[point - 1]} ({point})"):
                done = scene.trial({"DNET_POINT_AT": str(point), "DNET_POINT_DO": "kill"})
                assert done.returncode == KILLED, done
                recover(scene)


FLOW = (
    "-p udp -s 192.0.2.7 -d 172.17.42.1 --sport 4000 --dport 53 "
    "-r 172.17.0.2 -q 192.0.2.7 --reply-port-src 53 --reply-port-dst 4000"
)
HALF_WAY = {
    "before the rules were changed": ("kill", "before process posix_spawn", True),
    "once they were": ("kill", "after answer waitpid", False),
    "refused": ("process", "before process posix_spawn", True),
}


@pytest.mark.parametrize("when", HALF_WAY)
def test_a_connection_ends_only_if_it_met_other_rules(
    nftables: Lab, tmp_path: Path, when: str
) -> None:
    """By the number of the ruleset, which the journal has as it was ahead of the change."""
    host, log = nftables.host(), tmp_path / "points"
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    host.ok("interface", "allocate", "web")
    host.ok("map", "add", "web", "53:53/udp", "54:54/udp")
    do, what, stays = HALF_WAY[when]
    host.dnet("map", "remove", "53/udp", env={"DNET_POINT_LOG": str(log)})
    points = log.read_text().splitlines()
    host.ok("map", "add", "web", "53:53/udp")
    host.within(lambda: conntrack.track(FLOW))
    at = {"DNET_POINT_AT": str(points.index(what) + 1), "DNET_POINT_DO": do}
    done = host.dnet("map", "remove", "53/udp", env=at)
    assert done.returncode == (KILLED if do == "kill" else STATUS["kernel"]), done
    host.ok(*NEXT.split())
    host.quiet("check")
    listed = host.within(conntrack.listing)
    assert any("src=172.17.0.2 dst=192.0.2.7" in line for line in listed) == stays


class Killer:
    """Walks over a site with commands that are killed somewhere in the middle of their work."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._chance = figures.chance("walk")
        self._walk = Walk(self._chance)
        self._longest = 0.02

    def kill_one(self) -> str | None:
        """Kill a command; what it was, None where it was faster."""
        before = self._site.document()
        line, after = self._next(before)
        done = self._killed(line)
        now = settled(self._site.document())
        assert now in (settled(before), settled(after)), line
        if done.returncode == 0:
            assert now == settled(after), line
            return None
        assert done.returncode == KILLED, done
        return line

    def _next(self, before: Any) -> tuple[str, Any]:
        after = None
        while after is None:
            line = self._walk.line(before)
            after = self._site.foretold(line)
        return line, after

    def _killed(self, line: str) -> Completed:
        if self._chance.random() < 0.5:
            point = {"DNET_POINT_AT": str(self._chance.randint(1, 60)), "DNET_POINT_DO": "kill"}
            return self._site.dnet(line, point)
        begin = monotonic()
        done = self._site.dnet(line, after=self._chance.uniform(0, self._longest))
        if done.returncode == 0:
            # Kills are spread over the time that commands take, however fast the machine is.
            self._longest = max(monotonic() - begin, self._longest * 0.9)
        else:
            self._longest *= 1.1
        return done


def test_killed_on_a_random_walk(stage: Stage) -> None:
    """Whatever the commands before were, and wherever in its work one is hit."""
    site = stage.renewed()
    killer = Killer(site)
    with figures.tally("kill", "kills", "leaks") as tally:
        while tally.tried < figures.amount(20, 500):
            line = killer.kill_one()
            if line is None:
                continue
            with tally.trial(line):
                site.ok("interface list")
                site.ok(NEXT)
                assert not site.has_journal
                done = site.dnet("check")  # It may tell that ::1 does not answer any more.
                assert (done.returncode, done.stdout) == (0, ""), done
                balances(site)
    site.ok("reset --yes")
