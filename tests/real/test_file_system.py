"""A store whose file system is full, read-only, or has no hard links."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import figures
from tests.contract import STATUS
from tests.host import Host
from tests.lab import Lab
from tests.node import Completed
from tests.real.test_faults import refused
from tests.snapshot import folder as files

COMMANDS = ("map add web 8081:80", "ip request", "bridge init dnet0 --no-masquerade", "reset --yes")
_PAGE = os.sysconf("SC_PAGESIZE")


@pytest.fixture
def own(lab: Lab) -> Host:
    """A machine with a mapping, of the test's own."""
    return mapped(lab.host())


@pytest.fixture(scope="module")
def shared(shared_lab: Lab) -> Host:
    return mapped(shared_lab.host())


def mapped(host: Host) -> Host:
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    host.ok("interface", "allocate", "web")
    host.ok("map", "add", "web", "8080:80")
    return host


@pytest.fixture
def web(shared: Host) -> Iterator[Host]:
    """A machine with a mapping, and in the end nothing but that."""
    before = shared.everything()
    yield shared
    if shared.everything() != before:
        (shared.state_dir / "journal.json").write_text(
            (shared.state_dir / "state.json").read_text()
        )
        (shared.state_dir / "state.json").write_text(before[1]["state.json"])
        (shared.state_dir / "state.json.prev").write_text(before[1]["state.json.prev"])
        shared.ok("restore")
    assert shared.everything() == before


def where(mounted: str, host: Host, command: str) -> Completed:
    """A `dnet` for which something is mounted in place of the state folder, $0."""
    script = f'{mounted} && shift && exec dnet "$@"'
    return host.try_run(
        "unshare", "--mount", "sh", "-c", script, str(host.state_dir), "-", *command.split()
    )


READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0"'


@pytest.mark.parametrize("command", [*COMMANDS, "restore"])
def test_a_read_only_one(web: Host, command: str) -> None:
    before = web.everything()
    with figures.tally("fault", "faults", "leftovers") as tally, tally.trial(command):
        done = where(READ_ONLY, web, command)
        refused(done, STATUS["failed"])
        assert "Read-only file system" in done.stderr
        assert web.everything() == before


def test_reading_a_read_only_one(web: Host) -> None:
    done = where(READ_ONLY, web, "interface list -q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "web\n", "")
    assert where(READ_ONLY, web, "check").returncode == 0


def small_disk(host: Host, pages: int, inodes: int, out: Path) -> str:
    """A disk for the store with room for so much more; its files are in `out` afterwards."""
    there = [path.stat().st_size for path in host.state_dir.iterdir()]
    size = (sum(-(-size // _PAGE) for size in there) + pages) * _PAGE
    options = f"size={size},nr_inodes={len(there) + 1 + inodes}"
    copies = f'mkdir "{out}" && cp -a "$0/." "{out}"'
    mount = f'mount -t tmpfs -o {options} tmpfs "$0" && cp -a "{out}/." "$0"'
    back = f'cp -a "$0/." "{out}"'
    # Not by exec: the disk is gone with the last process that sees it.
    return f'{copies} && {mount} && shift && dnet "$@"; s=$?; rm "{out}"/*; {back}; exit $s; false'


@pytest.mark.parametrize("rebooted", [False, True], ids=["same-boot", "another-boot"])
def test_a_full_disk_is_no_reason_to_be_without_a_network(
    web: Host, tmp_path: Path, rebooted: bool
) -> None:
    """After a boot as well: what is to be in force is in the store, which is whole."""
    before = web.snapshot()
    boot_id = tmp_path / "boot_id"
    boot_id.write_text("00000000-0000-4000-8000-000000000000\n")
    bind = f"mount --bind {boot_id} /proc/sys/kernel/random/boot_id"
    web.run("ip link del dnet0 && iptables -F && iptables -t nat -F")
    disk = small_disk(web, 0, 0, tmp_path / "out")
    done = where(f"{bind} && {disk}" if rebooted else disk, web, "restore")
    assert done.returncode == 0, done
    assert "No space left on device; going on without that note" in done.stderr
    assert web.snapshot() == before
    assert where(small_disk(web, 0, 0, tmp_path / "again"), web, "check").returncode == 0


def test_a_full_disk_is_no_reason_to_stay(web: Host, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = where(small_disk(web, 0, 0, out), web, "reset --yes")
    assert (done.returncode, done.stderr) == (0, ""), done
    assert "DNET" not in web.snapshot()
    assert files(out) == {}


@pytest.mark.parametrize(("pages", "inodes"), [(0, 9), (9, 0), (9, 1), (9, 9)])
@pytest.mark.parametrize("command", COMMANDS[:3])
def test_a_full_disk(web: Host, command: str, pages: int, inodes: int, tmp_path: Path) -> None:
    """Without room for the new text, for its file, for the name of the old one; and with room."""
    before, out = web.everything(), tmp_path / "out"
    with figures.tally("fault", "faults", "leftovers") as tally, tally.trial(command):
        done = where(small_disk(web, pages, inodes, out), web, command)
        if (pages, inodes) == (9, 9):
            assert done.returncode == 0, done
            web.run("sh", "-c", f"cp -a {out}/. {web.state_dir}")
            web.quiet("check")
        else:
            refused(done, STATUS["failed"])
            assert "No space left on device" in done.stderr
            left = files(out)
            # Names that lie ready are how the next command knows that they are due.
            left.pop("names.new", None)
            assert (web.snapshot(), left) == before


@pytest.mark.parametrize("errno", ["EPERM", "EOPNOTSUPP", "ENOSYS", "EMLINK"])
@pytest.mark.parametrize("command", ["map add web 8081:80", "ip request"])
def test_one_without_hard_links(own: Host, command: str, errno: str) -> None:
    """As vfat, exfat and many in user space are; the store before is there all the same."""
    own.env["DNET_POINT_LINKS"] = errno
    before = own.store()["state.json"]
    for _ in range(2):
        done = own.dnet(*command.split())
        assert (done.returncode, done.stderr) == (0, ""), done
        if command == "ip request":
            now = own.store()
            assert now["state.json.prev"] == before
            assert now.keys() == {"state.json", "state.json.prev", "names"}
            before = now["state.json"]
    own.quiet("check")
    own.quiet("reset", "--yes")
    own.ok("bridge", "init")
    own.quiet("check")


def test_one_whose_folders_cannot_be_synced(own: Host, tmp_path: Path) -> None:
    """As some that are shared with a virtual machine: fsync(2) has no such thing."""
    log = tmp_path / "points"
    own.ok("map", "add", "web", "8081:80", env={"DNET_POINT_LOG": str(log)})
    points = log.read_text().splitlines()
    folder = 1 + points.index("before file fsync", points.index("after file rename"))
    fault = {"DNET_POINT_AT": str(folder), "DNET_POINT_DO": "EINVAL"}
    own.ok("map", "add", "web", "8082:80", env=fault)
    own.quiet("check")
    done = own.dnet("map", "add", "web", "8083:80", env=fault | {"DNET_POINT_DO": "EIO"})
    refused(done, STATUS["failed"])
    own.quiet("check")
