"""Everything of a kind that the kernel has to tell by netlink(7), one answer after the other."""

from __future__ import annotations

import _socket  # Under `socket`, and loaded in a thirtieth of its time.
import os
import struct
from collections.abc import Iterator

_DONE, _ERROR = 3, 2  # NLMSG_DONE, NLMSG_ERROR, include/uapi/linux/netlink.h
_REQUEST_DUMP = 0x1 | 0x300  # NLM_F_REQUEST, NLM_F_DUMP
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_ERROR_NUMBER = struct.Struct("=i")
_RECEIVE = 1 << 16


def answers(protocol: int, kind: int, question: bytes) -> Iterator[bytes]:
    """The body of each message, of a protocol such as NETLINK_SOCK_DIAG.

    Raises OSError with the kernel's error number.
    """
    socket = _socket.SOCK_RAW | _socket.SOCK_CLOEXEC
    channel = _socket.socket(_socket.AF_NETLINK, socket, protocol)
    try:
        size = _HEADER.size + len(question)
        channel.send(_HEADER.pack(size, kind, _REQUEST_DUMP, 1, 0) + question)
        while True:
            for message in _messages(channel.recv(_RECEIVE)):
                if message is None:
                    return
                yield message
    finally:
        channel.close()


def _messages(data: bytes) -> Iterator[bytes | None]:
    """The messages of an answer, and None at the end of all."""
    at = 0
    while at < len(data):
        length, kind, *_ = _HEADER.unpack_from(data, at)
        if kind == _ERROR:
            number = -_ERROR_NUMBER.unpack_from(data, at + _HEADER.size)[0]
            raise OSError(number, os.strerror(number))
        if kind == _DONE:
            yield None
            return
        yield data[at + _HEADER.size : at + length]
        at += length + 3 & ~3
