"""Attempts to reach ports, all of them side by side: handshakes of TCP, and datagrams of UDP."""

from __future__ import annotations

import _socket  # Under `socket`, and loaded in a thirtieth of its time.
import errno
import os
import select
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress

from dnet.host import netns
from dnet.host.probe.sight import Ports, Sight
from dnet.host.probe.trace import Trace
from dnet.probe.evidence import ANSWERED, REFUSED, SILENT, UNREACHABLE
from dnet.typing import NamedTuple
from dnet.values import family

_KINDS = {"tcp": _socket.SOCK_STREAM, "udp": _socket.SOCK_DGRAM}
# Above those that kernels choose by themselves (ip_local_port_range).
_PORTS = (61000, 65535)
_GREETING = b"dnet probe\n"
# How long the answer to a datagram may take that was seen to arrive, in seconds.
_REPLY = 0.25
_PAUSE = 0.02
_LARGE = b"\r\n" * 700  # 1,400 bytes, which most servers take for no request at all.
_UNSENT = 0x5411  # SIOCOUTQ: how much was not acknowledged yet (tcp(7))
_RESETS = struct.pack("ii", 1, 0)  # struct linger: it ends at once, and leaves no trace.
_REFUSALS = (errno.ECONNREFUSED, errno.ECONNRESET)
# What the rules of whoever sends say with it, rather than a router.
_SILENCES = (errno.ETIMEDOUT, errno.EPERM, errno.EAGAIN, errno.EINPROGRESS)


class Shot(NamedTuple):
    """What is tried: a port of an address, from a network namespace; None is the own one."""

    proto: str
    address: str
    port: int
    descriptor: int | None = None


class Hit(NamedTuple):
    """What became of it for whoever tried: how it ended, in the system's words, and from where.

    `large` is whether 1,400 bytes were acknowledged, None where that was not tried.
    """

    outcome: str
    error: str
    source_port: int
    source: str
    large: bool | None = None


class _Attempt:
    def __init__(self, shot: Shot, ports: Iterator[int]) -> None:
        self.shot = shot
        self.outcome: str | None = None
        self.error = ""
        self.source = ""
        self.large: bool | None = None
        self.seen_at: float | None = None
        entered = nullcontext() if shot.descriptor is None else netns.inside(shot.descriptor)
        own = family.of(shot.address)
        with entered:
            self.socket = _socket.socket(
                own.number, _KINDS[shot.proto] | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC
            )
        self.port = _bound(self.socket, own.any, ports)

    def begin(self) -> None:
        try:
            refusal = self.socket.connect_ex((self.shot.address, self.shot.port))
            if self.shot.proto == "udp" and not refusal:
                self.socket.send(_GREETING)
        except OSError as error:
            refusal = error.errno or errno.EIO
        with suppress(OSError):
            self.source = self.socket.getsockname()[0]
        if refusal not in (0, errno.EINPROGRESS):
            self._end(refusal)

    def look(self) -> None:
        """It is writable, readable or failed."""
        refusal = self.socket.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)
        if self.shot.proto == "udp" and not refusal:
            try:
                self.socket.recv(1)
            except BlockingIOError:
                return
            except OSError as error:
                refusal = error.errno or errno.EIO
        self._end(refusal)

    def _end(self, refusal: int) -> None:
        if not refusal:
            self.outcome = ANSWERED
        elif refusal in _REFUSALS:
            self.outcome = REFUSED
        else:
            self.outcome = SILENT if refusal in _SILENCES else UNREACHABLE
            self.error = os.strerror(refusal)

    def send_more(self) -> None:
        with suppress(OSError):
            self.large = False
            self.socket.send(_LARGE)

    def is_acknowledged(self) -> bool:
        """Whether all was; it is as good where the other end has closed."""
        import fcntl

        left = fcntl.ioctl(self.socket.fileno(), _UNSENT, struct.pack("i", 0))
        failed = self.socket.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)
        self.large = struct.unpack("i", left)[0] == 0 or bool(failed)
        return self.large

    def close(self) -> None:
        with suppress(OSError):
            self.socket.setsockopt(_socket.SOL_SOCKET, _socket.SO_LINGER, _RESETS)
        self.socket.close()


