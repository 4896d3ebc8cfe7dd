"""One entry of the connection tracking table, as the kernel tells it by netlink (ctnetlink).

The messages are nf_conntrack_netlink.c's; the numbers are those of
include/uapi/linux/netfilter/nfnetlink.h and nfnetlink_conntrack.h.
"""

from __future__ import annotations

import _socket  # Under `socket`, and loaded in a thirtieth of its time.
import struct
from collections.abc import Mapping
from itertools import starmap

from dnet.host.nlsocket import NESTED, attribute, attributes
from dnet.typing import NamedTuple
from dnet.values.family import V4, V6

SUBSYSTEM = 1 << 8  # NFNL_SUBSYS_CTNETLINK
# CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_TIMEOUT, CTA_ID, CTA_ZONE
ASKS, ANSWERS, TIMEOUT, IDENT, ZONE = 1, 2, 7, 12, 18
IP, PROTO = 1, 2  # CTA_TUPLE_IP, CTA_TUPLE_PROTO
SOURCES = {V4: 1, V6: 3}  # CTA_IP_V4_SRC, CTA_IP_V6_SRC; the destination is the next
NUMBER, SOURCE_PORT, DESTINATION_PORT = 1, 2, 3  # CTA_PROTO_NUM, CTA_PROTO_SRC_PORT, …

# ASKS or ANSWERS of IPv4 and a protocol with ports: in network order the addresses, the protocol
# and the ports. Nothing else is as long.
_SHORT = struct.Struct("!12x 4s 4x 4s 8x B 3x 4x H 2x 4x H 2x")
_ASKS_SHORT, _ANSWERS_SHORT = (
    struct.pack("=HH", _SHORT.size, way | NESTED) for way in (ASKS, ANSWERS)
)
_Direction = tuple[bytes, bytes, int, int | None, int | None]
_GRE = 47
# As conntrack(8) calls them.
NAMES = {1: "icmp", 6: "tcp", 17: "udp", 33: "dccp", _GRE: "gre", 58: "icmpv6"}
NAMES |= {132: "sctp", 136: "udplite"}
_KEYS = ((SOURCE_PORT, "srckey"), (DESTINATION_PORT, "dstkey"))
_FIELDS = (
    *((SOURCE_PORT, "sport"), (DESTINATION_PORT, "dport")),
    *((5, "type"), (6, "code"), (4, "id")),  # CTA_PROTO_ICMP_TYPE, …
    *((8, "type"), (9, "code"), (7, "id")),  # CTA_PROTO_ICMPV6_TYPE, …
)


class Entry(NamedTuple):
    """An entry: who sent the first packet to whom, and who answers.

    `number` is the protocol's; ports are None for protocols without. `told` is all that the
    kernel told of it, as attributes.
    """

    number: int
    src: str
    dst: str
    dport: int | None
    reply_src: str
    reply_dst: str
    reply_sport: int | None
    told: bytes

    def __str__(self) -> str:
        proto = attributes(attributes(attributes(self.told)[ASKS])[PROTO])
        if self.number == _GRE:
            words = [f" {name}={_number(proto[kind]):#x}" for kind, name in _KEYS]
        else:
            words = [f" {name}={_number(proto[kind])}" for kind, name in _FIELDS if kind in proto]
        fields = "".join(words)
        return f"{self.proto} src={self.src} dst={self.dst}{fields}, answered by {self.reply_src}"

    @property
    def proto(self) -> str:
        """The name of its protocol, `unknown` of one that conntrack(8) has no name for."""
        return NAMES.get(self.number, "unknown")

    @property
    def is_aimed_elsewhere(self) -> bool:
        """Whether somebody else answers than was asked, and knows who asked."""
        return self.dst != self.reply_src and self.src == self.reply_dst


def read(told: bytes) -> Entry:
    """An entry by its attributes."""
    if told.startswith(_ASKS_SHORT) and told.startswith(_ANSWERS_SHORT, _SHORT.size):
        asks, answers = _SHORT.unpack_from(told), _SHORT.unpack_from(told, _SHORT.size)
    else:
        has = attributes(told)
        asks, answers = _direction(has[ASKS]), _direction(has[ANSWERS])
    src, dst, number, _, dport = asks
    reply_src, reply_dst, _, reply_sport, _ = answers
    if number == _GRE:  # It keeps its keys as ports.
        dport = reply_sport = None
    return Entry(
        number,
        _address(src),
        _address(dst),
        dport,
        _address(reply_src),
        _address(reply_dst),
        reply_sport,
        told,
    )


def direction(kind: int, ip: Mapping[int, bytes], proto: Mapping[int, bytes]) -> bytes:
    """ASKS or ANSWERS, as far as its addresses and what its protocol adds are given."""
    parts = b""
    for part, has in ((IP, ip), (PROTO, proto)):
        if has:
            parts += attribute(part | NESTED, b"".join(starmap(attribute, has.items())))
    return attribute(kind | NESTED, parts)


def _direction(told: bytes) -> _Direction:
    has = attributes(told)
    source, destination = attributes(has[IP]).values()
    proto = attributes(has[PROTO])
    sport, dport = proto.get(SOURCE_PORT), proto.get(DESTINATION_PORT)
    return source, destination, proto[NUMBER][0], _port(sport), _port(dport)


def _address(packed: bytes) -> str:
    own = V4 if len(packed) == V4.bits // 8 else V6
    return _socket.inet_ntop(own.number, packed)


def _port(value: bytes | None) -> int | None:
    return None if value is None else _number(value)


def _number(value: bytes) -> int:
    return int.from_bytes(value, "big")
