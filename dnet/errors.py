"""The one tree of exceptions: each class carries its exit status and its stable JSON code."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence

from dnet.typing import Self

Suggest = Callable[[], Sequence[str]]


def interrupted(error: BaseException) -> int:
    """The exit status of the signal that raised an error, 0 where none did.

    What is raised while a class is made, as where a module is loaded, comes out of that as another
    error with the first one as its cause (PEP 487, `__set_name__`).
    """
    for one in (error, error.__cause__):
        if isinstance(one, KeyboardInterrupt):
            return 130
        if isinstance(one, SystemExit) and isinstance(one.code, int):
            return one.code
    return 0


class DnetError(Exception):
    """Base of every error dnet raises on purpose.

    `str(error)` is the one line a user reads; `hint` says what to do about it, `suggest` gives what
    was perhaps meant: it is looked for only where somebody reads the hint.
    The classes, their exit statuses and codes are part of the command contract.

    Attributes:
        origin: the table and the key of what in the store could not be made, where it was that.
    """

    status = 1
    code = "failed"
    origin: tuple[str, str] | None = None

    def __init__(
        self, message: str, hint: str | None = None, suggest: Suggest | None = None
    ) -> None:
        super().__init__(message)
        self._advice = hint
        self._suggest = suggest

    @property
    def hint(self) -> str | None:
        """What to do about it, if anything is known."""
        found = self._suggest() if self._suggest else ()
        if not found:
            return self._advice
        *others, last = found
        names = f"{', '.join(others)} or {last}" if others else last
        meant = f"did you mean {names}?"
        return f"{meant} If not: {self._advice}" if self._advice else meant

    def with_message(self, message: str) -> Self:
        """The same error in other words."""
        return type(self)(message, self._advice, self._suggest)

    def with_hint(self, hint: str) -> Self:
        """The same error with that hint."""
        return type(self)(str(self), hint)

    def lines(self) -> Iterator[str]:
        """What a user reads of it: the error on one line, and the hint on another."""
        yield on_one_line(f"dnet: error: {self}")
        if hint := self.hint:
            yield on_one_line(f"dnet: hint: {hint}")

    def body(self) -> dict[str, str | None]:
        """What stands under "error" in JSON."""
        return {"code": self.code, "message": str(self), "hint": self.hint}


class DiskFullError(DnetError):
    """There is no room for a file of the store."""


class UsageError(DnetError):
    """A bad command line or a bad value, found before anything was touched."""

    status, code = 2, "usage"


class NotFoundError(DnetError):
    """No such bridge, address, port, interface, mapping or link."""

    status, code = 3, "not-found"


class ConflictError(DnetError):
    """It belongs to somebody else, or it exists already and differs."""

    status, code = 4, "conflict"


class OtherBridgeError(ConflictError):
    """A bridge is there, and other than the configuration of a container runtime's network says."""


class AddressInUseError(ConflictError):
    """An address that was asked for by name is taken or reserved."""

    code = "address-in-use"


class PortInUseError(ConflictError):
    """A host port that was asked for by name is taken."""

    code = "port-in-use"


class ExhaustedError(DnetError):
    """No address, port or subnet is left."""

    status, code = 5, "exhausted"


class PermissionDeniedError(DnetError):
    """A capability or a file permission is missing."""

    status, code = 6, "permission"


class LockedError(DnetError):
    """The store's lock was not free in time."""

    status, code = 7, "locked"


class StoreUnreachableError(DnetError):
    """The registry of a pool's hosts does not answer, or not so that it could be used."""

    status, code = 7, "store-unreachable"


class NoAnswerError(StoreUnreachableError):
    """Nobody answers; what was asked for may have been done all the same."""


class StateUnreadableError(DnetError):
    """The store is damaged, from a newer version, or of another network namespace."""

    status, code = 8, "state-unreadable"


class DamagedStateError(StateUnreadableError):
    """A file of the store is cut short, or says what cannot be."""


class ForeignStateError(StateUnreadableError):
    """The store is whole, and not this dnet's: from a newer version, or of another namespace."""


class KernelError(DnetError):
    """iptables, netlink or a sysctl refused; what was done so far has been undone."""

    status, code = 9, "kernel"


class RulesRefusedError(KernelError):
    """iptables refused: perhaps what is there is not what was expected."""


class RulesUnreadableError(KernelError):
    """What iptables lists is not all there is, so nothing can be concluded from it."""


_FILE_LIMITS = {
    errno.EMFILE: "let the process open more: ulimit -n 1024",
    errno.ENFILE: "to see which processes have them open: sysctl fs.file-nr; lsof",
}


def out_of_files(error: OSError) -> DnetError | None:
    """The error where it is that no file can be opened at all; None for every other.

    What was asked for is then not known, whatever was asked.
    """
    if error.errno not in _FILE_LIMITS:
        return None
    whose = "this process has" if error.errno == errno.EMFILE else "the system has"
    return DnetError(f"{whose} too many files open", _FILE_LIMITS[error.errno])


def on_one_line(text: str) -> str:
    """`text` with what would not print, such as the end of a line in a name, as an escape."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else escaped(one) for one in text)


def displayed(text: str) -> str:
    """`text` as data on one line: as above, but a byte that is no text comes out as that byte."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or _is_byte(one) else escaped(one) for one in text)


def _is_byte(one: str) -> bool:
    """Whether it stands for a byte that is no text (PEP 383)."""
    return "\udc80" <= one <= "\udcff"


def escaped(one: str) -> str:
    """A character in ASCII; what stands for a byte that is no text, as that byte."""
    if _is_byte(one):
        return f"\\x{ord(one) - 0xDC00:02x}"
    return one.encode("unicode_escape").decode("ascii")
