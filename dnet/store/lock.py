"""The lock of the store, flock(2) on a file of its folder.

Who can open the file can hold the lock for ever, so it is for its owner alone. It is opened here
and nowhere else: a library that opens it as well chooses a mode of its own, or removes the file
that others wait for.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from dnet.errors import LockedError

WRITE = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_MODE = 0o600
_CANNOT_WRITE = (errno.EROFS, errno.EPERM, errno.EACCES, errno.ENOSPC, errno.EDQUOT, errno.ENOENT)
_CANNOT_LOCK = (errno.ENOENT, errno.EBADF)
_POLL_SECONDS = 0.005
_PATIENCE_SECONDS = 1.0


@contextmanager
def held(
    path: str, timeout: float, notice: Callable[[str], None] | None = None, flags: int = WRITE
) -> Iterator[int]:
    """Hold the lock of a file, made where there is none; the descriptor as the value.

    With READ as the flags it has to be there, and may be a folder.
    Should this process be killed, a child that was given the descriptor keeps the lock. Waits
    up to `timeout` seconds; `notice` is told for whom, once it has taken longer than a moment.
    Raises LockedError with the holder's pid, OSError.
    """
    descriptor = _awaited(path, timeout, notice, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def held_to_read(
    path: str, timeout: float, notice: Callable[[str], None] | None = None
) -> Iterator[int | None]:
    """Hold it also where nothing can be written; None where there is nothing to lock then.

    A descriptor to read is enough for flock(2), but not on NFS. Where there is no file, nobody
    holds it who writes, and those who read keep each other out by the folder.
    """
    ways = (
        (path, WRITE, _CANNOT_WRITE),
        (path, READ, _CANNOT_LOCK),
        (f"{os.path.dirname(path)}/.", READ, _CANNOT_LOCK),
    )
    with ExitStack() as stack:
        descriptor = None
        for place, flags, passed_over in ways:
            try:
                descriptor = stack.enter_context(held(place, timeout, notice, flags))
                break
            except OSError as error:
                if error.errno not in passed_over:
                    raise
        yield descriptor


def _awaited(path: str, timeout: float, notice: Callable[[str], None] | None, flags: int) -> int:
    patience = min(timeout, _PATIENCE_SECONDS)
    descriptor = _polled(path, patience, flags)
    left = timeout - patience
    if descriptor is None and left:
        if notice is not None:
            notice(f"waiting up to {left:.3g} s: the store is locked{_by(path)}")
        descriptor = _polled(path, left, flags)
    if descriptor is None:
        raise LockedError(
            f"the store is locked{_by(path)}", "wait, or give it more time with --lock-timeout"
        )
    return descriptor


def _polled(path: str, seconds: float, flags: int) -> int | None:
    """The descriptor of the lock, tried for again and again: flock(2) knows no time limit."""
    deadline = time.monotonic() + seconds
    while (descriptor := _taken(path, flags)) is None and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return descriptor


def _taken(path: str, flags: int) -> int | None:
    """The descriptor of a lock that was free, None where it was not."""
    import fcntl

    descriptor = os.open(path, flags, _MODE)
    try:
        if flags == WRITE:
            _keep_others_out(descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Of a file that was removed meanwhile, the lock guards nothing.
        if os.fstat(descriptor).st_nlink:
            return descriptor
    except BlockingIOError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _keep_others_out(descriptor: int) -> None:
    """Take back what an earlier version, or somebody's chmod, has let others do."""
    if stat.S_IMODE(os.fstat(descriptor).st_mode) != _MODE:
        with suppress(OSError):  # Another user's file, or a file system without modes.
            os.fchmod(descriptor, _MODE)


def _by(path: str) -> str:
    from dnet.host.locks import lock_holder

    pid = lock_holder(path)
    return f" by process {pid}" if pid else ""
