"""Files of the state folder, which appear by rename: whole or not at all, and for all to read."""

from __future__ import annotations

import errno
import os
from contextlib import suppress

# Without O_NONBLOCK, somebody's FIFO in place of a file would be waited for.
_OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# What link(2) says where there are no hard links, as on vfat, or not one more of this file.
_NO_LINK = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def content(path: str) -> bytes:
    """What is in a file. Raises OSError, also for a symbolic link."""
    with open(os.open(path, _OLD), "rb") as file:
        return file.read()


def spare_of(path: str) -> str:
    """Where a file is written that is to take the place of another."""
    return f"{path}.new"


def write_spare(path: str, data: bytes, *, lasting: bool) -> None:
    """Write what is to take the place of a file, synced if it is to last. Raises OSError."""
    _write(spare_of(path), data, lasting=lasting)


def keep_spare(path: str, source: str) -> None:
    """Let what is in `source`, if anything, lie ready to take the place of another file.

    It is one file under two names, or where that cannot be, a copy. Raises OSError.
    """
    spare = spare_of(path)
    unlink(spare)
    with suppress(FileNotFoundError):
        try:
            os.link(source, spare, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            _write(spare, content(source), lasting=True)  # As the file itself is.


def _write(path: str, data: bytes, *, lasting: bool) -> None:
    unlink(path)
    descriptor = os.open(path, _NEW, 0o644)
    with open(descriptor, "wb") as file:
        # Whatever the umask is. Some file systems have no modes to change.
        with suppress(OSError):
            os.fchmod(descriptor, 0o644)
        file.write(data)
        if lasting:
            file.flush()
            os.fsync(descriptor)


def replace(path: str, data: bytes) -> None:
    """Write a file whole, to last. Raises OSError, and leaves the one that was there."""
    try:
        write_spare(path, data, lasting=True)
        os.rename(spare_of(path), path)
    except BaseException:
        with suppress(OSError):
            os.unlink(spare_of(path))
        raise


def unlink(path: str) -> None:
    """Remove a file if it is there."""
    with suppress(FileNotFoundError):
        os.unlink(path)
