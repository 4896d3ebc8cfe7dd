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
from dnet.host.probe.backlog import Backlog
from dnet.host.probe.sight import Ports
from dnet.probe.evidence import ANSWERED, REFUSED, SILENT, UNREACHABLE
from dnet.typing import NamedTuple, Protocol
from dnet.values import family

_KINDS = {"tcp": _socket.SOCK_STREAM, "udp": _socket.SOCK_DGRAM}
# Above those that kernels choose by themselves (ip_local_port_range).
_PORTS = (61000, 65535)
_GREETING = b"dnet probe\n"
# How long the answer to a datagram may take that was seen to arrive, in seconds.
_REPLY = 0.25
# How long a packet of a handshake may take to get to the container, in seconds.
_PASSAGE = 0.05
_PAUSE = 0.02
_LARGE = b"\r\n" * 700  # 1,400 bytes, which most servers take for no request at all.
_UNSENT = 0x5411  # SIOCOUTQ: how much was not acknowledged yet (tcp(7))
_RESETS = struct.pack("ii", 1, 0)  # struct linger: it ends at once, and leaves no trace.
_REFUSALS = (errno.ECONNREFUSED, errno.ECONNRESET)
# What the rules of whoever sends say with it, rather than a router.
_SILENCES = (errno.ETIMEDOUT, errno.EPERM, errno.EAGAIN, errno.EINPROGRESS)


class Shot(NamedTuple):
    """What is tried: a port of an address, from a network namespace; None is the own one.

    `backlog` is that of the listener that it is to come to, where it takes room there.
    """

    proto: str
    address: str
    port: int
    descriptor: int | None = None
    backlog: Backlog | None = None


class Hit(NamedTuple):
    """What became of it for whoever tried: how it ended, in the system's words, and from where.

    `large` is whether 1,400 bytes were acknowledged, None where that was not tried.
    """

    outcome: str
    error: str
    source_port: int
    source: str
    large: bool | None = None


class Eye(Protocol):
    """Something that sees packets."""

    def read(self) -> None:
        """Take in what is to be seen so far."""

    def fileno(self) -> int:
        """What is readable when there is something to be seen."""


class Watch:
    """Attempts while they last.

    `has_arrived` tells whether the packet from a port was seen to arrive; `answering` who answered
    an attempt, which is asked as it ends. `hits` and `peers` have what came of it.
    """

    def __init__(
        self,
        eyes: Sequence[Eye],
        has_arrived: Callable[[int], bool] = lambda _: False,
        answering: Callable[[Hit], str | None] = lambda _: None,
    ) -> None:
        self.eyes = eyes
        self.has_arrived = has_arrived
        self._answering = answering
        self.hits: dict[int, Hit] = {}
        self.peers: dict[int, str | None] = {}

    def read(self) -> None:
        """Take in what is to be seen so far."""
        for one in self.eyes:
            one.read()

    def ended(self, hit: Hit) -> None:
        """Keep what became of one; its socket is open still."""
        self.hits[hit.source_port] = hit
        self.peers[hit.source_port] = self._answering(hit)


