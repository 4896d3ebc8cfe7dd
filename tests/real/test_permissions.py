"""Capabilities count and not the user; the store is there for all to read, and never elsewhere."""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.contract import STATUS
from tests.host import Host, read_refusal
from tests.lab import Lab
from tests.node import Completed

ROOT = Path(__file__).parents[2]
NOBODY = ("--reuid=65534", "--regid=65534", "--clear-groups")
READERS = ("bridge list", "ip list", "interface show web", "map list --json", "port list", "show")
CHANGES = ("ip request", "map add web 8081:80", "bridge init dnet1", "interface release web")
KERNEL = ("check", "restore", "reset --yes", "map add web 8081:80", "bridge init dnet1")


@pytest.fixture
def open_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that every user can reach, as /var/lib/dnet is."""
    folder = Path("/tmp") / f"dnet-{os.getpid()}-{tmp_path.name}"
    folder.mkdir()
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        subprocess.run(["rm", "-r", str(folder)], check=True)


@pytest.fixture
def host(lab: Lab, open_folder: Path) -> Host:
    """A machine whose state folder is in an open place."""
    host = lab.host()
    host.state_dir = open_folder / "state"
    host.env["DNET_STATE_DIR"] = str(host.state_dir)
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    host.ok("interface", "allocate", "web")
    host.ok("map", "add", "web", "8080:80")
    return host


def closed_above(place: Path) -> list[Path]:
    """The outermost folder above a place that other users cannot pass, if there is one."""
    return [path for path in reversed(place.parents) if not path.stat().st_mode & 0o001][:1]


@cache
def opening() -> str:
    """Shell code that lets every user reach the `dnet` under test, wherever it lies.

    A checkout, or the Python it runs with, may be in root's home. In a mount namespace of the
    command's own, what is closed is covered, and only what is needed of it is in there again.
    """
    needed = {path: closed_above(path) for path in (ROOT, Path(sys.base_prefix))}
    places = [shlex.quote(str(path)) for path, closed in needed.items() if closed]
    closed = {shlex.quote(str(path)) for paths in needed.values() for path in paths}
    cover = "mount -t tmpfs -o mode=755 tmpfs"
    held = [(place, f"/mnt/{number}") for number, place in enumerate(places)]
    lines = [
        f"umask 022; {cover} /mnt",
        *(f"mkdir {kept}; mount --bind {place} {kept}" for place, kept in held),
        *(f"{cover} {folder}" for folder in closed),
        *(f"mkdir -p {place}; mount --bind {kept} {place}" for place, kept in held),
        'exec "$@"',
    ]
    return "\n".join(lines)


def as_nobody(host: Host, *words: str, capabilities: str = "") -> Completed:
    """A `dnet` of a user who has nothing but these capabilities."""
    sets = [f"--inh-caps={capabilities}", f"--ambient-caps={capabilities}"]
    nobody = ("setpriv", *NOBODY, *(sets if capabilities else []))
    entered = ("unshare", "--mount", "sh", "-ec", opening(), "sh")
    done = host.try_run(*entered, *nobody, "dnet", *words)
    assert "Traceback" not in done.stderr, done
    return done


@pytest.mark.parametrize("command", READERS)
def test_everybody_may_read(host: Host, command: str) -> None:
    done = as_nobody(host, *command.split())
    assert (done.returncode, done.stderr) == (0, ""), done
    assert done.stdout == host.dnet(*command.split()).stdout


@pytest.mark.parametrize("command", [*CHANGES, "restore", "reset --yes"])
def test_a_user_may_change_nothing(host: Host, command: str) -> None:
    before = host.everything()
    done = as_nobody(host, *command.split())
    assert done.returncode == STATUS["permission"], done
    assert read_refusal(done).hint
    assert host.everything() == before


@pytest.mark.parametrize("command", KERNEL)
def test_a_user_with_a_store_of_his_own_needs_the_capability(host: Host, command: str) -> None:
    subprocess.run(["chown", "-R", "65534:65534", str(host.state_dir)], check=True)
    before = host.everything()
    done = as_nobody(host, *command.split())
    assert done.returncode == STATUS["permission"], done
    assert "CAP_NET_ADMIN" in done.stderr
    assert host.everything() == before
    # What only allocates concerns nobody else.
    assert as_nobody(host, "ip", "request").returncode == 0


def test_the_capability_is_enough(host: Host) -> None:
    """With iptables-nft, whose lock nobody has to own."""
    subprocess.run(["chown", "-R", "65534:65534", str(host.state_dir)], check=True)
    done = as_nobody(host, "map", "add", "web", "8081:80", capabilities="+net_admin,+net_raw")
    assert (done.returncode, done.stderr) == (0, ""), done
    done = as_nobody(host, "check", capabilities="+net_admin,+net_raw")
    assert (done.returncode, done.stderr) == (0, ""), done
    host.quiet("check")


def test_root_without_it_is_nobody(host: Host) -> None:
    before = host.everything()
    lacking = ("setpriv", "--bounding-set=-net_admin", "dnet")
    for command in KERNEL:
        done = host.try_run(*lacking, *command.split())
        assert done.returncode == STATUS["permission"], done
        assert "CAP_NET_ADMIN" in done.stderr
    assert host.everything() == before


# What root of less than the whole machine lacks, by what it runs in.
LESS_THAN_ROOT = {
    "setpriv --bounding-set=-net_admin": "root lacks CAP_NET_ADMIN here",
    "unshare --user --map-root-user": "root of a user namespace",
    "setpriv --bounding-set=-sys_admin": "root lacks CAP_SYS_ADMIN here",
}


ATTACH = "attach web --netns NODE"


@cache
def own_root() -> tuple[str, ...]:
    """What goes ahead of a command that makes a user namespace.

    Nobody may in a chroot (user_namespaces(7)): its folder is made the root of a mount namespace.
    """
    if subprocess.run(["unshare", "--user", "true"], capture_output=True).returncode == 0:
        return ()
    leave = 'pivot_root . mnt; cd /; umount --lazy /mnt; exec "$@"'
    enter = ("nsenter", "--mount=/proc/self/ns/mnt", "--wd=/")
    return ("unshare", "--mount", *enter, "sh", "-ec", leave, "sh")


@pytest.mark.parametrize(
    ("lacking", "command"),
    [(one, command) for one in LESS_THAN_ROOT for command in (ATTACH, *KERNEL)][: -len(KERNEL)],
)
def test_root_is_not_told_to_be_root(host: Host, lab: Lab, lacking: str, command: str) -> None:
    # Whoever is root of a user namespace alone may write there, and so is not stopped by files.
    subprocess.run(["chmod", "-R", "a+rwX", str(host.state_dir)], check=True)
    before = host.everything()
    words = command.replace("NODE", lab.node().netns).split()
    done = host.try_run(*own_root(), *lacking.split(), "dnet", *words)
    refusal = read_refusal(done)
    assert refusal.status == STATUS["permission"]
    assert LESS_THAN_ROOT[lacking] in str(refusal.hint)
    assert "must be root" not in done.stderr
    assert host.everything() == before


def test_settings_that_are_read_only(host: Host) -> None:
    """As in a container, whose root may do everything else."""
    host.run("dnet", "map", "remove", "8080")
    read_only = "mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys"
    before = host.everything()
    words = f"{read_only} && exec dnet map add web 8080:80"
    done = host.try_run("unshare", "--mount", "sh", "-c", words)
    refusal = read_refusal(done)
    assert refusal.status == STATUS["kernel"]
    assert "Read-only file system" in refusal.message
    assert (
        refusal.hint == "/proc/sys is read-only, as in a container: mount -o remount,rw /proc/sys"
    )
    assert host.everything() == before


def test_attaching_takes_two_capabilities(host: Host, lab: Lab) -> None:
    node = lab.node()
    only = "--bounding-set=-all,+net_admin,+sys_admin"
    attach = ("dnet", "attach", "here", "--netns", node.netns, "-p", "8082:80")
    done = host.try_run("setpriv", only, *attach)
    assert (done.returncode, done.stderr) == (0, ""), done
    node.listen("tcp", 80, "here")
    host.reaches("here", "tcp", "127.0.0.1", 8082)
    done = host.try_run("setpriv", "--bounding-set=-all,+net_admin", *attach[:2], "x", *attach[3:5])
    assert done.returncode == STATUS["permission"], done
    assert "CAP_SYS_ADMIN" in done.stderr


def modes(folder: Path) -> dict[str, str]:
    """The permissions of every file of a folder, and its own."""
    return {
        path.name if path != folder else ".": stat.filemode(path.lstat().st_mode)
        for path in [folder, *folder.iterdir()]
    }


@pytest.mark.parametrize("umask", ["077", "022", "000"])
def test_whatever_the_umask_is(lab: Lab, umask: str) -> None:
    """Only the lock is root's alone: whoever can open it can hold it for ever."""
    host = lab.host()
    host.state_dir = host.state_dir / "deep" / "down"
    host.env["DNET_STATE_DIR"] = str(host.state_dir)
    for command in ("bridge init dnet0", "ip request", "bridge init dnet1"):
        done = host.try_run("sh", "-c", f"umask {umask}; dnet {command}")
        assert done.returncode == 0, done
    found = modes(host.state_dir)
    assert found.pop("lock") == "-rw-------"
    assert found.pop(".") == "drwxr-xr-x"
    assert {"state.json", "state.json.prev"} <= found.keys()
    assert set(found.values()) == {"-rw-r--r--"}
    assert modes(host.state_dir.parent)["."] == "drwxr-xr-x"


