"""What connection tracking keeps of a probe's flows: who answers each, and then nothing more.

The messages are those of nf_conntrack_netlink.c.
"""

from __future__ import annotations

import _socket  # Under `socket`, and loaded in a thirtieth of its time.
import struct
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
from dnet.typing import NamedTuple, Self
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


class Tracking:
    """What is asked of connection tracking; at its end the flows are forgotten.

    No later one is taken for one of them then. Raises OSError.
    """

    def __init__(self) -> None:
        self._socket = nlsocket.Socket(nlsocket.NETFILTER)
        self._flows: list[Tracked] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            for flow in self._flows:
                self._socket.attempt(_DELETE, flow.message)
        self._socket.close()

    def answering(self, flow: Tracked) -> str | None:
        """Who answers a flow, None where it is not tracked."""
        self._flows.append(flow)
        refusal, found = self._socket.attempt(_GET, flow.message)
        known = not refusal and found
        return read(found[0][nlsocket.ABOUT.size :]).reply_src if known else None
