"""A fault in any single step of `attach` leaves nothing of it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host import Host
from tests.lab import Lab
from tests.node import Node
from tests.real.devices import names

# Fails at one call and does its work at every other; the count is kept in a file beside it.
RESTORE = """#!/bin/sh
count=$(($(cat "{folder}/count" 2>/dev/null || echo 0) + 1))
echo "$count" > "{folder}/count"
if [ "$count" = "$(cat "{folder}/fails")" ]; then
  echo "iptables-restore: line 2 failed" >&2
  exit 1
fi
exec {real} "$@"
"""

# Refuses one message to the kernel, whatever it says, and lets every other pass; not a question for
# all of a kind (NLM_F_DUMP), as some of these can go without an answer.
SITECUSTOMIZE = """
import _socket, errno, os, struct
count = 0
class Socket(_socket.socket):
    __slots__ = ()
    def send(self, message):
        global count
        dump = struct.unpack_from("=IHH", message)[2] & 0x300 == 0x300
        if self.family == _socket.AF_NETLINK and not dump:
            count += 1
            if count == int(os.environ["FAILS"]):
                open(os.environ["FIRED"], "w").close()
                raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))
        return super().send(message)
_socket.socket = Socket
"""


@pytest.fixture
def host(lab: Lab) -> Host:
    """A machine with a bridge and a container to link to."""
    host = lab.host()
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16", "--no-icc")
    host.ok("interface", "allocate", "db", "--expose", "5432/tcp")
    return host


def words(node: Node) -> tuple[str, ...]:
    return ("attach", "web", "--netns", node.netns, "-p", "8080:80", "-p", "81", "--link", "db")


def works(host: Host, node: Node) -> None:
    """Asserts that nothing of the fault is left in the way, and takes it off again."""
    host.ok(*words(node))
    host.quiet("check")
    node.listen("tcp", 80, "web")
    host.reaches("web", "tcp", "127.0.0.1", 8080)
    node.unlisten("tcp", 80)
    host.ok("detach", "web")


def test_iptables_refusing(lab: Lab, host: Host, tmp_path: Path) -> None:
    node = lab.node()
    real = host.run("command -v iptables-restore").strip()
    folder = tmp_path / "fault"
    folder.mkdir()
    (folder / "iptables-restore").write_text(RESTORE.format(folder=folder, real=real))
    (folder / "iptables-restore").chmod(0o755)
    env = {"PATH": f"{folder}:{host.env['PATH']}"}
    before = host.everything()
    for fails in range(1, 20):
        (folder / "fails").write_text(f"{fails}\n")
        (folder / "count").unlink(missing_ok=True)
        done = host.dnet(*words(node), env=env)
        if int((folder / "count").read_text()) < fails:
            break
        assert done.returncode == 9, done
        assert "line 2 failed" in done.stderr
        assert host.everything() == before
        assert names(node) == ["lo"]
    else:
        pytest.fail("it never came to an end")
    assert done.returncode == 0, done
    assert fails > 1
    host.ok("detach", "web")
    works(host, node)


def test_netlink_refusing(lab: Lab, host: Host, tmp_path: Path) -> None:
    node = lab.node()
    fired = tmp_path / "fired"
    folder = tmp_path / "fault"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
    before = host.everything()
    for fails in range(1, 100):
        fired.unlink(missing_ok=True)
        env = {"PYTHONPATH": str(folder), "FAILS": str(fails), "FIRED": str(fired)}
        done = host.dnet(*words(node), env=env)
        if not fired.exists():
            break
        assert done.returncode == 9, done
        assert host.everything() == before, fails
        assert names(node) == ["lo"], fails
    else:
        pytest.fail("it never came to an end")
    assert done.returncode == 0, done
    assert fails > 4
    host.ok("detach", "web")
    works(host, node)


@pytest.mark.parametrize("capability", ["sys_admin", "net_admin"])
def test_a_capability_missing(lab: Lab, host: Host, capability: str) -> None:
    node = lab.node()
    before = host.everything()
    lacking = ("setpriv", f"--bounding-set=-{capability}")
    done = host.try_run(*lacking, "dnet", *words(node))
    assert done.returncode == 6, done
    assert done.stderr.startswith("dnet: error: ")
    assert host.everything() == before
    assert names(node) == ["lo"]
    works(host, node)


def test_the_bridge_gone_behind_its_back(lab: Lab, host: Host) -> None:
    """The address that is kept for `db` needs the bridge, and so does a port plugged into it."""
    node = lab.node()
    host.ip("link delete dnet0")
    done = host.dnet(*words(node))
    if done.returncode:
        assert names(node) == ["lo"]
        assert "8080" not in host.run("iptables -t nat -S")
        host.ok("bridge", "init", "dnet0")
    else:
        host.ok("detach", "web")
    works(host, node)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB, the state folder's own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("left", [0, 4096, 8192])
def test_a_full_disk(lab: Lab, full_disk: Path, left: int) -> None:
    """With room for none, one or two of the files that a transaction writes."""
    host = lab.host()
    host.state_dir = full_disk / "state"
    host.env["DNET_STATE_DIR"] = str(host.state_dir)
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16", "--no-icc")
    host.ok("interface", "allocate", "db", "--expose", "5432/tcp")
    node = lab.node()
    before = host.everything()
    filler = full_disk / "filler"
    with filler.open("wb") as file:
        space = subprocess.run(
            ["stat", "--file-system", "--format=%f %S", str(full_disk)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        file.write(bytes(int(space[0]) * int(space[1]) - left))
    done = host.dnet(*words(node))
    filler.unlink()
    if done.returncode:
        assert "No space left on device" in done.stderr
        assert host.everything() == before
        assert names(node) == ["lo"]
    else:
        assert left
        host.ok("detach", "web")
    works(host, node)