def test_a_lock_that_others_could_open_is_taken_back_from_them(host: Host) -> None:
    lock = host.state_dir / "lock"
    lock.chmod(0o666)
    holding = ("setpriv", *NOBODY, "flock", "--nonblock", str(lock), "true")
    assert host.try_run(*holding).returncode == 0
    host.ok("ip", "request")
    assert "Permission denied" in host.try_run(*holding).stderr


# --- symbolic links ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["state.json", "journal.json", "lock"])
@pytest.mark.parametrize("there", [True, False], ids=["to-a-file", "dangling"])
def test_a_link_is_refused(host: Host, tmp_path: Path, name: str, there: bool) -> None:
    """Nothing is read from where it leads to, and nothing is written there."""
    victim = tmp_path / "victim"
    link = host.state_dir / name
    if there:
        text = (host.state_dir / "state.json").read_text()
        victim.write_text(text)
    link.unlink(missing_ok=True)
    link.symlink_to(victim)
    before = host.snapshot(), os.listdir(host.state_dir)
    done = host.dnet("ip", "request")
    assert done.returncode == STATUS["state-unreadable"], done
    assert f"{link} is a symbolic link" in done.stderr
    assert (host.snapshot(), os.listdir(host.state_dir)) == before
    assert victim.exists() == there
    assert not there or victim.read_text() == text


