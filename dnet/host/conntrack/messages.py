"""Deleting single connection tracking entries through netlink (ctnetlink), and holding their place.

The messages are nf_conntrack_netlink.c's; the numbers are those of
include/uapi/linux/netfilter/nfnetlink.h and nfnetlink_conntrack.h. IPCTNL_MSG_CT_DELETE names the
reply tuple, the zone and the identity of the entry. The reply tuple, since it says how the flow is
translated: one that was tracked anew meanwhile, under the present rules, has the same original
tuple and, in the same place of memory, the same identity, but it is not what was listed and has to
stay.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import count
from typing import TYPE_CHECKING

from dnet.host.conntrack.entry import Entry
from dnet.values import family
from dnet.values.family import V6

if TYPE_CHECKING:
    import socket

_NETLINK_NETFILTER = 12
_CT_NEW = 1 << 8 | 0  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW
_CT_DELETE = 1 << 8 | 2  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE
_REQUEST_ACK = 1 | 4  # NLM_F_REQUEST, NLM_F_ACK
_CREATE_ONLY = 0x400 | 0x200  # NLM_F_CREATE, NLM_F_EXCL
_NLMSG_ERROR = 2
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_ERROR = struct.Struct("=i")
_RECEIVE = 1 << 13
_ATTEMPTS = 3
_SHORT_TIMEOUT = 30  # Seconds: nf_conntrack_udp_timeout (nf_conntrack-sysctl), for what has none.

_NESTED = 1 << 15
# CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_PROTOINFO, CTA_TIMEOUT, CTA_ID, CTA_ZONE
_TUPLE_ORIG, _TUPLE_REPLY, _PROTOINFO, _TIMEOUT, _ID, _ZONE = 1, 2, 4, 7, 12, 18
# CTA_PROTOINFO_TCP, CTA_PROTOINFO_TCP_STATE, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL
_TCP, _TCP_STATE, _TCP_FLAGS = 1, 1, 4
# include/uapi/linux/netfilter/nf_conntrack_tcp.h
_TCP_CLOSED, _CLOSE_INIT = 8, 0x04  # TCP_CONNTRACK_CLOSE, IP_CT_TCP_FLAG_CLOSE_INIT
_TUPLE_IP, _TUPLE_PROTO, _TUPLE_ZONE = 1, 2, 3
_PROTO_NUM = 1

_ICMPV6 = 58
# The attribute and the format of each field of the protocol; GRE keeps its keys as ports.
_PORTS = {"sport": (2, "!H"), "dport": (3, "!H"), "srckey": (2, "!H"), "dstkey": (3, "!H")}
_PROTO = {**_PORTS, "id": (4, "!H"), "type": (5, "B"), "code": (6, "B")}
_TURNED = {"sport": "dport", "dport": "sport"}
_PROTO_V6 = {**_PORTS, "id": (7, "!H"), "type": (8, "B"), "code": (9, "B")}


def destroy(
    entries: Iterable[Entry], warn: Callable[[str], None], hold: Collection[Entry] = ()
) -> Iterator[Entry]:
    """Delete `entries`; yields those that were there. What the kernel refuses is told to `warn`.

    The place of those that are in `hold` too is taken at once by an entry between the same two
    peers that translates nothing, and lasts as long as the deleted one had left.
    """
    import socket

    try:
        channel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
    except OSError as error:
        warn(f"cannot delete connection tracking entries: {error.strerror}")
        return
    numbers = count(1)
    with channel:
        for entry in entries:
            number = _ask(channel, deletion(entry, next(numbers)))
            if number == errno.ENOENT:
                continue
            if number:
                warn(f"cannot delete connection tracking entry {entry}: {os.strerror(number)}")
                continue
            if entry in hold:
                _hold(channel, entry, numbers, warn)
            yield entry


def _hold(
    channel: socket.socket, entry: Entry, numbers: Iterator[int], warn: Callable[[str], None]
) -> None:
    """Take the place of an entry, from whoever took it in the moment since its deletion."""
    number = 0
    for _ in range(_ATTEMPTS):
        number = _ask(channel, holding(entry, next(numbers)))
        if number != errno.EEXIST:
            break
        _ask(channel, eviction(entry, next(numbers)))
    if number:
        warn(f"what ended may come back: {entry}: {os.strerror(number)}")


def _ask(channel: socket.socket, message: bytes) -> int:
    """Send a message; the error number of its acknowledgement, 0 for success."""
    channel.send(message)
    sequence = _HEADER.unpack_from(message)[3]
    while True:
        answer = channel.recv(_RECEIVE)
        _, kind, _, number, _ = _HEADER.unpack_from(answer)
        if kind == _NLMSG_ERROR and number == sequence:
            return -int(_ERROR.unpack_from(answer, _HEADER.size)[0])


def deletion(entry: Entry, sequence: int) -> bytes:
    """The netlink message that deletes `entry` and no other."""
    body = _attribute(_TUPLE_REPLY | _NESTED, _answers(entry))
    zone, _ = entry.zone()
    if zone is not None:
        body += _attribute(_ZONE, struct.pack("!H", zone))
    ident = entry.ident()
    if ident is not None:
        body += _attribute(_ID, struct.pack("!I", ident))
    return _message(_CT_DELETE, entry, body, sequence)


def eviction(entry: Entry, sequence: int) -> bytes:
    """The message that deletes whichever entry the packets of the one who asked belong to now."""
    return _message(_CT_DELETE, entry, _attribute(_TUPLE_ORIG | _NESTED, _asks(entry)), sequence)


def holding(entry: Entry, sequence: int) -> bytes:
    """The message that makes an entry in which the one who was asked answers itself.

    A TCP connection is closed in it, so that the kernel forgets it as soon as the client begins
    a new one from the same port.
    """
    turned = {_TURNED.get(key, key): value for key, value in entry.orig_fields().items()}
    answers = _tuple(entry, entry.dst, entry.src, turned)
    body = _attribute(_TUPLE_ORIG | _NESTED, _asks(entry))
    body += _attribute(_TUPLE_REPLY | _NESTED, answers)
    body += _attribute(_TIMEOUT, struct.pack("!I", entry.timeout or _SHORT_TIMEOUT))
    if entry.proto == "tcp":
        state = _attribute(_TCP_STATE, bytes([_TCP_CLOSED]))
        state += _attribute(_TCP_FLAGS, bytes([_CLOSE_INIT, _CLOSE_INIT]))  # and their mask
        body += _attribute(_PROTOINFO | _NESTED, _attribute(_TCP | _NESTED, state))
    return _message(_CT_NEW, entry, body, sequence, _CREATE_ONLY)


def _message(kind: int, entry: Entry, body: bytes, sequence: int, flags: int = 0) -> bytes:
    # The body is never empty: a deletion without a tuple would flush the whole table.
    body = struct.pack("!BBH", family.of(entry.src).number, 0, 0) + body
    size = _HEADER.size + len(body)
    return _HEADER.pack(size, kind, _REQUEST_ACK | flags, sequence, 0) + body


def _asks(entry: Entry) -> bytes:
    """The original tuple, as far as it has no zone of its own."""
    return _tuple(entry, entry.src, entry.dst, entry.orig_fields())


def _answers(entry: Entry) -> bytes:
    """The reply tuple."""
    parts = _tuple(entry, entry.reply_src, entry.reply_dst, entry.reply_fields())
    _, zone = entry.zone()
    if zone is not None:
        parts += _attribute(_TUPLE_ZONE, struct.pack("!H", zone))
    return parts


def _tuple(entry: Entry, source: str, destination: str, fields: Mapping[str, int]) -> bytes:
    import socket

    own = family.of(entry.src)
    first = 3 if own is V6 else 1  # CTA_IP_V6_SRC, CTA_IP_V4_SRC
    addresses = b"".join(
        _attribute(kind, socket.inet_pton(own.number, address))
        for kind, address in ((first, source), (first + 1, destination))
    )
    kinds = _PROTO_V6 if entry.number == _ICMPV6 else _PROTO
    protocol = _attribute(_PROTO_NUM, bytes([entry.number]))
    for key, value in fields.items():
        kind, layout = kinds[key]
        protocol += _attribute(kind, struct.pack(layout, value))
    parts = _attribute(_TUPLE_IP | _NESTED, addresses)
    return parts + _attribute(_TUPLE_PROTO | _NESTED, protocol)


def _attribute(kind: int, payload: bytes) -> bytes:
    """A netlink attribute: length and kind in host order, the payload padded to four bytes."""
    padding = bytes(-len(payload) % 4)
    return struct.pack("=HH", 4 + len(payload), kind) + payload + padding
