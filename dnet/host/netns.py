"""Network namespaces: finding the one that is meant, and being in it for a while."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial

from dnet.errors import (
    DnetError,
    KernelError,
    NotFoundError,
    PermissionDeniedError,
    UsageError,
    out_of_files,
)
from dnet.host import privilege, system
from dnet.host.signals import uninterrupted
from dnet.network.facts import Namespace
from dnet.typing import TYPE_CHECKING
from dnet.values import nearby
from dnet.values.names import is_number, quoted

if TYPE_CHECKING:
    import ctypes

# ip(8) has its names in the first, which nearly everywhere is the second.
_NAMED = ("/var/run/netns", "/run/netns")
_OWN = "/proc/self/ns/net"
_CLONE_NEWNET = 0x40000000


def find(text: str) -> Namespace:
    """The namespace that is meant: a path where there is a '/', else a name, else a pid.

    A name stands for itself in the store, so that a namespace made again under it is the same
    place; a pid stands for its path. Raises NotFoundError, PermissionDeniedError without
    CAP_SYS_ADMIN (setns(2)), UsageError for the host's own and for what is no namespace.
    """
    descriptor, shown, path = _open_meant(text)
    try:
        if _is_own(descriptor):
            raise UsageError(
                f"network namespace {quoted(text)} is the host's own",
                "give a container's: ip netns list",
            )
        return Namespace(shown, path, _cookie(descriptor))
    except PermissionError:
        raise PermissionDeniedError(
            f"{path}: entering it needs {privilege.SYS_ADMIN}",
            privilege.advice(privilege.SYS_ADMIN),
        ) from None
    except OSError as error:
        raise out_of_files(error) or UsageError(
            f"{path} is not a network namespace ({error.strerror})",
            "give a name of ip netns list, a /proc/PID/ns/net, or a pid",
        ) from None
    finally:
        os.close(descriptor)


def locate(shown: str, cookie: int | None) -> Namespace | None:
    """A namespace of the store, if it is there and the same one still."""
    try:
        found = find(shown)
    except (NotFoundError, UsageError):
        return None
    return found if cookie in (None, found.cookie) else None


def is_another(shown: str, cookie: int | None) -> bool:
    """Whether a name of the store stands for another namespace now, made again under it."""
    try:
        return cookie is not None and find(shown).cookie not in (None, cookie)
    except DnetError:
        return False


@contextmanager
def opened(namespace: Namespace) -> Iterator[int]:
    """A descriptor of a namespace that was found before, and certainly of that one.

    Its path may lead elsewhere by now, to the host's own namespace even: a link can be turned,
    and a pid be used again. Raises KernelError then, and OSError where nothing is there.
    """
    descriptor = _open(namespace.path)
    try:
        if _is_own(descriptor) or _cookie(descriptor) != namespace.cookie:
            raise KernelError(
                f"{namespace.path} now refers to a different network namespace",
                "see who else changes it: ip netns list",
            )
        yield descriptor
    finally:
        os.close(descriptor)


def made() -> int:
    """A descriptor of a new network namespace, which is gone when nothing holds it open any more.

    It has no name and no process. Raises OSError as unshare(2) does.
    """
    with uninterrupted(), open(_OWN, "rb", 0) as own:
        _leave()
        try:
            return os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        finally:
            _enter(own.fileno())


@contextmanager
def inside(descriptor: int) -> Iterator[None]:
    """Be in a network namespace for a moment, in which no signal can keep one there.

    Raises OSError as setns(2) does.
    """
    with uninterrupted(), open(_OWN, "rb", 0) as own:
        _enter(descriptor)
        try:
            yield
        finally:
            _enter(own.fileno())


def _open_meant(text: str) -> tuple[int, str, str]:
    """A descriptor of what is meant, how the store names it, and where it is."""
    try:
        shown, path = _resolve(text)
        return _open(path), shown, path
    except PermissionError:
        # To see a namespace of a process takes what it takes to trace it (ptrace(2)).
        is_process = path.startswith("/proc/")
        needed = privilege.SYS_PTRACE if is_process else privilege.DAC_OVERRIDE
        raise PermissionDeniedError(
            f"{path}: permission denied", privilege.advice(needed)
        ) from None
    except OSError as error:
        raise out_of_files(error) or NotFoundError(
            f"there is no network namespace {quoted(text)}",
            "ip netns list",
            partial(_meant, text),
        ) from None
    except ValueError:
        raise UsageError(
            f"{quoted(text)} is not a valid name or path of a network namespace", "ip netns list"
        ) from None


def _open(path: str) -> int:
    """Without waiting for whoever writes to a FIFO."""
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)


def _is_own(descriptor: int) -> bool:
    return os.path.samestat(os.fstat(descriptor), os.stat(_OWN))


def _cookie(descriptor: int) -> int | None:
    with inside(descriptor):
        return system.netns_cookie()


def _resolve(text: str) -> tuple[str, str]:
    """How the store names it, and where it is."""
    if "/" in text:
        return os.path.abspath(text), text
    paths = [f"{folder}/{text}" for folder in _folders()]
    named = next(filter(os.path.exists, paths), None)
    if named is None and is_number(text):
        path = f"/proc/{text}/ns/net"
        return path, path
    return text, named or paths[0]


@cache
def _folders() -> tuple[str, ...]:
    """Where names are looked for, under the shorter name where both are the same place."""
    return _NAMED[1:] if os.path.realpath("/var/run") == "/run" else _NAMED


def _meant(text: str) -> list[str]:
    known = {name for folder in _folders() for name in _listed(folder)}
    return nearby.names(text, known - {text})  # A link there may lead to nothing.


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _enter(descriptor: int) -> None:
    """setns(2), which Python has from 3.12 on."""
    if hasattr(os, "setns"):
        os.setns(descriptor, _CLONE_NEWNET)
    else:
        _call("setns", descriptor, _CLONE_NEWNET)


def _leave() -> None:
    """unshare(2), which Python has from 3.12 on."""
    if hasattr(os, "unshare"):
        os.unshare(_CLONE_NEWNET)
    else:
        _call("unshare", _CLONE_NEWNET)


def _call(name: str, *numbers: int) -> None:
    import ctypes

    if getattr(_libc(), name)(*numbers) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@cache
def _libc() -> ctypes.CDLL:
    """To make one takes as long as all else of being in a namespace."""
    import ctypes

    return ctypes.CDLL(None, use_errno=True)
