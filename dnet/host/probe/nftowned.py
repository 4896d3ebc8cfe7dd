"""Tables of nftables that belong to a socket: nobody else can change them, and they go with it.

By netlink: nft(8) would be a process more to outlive this one. What is made here are the messages
of `Socket.transact`: those of nf_tables_api.c, with the numbers of
include/uapi/linux/netfilter/nf_tables.h.
"""

from __future__ import annotations

import _socket  # Under `socket`, and loaded in a thirtieth of its time.
import os
import struct

from dnet.host import nlsocket
from dnet.host.nlsocket import ABOUT, NESTED, Message, attribute
from dnet.values.family import V4, V6, Family

INET, NETDEV = 1, 5  # NFPROTO_INET, NFPROTO_NETDEV
PREROUTING, INPUT, FORWARD, OUTPUT, POSTROUTING = range(5)  # NF_INET_…
INGRESS, EGRESS = 0, 1  # NF_NETDEV_…

RESOURCE = 10  # NFNL_SUBSYS_NFTABLES
_SUBSYSTEM = RESOURCE << 8
_NEW_TABLE, _NEW_CHAIN, _NEW_RULE = _SUBSYSTEM, _SUBSYSTEM | 3, _SUBSYSTEM | 6
_APPEND = 0x800  # NLM_F_APPEND
_NUMBER = struct.Struct("!I")
_OWNER = 0x2  # NFT_TABLE_F_OWNER, of Linux 5.12
_ACCEPT = 1  # NF_ACCEPT

_REGISTER = 1  # NFT_REG_1
_NETWORK, _TRANSPORT = 1, 2  # NFT_PAYLOAD_…_HEADER
_EQUAL, _OTHER = 0, 1  # NFT_CMP_EQ, NFT_CMP_NEQ
# NFT_META_PROTOCOL, _NFTRACE, _NFPROTO, _L4PROTO, _PKTTYPE
_PROTOCOL, _NFTRACE, _NFPROTO, _L4PROTO, _PKTTYPE = 1, 12, 15, 16, 19
_ETHERTYPES = {V4: 0x0800, V6: 0x86DD}
# Where the addresses are in a header, and the flags in that of TCP.
_SOURCE, _DESTINATION = {V4: 12, V6: 8}, {V4: 16, V6: 24}
_TCP_FLAGS = 13
_SYN, _RST = 0x02, 0x04


def table(family: int, name: str) -> Message:
    """A table of the socket's own."""
    body = _text(1, name) + _number(2, _OWNER)
    return _NEW_TABLE, nlsocket.CREATE | nlsocket.EXCLUSIVE, ABOUT.pack(family, 0, 0) + body


def chain(
    family: int, of: str, name: str, hook: int, priority: int, device: str | None = None
) -> Message:
    """A chain at a hook, which accepts; on a device for the family NETDEV."""
    at = _number(1, hook) + attribute(2, struct.pack("!i", priority))
    if device is not None:
        at += attribute(3, os.fsencode(device) + b"\0")
    body = _text(1, of) + _text(3, name) + attribute(4 | NESTED, at)
    body += _number(5, _ACCEPT) + _text(7, "filter")
    return _NEW_CHAIN, nlsocket.CREATE, ABOUT.pack(family, 0, 0) + body


def rule(family: int, of: str, in_chain: str, *expressions: bytes) -> Message:
    """A rule at the end of a chain."""
    listed = b"".join(attribute(1 | NESTED, one) for one in expressions)
    body = _text(1, of) + _text(2, in_chain) + attribute(4 | NESTED, listed)
    return _NEW_RULE, nlsocket.CREATE | _APPEND, ABOUT.pack(family, 0, 0) + body


def flow(
    of: Family, proto: int, ports: tuple[int, int], *, source: str | None = None
) -> list[bytes]:
    """What a rule of the family INET asks of the first packet of a flow, or of its answer.

    Its protocol, its ports, and of TCP that it is a SYN. Of an answer, which comes from an address,
    it may be a RST as well.
    """
    found = [
        *_meta_is(_NFPROTO, bytes([of.number])),
        *_meta_is(_L4PROTO, bytes([proto])),
        *_is_at(_TRANSPORT, 0, struct.pack("!HH", *ports)),
    ]
    if source is not None:
        packed = _socket.inet_pton(of.number, source)
        found += _is_at(_NETWORK, _SOURCE[of], packed)
    if proto == _socket.IPPROTO_TCP:
        flags = _SYN if source is None else _SYN | _RST
        found += [_load(_TRANSPORT, _TCP_FLAGS, 1), _masked(flags), _compare(b"\0", _OTHER)]
    return found


def traces() -> list[bytes]:
    """What a rule does that lets the kernel tell of a packet's way (nft(8), "meta nftrace")."""
    return [_immediate(b"\1"), _expression("meta", _number(2, _NFTRACE) + _number(3, _REGISTER))]


def goes_to(of: Family, address: str) -> list[bytes]:
    """What a rule of the family NETDEV asks of a packet to an address."""
    packed = _socket.inet_pton(of.number, address)
    return [
        *_meta_is(_PROTOCOL, struct.pack("!H", _ETHERTYPES[of])),
        *_is_at(_NETWORK, _DESTINATION[of], packed),
    ]


def forwards_to(index: int) -> list[bytes]:
    """What a rule of the family NETDEV does that sends a packet by another device."""
    return [_immediate(struct.pack("=I", index)), _expression("fwd", _number(1, _REGISTER))]


def takes() -> list[bytes]:
    """What a rule does that takes a packet for the host's own, whatever its hardware address."""
    return [_immediate(b"\0"), _expression("meta", _number(2, _PKTTYPE) + _number(3, _REGISTER))]


def _meta_is(key: int, value: bytes) -> list[bytes]:
    return [_expression("meta", _number(1, _REGISTER) + _number(2, key)), _compare(value)]


def _is_at(base: int, offset: int, value: bytes) -> list[bytes]:
    return [_load(base, offset, len(value)), _compare(value)]


def _load(base: int, offset: int, length: int) -> bytes:
    numbers = enumerate((_REGISTER, base, offset, length), 1)
    return _expression("payload", b"".join(_number(kind, value) for kind, value in numbers))


def _compare(value: bytes, how: int = _EQUAL) -> bytes:
    return _expression("cmp", _number(1, _REGISTER) + _number(2, how) + _data(3, value))


def _masked(mask: int) -> bytes:
    body = _number(1, _REGISTER) + _number(2, _REGISTER) + _number(3, 1)
    return _expression("bitwise", body + _data(4, bytes([mask])) + _data(5, b"\0"))


def _immediate(value: bytes) -> bytes:
    return _expression("immediate", _number(1, _REGISTER) + _data(2, value))


def _expression(name: str, body: bytes) -> bytes:
    return _text(1, name) + attribute(2 | NESTED, body)


def _data(kind: int, value: bytes) -> bytes:
    return attribute(kind | NESTED, attribute(1, value))


def _text(kind: int, value: str) -> bytes:
    return attribute(kind, os.fsencode(value) + b"\0")


def _number(kind: int, value: int) -> bytes:
    return attribute(kind, _NUMBER.pack(value))
