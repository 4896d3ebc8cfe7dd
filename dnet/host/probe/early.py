"""What packets meet on a device ahead of IP: chains of the family netdev, and tc(8)'s ingress."""

from __future__ import annotations

import _socket  # Under `socket`, and loaded in a thirtieth of its time.
import struct
from collections.abc import Iterator
from contextlib import suppress

from dnet.host import nlsocket
from dnet.host.firewall import nf_tables
from dnet.host.probe.trace import NAME
from dnet.host.rtnl import find_index

_GET_QUEUE = 38  # RTM_GETQDISC
_MESSAGE = struct.Struct("=BxxxiIII")  # struct tcmsg
_KIND = 1  # TCA_KIND
_AHEAD = (b"ingress\0", b"clsact\0")


def at(device: str) -> Iterator[str]:
    """What of others stands there, as one would look it up."""
    with suppress(OSError):
        for table, chain in nf_tables.chains_on(device):
            if not table.startswith(NAME):
                yield f"nft list chain netdev {table} {chain}"
    with suppress(OSError):
        yield from _queues(device)


def _queues(device: str) -> Iterator[str]:
    index = find_index(device)
    question = _MESSAGE.pack(_socket.AF_UNSPEC, index or 0, 0, 0, 0)
    for message in nlsocket.dump(nlsocket.ROUTE, _GET_QUEUE, question):
        kind = nlsocket.attributes(message, _MESSAGE.size).get(_KIND)
        if _MESSAGE.unpack_from(message)[1] == index and kind in _AHEAD:
            yield f"tc filter show dev {device} ingress"