@pytest.mark.parametrize(
    "name",
    ["state.json.prev", "state.json.new", "state.json.prev.new", "journal.json.new", "names"],
)
def test_a_link_in_place_of_a_file_that_is_written_is_replaced(
    host: Host, tmp_path: Path, name: str
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    link = host.state_dir / name
    link.unlink(missing_ok=True)
    link.symlink_to(victim)
    host.ok("map", "add", "web", "8081:80")
    host.ok("ip", "request")
    assert victim.read_text() == "mine"
    assert victim.stat().st_nlink == 1
    host.quiet("check")


@pytest.mark.parametrize("name", ["state.json", "journal.json"])
@pytest.mark.parametrize("kind", ["folder", "fifo"])
def test_something_else_than_a_file(host: Host, name: str, kind: str) -> None:
    """A FIFO would be waited for, and a folder cannot be read."""
    path = host.state_dir / name
    path.unlink(missing_ok=True)
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    before = host.snapshot()
    done = host.dnet("map", "add", "web", "8081:80")
    assert done.returncode == STATUS["state-unreadable"], done
    assert str(path) in read_refusal(done).message
    assert host.snapshot() == before


@pytest.mark.parametrize("below", ["", "/", "/deeper/still"])
@pytest.mark.parametrize("command", ["ip list", "bridge init", "check", "reset --yes"])
def test_a_file_in_place_of_the_folder(host: Host, command: str, below: str) -> None:
    file = host.state_dir / "file"
    file.touch()
    elsewhere = {"DNET_STATE_DIR": f"{file}{below}"}
    refusal = read_refusal(host.dnet(*command.split(), env=elsewhere))
    assert refusal.status == STATUS["failed"]
    assert refusal.message == f"{file} is not a folder"
    assert refusal.hint == "--state-dir names the folder of the store"
