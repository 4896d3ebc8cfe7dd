"""The IPv4 routes of the network namespace the process is in, without netlink."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from dnet.host import system

DEFAULT = "0.0.0.0/0"
_PATH = "/proc/self/net/route"
_RTF_UP, _RTF_REJECT = 0x1, 0x200


def read() -> list[tuple[str, str]]:
    """Device and subnet of each route of the main table that leads somewhere (proc_net(5))."""
    return [(device, subnet) for device, subnet, leads in _rows() if leads]


def has_default() -> bool:
    """Whether there is a default route, be it one that refuses everything."""
    return any(subnet == DEFAULT for _, subnet, _ in _rows())


def _rows() -> Iterator[tuple[str, str, bool]]:
    """Device and subnet of each route of the main table, and whether it leads somewhere."""
    try:
        lines = system.read_file(_PATH).decode().splitlines()[1:]
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
