"""The lock of the store, flock(2) on a file of its folder.

One that is free is taken with a system call. The library that waits for one is loaded only where
it is not: importing it takes as long as all the rest of a command that allocates.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dnet.errors import LockedError

if TYPE_CHECKING:
    from filelock import BaseFileLock

_OPEN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_POLL_SECONDS = 0.005
_PATIENCE_SECONDS = 1.0


@contextmanager
def held(path: str, timeout: float, notice: Callable[[str], None] | None = None) -> Iterator[int]:
    """Hold the lock of a file, made where there is none; the descriptor as the value.

    Should this process be killed, a child that was given the descriptor keeps the lock. Waits
    up to `timeout` seconds; `notice` is told for whom, once it has taken longer than a moment.
    Raises LockedError with the holder's pid, OSError.
    """
    descriptor = _taken(path)
    if descriptor is None:
        with _awaited(path, timeout, notice) as descriptor:
            yield descriptor
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _taken(path: str) -> int | None:
    """The descriptor of a lock that was free, None where it was not."""
    import fcntl

    # For nobody else to open: whoever can, can also hold the lock for ever.
    descriptor = os.open(path, _OPEN, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Some versions of filelock remove the file when they let go of it: then it guards nothing.
        if os.fstat(descriptor).st_nlink:
            return descriptor
    except BlockingIOError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


@contextmanager
def _awaited(path: str, timeout: float, notice: Callable[[str], None] | None) -> Iterator[int]:
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        _acquire(lock, timeout, notice)
    except Timeout:
        raise LockedError(
            f"the store is locked{_by(path)}", "wait, or give it more time with --lock-timeout"
        ) from None
    try:
        yield _descriptor_of(path)
    finally:
        lock.release()


def _acquire(lock: BaseFileLock, timeout: float, notice: Callable[[str], None] | None) -> None:
    """Wait; after a moment say so. Raises Timeout."""
    from filelock import Timeout

    patience = min(timeout, _PATIENCE_SECONDS)
    try:
        lock.acquire(patience, _POLL_SECONDS)
    except Timeout:
        left = timeout - patience
        if not left:
            raise
        if notice is not None:
            notice(f"waiting up to {left:.3g} s: the store is locked{_by(lock.lock_file)}")
        lock.acquire(left, _POLL_SECONDS)


def _by(path: str) -> str:
    from dnet.host.locks import lock_holder

    pid = lock_holder(path)
    return f" by process {pid}" if pid else ""


def _descriptor_of(path: str) -> int:
    """The descriptor that holds the lock, which filelock keeps to itself."""
    wanted = os.stat(path)
    for name in os.listdir("/proc/self/fd"):
        try:
            found = os.fstat(int(name))
        except OSError:
            continue
        if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
            return int(name)
    raise LockedError(f"{path} was taken away while it was locked", "give the command again")
