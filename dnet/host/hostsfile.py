"""The part of a hosts file that is dnet's, kept in place: whoever has it mounted sees the change.

The file may be a container's to write to. So nothing in it is relied on, no symbolic link is
followed, and it has to lie in folders that only root can write to.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from dnet.errors import DnetError, on_one_line
from dnet.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dnet.plan.hostsfiles import Block

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST = 1 << 20
_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def why_unfit(path: str) -> str | None:
    """Why a file cannot be kept, in words."""
    try:
        with _opened(path, os.O_RDONLY) as file:
            _read(file, path)
    except OSError as error:
        return _said(path, error)
    return None


def is_kept(block: Block) -> bool:
    """Whether a file has a block as it should be. Raises DnetError where it cannot be known."""
    with _reporting(block), _opened(block.path, os.O_RDONLY) as file:
        text = _read(file, block.path)
        return _with(text, block) == text


def keep(block: Block) -> bool:
    """Let a file have a block, or none; whether it had to be changed. Raises DnetError.

    A block of a file that is gone is gone.
    """
    with _reporting(block):
        try:
            with _opened(block.path, os.O_RDWR) as file:
                text = _read(file, block.path)
                wanted = _with(text, block)
                if wanted != text:
                    _write(file, wanted, len(text))
                return wanted != text
        except FileNotFoundError:
            if block.lines is None:
                return False
            raise


def _write(file: int, text: bytes, former: int) -> None:
    """Write all of it at once, so that there is no moment without; what is left over is blank."""
    padded = text.ljust(former, b"\n")
    if os.pwrite(file, padded, 0) != len(padded):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.ftruncate(file, len(text))


def _with(text: bytes, block: Block) -> bytes:
    """A file's text with a block in its place, else at the end; without lines it has none."""
    begin, end = (f"# dnet: {verb} of {block.owner}".encode() for verb in ("names", "end"))
    lines = text.removesuffix(b"\n").split(b"\n") if text else []
    mine = [] if block.lines is None else [begin, *(one.encode() for one in block.lines), end]
    marked = [at for at, line in enumerate(lines) if line in (begin, end)]
    if [lines[at] for at in marked] == [begin, end]:
        lines[marked[0] : marked[1] + 1] = mine
    elif marked or mine:
        # Without one of its marks nobody can tell what of it is dnet's.
        lines = [*(line for line in lines if line not in (begin, end)), *mine]
    else:
        return text
    return b"".join(line + b"\n" for line in lines)


def _read(file: int, path: str) -> bytes:
    if os.fstat(file).st_size > _MOST:
        raise OSError(errno.EFBIG, f"{path} is larger than {_MOST >> 20} MiB")
    return os.pread(file, _MOST, 0)


@contextmanager
def _opened(path: str, flags: int) -> Iterator[int]:
    """A file, by a way on which there is no symbolic link, and nobody but root can put one."""
    *folders, name = path.split("/")[1:]
    place, shown = os.open("/", _FOLDER), ""
    try:
        _refuse_open(place, "/")
        for one in folders:
            shown = f"{shown}/{one}"
            inner = os.open(one, _FOLDER, dir_fd=place)
            os.close(place)
            place = inner
            _refuse_open(place, shown)
        found = os.open(name, _FILE, dir_fd=place)
        os.close(place)
        place = found
        about = os.fstat(found)
        if not stat.S_ISREG(about.st_mode):
            raise OSError(errno.EINVAL, f"{path} is not a regular file")
        if about.st_nlink != 1:
            raise OSError(errno.EMLINK, f"{path} has {about.st_nlink} hard links")
        file = os.open(f"/proc/self/fd/{found}", flags | os.O_CLOEXEC)
    finally:
        os.close(place)
    try:
        yield file
    finally:
        os.close(file)


def _refuse_open(folder: int, shown: str) -> None:
    about = os.fstat(folder)
    if about.st_uid != 0 or about.st_mode & _OTHERS:
        raise OSError(errno.EPERM, f"users other than root can write to {shown}")


@contextmanager
def _reporting(block: Block) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        whose = f"the hosts file of {block.owner}"
        raise DnetError(f"{whose} is not updated: {_said(block.path, error)}") from None


def _said(path: str, error: OSError) -> str:
    """In words what is wrong; the kernel's own words where dnet has none."""
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOTDIR, errno.ELOOP):
        reason = "its path has a symbolic link, or a part that is not a folder"
    return on_one_line(reason if path in reason or "write to" in reason else f"{path}: {reason}")
