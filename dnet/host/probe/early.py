"""What packets meet on a device beside IP: chains of others, and what tc(8) has there."""

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
_MESSAGE = struct.Struct("=BxxxiIII")  # struct tcmsg: family, device, handle, parent, info
_KIND, _STATS = 1, 3  # TCA_KIND, TCA_STATS
_DROPS = struct.Struct("=12xI")  # struct tc_stats: bytes, packets, drops, …
_BOTH = b"clsact\0"
_AHEAD = (b"ingress\0", _BOTH)


def at(device: str) -> Iterator[str]:
    """What of others packets meet there ahead of IP, as one would look it up."""
    with suppress(OSError):
        for table, chain in nf_tables.chains_on(device):
            if not table.startswith(NAME):
                yield f"nft list chain netdev {table} {chain}"
    with suppress(OSError):
        index = find_index(device)
        if any(one == index and has.get(_KIND) in _AHEAD for one, _, has in _queues()):
            yield f"tc filter show dev {device} ingress"


def at_exit(device: str) -> Iterator[str]:
    """The filters of tc(8) that packets may meet there as they leave."""
    with suppress(OSError):
        index = find_index(device)
        if any(one == index and has.get(_KIND) == _BOTH for one, _, has in _queues()):
            yield f"tc filter show dev {device} egress"


def on_bridges() -> Iterator[str]:
    """The chains of others that bridged packets meet."""
    with suppress(OSError):
        for table, chain in nf_tables.bridge_chains():
            yield f"nft list chain bridge {table} {chain}"


class Queues:
    """The queueing disciplines of devices, from the moment it is made."""

    def __init__(self) -> None:
        self._before = dict(_drops())

    def dropping(self, *devices: str | None) -> Iterator[str]:
        """Those of some devices that have dropped something since, as one would look it up."""
        after = dict(_drops())
        for device in devices:
            index = find_index(device) if device else None
            its = ((key, count) for key, count in after.items() if key[0] == index)
            if any(count > self._before.get(key, 0) for key, count in its):
                yield f"tc -s qdisc show dev {device}"


def _drops() -> Iterator[tuple[tuple[int, int, int], int]]:
    with suppress(OSError):
        for index, place, has in _queues():
            if len(stats := has.get(_STATS, b"")) >= _DROPS.size:
                yield (index, *place), _DROPS.unpack_from(stats)[0]


def _queues() -> Iterator[tuple[int, tuple[int, int], dict[int, bytes]]]:
    """The device of each, its handle and parent, and what else is told of it."""
    question = _MESSAGE.pack(_socket.AF_UNSPEC, 0, 0, 0, 0)
    for message in nlsocket.dump(nlsocket.ROUTE, _GET_QUEUE, question):
        _, index, handle, parent, _ = _MESSAGE.unpack_from(message)
        yield index, (handle, parent), nlsocket.attributes(message, _MESSAGE.size)
