"""Everything of a kind that the kernel has to tell by netlink(7), taken apart by hand.

For what a command asks at every start, and for what may be a million rows long: pyroute2 takes
longer to load than the kernel takes to answer, and makes an object of every row.
"""

from __future__ import annotations

import _socket  # Under `socket`, and loaded in a thirtieth of its time.
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Self

ROUTE = 0  # NETLINK_ROUTE, include/uapi/linux/netlink.h
_ERROR, _DONE = 2, 3  # NLMSG_ERROR, NLMSG_DONE
_REQUEST_DUMP = 0x1 | 0x300  # NLM_F_REQUEST, NLM_F_DUMP
_INTERRUPTED = 0x10  # NLM_F_DUMP_INTR
_NETLINK, _STRICT = 270, 12  # SOL_NETLINK, NETLINK_GET_STRICT_CHK
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_NUMBER = struct.Struct("=i")
_ATTRIBUTE = struct.Struct("=HH")  # struct nlattr: length, type
_TYPE = 0x3FFF  # NLA_TYPE_MASK
_RECEIVE = 1 << 16
_TRIES = 10
# So that whoever takes a message apart in its place may look a little past its end.
_MARGIN = bytes(64)

Place = tuple[bytes, int, int]
"""What was received, and where in it the body of a message begins and ends."""


def answers(protocol: int, kind: int, question: bytes) -> list[bytes]:
    """The body of each message, of a protocol such as NETLINK_SOCK_DIAG.

    All of one moment, as far as the kernel tells. Kernels before Linux 4.20 may pass over what
    only narrows a question down: an answer has to be looked at all the same. Raises OSError with
    the kernel's error number.
    """
    found: list[bytes] = []
    with _Talk(protocol) as talk:
        for _ in range(_TRIES):
            found = [data[at:end] for data, at, end in talk.ask(kind, question)]
            if not talk.changed:
                break
    return found


def places(protocol: int, kind: int, question: bytes) -> Iterator[Place]:
    """Where the body of each message is, for answers of a million: see `answers`.

    Where something changed meanwhile it is asked again, so that one may come twice.
    """
    with _Talk(protocol) as talk:
        for _ in range(_TRIES):
            yield from talk.ask(kind, question)
            if not talk.changed:
                break


class _Talk:
    """A socket, and whether something changed while the last question was answered."""

    def __init__(self, protocol: int) -> None:
        kind = _socket.SOCK_RAW | _socket.SOCK_CLOEXEC
        self._socket = _socket.socket(_socket.AF_NETLINK, kind, protocol)
        with suppress(OSError):
            self._socket.setsockopt(_NETLINK, _STRICT, 1)
        self.changed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, kind: int, question: bytes) -> Iterator[Place]:
        """The answers to a question."""
        self.changed = False
        size = _HEADER.size + len(question)
        self._socket.send(_HEADER.pack(size, kind, _REQUEST_DUMP, 1, 0) + question)
        while True:
            received = self._socket.recv(_RECEIVE)
            data, at = received + _MARGIN, 0
            while at < len(received):
                length, kind, flags, _, _ = _HEADER.unpack_from(data, at)
                self.changed |= bool(flags & _INTERRUPTED)
                body = at + _HEADER.size
                if kind in (_ERROR, _DONE):
                    _accept(data[body : at + length])
                    return
                yield data, body, at + length
                at += length + 3 & ~3


def _accept(result: bytes) -> None:
    number = -_NUMBER.unpack_from(result)[0] if result else 0
    if number:
        raise OSError(number, os.strerror(number))


def attribute(kind: int, value: bytes) -> bytes:
    """A struct nlattr with its value, and what fills it up to a multiple of four bytes."""
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + bytes(-length % 4)


def attributes(message: bytes, at: int = 0) -> dict[int, bytes]:
    """The values of the attributes from a place on, by their types."""
    found = {}
    while at + _ATTRIBUTE.size <= len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, at)
        if length < _ATTRIBUTE.size:
            break
        found[kind & _TYPE] = message[at + _ATTRIBUTE.size : at + length]
        at += length + 3 & ~3
    return found
