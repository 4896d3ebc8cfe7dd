"""Who keeps a network namespace alive."""

from __future__ import annotations

import os
from collections.abc import Iterator
from time import monotonic

from dnet.errors import DnetError
from dnet.host import netns, openfiles
from dnet.host.system import read_file
from dnet.typing import NamedTuple

# For a host with tens of thousands of processes; as a rule it takes milliseconds.
_SECONDS = 10.0


class Holder(NamedTuple):
    """A way into a namespace: a name, or that of a process."""

    path: str
    pid: int | None = None

    def __str__(self) -> str:
        if self.pid is None:
            return f"it has the name {self.path}"
        try:
            return f"process {self.pid} ({openfiles.name(self.pid)}) is in it"
        except OSError:
            return f"process {self.pid} was in it"


def find(cookie: int) -> Holder | None:
    """A name or a process of the network namespace with a cookie, other than this one.

    None where there is none to be seen: those of other mount and process namespaces are not.
    """
    seen = {_identity("/proc/self/ns/net")}
    end = monotonic() + _SECONDS
    for holder in _candidates():
        identity = _identity(holder.path)
        if identity is not None and identity not in seen:
            seen.add(identity)
            if _cookie(holder.path) == cookie:
                return holder
        if monotonic() > end:
            break
    return None


def is_inhabited(path: str) -> bool:
    """Whether a process is in the network namespace behind a path."""
    identity = _identity(path)
    return identity is not None and any(
        _identity(f"/proc/{pid}/ns/net") == identity for pid in openfiles.pids()
    )


def _candidates() -> Iterator[Holder]:
    for path in _names():
        yield Holder(path)
    for pid in openfiles.pids():
        yield Holder(f"/proc/{pid}/ns/net", pid)


def _names() -> list[str]:
    """Where network namespaces are mounted (proc_pid_mountinfo(5)), as ip-netns(8) does it."""
    lines = read_file("/proc/self/mountinfo").decode("utf-8", "surrogateescape").splitlines()
    fields = (line.split(" ") for line in lines)
    return [_unescaped(one[4]) for one in fields if one[3].startswith("net:[")]


def _unescaped(path: str) -> str:
    for code in (r"\040", r"\011", r"\012", r"\134"):
        path = path.replace(code, chr(int(code[1:], 8)))
    return path


def _identity(path: str) -> tuple[int, int] | None:
    """What tells a namespace from all others that are there (namespaces(7)); None for none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _cookie(path: str) -> int | None:
    try:
        return netns.find(path).cookie
    except DnetError:
        return None
