"""Looking through other processes' open files, to name one in a message.

All of it takes milliseconds on a busy host, so it is for refusals only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from dnet.host.system import read_file
from dnet.values.names import is_number


def pids() -> list[int]:
    """The processes that /proc shows, lowest pid first."""
    with os.scandir("/proc") as entries:
        return sorted(int(entry.name) for entry in entries if is_number(entry.name))


def name(pid: int) -> str:
    """The name of a process (at most 15 characters, those that cannot be printed left out).

    Raises OSError when there is no such process.
    """
    text = read_file(f"/proc/{pid}/comm").decode("utf-8", "replace")
    return "".join(filter(str.isprintable, text))


def descriptors(pid: int) -> Iterator[str]:
    """The paths /proc/PID/fd/N of what a process has open; none for one that is gone or hidden."""
    try:
        with os.scandir(f"/proc/{pid}/fd") as entries:
            paths = [entry.path for entry in entries]
    except OSError:
        return
    yield from paths


def socket_owner(inode: int) -> int | None:
    """The pid of a process that has the socket of this inode open.

    Of several it is the lowest, mostly the parent of the others.
    """
    wanted = f"socket:[{inode}]"
    for pid in pids():
        for path in descriptors(pid):
            try:
                if os.readlink(path) == wanted:
                    return pid
            except OSError:
                continue  # Closed meanwhile.
    return None
