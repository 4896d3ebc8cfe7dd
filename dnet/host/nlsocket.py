"""Requests by netlink(7), each acknowledged, and all that the kernel has of a kind.

By hand: the sockets of a library take ten times as long for most requests as the kernel does. What
an answer means is for whoever asked.
"""

from __future__ import annotations

import _socket  # Under `socket`, and loaded in a thirtieth of its time.
import errno
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from dnet.typing import Self

ROUTE, SOCK_DIAG, NETFILTER = 0, 4, 12  # NETLINK_ROUTE, …, include/uapi/linux/netlink.h
CREATE, EXCLUSIVE, REPLACE = 0x400, 0x200, 0x100  # NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE
ECHO = 0x8  # NLM_F_ECHO
NESTED = 1 << 15  # NLA_F_NESTED
HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
ABOUT = struct.Struct("!BBH")  # struct nfgenmsg of NETFILTER: family, version, resource

_ERROR, _DONE = 2, 3  # NLMSG_ERROR, NLMSG_DONE
_BEGIN, _END = 0x10, 0x11  # NFNL_MSG_BATCH_…
_REQUEST, _ACKNOWLEDGE, _DUMP = 0x1, 0x4, 0x300  # NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP
_INTERRUPTED = 0x10  # NLM_F_DUMP_INTR
_NETLINK, _STRICT = 270, 12  # SOL_NETLINK, NETLINK_GET_STRICT_CHK, of Linux 4.20
_NUMBER = struct.Struct("=i")
_ATTRIBUTE = struct.Struct("=HH")  # struct nlattr: length, type
_TYPE = 0x3FFF  # NLA_TYPE_MASK
_RECEIVE = 1 << 17
_TRIES = 10
# So that whoever takes a message apart in its place may look a little past its end.
_MARGIN = bytes(64)

Place = tuple[bytes, int, int]
"""What was received, and where in it the body of a message begins and ends."""
Message = tuple[int, int, bytes]
"""The kind of a message, its flags and its body."""


class Socket:
    """A socket of a protocol, such as ROUTE, in the network namespace it was opened in.

    Raises OSError with the kernel's error number. `changed` is whether something changed while
    the last question was answered.
    """

    def __init__(self, protocol: int) -> None:
        self._socket = _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW, protocol)
        with suppress(OSError):  # An older kernel tells more than is asked for.
            self._socket.setsockopt(_NETLINK, _STRICT, 1)
        self._sequence = 0
        self._refusal = 0
        self.changed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def request(self, kind: int, body: bytes, flags: int = 0) -> list[bytes]:
        """Ask for one thing or change it; the bodies of what is answered until it is acknowledged.

        `flags` are such as CREATE.
        """
        refusal, found = self.attempt(kind, body, flags)
        _accept(refusal)
        return found

    def attempt(self, kind: int, body: bytes, flags: int = 0) -> tuple[int, list[bytes]]:
        """The same where the kernel may refuse: the number of its error, 0 for none, comes first.

        Raises OSError still where it could not be asked.
        """
        places = self._ask(kind, body, flags | _ACKNOWLEDGE)
        found = [data[at:end] for data, at, end in places]
        return self._refusal, found

    def dump(
        self, kind: int, question: bytes, *, most: int | None = None, tries: int = _TRIES
    ) -> list[bytes]:
        """The body of each message about a kind of things.

        Of one moment, unless something changed in the last of the tries as well. Raises OSError
        (E2BIG) where there are more than `most`.
        """
        found: list[bytes] = []
        for _ in range(tries):
            found = []
            for data, at, end in self._ask(kind, question, _DUMP):
                if len(found) == most:
                    raise OSError(errno.E2BIG, f"there are more than {most}")
                found.append(data[at:end])
            _accept(self._refusal)
            if not self.changed:
                break
        return found

    def places(self, kind: int, question: bytes) -> Iterator[Place]:
        """Where the body of each message is, for answers of a million.

        Where something changed meanwhile it is asked again, so that one may come twice.
        """
        for _ in range(_TRIES):
            yield from self._ask(kind, question, _DUMP)
            _accept(self._refusal)
            if not self.changed:
                break

    def transact(self, resource: int, messages: Sequence[Message]) -> None:
        """Change things of one of NETFILTER's resources: all that the messages say, or nothing."""
        end = ABOUT.pack(0, 0, resource)
        changes = ((kind, flags | _ACKNOWLEDGE, body) for kind, flags, body in messages)
        self._send([(_BEGIN, 0, end), *changes, (_END, 0, end)])
        for _ in messages:
            for _place in self._answers():
                pass
            _accept(self._refusal)

    def _ask(self, kind: int, body: bytes, flags: int) -> Iterator[Place]:
        """Send a message; the answers to it."""
        self._send([(kind, flags, body)])
        yield from self._answers()

    def _send(self, messages: Iterable[Message]) -> None:
        self._sequence += 1
        parts = (
            message(body, kind, _REQUEST | flags, self._sequence) for kind, flags, body in messages
        )
        self._socket.send(b"".join(parts))

    def _answers(self) -> Iterator[Place]:
        """What is answered up to the last message, which says how it went."""
        self.changed = False
        while True:
            received = self._socket.recv(_RECEIVE)
            data, at = received + _MARGIN, 0
            while at < len(received):
                length, kind, flags, sequence, _ = HEADER.unpack_from(data, at)
                start, end = at + HEADER.size, at + length
                at += length + 3 & ~3
                if sequence != self._sequence:
                    continue
                self.changed |= bool(flags & _INTERRUPTED)
                if kind in (_ERROR, _DONE):
                    self._refusal = -_NUMBER.unpack_from(data, start)[0] if end > start else 0
                    return
                yield data, start, end


def _accept(refusal: int) -> None:
    if refusal:
        raise OSError(refusal, os.strerror(refusal))


def dump(protocol: int, kind: int, question: bytes) -> list[bytes]:
    """The body of each message, over a socket of its own: see `Socket.dump`.

    Kernels before Linux 4.20 may pass over what only narrows a question down: an answer has to be
    looked at all the same.
    """
    with Socket(protocol) as socket:
        return socket.dump(kind, question)


def places(protocol: int, kind: int, question: bytes) -> Iterator[Place]:
    """Where the body of each message is, over a socket of its own: see `Socket.places`."""
    with Socket(protocol) as socket:
        yield from socket.places(kind, question)


def message(body: bytes, kind: int = 0, flags: int = 0, sequence: int = 0) -> bytes:
    """A message: its header and its body."""
    return HEADER.pack(HEADER.size + len(body), kind, flags, sequence, 0) + body


def attribute(kind: int, value: bytes) -> bytes:
    """A struct nlattr with its value, and what fills it up to a multiple of four bytes."""
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + bytes(-length % 4)


def values(message: bytes) -> Iterator[bytes]:
    """The values of attributes that are all of one type."""
    at = 0
    while at + _ATTRIBUTE.size <= len(message):
        length, _ = _ATTRIBUTE.unpack_from(message, at)
        if length < _ATTRIBUTE.size:
            break
        yield message[at + _ATTRIBUTE.size : at + length]
        at += length + 3 & ~3


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
