"""Where the network namespace the process is in leads to by default, and where else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from dnet.host import system

_PATH = "/proc/self/net/route"
_BEGINNING = 128 * 128  # Bytes: a line has 128 (fib_route_seq_show, net/ipv4/fib_trie.c).
_RTF_UP, _RTF_REJECT = 0x1, 0x200


def default_device() -> str | None:
    """The device of the default route, `*` of one that refuses everything; None without any."""
    return next((device for device, _ in _defaults()), None)


def default_devices() -> list[str]:
    """The devices of the default routes that lead somewhere."""
    return list(dict.fromkeys(device for device, leads in _defaults() if leads))


def devices() -> list[str]:
    """The devices by which the main table leads anywhere."""
    from dnet.host import fib

    with suppress(OSError):
        return fib.devices()
    return []


def _defaults() -> Iterator[tuple[str, bool]]:
    """The device of each default route, and whether it leads somewhere (proc_net(5)).

    In a namespace that others rule there may be any number of routes. The kernel lists them by
    their destination, so the default ones are at the beginning.
    """
    try:
        lines = system.read_file(_PATH, _BEGINNING).decode().splitlines()[1:]
    except OSError:
        return
    for line in lines:
        device, to, _, flags, *_, mask, _, _, _ = line.split()
        if int(to, 16) == int(mask, 16) == 0:
            yield device, int(flags, 16) & (_RTF_UP | _RTF_REJECT) == _RTF_UP
