"""Where the network namespace the process is in leads to by default, and where else."""

from __future__ import annotations

from contextlib import suppress

from dnet.host import fib
from dnet.values.family import V4, Family


def default_device(family: Family = V4) -> str | None:
    """The device of the default route, `*` of one that refuses everything; None without any."""
    with suppress(OSError):
        return next((device or "*" for device in fib.defaults(family)), None)
    return None


def default_devices(family: Family = V4) -> list[str]:
    """The devices of the default routes that lead somewhere."""
    with suppress(OSError):
        return list(dict.fromkeys(filter(None, fib.defaults(family))))
    return []


def devices() -> list[str]:
    """The devices by which the main table leads anywhere."""
    with suppress(OSError):
        return fib.devices()
    return []
