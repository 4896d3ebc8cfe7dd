"""The packets of a probe as they come in and leave by the host's devices (packet(7))."""

from __future__ import annotations

import _socket  # Under `socket`, and loaded in a thirtieth of its time.
import struct
from contextlib import suppress

from dnet.probe.evidence import ANSWER, REQUEST, RESET, Packet
from dnet.typing import NamedTuple, Self
from dnet.values.family import V4, V6, Family

_EVERYTHING = 3  # ETH_P_ALL
_ETHERTYPES = {0x0800: V4, 0x86DD: V6}
_LEAVING = 4  # PACKET_OUTGOING
_FILTER = 26  # SO_ATTACH_FILTER
_FORCED_BUFFER = 33  # SO_RCVBUFFORCE
_BUFFER = 1 << 23
_RECEIVE = 256
_PORTS = struct.Struct("!HH")
_HEADERS = {V4: (9, 12, 16), V6: (6, 8, 24)}  # Where the protocol and the addresses are.
_SYN, _RST, _ACK = 0x02, 0x04, 0x10
_FLAGS = 13

# struct sock_filter: code, where to if so and if not, value (linux/filter.h).
_STEP = struct.Struct("=HBBI")
_BYTE, _HALF, _HALF_AT, _LENGTH, _NUMBER = 0x30, 0x28, 0x48, 0xB1, 0x01
_IS, _IS_AT_LEAST, _IS_MORE, _SHIFT, _END = 0x15, 0x35, 0x25, 0x74, 0x06


class Ports(NamedTuple):
    """The source ports of a probe, first and last."""

    first: int
    last: int

    def __contains__(self, port: object) -> bool:
        return isinstance(port, int) and self.first <= port <= self.last


class Sight:
    """Everything from or to some ports that passes a device of the host. Raises OSError."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._socket = _socket.socket(
            _socket.AF_PACKET,
            _socket.SOCK_DGRAM | _socket.SOCK_NONBLOCK,
            _socket.htons(_EVERYTHING),
        )
        with suppress(OSError):
            self._socket.setsockopt(_socket.SOL_SOCKET, _FORCED_BUFFER, _BUFFER)
        self._attach()
        self._seen: dict[int, list[Packet]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def fileno(self) -> int:
        """What is readable when there was a packet."""
        return self._socket.fileno()

    def _attach(self) -> None:
        import ctypes

        code = b"".join(_STEP.pack(*one) for one in _filter(self._ports))
        buffer = ctypes.create_string_buffer(code, len(code))
        pointer = ctypes.addressof(buffer)
        program = struct.pack("HL", len(code) // _STEP.size, pointer)
        self._socket.setsockopt(_socket.SOL_SOCKET, _FILTER, program)

    def read(self) -> None:
        """Take in what passed so far."""
        with suppress(BlockingIOError):
            while True:
                data, (device, ethertype, kind, *_) = self._socket.recvfrom(_RECEIVE)
                if of := _ETHERTYPES.get(ethertype):
                    self._take(of, data, device, leaving=kind == _LEAVING)

    def of(self, port: int) -> tuple[Packet, ...]:
        """What was seen of the attempt from a port."""
        return tuple(self._seen.get(port, ()))

    def _take(self, of: Family, data: bytes, device: str, *, leaving: bool) -> None:
        at, source, destination = _HEADERS[of]
        size = of.bits // 8
        start = (data[0] & 0xF) * 4 if of is V4 else 40
        if len(data) < start + _FLAGS + 1:
            data += bytes(_RECEIVE)
        ports = _PORTS.unpack_from(data, start)
        ask = ports[0] in self._ports
        if not ask and ports[1] not in self._ports:
            return  # It came before the filter was there.
        own, other = ports if ask else (ports[1], ports[0])
        proto = data[at]
        kind = REQUEST if ask else ANSWER
        if proto == _socket.IPPROTO_TCP:
            flags = data[start + _FLAGS]
            if not flags & (_SYN | _RST) or (ask and (flags & _ACK or flags & _RST)):
                return
            kind = RESET if flags & _RST else kind
        begin, end = (
            _socket.inet_ntop(of.number, data[where : where + size])
            for where in (source, destination)
        )
        self._seen.setdefault(own, []).append(Packet(device, leaving, kind, begin, end, other))


def _filter(ports: Ports) -> list[tuple[int, int, int, int]]:
    """A program of packet filters: a version of IP, then a port of the source or destination."""
    return [
        (_BYTE, 0, 0, 0),
        (_SHIFT, 0, 0, 4),
        (_IS, 0, 2, 6),
        (_NUMBER, 0, 0, 40),
        (_IS, 2, 0, 6),
        (_IS, 0, 7, 4),
        (_LENGTH, 0, 0, 0),
        (_HALF_AT, 0, 0, 0),
        (_IS_AT_LEAST, 0, 1, ports.first),
        (_IS_MORE, 0, 4, ports.last),
        (_HALF_AT, 0, 0, 2),
        (_IS_AT_LEAST, 0, 1, ports.first),
        (_IS_MORE, 0, 1, ports.last),
        (_END, 0, 0, 0),
        (_END, 0, 0, _RECEIVE),
    ]
