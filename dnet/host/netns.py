"""Network namespaces: finding the one that is meant, and being in it for a while."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from dnet import nearby
from dnet.errors import NotFoundError, PermissionDeniedError, UsageError
from dnet.facts import Namespace
from dnet.host import system
from dnet.host.signals import uninterrupted
from dnet.names import quoted

_NAMED = ("/var/run/netns", "/run/netns")
_OWN = "/proc/self/ns/net"
_CLONE_NEWNET = 0x40000000


def find(text: str) -> Namespace:
    """The namespace that is meant: a path where there is a '/', else a name, else a pid.

    A name stands for itself in the store, so that a namespace made anew under it is the same
    place; a pid stands for its path. Raises NotFoundError, UsageError for the host's own.
    """
    shown, path = _resolve(text)
    try:
        same = os.path.samefile(path, _OWN)
    except PermissionError:
        raise PermissionDeniedError(f"{path}: permission denied", "run it as root") from None
    except OSError:
        raise NotFoundError(
            f"there is no network namespace {quoted(text)}",
            "ip netns list",
            partial(_meant, text),
        ) from None
    if same:
        raise UsageError(
            f"network namespace {quoted(text)} is the host's own",
            "name a container's: ip netns list",
        )
    with inside(path):
        return Namespace(shown, path, system.netns_cookie())


def locate(shown: str, cookie: int | None) -> str | None:
    """The path of a namespace of the store, if it is there and the same one still."""
    try:
        found = find(shown)
    except (NotFoundError, UsageError):
        return None
    return found.path if cookie in (None, found.cookie) else None


@contextmanager
def inside(path: str) -> Iterator[None]:
    """Be in a network namespace for a moment, in which no signal can keep one there.

    Raises PermissionDeniedError without CAP_SYS_ADMIN (setns(2)), UsageError for what is not
    a network namespace.
    """
    with uninterrupted(), open(_OWN, "rb") as own:
        try:
            with open(path, "rb") as other:
                _enter(other.fileno())
        except PermissionError:
            raise PermissionDeniedError(
                f"{path}: entering it needs CAP_SYS_ADMIN", "run it as root"
            ) from None
        except OSError as error:
            raise UsageError(
                f"{path} is not a network namespace ({error.strerror})",
                "name one of ip netns list, a /proc/PID/ns/net, or a pid",
            ) from None
        try:
            yield
        finally:
            _enter(own.fileno())


def _resolve(text: str) -> tuple[str, str]:
    """How the store names it, and where it is."""
    if "/" in text:
        return os.path.abspath(text), text
    named = next(
        (f"{folder}/{text}" for folder in _NAMED if os.path.exists(f"{folder}/{text}")), None
    )
    if named is None and text.isdecimal():
        path = f"/proc/{text}/ns/net"
        return path, path
    return text, named or f"{_NAMED[0]}/{text}"


def _meant(text: str) -> list[str]:
    return nearby.names(text, {name for folder in _NAMED for name in _listed(folder)})


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _enter(descriptor: int) -> None:
    """setns(2), which Python has from 3.12 on."""
    if hasattr(os, "setns"):
        os.setns(descriptor, _CLONE_NEWNET)
        return
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
