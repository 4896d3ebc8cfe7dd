"""The IPv4 routes of the network namespace the process is in, without netlink."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from dnet.host import system

DEFAULT = "0.0.0.0/0"
_PATH = "/proc/self/net/route"
_BEGINNING = 128 * 128  # Bytes: a line has 128 (fib_route_seq_show, net/ipv4/fib_trie.c).
_RTF_UP, _RTF_REJECT = 0x1, 0x200


def read() -> list[tuple[str, str]]:
    """Device and subnet of each route of the main table that leads somewhere (proc_net(5))."""
    return [(device, subnet) for device, subnet, leads in _rows() if leads]


def default_device() -> str | None:
    """The device of the default route, `*` of one that refuses everything; None without any.

    In a namespace that others rule there may be any number of routes. The kernel lists them by
    their destination, so the default ones are at the beginning.
    """
    rows = _rows(most=_BEGINNING)
    return next((device for device, subnet, _ in rows if subnet == DEFAULT), None)


def _rows(most: int | None = None) -> Iterator[tuple[str, str, bool]]:
    """Device and subnet of each route of the main table, and whether it leads somewhere."""
    try:
        lines = system.read_file(_PATH, most).decode().splitlines()[1:]
    except OSError:
        return
    for line in lines:
        words = line.split()
        prefix, flags = int(words[7], 16).bit_count(), int(words[3], 16)
        leads = flags & (_RTF_UP | _RTF_REJECT) == _RTF_UP
        yield words[0], f"{_dotted(words[1])}/{prefix}", leads


def _dotted(word: str) -> str:
    """An address as the kernel prints it here: one word in the machine's byte order."""
    return ".".join(str(byte) for byte in int(word, 16).to_bytes(4, sys.byteorder))