class _Attempt:
    def __init__(self, shot: Shot, ports: Iterator[int]) -> None:
        self.shot = shot
        self.outcome: str | None = None
        self.error = ""
        self.source = ""
        self.large: bool | None = None
        # Moments of the monotonic clock.
        self.begun_at = 0.0
        self.connected_at: float | None = None
        self.seen_at: float | None = None
        entered = nullcontext() if shot.descriptor is None else netns.inside(shot.descriptor)
        own = family.of(shot.address)
        with entered:
            self.socket = _socket.socket(
                own.number, _KINDS[shot.proto] | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC
            )
        self.port = _bound(self.socket, own.any, ports)

    def begin(self) -> None:
        self.begun_at = time.monotonic()
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

    def look(self) -> bool:
        """It is writable, readable or failed: whether it has ended by that."""
        refusal = self.socket.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)
        if self.shot.proto == "udp" and not refusal:
            try:
                self.socket.recv(1)
            except BlockingIOError:
                return False
            except OSError as error:
                refusal = error.errno or errno.EIO
        self._end(refusal)
        return True

    def _end(self, refusal: int) -> None:
        if not refusal:
            self.outcome = ANSWERED
        elif refusal in _REFUSALS:
            self.outcome = REFUSED
        else:
            self.outcome = SILENT if refusal in _SILENCES else UNREACHABLE
            self.error = os.strerror(refusal)

    @property
    def is_tcp(self) -> bool:
        return self.shot.proto == "tcp"

    @property
    def hit(self) -> Hit:
        return Hit(self.outcome or SILENT, self.error, self.port, self.source, self.large)

    def takes_room(self, now: float) -> bool:
        """Whether it may come to the listener still, or get into its backlog.

        Later it is there already, or gets nowhere.
        """
        return now - (self.connected_at or self.begun_at) < _PASSAGE

    def is_over(self, now: float, timeout: float, watch: Watch) -> bool:
        """Whether nothing more comes of it; it sends more where the handshake is done."""
        if self.outcome is None:
            return now - self.begun_at > timeout or self._has_waited(now, watch)
        if self.outcome != ANSWERED or not self.is_tcp:
            return True
        if self.connected_at is None:
            self.connected_at = now
            self._send_more()
        return self._is_acknowledged() or now - self.connected_at > timeout

    def _has_waited(self, now: float, watch: Watch) -> bool:
        """Whether a datagram has arrived that nobody answered for long enough."""
        if self.is_tcp:
            return False
        if self.seen_at is None and watch.has_arrived(self.port):
            self.seen_at = now
        return self.seen_at is not None and now - self.seen_at > _REPLY

    def _send_more(self) -> None:
        with suppress(OSError):
            self.large = False
            self.socket.send(_LARGE)

    def _is_acknowledged(self) -> bool:
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

    def send(self, watch: Watch, timeout: float) -> None:
        """Try all, each for `timeout` seconds at most, and close it then.

        They are side by side as far as listeners have room for them.
        """
        poll = select.poll()
        for eye in watch.eyes:
            poll.register(eye, select.POLLIN)
        queued, flying = list(self._attempts), dict[int, _Attempt]()
        while queued or flying:
            queued = self._begun(queued, flying, poll)
            is_busy = queued or any(one.connected_at for one in flying.values())
            for descriptor, _ in poll.poll((_PAUSE / 10 if is_busy else _PAUSE) * 1000):
                if (one := flying.get(descriptor)) and one.look():
                    poll.unregister(descriptor)
            watch.read()
            now = time.monotonic()
            for descriptor, one in list(flying.items()):
                if one.is_over(now, timeout, watch):
                    del flying[descriptor]
                    if one.outcome is None:
                        poll.unregister(descriptor)
                    watch.ended(one.hit)
                    one.close()
        time.sleep(_PAUSE)
        watch.read()

    @staticmethod
    def _begun(
        queued: Sequence[_Attempt], flying: dict[int, _Attempt], poll: select.poll
    ) -> list[_Attempt]:
        """Begin those that there is room for; those that are left."""
        now = time.monotonic()
        rooms: dict[Backlog, int] = {}
        left = []
        for one in queued:
            backlog = one.shot.backlog
            if backlog is not None:
                if backlog not in rooms:
                    coming = (other for other in flying.values() if other.shot.backlog is backlog)
                    rooms[backlog] = backlog.room(now) - sum(it.takes_room(now) for it in coming)
                if rooms[backlog] <= 0:
                    left.append(one)
                    continue
                rooms[backlog] -= 1
            one.begin()
            flying[one.socket.fileno()] = one
            if one.outcome is None:
                poll.register(one.socket, select.POLLOUT if one.is_tcp else select.POLLIN)
        return left
