"""Who listens on the ports that this process is to publish, on behalf of the container itself.

podman binds them before it lets a network plugin do its work, so that nobody else gets them, and
conmon keeps them as long as the container runs.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import suppress

from dnet.host import openfiles
from dnet.host.system import read_file
from dnet.typing import NamedTuple

_SOCKET = "socket:["
_GONE = " (deleted)"  # proc_pid_exe(5)


class Callers(NamedTuple):
    """The programs that may have called, and the one that keeps the ports of a container."""

    programs: Collection[str]
    keeper: str
    container: str


def sockets(callers: Callers) -> Iterator[frozenset[int]]:
    """The inodes of the callers' sockets; behind them, in a second set, of the keeper's."""
    for pids in (_callers(callers.programs), _keepers(callers.keeper, callers.container)):
        yield frozenset(inode for pid in pids for inode in _inodes(pid))


def _callers(programs: Collection[str]) -> Iterator[int]:
    """The parent, and its parent, where it is such a program.

    Nobody further up: over ssh, sshd is an ancestor of everything, and pid 1, which has the sockets
    of all units, of everything anywhere.
    """
    return (pid for pid in _parents() if _program(pid) in programs)


def _keepers(program: str, container: str) -> Iterator[int]:
    """The processes of root's that run a program with a container's id as one of its arguments."""
    return (
        pid
        for pid in openfiles.pids()
        if _program(pid) == program and container in _arguments(pid) and _is_of_root(pid)
    )


def _arguments(pid: int) -> list[str]:
    with suppress(OSError):
        return read_file(f"/proc/{pid}/cmdline").decode(errors="surrogateescape").split("\0")[1:]
    return []


def _is_of_root(pid: int) -> bool:
    return set(_status(pid, b"Uid:")) == {b"0"}


def _parents() -> Iterator[int]:
    pid = os.getppid()
    for _ in range(2):
        if pid <= 1:
            return
        yield pid
        pid = _parent(pid)


def _parent(pid: int) -> int:
    return int(next(iter(_status(pid, b"PPid:")), 0))


def _status(pid: int, name: bytes) -> list[bytes]:
    """The value of a name in /proc/PID/status; nothing for a process that is gone."""
    with suppress(OSError):
        for line in read_file(f"/proc/{pid}/status").splitlines():
            if line.startswith(name):
                return line.split()[1:]
    return []


def _program(pid: int) -> str:
    try:
        path = os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""
    return os.path.basename(path.removesuffix(_GONE))


def _inodes(pid: int) -> Iterator[int]:
    for path in openfiles.descriptors(pid):
        with suppress(OSError):
            target = os.readlink(path)
            if target.startswith(_SOCKET):
                yield int(target[len(_SOCKET) : -1])
