"""Files of the state folder, which appear by rename: whole or not at all, and for all to read."""

from __future__ import annotations

import os
from contextlib import suppress

# Without O_NONBLOCK, somebody's FIFO in place of a file would be waited for.
_OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def content(path: str) -> bytes:
    """What is in a file. Raises OSError, also for a symbolic link."""
    with open(os.open(path, _OLD), "rb") as file:
        return file.read()


def spare_of(path: str) -> str:
    """Where a file is written that is to take the place of another."""
    return f"{path}.new"


def write_spare(path: str, text: str, *, lasting: bool) -> None:
    """Write what is to take the place of a file, synced if it is to last. Raises OSError."""
    spare = spare_of(path)
    unlink(spare)
    descriptor = os.open(spare, _NEW, 0o644)
    with open(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, 0o644)  # Whatever the umask is.
        file.write(text)
        if lasting:
            file.flush()
            os.fsync(descriptor)


def replace(path: str, text: str) -> None:
    """Write a file whole, to last. Raises OSError, and leaves the one that was there."""
    try:
        write_spare(path, text, lasting=True)
        os.rename(spare_of(path), path)
    except BaseException:
        with suppress(OSError):
            os.unlink(spare_of(path))
        raise


def unlink(path: str) -> None:
    """Remove a file if it is there."""
    with suppress(FileNotFoundError):
        os.unlink(path)
