"""What the system says of a file of the store, as an error that says what to do about it."""

from __future__ import annotations

import errno
import os

from dnet.errors import (
    DiskFullError,
    DnetError,
    PermissionDeniedError,
    StateUnreadableError,
    out_of_files,
)
from dnet.host import privilege
from dnet.values.names import for_shell

_MOVE = "move it away, or use another folder: --state-dir"


def told(error: OSError, path: str, folder: str) -> DnetError:
    """The error that a file of the store's folder, or the folder, came to."""
    said = f"{path}: {error.strerror}"
    match error.errno:
        case errno.EACCES | errno.EPERM:
            return _denied(error, path, folder)
        case errno.ELOOP:
            return StateUnreadableError(
                f"{path} is a symbolic link, which dnet does not follow", _MOVE
            )
        case errno.EISDIR:
            return StateUnreadableError(f"{path} is a folder", _MOVE)
        case errno.EEXIST | errno.ENOTDIR if not os.path.isdir(folder):
            return DnetError(
                f"{_first_there(folder)} is not a folder",
                "--state-dir names the folder of the store",
            )
        case errno.ENOSPC | errno.EDQUOT:
            return DiskFullError(said, "make room there, or: --state-dir")
        case errno.EROFS:
            return DnetError(said, "make the file system writable, or: --state-dir")
    return out_of_files(error) or DnetError(said)


def _denied(error: OSError, path: str, folder: str) -> DnetError:
    """For root it is something else than for everybody else."""
    if not os.geteuid() and error.errno == errno.EPERM:
        look = f"lsattr -d {for_shell(folder)} {for_shell(path)}"
        return DnetError(
            f"{path}: {error.strerror}",
            f"see whether it is immutable: {look}; or: --state-dir",
        )
    needed = privilege.advice(privilege.DAC_OVERRIDE)
    return PermissionDeniedError(f"{path}: permission denied", f"{needed}; or: --state-dir")


def unforeseen(error: OSError) -> DnetError:
    """The error for what was refused where nobody expected it to be."""
    if too_many := out_of_files(error):
        return too_many
    where = f"{error.filename}: " if error.filename else ""
    said = f"{where}{error.strerror or error}"
    if isinstance(error, PermissionError):
        return PermissionDeniedError(said, privilege.advice(privilege.DAC_OVERRIDE))
    return DnetError(said)


def _first_there(folder: str) -> str:
    """The folder's path, as far as there is something."""
    path = folder
    while path and not os.path.lexists(path):
        path = os.path.dirname(path)
    return path or folder
