"""A program that a runtime calls, killed at any point and refused at any step.

What a runtime does then is to call it again, or to have the container taken away.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests import figures
from tests.host import Host
from tests.lab import Lab
from tests.libcni import CNI, ID, Attachment, Network
from tests.node import Completed
from tests.real.test_faults import FAULTS, faults
from tests.real.test_kill import KILLED, NEXT
from tests.runtimes import HOOK, NETAVARK, PREFIX, Podman, one_document

UP, DOWN = "up", "down"
PORT = {"hostPort": 8080, "containerPort": 80}


class Way(NamedTuple):
    """How a container is plugged in and taken away: a program's name, and each call of it."""

    host: Host
    program: str
    calls: Mapping[str, tuple[list[str], str, dict[str, str]]]

    def call(self, what: str, env: Mapping[str, str] | None = None) -> Completed:
        words, text, own = self.calls[what]
        return self.host.program(self.program, *words, stdin=text, env={**own, **(env or {})})

    def done(self, what: str) -> None:
        done = self.call(what)
        assert done.returncode == 0, done

    def gone(self) -> None:
        """Asserts that nothing is left, once it was taken away."""
        self.done(DOWN)
        assert self.host.keys("interface", "list") == []
        self.host.quiet("check")

    def points(self, what: str, log: Path) -> list[str]:
        """The points that a call passes."""
        log.unlink(missing_ok=True)
        done = self.call(what, {"DNET_POINT_LOG": str(log)})
        assert done.returncode == 0, done
        return log.read_text().splitlines()


def _cni(host: Host, netns: str) -> Way:
    network = Network(host, {"bridge": "lab0", "address": "10.50.0.1/24"})
    to = Attachment(ID, netns, capabilities={"portMappings": [PORT]})
    text = json.dumps(network.config(to))
    return Way(
        host,
        CNI,
        {up: ([], text, to.environment(verb)) for up, verb in ((UP, "ADD"), (DOWN, "DEL"))},
    )


def _netavark(host: Host, netns: str) -> Way:
    podman = Podman(host)
    network = podman.network(network_interface="lab0")
    text = json.dumps(podman.request(network, ports=[{"host_port": 8080, "container_port": 80}]))
    calls: dict[str, Any] = {
        UP: (["setup", netns], text, {}),
        DOWN: (["teardown", netns], text, {}),
    }
    return Way(host, NETAVARK, calls)


def _oci(host: Host, netns: str) -> Way:
    """With a namespace that was there, which no process keeps: it is asked for by its path."""
    host.ok("bridge", "init")
    bundle = host.state_dir.parent / "bundle"
    bundle.mkdir()
    spec = {"linux": {"namespaces": [{"type": "network", "path": netns}]}}
    (bundle / "config.json").write_text(json.dumps(spec))
    wishes = {f"{PREFIX}attach": "1", f"{PREFIX}publish": "8080:80"}
    state = {"ociVersion": "1.0.2", "id": "web", "bundle": str(bundle), "annotations": wishes}
    args = ["--state-dir", str(host.state_dir)]
    stages: dict[str, dict[str, Any]] = {
        UP: {"status": "creating", "pid": os.getpid()},
        DOWN: {"status": "stopped"},
    }
    return Way(
        host, HOOK, {what: (args, json.dumps(state | own), {}) for what, own in stages.items()}
    )


WAYS = {CNI: _cni, NETAVARK: _netavark, HOOK: _oci}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, lab: Lab) -> Way:
    """Each program in turn, on a host where it has done its work before."""
    way = WAYS[request.param](lab.host(), str(lab.node().path))
    way.done(UP)
    way.done(DOWN)
    return way


def _prepare(way: Way, what: str) -> None:
    if what == DOWN:
        way.done(UP)


@pytest.mark.parametrize("what", [UP, DOWN])
def test_killed_at_any_point(way: Way, what: str, tmp_path: Path) -> None:
    before = way.host.snapshot()
    _prepare(way, what)
    points = way.points(what, tmp_path / "points")
    way.gone()
    every = range(1, len(points) + 1)
    chosen = figures.chance(way.program, what).sample(every, figures.amount(6, len(points)))
    with figures.tally("kill", "kills", "leaks") as tally:
        for number, point in enumerate(sorted(chosen)):
            with tally.trial(f"killed {points[point - 1]} ({point})"):
                _prepare(way, what)
                done = way.call(what, {"DNET_POINT_AT": str(point), "DNET_POINT_DO": "kill"})
                assert done.returncode == KILLED, done
                if number % 2:
                    assert way.host.dnet(*NEXT.split()).returncode == 0
                    way.host.quiet("check")
                way.done(what)
                way.gone()
                assert way.host.snapshot() == before


@pytest.mark.parametrize("what", [UP, DOWN])
def test_a_step_that_fails(way: Way, what: str, tmp_path: Path) -> None:
    before = way.host.snapshot()
    _prepare(way, what)
    points = way.points(what, tmp_path / "points")
    way.gone()
    every = list(faults(points))
    chosen = figures.chance(way.program, what).sample(every, figures.amount(8, len(every)))
    with figures.tally("fault", "faults", "leftovers") as tally:
        for fault in sorted(chosen):
            with tally.trial(f"{fault}, {points[fault.point - 1]}"):
                _prepare(way, what)
                done = way.call(what, fault.env)
                _told_as_it_is(way, what, done, FAULTS[fault.name][1])
                way.gone()
                assert way.host.snapshot() == before


def _told_as_it_is(way: Way, what: str, done: Completed, status: int) -> None:
    """Asserts that what a call says of its end is so."""
    there = bool(way.host.keys("interface", "list"))
    if done.returncode == 0:
        assert there == (what == UP), done
        return
    assert there == (what == DOWN), done
    if way.program == HOOK:
        assert done.returncode == status, done
        assert f"{HOOK}: error: " in done.stderr, done
        return
    assert done.returncode == 1, done
    told = one_document(done)
    if way.program == CNI:
        assert told["code"] == 100 + status, done
    else:
        assert told["error"], done
