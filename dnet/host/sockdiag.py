"""The sockets that take packets, as the kernel's sock_diag(7) lists them.

/proc/net has most of them too, but does not tell which IPv6 sockets hear no IPv4; and of TCP the
kernel looks through its whole table of connections to fill a page of it: milliseconds, where this
takes the hundredth part.
"""

from __future__ import annotations

import _socket  # Under `socket`, and loaded in a thirtieth of its time.
import struct
from collections.abc import Iterable, Iterator

from dnet.errors import out_of_files
from dnet.host import nlsocket
from dnet.typing import NamedTuple
from dnet.values.family import FAMILIES, V4, Family

_BY_FAMILY = 20  # SOCK_DIAG_BY_FAMILY, include/uapi/linux/sock_diag.h
# What a socket that anybody may send to is, include/net/tcp_states.h: a UDP one without a peer is
# TCP_CLOSE, a TCP one TCP_LISTEN.
_OPEN_TO_ALL = {"tcp": (_socket.IPPROTO_TCP, 1 << 10), "udp": (_socket.IPPROTO_UDP, 1 << 7)}
# struct inet_diag_req_v2: family, protocol, extensions, padding, states; then the source port in
# the order of the network, and an address that is empty otherwise.
_QUESTION = struct.Struct("=BBBxI2s46x")
# struct inet_diag_msg: … source port, destination port, source, …; then both queues, the owner and
# the inode.
_ANSWER = struct.Struct("!4x H2x 16s 32x")
_NUMBERS = struct.Struct("=II4xI")
_SKV6ONLY = 11  # INET_DIAG_SKV6ONLY, include/uapi/linux/inet_diag.h


class Listening(NamedTuple):
    """A socket that takes packets: its address as the kernel packs it, its port and its inode.

    `ipv6_only` is one that hears no IPv4 although it is bound to no IPv6 address (ipv6(7)). Of TCP
    `waiting` is the number of connections that nobody has accepted yet, and `backlog` how many
    there may be (listen(2)).
    """

    address: bytes
    port: int
    inode: int
    ipv6_only: bool
    waiting: int = 0
    backlog: int = 0

    def heard_at(self, of: Family) -> str | None:
        """The address at which it hears a family; empty for all, None where it does not."""
        packed = self.address
        if len(packed) * 8 != of.bits:
            is_all = of is V4 and not any(packed) and not self.ipv6_only
            return "" if is_all else None
        return _socket.inet_ntop(of.number, packed) if any(packed) else ""


def listening(proto: str, families: Iterable[Family] = FAMILIES) -> list[Listening] | None:
    """Every socket of the network namespace that listens; None where the kernel cannot tell.

    `proto` is tcp or udp, and of udp it is those without a peer; `families` are those of the
    sockets. Raises OSError where this process may open no more files.
    """
    try:
        with nlsocket.Socket(nlsocket.SOCK_DIAG) as socket:
            return [one for of in families for one in _dump(socket, of, proto)]
    except OSError as error:
        if out_of_files(error):
            raise
        return None


class Port:
    """A port of TCP in the network namespace that this is made in.

    Raises OSError where the kernel cannot tell of it, then and later.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._socket = nlsocket.Socket(nlsocket.SOCK_DIAG)

    def close(self) -> None:
        """Ask no more."""
        self._socket.close()

    def listening(self) -> list[Listening]:
        """Who listens there, on whatever address."""
        found = (one for of in FAMILIES for one in _dump(self._socket, of, "tcp", self._number))
        return [one for one in found if one.port == self._number]


def _dump(socket: nlsocket.Socket, of: Family, proto: str, port: int = 0) -> Iterator[Listening]:
    number, states = _OPEN_TO_ALL[proto]
    question = _QUESTION.pack(of.number, number, 0, states, port.to_bytes(2, "big"))
    for message in socket.dump(_BY_FAMILY, question):
        at, address = _ANSWER.unpack_from(message)
        waiting, backlog, inode = _NUMBERS.unpack_from(message, _ANSWER.size)
        has = nlsocket.attributes(message, _ANSWER.size + _NUMBERS.size)
        ipv6_only = has.get(_SKV6ONLY, b"\0") != b"\0"
        yield Listening(address[: of.bits // 8], at, inode, ipv6_only, waiting, backlog)
