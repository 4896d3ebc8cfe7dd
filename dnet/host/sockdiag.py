"""The TCP sockets that listen, as the kernel's sock_diag(7) lists them.

/proc/net/tcp has them too, but the kernel looks through its whole table of connections to fill a
page of it: milliseconds, where this takes the hundredth part.
"""

from __future__ import annotations

import _socket  # Under `socket`, and loaded in a thirtieth of its time.
import struct
from collections.abc import Iterator
from typing import NamedTuple

_NETLINK_SOCK_DIAG = 4  # include/uapi/linux/netlink.h
_DONE, _ERROR = 3, 2
_REQUEST_DUMP = 0x1 | 0x300  # NLM_F_REQUEST, NLM_F_DUMP
_BY_FAMILY = 20  # SOCK_DIAG_BY_FAMILY, include/uapi/linux/sock_diag.h
_LISTENING = 1 << 10  # TCP_LISTEN, include/net/tcp_states.h
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_ERROR_NUMBER = struct.Struct("=i")
# struct inet_diag_req_v2: family, protocol, extensions, padding, states; then an empty address.
_QUESTION = struct.Struct("=BBBxI48x")
# struct inet_diag_msg: … source port, destination port, source, … and at its end the inode.
_ANSWER = struct.Struct("!4x H2x 16s 44x")
_INODE = struct.Struct("=I")
_RECEIVE = 1 << 16


class Listening(NamedTuple):
    """A socket that listens: its address as the kernel packs it, its port and its inode."""

    address: bytes
    port: int
    inode: int


def listening() -> list[Listening] | None:
    """Every listening TCP socket of the network namespace; None where the kernel cannot tell."""
    try:
        return [*_dump(_socket.AF_INET, 4), *_dump(_socket.AF_INET6, 16)]
    except OSError:
        return None


def _dump(family: int, length: int) -> Iterator[Listening]:
    kind = _socket.SOCK_RAW | _socket.SOCK_CLOEXEC
    channel = _socket.socket(_socket.AF_NETLINK, kind, _NETLINK_SOCK_DIAG)
    try:
        question = _QUESTION.pack(family, _socket.IPPROTO_TCP, 0, _LISTENING)
        size = _HEADER.size + len(question)
        channel.send(_HEADER.pack(size, _BY_FAMILY, _REQUEST_DUMP, 1, 0) + question)
        while True:
            for message in _messages(channel.recv(_RECEIVE)):
                if message is None:
                    return
                port, address = _ANSWER.unpack_from(message)
                inode = _INODE.unpack_from(message, _ANSWER.size)[0]
                yield Listening(address[:length], port, inode)
    finally:
        channel.close()


def _messages(data: bytes) -> Iterator[bytes | None]:
    """The messages of an answer, and None at the end of all. Raises OSError for a refusal."""
    at = 0
    while at < len(data):
        length, kind, *_ = _HEADER.unpack_from(data, at)
        if kind == _ERROR:
            raise OSError(-_ERROR_NUMBER.unpack_from(data, at + _HEADER.size)[0], "sock_diag")
        if kind == _DONE:
            yield None
            return
        yield data[at + _HEADER.size : at + length]
        at += length + 3 & ~3
