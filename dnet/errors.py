"""The one tree of exceptions: each class carries its exit status and its stable JSON code."""

from __future__ import annotations


class DnetError(Exception):
    """Base of every error dnet raises on purpose.

    `str(error)` is the one line a user reads; `hint` says what to do about it.
    The classes, their exit statuses and codes are part of the command contract.
    """

    status = 1
    code = "failed"

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint

    def body(self) -> dict[str, str | None]:
        """What stands under "error" in JSON."""
        return {"code": self.code, "message": str(self), "hint": self.hint}


class UsageError(DnetError):
    """A bad command line or a bad value, found before anything was touched."""

    status, code = 2, "usage"


class NotFoundError(DnetError):
    """No such bridge, address, port, interface, mapping or link."""

    status, code = 3, "not-found"


class ConflictError(DnetError):
    """It belongs to somebody else, or it exists already and differs."""

    status, code = 4, "conflict"


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


class StateUnreadableError(DnetError):
    """The store is damaged, from a newer version, or of another network namespace."""

    status, code = 8, "state-unreadable"


class ForeignStateError(StateUnreadableError):
    """The store is whole, and not this dnet's: from a newer version, or of another namespace."""


class KernelError(DnetError):
    """iptables, netlink or a sysctl refused; what was done so far has been undone."""

    status, code = 9, "kernel"
