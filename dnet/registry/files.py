"""Files that say who is believed: regular ones, small, and changed by nobody but their owner."""

from __future__ import annotations

import os
import stat

from dnet.errors import DnetError, PermissionDeniedError, StoreUnreachableError, out_of_files
from dnet.values.names import for_shell

_WRITABLE, _ANYTHING = stat.S_IWGRP | stat.S_IWOTH, stat.S_IRWXG | stat.S_IRWXO


def public(path: str, most: int) -> str:
    """What a file says that everybody may read, and root alone write: at most so many bytes.

    Raises StoreUnreachableError, and PermissionDeniedError for one that others could have written.
    """
    return _read(path, most, _WRITABLE, "go-w", "can be written by users other than root")


def secret(path: str, most: int) -> str:
    """What a file says that nobody but its owner can read: at most so many bytes.

    Raises as `public` does. No message holds any of it.
    """
    return _read(path, most, _ANYTHING, "600", "can be read by other users")


def _read(path: str, most: int, forbidden: int, mode: str, wrong: str) -> str:
    try:
        # A pipe would let dnet wait for whoever writes to it.
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        raise _unread(path, error) from None
    try:
        found = os.fstat(number)
        if not stat.S_ISREG(found.st_mode):
            raise StoreUnreachableError(f"{path} is not a regular file")
        if found.st_uid not in (0, os.geteuid()) or found.st_mode & forbidden:
            raise PermissionDeniedError(
                f"{path} {wrong}", f"chown root {for_shell(path)}; chmod {mode} {for_shell(path)}"
            )
        with open(number, "rb", closefd=False) as file:
            text = file.read(most + 1)
    except OSError as error:
        raise _unread(path, error) from None
    finally:
        os.close(number)
    if len(text) > most:
        raise StoreUnreachableError(f"{path} is longer than {most} bytes")
    return text.decode(errors="surrogateescape")


def _unread(path: str, error: OSError) -> DnetError:
    return out_of_files(error) or StoreUnreachableError(f"cannot read {path}: {error.strerror}")