def _bound(socket: _socket.socket, address: str, ports: Iterator[int]) -> int:
    for port in ports:
        try:
            socket.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                continue
            raise
        return port
    raise OSError(errno.EADDRINUSE, "no port is free to send from")


class Volley:
    """Attempts from ports of their own, watched. Raises OSError."""

    def __init__(self, shots: Sequence[Shot]) -> None:
        room = 2 * len(shots) + 32
        start = _PORTS[0] + int.from_bytes(os.urandom(4), "big") % (_PORTS[1] - _PORTS[0] - room)
        self.ports = Ports(start, start + room - 1)
        free = iter(range(self.ports.first, self.ports.last + 1))
        self._attempts: list[_Attempt] = []
        try:
            for shot in shots:
                self._attempts.append(_Attempt(shot, free))
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Close every connection."""
        for one in self._attempts:
            one.close()

    @property
    def source_ports(self) -> list[int]:
        """The port that each attempt comes from."""
        return [one.port for one in self._attempts]

    def begin(self) -> None:
        """Send the first packet of each."""
        for one in self._attempts:
            one.begin()

    def send(
        self, sight: Sight, trace: Trace | None, timeout: float, arrived: Callable[[int], bool]
    ) -> list[Hit]:
        """Try all, for `timeout` seconds at most; how each ended.

        `arrived` tells of a datagram whether it was seen to arrive, by its source port.
        """
        poll = select.poll()
        poll.register(sight, select.POLLIN)
        if trace:
            poll.register(trace, select.POLLIN)
        waiting: dict[int, _Attempt] = {}
        self.begin()
        for one in self._attempts:
            if one.outcome is None:
                waiting[one.socket.fileno()] = one
                events = select.POLLOUT if one.shot.proto == "tcp" else select.POLLIN
                poll.register(one.socket, events)
        self._wait(poll, waiting, time.monotonic() + timeout, sight, trace, arrived)
        self._send_more(timeout)
        time.sleep(_PAUSE)
        _read(sight, trace)
        return [
            Hit(one.outcome or SILENT, one.error, one.port, one.source, one.large)
            for one in self._attempts
        ]

    def _wait(
        self,
        poll: select.poll,
        waiting: dict[int, _Attempt],
        end: float,
        sight: Sight,
        trace: Trace | None,
        arrived: Callable[[int], bool],
    ) -> None:
        while waiting and (left := end - time.monotonic()) > 0:
            for descriptor, _ in poll.poll(min(left, _PAUSE) * 1000):
                if one := waiting.get(descriptor):
                    one.look()
            _read(sight, trace)
            for descriptor, one in list(waiting.items()):
                if one.outcome or _has_waited(one, arrived):
                    poll.unregister(descriptor)
                    del waiting[descriptor]

    def _send_more(self, timeout: float) -> None:
        more = [
            one for one in self._attempts if one.shot.proto == "tcp" and one.outcome == ANSWERED
        ]
        for one in more:
            one.send_more()
        end = time.monotonic() + timeout
        while more and time.monotonic() < end:
            more = [one for one in more if not one.is_acknowledged()]
            if more:
                time.sleep(_PAUSE / 4)


def _has_waited(one: _Attempt, arrived: Callable[[int], bool]) -> bool:
    """Whether a datagram has arrived that nobody answered for long enough."""
    if one.shot.proto != "udp":
        return False
    now = time.monotonic()
    if one.seen_at is None and arrived(one.port):
        one.seen_at = now
    return one.seen_at is not None and now - one.seen_at > _REPLY


def _read(sight: Sight, trace: Trace | None) -> None:
    sight.read()
    if trace:
        trace.read()
