"""Where the network namespace the process is in leads to by default, and where else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from dnet.host import fib
from dnet.host.privilege import reporting
from dnet.network.facts import Route
from dnet.values import address
from dnet.values.family import V4, Family


def overlapping(subnets: Sequence[str], but: int | None = None) -> Iterator[Route]:
    """See dnet.host.fib. Raises KernelError."""
    with reporting("asking for the routes"):
        yield from fib.overlapping(subnets, but)


def host_addresses() -> dict[str, str]:
    """The single IPv4 addresses that the host takes for itself, each with its device's name.

    Raises KernelError.
    """
    with reporting("asking for the host's addresses"):
        return {
            address.from_int(number, V4): device
            for (number, length), device in fib.to_host()
            if length == V4.bits
        }


def outward_device() -> str | None:
    """The device of the default route; None where there is none, or it refuses.

    Raises KernelError.
    """
    with reporting("asking for the default route"):
        return next(filter(None, fib.defaults()), None)


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


def ways(family: Family) -> tuple[list[str], list[str]]:
    """The devices towards other networks, and all that somebody may come in by."""
    gateways = default_devices(family)
    return gateways, devices() if family is V4 else gateways


def devices() -> list[str]:
    """The devices by which the main table leads anywhere."""
    with suppress(OSError):
        return fib.devices()
    return []
