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
from dnet.values.family import FAMILIES, Family

_BY_FAMILY = 20  # SOCK_DIAG_BY_FAMILY, include/uapi/linux/sock_diag.h
# What a socket that anybody may send to is, include/net/tcp_states.h: a UDP one without a peer is
# TCP_CLOSE, a TCP one TCP_LISTEN.
_OPEN_TO_ALL = {"tcp": (_socket.IPPROTO_TCP, 1 << 10), "udp": (_socket.IPPROTO_UDP, 1 << 7)}
# struct inet_diag_req_v2: family, protocol, extensions, padding, states; then an empty address.
_QUESTION = struct.Struct("=BBBxI48x")
# struct inet_diag_msg: … source port, destination port, source, … and at its end the inode.
_ANSWER = struct.Struct("!4x H2x 16s 44x")
_INODE = struct.Struct("=I")
_SKV6ONLY = 11  # INET_DIAG_SKV6ONLY, include/uapi/linux/inet_diag.h


class Listening(NamedTuple):
    """A socket that takes packets: its address as the kernel packs it, its port and its inode.

    `ipv6_only` is one that hears no IPv4 although it is bound to no IPv6 address (ipv6(7)).
    """

    address: bytes
    port: int
    inode: int
    ipv6_only: bool


def listening(proto: str, families: Iterable[Family] = FAMILIES) -> list[Listening] | None:
    """Every socket of the network namespace that listens; None where the kernel cannot tell.

    `proto` is tcp or udp, and of udp it is those without a peer; `families` are those of the
    sockets. Raises OSError where this process may open no more files.
    """
    try:
        return [one for family in families for one in _dump(family, proto)]
    except OSError as error:
        if out_of_files(error):
            raise
        return None


def _dump(family: Family, proto: str) -> Iterator[Listening]:
    number, states = _OPEN_TO_ALL[proto]
    question = _QUESTION.pack(family.number, number, 0, states)
    for message in nlsocket.dump(nlsocket.SOCK_DIAG, _BY_FAMILY, question):
        port, address = _ANSWER.unpack_from(message)
        inode = _INODE.unpack_from(message, _ANSWER.size)[0]
        has = nlsocket.attributes(message, _ANSWER.size + _INODE.size)
        ipv6_only = has.get(_SKV6ONLY, b"\0") != b"\0"
        yield Listening(address[: family.bits // 8], port, inode, ipv6_only)
