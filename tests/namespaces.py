"""Network namespaces under /run/netns as ip-netns(8) makes them, without a process for each."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
FOLDER = Path("/run/netns")
# Where the tests began: a process in the namespace of one of them would end with that one.
HOME_FILE = os.open("/proc/self/ns/net", os.O_RDONLY)
HOME = f"/proc/self/fd/{HOME_FILE}"
_CLONE_NEWNET = 0x40000000
_CLONE_NEWNS = 0x20000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_MNT_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


def make(name: str) -> Path:
    """A new network namespace, by its path."""
    path = _folder() / name
    path.touch(exist_ok=False)

    def mount() -> None:
        _check(_libc.unshare(_CLONE_NEWNET), name)
        mine = b"/proc/thread-self/ns/net"
        _check(_libc.mount(mine, bytes(path), b"none", _MS_BIND, None), name)

    _in_a_thread(mount)
    return path


@cache
def _folder() -> Path:
    """The folder as ip leaves it that has made one there: a mount, which others may see."""
    name = f"dnt-first-{os.getpid()}"
    for verb in ("add", "delete"):
        subprocess.run(["ip", "netns", verb, name], check=True)
    return FOLDER


def remove(names: Iterable[str]) -> None:
    """Removes namespaces by name; one that is gone already is no error."""
    for name in names:
        path = FOLDER / name
        _libc.umount2(bytes(path), _MNT_DETACH)
        with suppress(FileNotFoundError):
            path.unlink()


def enter(path: Path | str) -> None:
    """Go into a network namespace, and into no other namespace, as nsenter(1) does."""
    with open(path) as namespace:
        _check(_libc.setns(namespace.fileno(), _CLONE_NEWNET), path)


def within(path: Path | str, act: Callable[[], T]) -> T:
    """What a function returns that a thread of its own calls in a network namespace."""

    def entered() -> T:
        enter(path)
        return act()

    return _in_a_thread(entered)


def bind(source: Path | str, target: Path | str) -> None:
    """Let a file be another one for this process and those that it starts."""
    _check(_libc.unshare(_CLONE_NEWNS), target)
    _check(_libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None), target)
    _check(_libc.mount(os.fsencode(source), os.fsencode(target), None, _MS_BIND, None), target)


def _in_a_thread(act: Callable[[], T]) -> T:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(act).result()


def _check(result: int, what: Path | str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(what))
