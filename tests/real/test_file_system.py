"""A store whose file system is full, read-only, or has no hard links."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import figures
from tests.contract import PROBE, STATUS
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
    (shared.state_dir / "lock").touch(0o600)


def where(mounted: str, host: Host, command: str, by: str = "") -> Completed:
    """A `dnet`, started by some words, with something done to the state folder, $0, before."""
    script = f'{mounted} && shift && exec {by} dnet "$@"'
    return host.try_run(
        "unshare", "--mount", "sh", "-c", script, str(host.state_dir), "-", *command.split()
    )


READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0"'


class ReadOnly(NamedTuple):
    """A way for a store to be read-only, and how a change is refused then.

    `become` makes it so, `by` starts a `dnet` to which it is.
    """

    become: str
    status: int
    said: str
    hint: str
    by: str = ""

    def dnet(self, host: Host, command: str) -> Completed:
        return where(self.become, host, command, self.by)


WAYS = {
    "file system": ReadOnly(READ_ONLY, STATUS["failed"], "Read-only file system", "writable"),
    "without a lock": ReadOnly(
        f'rm -f "$0/lock" && {READ_ONLY}', STATUS["failed"], "Read-only file system", "writable"
    ),
    "immutable": ReadOnly(
        'chattr +i "$0"/* "$0"', STATUS["failed"], "Operation not permitted", "lsattr"
    ),
    "permissions": ReadOnly(
        'chmod a-w "$0"',
        STATUS["permission"],
        "permission denied",
        "CAP_DAC_OVERRIDE",
        "setpriv --bounding-set=-dac_override,-dac_read_search",
    ),
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, web: Host) -> Iterator[ReadOnly]:
    """Each way for a store to be read-only, undone in the end."""
    yield WAYS[request.param]
    restored(web)


def restored(host: Host) -> None:
    """Let a state folder be written to again."""
    host.run("sh", "-c", 'chattr -f -i "$0" "$0"/*; chmod 755 "$0"', str(host.state_dir))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_read_only_one(web: Host, way: ReadOnly, command: str) -> None:
    before = web.everything()
    with figures.tally("fault", "faults", "leftovers") as tally, tally.trial(command):
        done = way.dnet(web, command)
        refused(done, way.status)
        assert f"{way.said}\n" in done.stderr
        assert way.hint in done.stderr
        assert "run it as root" not in done.stderr
        assert web.everything() == before


def test_reading_a_read_only_one(web: Host, way: ReadOnly) -> None:
    for command, shown in (("interface list -q", "web\n"), ("check", ""), ("restore", "")):
        done = way.dnet(web, command)
        assert (done.returncode, done.stdout, done.stderr) == (0, shown, "")


@pytest.mark.parametrize("rebooted", [False, True], ids=["same-boot", "another-boot"])
def test_a_read_only_one_is_no_reason_to_be_without_a_network(
    web: Host, way: ReadOnly, tmp_path: Path, rebooted: bool
) -> None:
    """As where an error has made a file system read-only, and the firewall is loaded anew."""
    before = web.everything()
    web.run("ip link del dnet0 && iptables -F && iptables -t nat -F")
    wrecked = web.snapshot()
    boot = f"{another_boot(tmp_path)} && " if rebooted else ""
    way = way._replace(become=f"{boot}{way.become}")
    found = way.dnet(web, "check")
    assert (found.returncode, found.stderr) == (STATUS["drift"], PROBE)
    assert "the device dnet0 is missing" in found.stdout
    assert web.snapshot() == wrecked
    done = way.dnet(web, "restore")
    assert (done.returncode, done.stdout) == (0, "")
    assert f"{way.said}; continuing without it" in done.stderr
    assert "repaired: the device dnet0 is missing" in done.stderr
    assert web.everything() == before
    assert way.dnet(web, "check").returncode == 0


def another_boot(folder: Path) -> str:
    """What lets a mount namespace have another boot id."""
    boot_id = folder / "boot_id"
    boot_id.write_text("00000000-0000-4000-8000-000000000000\n")
    return f"mount --bind {boot_id} /proc/sys/kernel/random/boot_id"


@pytest.mark.parametrize("lock", ["lock", "."])
def test_a_read_only_one_is_locked_all_the_same(web: Host, lock: str) -> None:
    """By its lock, or where there is none by the folder."""
    web.run("iptables", "-F")
    wrecked = web.snapshot()
    if lock == ".":
        (web.state_dir / "lock").unlink()
    held = os.open(web.state_dir / lock, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    done = where(READ_ONLY, web, "--lock-timeout 0 restore")
    os.close(held)
    refused(done, STATUS["locked"])
    assert f"by process {os.getpid()}" in done.stderr
    assert web.snapshot() == wrecked
    assert where(READ_ONLY, web, "--lock-timeout 0 restore").returncode == 0


def test_what_a_killed_command_left_in_a_read_only_one(own: Host) -> None:
    """It goes from the kernel, and stays noted until it can be told that it went."""
    before = own.snapshot()
    log = own.state_dir.parent / "points"
    own.ok("map", "add", "web", "8081:80", env={"DNET_POINT_LOG": str(log)})
    own.ok("map", "remove", "8081")
    points = log.read_text().splitlines()
    point = str(1 + points.index("after answer waitpid"))
    killed = {"DNET_POINT_AT": point, "DNET_POINT_DO": "kill"}
    assert own.dnet("map", "add", "web", "8081:80", env=killed).returncode == -9
    assert own.snapshot() != before
    for _ in range(2):
        done = where(READ_ONLY, own, "restore")
        assert (done.returncode, done.stdout) == (0, "")
        assert "journal.json: Read-only file system; continuing without it" in done.stderr
        assert own.snapshot() == before
    own.ok("ip", "request")
    own.quiet("check")


def test_there_is_nothing_to_restore_where_nothing_can_be(lab: Lab, tmp_path: Path) -> None:
    """Not even a folder, as in an image that is started as it is."""
    host = lab.host()
    host.env["DNET_STATE_DIR"] = str(tmp_path / "lib" / "dnet")
    (tmp_path / "lib").mkdir()
    read_only = READ_ONLY.replace("$0", f"{tmp_path}/lib")
    before = host.snapshot()
    for command in ("restore", "check"):
        done = where(read_only, host, command)
        assert (done.returncode, done.stdout) == (0, "")
        assert done.stderr.startswith(f"dnet: warning: there is no store in {tmp_path}/lib/dnet")
    assert host.snapshot() == before


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


@pytest.mark.parametrize("locked", [True, False], ids=["lock", "no-lock"])
@pytest.mark.parametrize("rebooted", [False, True], ids=["same-boot", "another-boot"])
def test_a_full_disk_is_no_reason_to_be_without_a_network(
    web: Host, tmp_path: Path, rebooted: bool, locked: bool
) -> None:
    """After a boot as well: what is to be in force is in the store, which is whole."""
    before = web.snapshot()
    bind = another_boot(tmp_path)
    web.run("ip link del dnet0 && iptables -F && iptables -t nat -F")
    if not locked:
        (web.state_dir / "lock").unlink()
    disk = small_disk(web, 0, 0, tmp_path / "out")
    done = where(f"{bind} && {disk}" if rebooted else disk, web, "restore")
    assert done.returncode == 0, done
    assert "No space left on device; continuing without it" in done.stderr
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


@pytest.mark.parametrize(
    ("command", "steps"),
    [
        ("ip request", ["fsync", "rename", "rename", "fsync"]),
        (
            "map add web 8081:80",
            ["fsync", "rename", "fsync", "posix_spawn", "rename", "rename", "fsync"],
        ),
    ],
)
def test_each_file_lasts_before_what_depends_on_it(
    own: Host, tmp_path: Path, command: str, steps: list[str]
) -> None:
    """What is written is synced, then has its name, then the folder is synced.

    So a power failure leaves the old store or the new one, and a journal ahead of any change of the
    kernel's.
    """
    log = tmp_path / "points"
    own.ok(*command.split(), env={"DNET_POINT_LOG": str(log)})
    told = (line.split() for line in log.read_text().splitlines())
    taken = [step for when, _, step in told if when == "before" and step in steps]
    assert taken[: len(steps)] == steps
