"""Who holds a file lock: what the message about a lock that is not free can name."""

from __future__ import annotations

import os

from dnet.host import openfiles
from dnet.host.system import read_file
from dnet.values.names import is_number


def lock_holder(path: str) -> int | None:
    """The pid of a process that holds the flock(2) on `path`; None where it is free or unknown.

    /proc/locks (proc_locks(5)) names the process that took the lock, also when that one has ended
    and a child keeps the lock through the descriptor it inherited. Then the descriptors of all
    processes are looked through, which takes milliseconds.
    """
    try:
        status = os.stat(path)
    except OSError:
        return None
    taker = _taker(status)
    if taker is not None and _may_hold(taker, status):
        return taker
    return next((pid for pid in openfiles.pids() if _holds(pid, status)), None)


def _taker(status: os.stat_result) -> int | None:
    try:
        table = read_file("/proc/locks").decode()
    except OSError:
        return None
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    return find_holder(table, device, status.st_ino)


def find_holder(table: str, device: str, inode: int) -> int | None:
    """The pid that a listing in the format of /proc/locks gives for a flock on one inode.

    `device` is `MAJOR:MINOR` in two or more hexadecimal digits each. btrfs and overlayfs report
    another device to stat(2) than the lock table shows, so a line with that inode on another
    device is taken when none has both. Those who wait (`->`) hold nothing, and pid 0 stands for a
    process of another pid namespace: neither counts.
    """
    elsewhere = None
    for line in table.splitlines():
        words = line.split()
        # "1: FLOCK  ADVISORY  WRITE 1234 fd:00:123456 0 EOF"
        if len(words) < 6 or words[1] != "FLOCK" or not is_number(words[4]):
            continue
        where, _, number = words[5].rpartition(":")
        pid = int(words[4])
        if number != str(inode) or not pid:
            continue
        if where == device:
            return pid
        elsewhere = elsewhere or pid
    return elsewhere


def _may_hold(pid: int, status: os.stat_result) -> bool:
    """Whether a process holds the lock, or is another user's so that only the table knows."""
    try:
        os.scandir(f"/proc/{pid}/fd").close()
    except PermissionError:
        return True
    except OSError:
        return False
    return _holds(pid, status)


def _holds(pid: int, status: os.stat_result) -> bool:
    for path in openfiles.descriptors(pid):
        try:
            opened = os.stat(path)
            same = (opened.st_dev, opened.st_ino) == (status.st_dev, status.st_ino)
            if same and _keeps_a_lock(path.replace("/fd/", "/fdinfo/")):
                return True
        except OSError:
            continue  # Closed meanwhile.
    return False


def _keeps_a_lock(fdinfo: str) -> bool:
    # "lock: 1: FLOCK  ADVISORY  WRITE …" stands there for each lock held through the descriptor.
    lines = read_file(fdinfo).splitlines()
    return any(line.startswith(b"lock:") and b" FLOCK " in line for line in lines)
