"""An iptables that fails, is busy or hangs leaves nothing; one that outlives dnet stays locked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests import figures
from tests.cases import CASES, Case, Range, Sites
from tests.contract import STATUS
from tests.fakes import Fake
from tests.host import Host, read_refusal
from tests.lab import Lab
from tests.real.test_faults import UNDONE, refused
from tests.real.test_kill import NEXT
from tests.snapshot import folder as files

CALLS_RESTORE = [case for case in CASES if case.name not in ("request", "port")]
# A hanging one is waited for five seconds more than the time that iptables has for its lock.
HANGING = ("cold-init", "map", "detach")


def trials() -> list[tuple[Case, str, str]]:
    """The command, the program of iptables, and what it does."""
    found = [(c, "iptables-restore", does) for c in CALLS_RESTORE for does in ("fails", "busy")]
    found += [(c, "iptables-restore", "killed") for c in CALLS_RESTORE]
    found += [(c, "iptables-save", "fails") for c in CALLS_RESTORE]
    found += [(c, "iptables-restore", "hangs") for c in CALLS_RESTORE if c.name in HANGING]
    some = [trial for trial in found if figures.chance(trial[0], *trial[1:]).random() < 0.2]
    return found if figures.FULL else [*some, *found[-1:]]


@pytest.mark.parametrize("stays", [False, True], ids=["once", "stays"])
@pytest.mark.parametrize(("case", "program", "does"), trials(), ids=str)
def test_at_every_call(
    ground: Range, case: Case, program: str, does: str, stays: bool, tmp_path: Path
) -> None:
    before, after, _ = ground.outcomes(case)
    faults = 0
    with Sites(ground, case, before) as sites:
        for at in range(1, 100):
            site = sites.one()
            fake = Fake(site.host, tmp_path / str(at), program)
            fake.fail(does, at, stays=stays)
            words = ("--lock-timeout", "1", *site.words_of(case.line))
            done = site.host.dnet(*words, env=fake.env)
            if fake.calls < at:
                break
            faults += 1
            where = f"{program} {does} at call {at}: {done}"
            if done.returncode:
                refused(done, {STATUS["kernel"]} | ({STATUS["failed"]} if case.goes_on else set()))
            if site.has_journal:
                assert UNDONE in done.stderr or case.goes_on, where
                assert stays or case.goes_on, where
                assert site.host.dnet(*NEXT).returncode == 0, where
            assert not site.has_journal, where
            may_be = [before, after] if case.goes_on or case.drifted else [before]
            assert site.view().is_one_of(*(may_be if done.returncode else [after])), where
    assert faults or program == "iptables-save"
    figures.count("fault", faults=faults, leftovers=0)


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


# --- the store's own file system ---------------------------------------------------------------


def read_only(host: Host) -> tuple[str, ...]:
    """A command that runs another one for which the state folder is read-only."""
    folder = host.state_dir
    bind = f"mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}"
    return ("unshare", "--mount", "sh", "-c", f'{bind} && exec "$@"', "sh")


@pytest.mark.parametrize(
    "command", ["map add web 8080:80", "ip request", "bridge remove dnet0 --force", "restore"]
)
def test_a_read_only_store(web: Host, command: str) -> None:
    before = web.everything()
    done = web.try_run(*read_only(web), "dnet", *command.split())
    refused(done, {STATUS["failed"]})
    assert "Read-only file system" in done.stderr
    assert web.everything() == before
    # Reading needs nothing.
    done = web.try_run(*read_only(web), "dnet", "interface", "list", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "web\n", "")
    assert web.try_run(*read_only(web), "dnet", "check").returncode == 0
    assert files(web.state_dir) == before[1]
