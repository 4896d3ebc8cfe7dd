"""Both ends of an SCTP association (RFC 9260), over raw sockets: kernels without SCTP have it so.

sctp.py serve NAME ADDRESS PORT...   answers by `NAME CLIENT_IP:CLIENT_PORT`, in its family
sctp.py ask ADDRESS PORT SOURCE      what is answered, nothing where nobody does
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from typing import NamedTuple

_SCTP = 132
_DATA, _INIT, _INIT_ACK, _COOKIE_ECHO, _COOKIE_ACK = 0, 1, 2, 10, 11
_WHOLE = 3  # First and last part of a message.
_COOKIE = 7
_OF_CLIENT, _OF_SERVER = 0x11111111, 0x22222222
_SECONDS = 0.5


class Packet(NamedTuple):
    """A packet with one chunk; `tag` is the one that its receiver has chosen."""

    source: int
    port: int
    tag: int
    kind: int
    value: bytes
    flags: int = 0

    def bytes(self) -> bytes:
        """As it is sent: the checksum is of the packet with zeros in its place."""
        chunk = struct.pack("!BBH", self.kind, self.flags, 4 + len(self.value)) + self.value
        chunk += bytes(-len(chunk) % 4)
        head = struct.pack("!HHI", self.source, self.port, self.tag)
        return head + struct.pack("<I", crc32c(head + bytes(4) + chunk)) + chunk


def parsed(data: bytes) -> Packet | None:
    """What was received, behind the header of IP; None where its checksum is wrong."""
    if struct.unpack_from("<I", data, 8)[0] != crc32c(data[:8] + bytes(4) + data[12:]):
        return None
    source, port, tag, _, kind, flags, length = struct.unpack_from("!HHIIBBH", data)
    return Packet(source, port, tag, kind, data[16 : 12 + length], flags)


def crc32c(data: bytes) -> int:
    """The checksum of SCTP (RFC 9260, appendix A)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def _opening(tag: int) -> bytes:
    return struct.pack("!IIHHI", tag, 65536, 1, 1, 1)


def _message(text: str) -> bytes:
    return struct.pack("!IHHI", 1, 0, 0, 0) + text.encode()


def _raw(ip: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    return socket.socket(family, socket.SOCK_RAW, _SCTP)


def _received(raw: socket.socket) -> tuple[Packet | None, str]:
    """A packet and who sent it: with IPv4 the header of IP is in front of it."""
    data, sender = raw.recvfrom(65535)
    ahead = (data[0] & 15) * 4 if raw.family == socket.AF_INET else 0
    return parsed(data[ahead:]), sender[0]


def serve(name: str, ports: set[int], ip: str) -> None:
    """Answer whoever asks on any of the ports, of the family of an address."""
    answers = {_INIT: _INIT_ACK, _COOKIE_ECHO: _COOKIE_ACK, _DATA: _DATA}
    with _raw(ip) as raw:
        while True:
            asked, sender = _received(raw)
            if asked is None or asked.port not in ports or asked.kind not in answers:
                continue
            value = b""
            if asked.kind == _INIT:
                value = _opening(_OF_SERVER) + struct.pack("!HHI", _COOKIE, 8, 7)
            elif asked.kind == _DATA:
                value = _message(f"{name} {sender}:{asked.source}")
            flags = _WHOLE if asked.kind == _DATA else 0
            kind = answers[asked.kind]
            answer = Packet(asked.port, asked.source, _OF_CLIENT, kind, value, flags)
            raw.sendto(answer.bytes(), (sender, 0))


def ask(ip: str, port: int, source: int) -> str | None:
    """The answer to a message, in an association of its own."""
    steps = (
        (_INIT, 0, _opening(_OF_CLIENT), 0, _INIT_ACK),
        (_COOKIE_ECHO, _OF_SERVER, struct.pack("!I", 7), 0, _COOKIE_ACK),
        (_DATA, _OF_SERVER, _message("who"), _WHOLE, _DATA),
    )
    value = b""
    with _raw(ip) as raw:
        for kind, tag, said, flags, expected in steps:
            raw.sendto(Packet(source, port, tag, kind, said, flags).bytes(), (ip, 0))
            deadline = time.monotonic() + _SECONDS
            found = None
            while found is None:
                raw.settimeout(max(deadline - time.monotonic(), 0.001))
                try:
                    one, sender = _received(raw)
                except TimeoutError:
                    return None
                is_answer = one and (one.source, one.port, one.kind) == (port, source, expected)
                found = one if is_answer and sender == ip else None
            value = found.value
    return value[12:].decode()


if __name__ == "__main__":
    what, where, *rest = sys.argv[1:]
    if what == "serve":
        serve(where, set(map(int, rest[1:])), rest[0])
    print(ask(where, int(rest[0]), int(rest[1])) or "")
