"""An iptables that fails, is busy or hangs leaves nothing; one that outlives dnet stays locked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import figures
from tests.cases import CASES, Case, Scene, Stage
from tests.contract import STATUS
from tests.fakes import Fake
from tests.host import Host, read_refusal
from tests.lab import Lab
from tests.real.test_faults import AS_FAR_AS_POSSIBLE, left_as_it_was, refused

# A hanging one is waited for five seconds more than the time that iptables has for its lock.
HANGING = ("cold-init", "map", "detach") if figures.FULL else ("map",)
SOME = [
    case for case in CASES if case in figures.some(CASES, 7, "iptables") or case.name in HANGING
]
PROGRAMS = {
    "iptables-restore": ("fails", "busy", "killed", "hangs"),
    "iptables-save": ("fails",),
}


class Fault(NamedTuple):
    """Which call of which program does what, and whether all later ones do."""

    program: str
    does: str
    at: int
    stays: bool


def faults(scene: Scene, folder: Path) -> Iterator[Fault]:
    """Every fault that the calls of a command leave room for."""
    for program, ways in PROGRAMS.items():
        fake = Fake(scene.site.host, folder / program, program)
        fake.fail("fails", 0)
        assert scene.trial(fake.env).returncode == 0
        ways = tuple(does for does in ways if does != "hangs" or scene.case.name in HANGING)
        for at, does in product(range(1, fake.calls + 1), ways):
            yield from (Fault(program, does, at, stays) for stays in (False, True))


@pytest.mark.parametrize("case", SOME, ids=str)
def test_at_every_call(stage: Stage, case: Case, tmp_path: Path) -> None:
    scene = stage.scene(case)
    every = list(faults(scene, tmp_path))
    chosen = every
    if not figures.FULL:
        chosen = figures.chance(case).sample(every, min(1, len(every)))
        chosen += [one for one in every if one.does == "hangs" and not one.stays]
    with figures.tally("fault", "faults", "leftovers") as tally:
        for fault in dict.fromkeys(chosen):
            with tally.trial(fault):
                fake = Fake(scene.site.host, tmp_path / "fake", fault.program)
                fake.fail(fault.does, fault.at, stays=fault.stays)
                done = scene.trial(fake.env, "--lock-timeout 1")
                assert fake.calls >= fault.at
                if done.returncode:
                    refused(done, STATUS["kernel"], *AS_FAR_AS_POSSIBLE[case.goes_on])
                left_as_it_was(scene, done, stays=fault.stays)


@pytest.fixture
def web(host: Host) -> Host:
    """A machine with a mapping to come."""
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    host.ok("interface", "allocate", "web")
    return host


def test_one_that_outlives_dnet_keeps_the_lock(web: Host, tmp_path: Path) -> None:
    """Until it has ended, nobody may take for granted what the tables are."""
    fake = Fake(web, tmp_path / "fake", "iptables-restore")
    fake.wait()
    os.mkfifo(fake.folder / "go")
    before = web.store()
    with web.started("dnet", "map", "add", "web", "8080:80", env=fake.env) as process:
        while not (fake.folder / "begun").exists():
            assert process.poll() is None
        process.kill()
    refusal = web.fails(STATUS["locked"], "--lock-timeout", "0.3", "ip", "request")
    assert (fake.folder / "pid").read_text().strip() in f"{refusal.message} {refusal.hint}"
    # Readers wait for nobody.
    assert web.keys("interface", "list") == ["web"]
    assert {name: text for name, text in web.store().items() if name != "journal.json"} == before
    with web.started("dnet", "ip", "request") as waiting:
        (fake.folder / "go").write_text("\n")
        assert waiting.wait() == 0
    web.quiet("check")
    assert "8080" not in web.run("iptables -t nat -S")


@pytest.mark.parametrize("command", ["map add web 8080:80", "bridge init dnet0 --no-masquerade"])
def test_the_first_lock_of_iptables_is_waited_for(
    lab: Lab, variant_folders: Path, command: str
) -> None:
    """A real lock, which iptables-legacy has."""
    if not (variant_folders / "legacy").exists():
        pytest.skip("iptables-legacy does not work here")
    host = lab.host("legacy")
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    host.ok("interface", "allocate", "web")
    before = host.everything()
    lock = Path(host.env["HOME"]) / "xtables.lock"
    environment = {"XTABLES_LOCKFILE": str(lock)}
    with host.started("flock", "--no-fork", str(lock), "sleep", "1000") as holder:
        host.run("sh", "-c", f"until ! flock -n {lock} true; do :; done")
        done = host.dnet("--lock-timeout", "1", *command.split(), env=environment)
        assert done.returncode == STATUS["kernel"], done
        assert "lock" in read_refusal(done).message
        holder.kill()
    assert host.everything() == before
    host.ok(*command.split())
    host.quiet("check")
