"""Who called this process, and listens on the ports that it is to publish.

podman binds them before it lets a network plugin do its work, so that nobody else gets them.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import suppress

from dnet.host import openfiles
from dnet.host.system import read_file

_SOCKET = "socket:["
_GONE = " (deleted)"  # proc_pid_exe(5)


def sockets(programs: Collection[str]) -> frozenset[int]:
    """The inodes of the sockets that the parent has, or its parent, where it is such a program.

    Nobody further up: over ssh, sshd is an ancestor of everything, and pid 1, which has the sockets
    of all units, of everything anywhere.
    """
    callers = (pid for pid in _parents() if _program(pid) in programs)
    return frozenset(inode for pid in callers for inode in _inodes(pid))


def _parents() -> Iterator[int]:
    pid = os.getppid()
    for _ in range(2):
        if pid <= 1:
            return
        yield pid
        pid = _parent(pid)


def _parent(pid: int) -> int:
    with suppress(OSError):
        for line in read_file(f"/proc/{pid}/status").splitlines():
            if line.startswith(b"PPid:"):
                return int(line.split()[1])
    return 0


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
