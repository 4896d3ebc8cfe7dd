"""`dnet` with every step towards the outside counted, and one of them where the plug is pulled.

What `dnet` does to files, processes, netlink and /proc/sys is wrapped from outside: the product
has no hook for this. Before and after each such event is a point, numbered from 1 on. The
environment says what happens at which:

DNET_POINT_AT    the number of the point; 0 or nothing only counts
DNET_POINT_DO    `kill` (SIGKILL), `int`, `term` or `hup` (the signal), `storm` (SIGTERM there
                 and at every later point), or the kind of the events that fail: `netlink`,
                 `sysctl`, `process`, or an errno's name for files, such as ENOSPC
DNET_POINT_ON    `on` lets every later event of the kind fail as well
DNET_POINT_LOG   a file to which each point is written as a line before it is passed
DNET_POINT_LINKS an errno's name, with which every link(2) fails: a file system without hard links
"""

from __future__ import annotations

import _socket
import builtins
import errno
import io
import os
import signal
from collections.abc import Callable
from typing import Any, NoReturn

FILE, PROCESS, ANSWER, NETLINK, SYSCTL = "file", "process", "answer", "netlink", "sysctl"
_SIGNALS = {
    "kill": signal.SIGKILL,
    "int": signal.SIGINT,
    "term": signal.SIGTERM,
    "hup": signal.SIGHUP,
}


class Points:
    """Counts the points, and does at the chosen one what was asked for."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._at = int(environment.get("DNET_POINT_AT") or 0)
        self._do = environment.get("DNET_POINT_DO", "")
        self._on = bool(environment.get("DNET_POINT_ON"))
        self._log = environment.get("DNET_POINT_LOG")
        self._passed = 0

    def before(self, kind: str, what: str) -> None:
        """A point that may also fail, as the kernel would have it fail."""
        self._pass(f"before {kind} {what}")
        if kind == self._failing_kind() and self._is_chosen(later=self._on):
            self._fail(kind)

    def after(self, kind: str, what: str) -> None:
        """A point where the event has happened."""
        self._pass(f"after {kind} {what}")

    def _pass(self, line: str) -> None:
        self._passed += 1
        if self._log:
            with _open(self._log, "a", encoding="utf-8") as file:
                file.write(f"{line}\n")
        if self._do in _SIGNALS and self._is_chosen():
            os.kill(os.getpid(), _SIGNALS[self._do])
        elif self._do == "storm" and self._is_chosen(later=True):
            os.kill(os.getpid(), signal.SIGTERM)

    def _is_chosen(self, *, later: bool = False) -> bool:
        return bool(self._at) and (self._passed >= self._at if later else self._passed == self._at)

    def _failing_kind(self) -> str:
        return FILE if hasattr(errno, self._do) else self._do

    def _fail(self, kind: str) -> NoReturn:
        number = {NETLINK: errno.ENOMEM, PROCESS: errno.ENOMEM, SYSCTL: errno.EINVAL}.get(kind)
        number = getattr(errno, self._do) if number is None else number
        raise OSError(number, os.strerror(number))


_open = builtins.open


def wrap(owner: Any, name: str, kind: str, points: Points, *, only: Callable[..., bool]) -> None:
    """Let `owner.name` pass two points, where `only` holds of its arguments."""
    real = getattr(owner, name)

    def passing(*arguments: Any, **named: Any) -> Any:
        if not only(*arguments, **named):
            return real(*arguments, **named)
        points.before(kind, name)
        done = real(*arguments, **named)
        points.after(kind, name)
        return done

    setattr(owner, name, passing)


def _always(*_: Any, **__: Any) -> bool:
    return True


def _is_creating(_path: Any, flags: int, *_: Any, **__: Any) -> bool:
    return bool(flags & os.O_CREAT)


def _is_netlink(one: _socket.socket, *_: Any) -> bool:
    return one.family == _socket.AF_NETLINK


class Socket(_socket.socket):
    """A socket whose methods can be wrapped: those of its base cannot."""

    __slots__ = ()


def _is_setting(file: Any, mode: str = "r", *_: Any, **__: Any) -> bool:
    return str(file).startswith("/proc/sys/") and "w" in mode


class Setting(io.StringIO):
    """A file under /proc/sys that is written when it is closed."""

    def __init__(self, path: str, points: Points) -> None:
        super().__init__()
        self._path, self._points = path, points
        _open(path, "w").close()

    def close(self) -> None:
        """Write what was said."""
        if not self.closed:
            text = self.getvalue()
            super().close()
            self._points.before(SYSCTL, self._path)
            with _open(self._path, "w", encoding="ascii") as file:
                file.write(text)
            self._points.after(SYSCTL, self._path)


def without_links(name: str) -> None:
    """Let every link(2) fail, as it does on a file system that has none."""
    number = getattr(errno, name)

    def link(*_: Any, **__: Any) -> NoReturn:
        raise OSError(number, os.strerror(number))

    setattr(os, "link", link)  # noqa: B010 - which mypy would not have


def watch(points: Points) -> None:
    """Wrap everything that leaves a trace outside of the process."""
    for name in ("fsync", "rename", "link", "unlink", "mkdir"):
        wrap(os, name, FILE, points, only=_always)
    wrap(os, "open", FILE, points, only=_is_creating)
    setattr(_socket, "socket", Socket)  # noqa: B010 - which mypy would not have
    for name in ("send", "sendto", "sendmsg"):
        wrap(Socket, name, NETLINK, points, only=_is_netlink)
    wrap(os, "posix_spawn", PROCESS, points, only=_always)
    wrap(os, "waitpid", ANSWER, points, only=_always)

    def opened(file: Any, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        if _is_setting(file, mode):
            return Setting(str(file), points)
        return _open(file, mode, *arguments, **named)

    builtins.open = opened
