"""What connection tracking keeps of a probe's flows: who answers each, and then nothing more.

The messages are those of nf_conntrack_netlink.c.
"""

from __future__ import annotations

import _socket  # Under `socket`, and loaded in a thirtieth of its time.
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress

from dnet.host import nlsocket
from dnet.host.conntrack.entry import (
    ASKS,
    DESTINATION_PORT,
    NUMBER,
    SOURCE_PORT,
    SOURCES,
    SUBSYSTEM,
    direction,
    read,
)
from dnet.host.probe.trace import PROTOCOLS
from dnet.typing import NamedTuple
from dnet.values import family

_GET, _DELETE = SUBSYSTEM | 1, SUBSYSTEM | 2  # IPCTNL_MSG_CT_GET, IPCTNL_MSG_CT_DELETE
_PORT = struct.Struct("!H")


class Tracked(NamedTuple):
    """A flow as it began."""

    proto: str
    source: str
    source_port: int
    address: str
    port: int

    @property
    def message(self) -> bytes:
        """What a message about it begins with."""
        of = family.of(self.address)
        kind = SOURCES[of]
        ends = enumerate((self.source, self.address), kind)
        ip = {at: _socket.inet_pton(of.number, one) for at, one in ends}
        proto = {
            NUMBER: bytes([PROTOCOLS[self.proto]]),
            SOURCE_PORT: _PORT.pack(self.source_port),
            DESTINATION_PORT: _PORT.pack(self.port),
        }
        return nlsocket.ABOUT.pack(of.number, 0, 0) + direction(ASKS, ip, proto)


def answering(flows: Iterable[Tracked]) -> Iterator[str | None]:
    """Who answers each flow, None of one that is not tracked."""
    with nlsocket.Socket(nlsocket.NETFILTER) as socket:
        for flow in flows:
            refusal, found = socket.attempt(_GET, flow.message)
            known = not refusal and found
            yield read(found[0][nlsocket.ABOUT.size :]).reply_src if known else None


def forget(flows: Iterable[Tracked]) -> None:
    """Forget flows, so that no later one is taken for one of them."""
    with suppress(OSError), nlsocket.Socket(nlsocket.NETFILTER) as socket:
        for flow in flows:
            socket.attempt(_DELETE, flow.message)
