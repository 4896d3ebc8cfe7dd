"""The programs that come with dnet, and links to them where others look for programs."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator

from dnet.errors import ConflictError, DnetError, NotFoundError, PermissionDeniedError
from dnet.host import privilege, system
from dnet.values.names import for_shell

_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def find(name: str) -> str:
    """The path of a program that is installed with this one. Raises NotFoundError."""
    folders = (os.path.dirname(os.path.realpath(sys.argv[0])), os.path.dirname(sys.executable))
    for path in (f"{folder}/{name}" for folder in folders):
        if os.access(path, os.X_OK):
            return path
    found = system.find_program(name)
    if found is None:
        raise NotFoundError(f"there is no program {name}", "check that dnet is installed whole")
    return found


def refuse_open(path: str) -> None:
    """Raises ConflictError for a path that others than root can turn to something of theirs.

    Whoever can put another program there has it run as root.
    """
    for one in _way_to(os.path.realpath(path)):
        status = os.stat(one)
        is_sticky = one != path and bool(status.st_mode & stat.S_ISVTX)
        if status.st_uid or (status.st_mode & _OTHERS and not is_sticky):
            raise ConflictError(
                f"users other than root can write to {one}",
                f"chown root {for_shell(one)} && chmod go-w {for_shell(one)}, or: --force",
            )


def _way_to(path: str) -> Iterator[str]:
    """A path and all folders above it, as far as they are there."""
    while path:
        if os.path.lexists(path):
            yield path
        path = os.path.dirname(path) if path != "/" else ""


def is_link_to(path: str, name: str) -> bool:
    """Whether a link leads to a program of that name, which may be gone."""
    return os.path.islink(path) and os.path.basename(os.path.realpath(path)) == name


def link(program: str, path: str) -> None:
    """Let a link lead to a program, in place of what is there. Raises DnetError."""
    spare = _spare(path)
    try:
        os.symlink(program, spare)
        os.replace(spare, path)
    except OSError as error:
        raise _told(error) from None


def write(path: str, text: str) -> None:
    """Write a file for all to read, in place of what is there. Raises DnetError."""
    spare = _spare(path)
    try:
        descriptor = os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(spare, path)
    except OSError as error:
        raise _told(error) from None


def has_text(path: str, text: str) -> bool:
    """Whether a file says just that. Raises DnetError."""
    try:
        return system.read_file(path) == text.encode()
    except OSError as error:
        raise _told(error) from None


def _spare(path: str) -> str:
    """A name next to a path that nothing has, in a folder that is there. Raises DnetError."""
    spare = f"{path}.new"
    try:
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        if os.path.lexists(spare):
            os.unlink(spare)
    except OSError as error:
        raise _told(error) from None
    return spare


def _told(error: OSError) -> DnetError:
    said = f"{error.filename}: {error.strerror}"
    if isinstance(error, PermissionError):
        return PermissionDeniedError(said, privilege.advice(privilege.DAC_OVERRIDE))
    return DnetError(said)
