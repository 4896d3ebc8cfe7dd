"""Deleting single connection tracking entries through netlink (ctnetlink).

The message is nf_conntrack_netlink.c's IPCTNL_MSG_CT_DELETE with the reply tuple, the zone and the
identity of the entry; the numbers are those of include/uapi/linux/netfilter/nfnetlink.h and
nfnetlink_conntrack.h. The reply tuple, since it says how the flow is translated: one that was
tracked anew meanwhile, under the present rules, has the same original tuple and, in the same place
of memory, the same identity, but it is not what was listed and has to stay.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from dnet.host.ctentry import Entry

if TYPE_CHECKING:
    import socket

_NETLINK_NETFILTER = 12
_CT_DELETE = 1 << 8 | 2  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE
_REQUEST_ACK = 1 | 4  # NLM_F_REQUEST, NLM_F_ACK
_NLMSG_ERROR = 2
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_ERROR = struct.Struct("=i")
_RECEIVE = 1 << 13

_NESTED = 1 << 15
_TUPLE_REPLY, _ID, _ZONE = 2, 12, 18  # CTA_TUPLE_REPLY, CTA_ID, CTA_ZONE
_TUPLE_IP, _TUPLE_PROTO, _TUPLE_ZONE = 1, 2, 3
_PROTO_NUM = 1

_ICMPV6 = 58
# The attribute and the format of each field of the protocol; GRE keeps its keys as ports.
_PORTS = {"sport": (2, "!H"), "dport": (3, "!H"), "srckey": (2, "!H"), "dstkey": (3, "!H")}
_PROTO = {**_PORTS, "id": (4, "!H"), "type": (5, "B"), "code": (6, "B")}
_PROTO_V6 = {**_PORTS, "id": (7, "!H"), "type": (8, "B"), "code": (9, "B")}


def destroy(entries: Iterable[Entry], warn: Callable[[str], None]) -> Iterator[Entry]:
    """Delete `entries`; yields those that were there. What the kernel refuses is told to `warn`."""
    import socket

    try:
        channel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
    except OSError as error:
        warn(f"cannot delete connection tracking entries: {error.strerror}")
        return
    with channel:
        for sequence, entry in enumerate(entries, 1):
            channel.send(message(entry, sequence))
            number = _answer(channel, sequence)
            if not number:
                yield entry
            elif number != errno.ENOENT:
                warn(f"cannot delete connection tracking entry {entry}: {os.strerror(number)}")


def _answer(channel: socket.socket, sequence: int) -> int:
    """The error number of the acknowledgement of one message, 0 for success."""
    while True:
        answer = channel.recv(_RECEIVE)
        _, kind, _, number, _ = _HEADER.unpack_from(answer)
        if kind == _NLMSG_ERROR and number == sequence:
            return -int(_ERROR.unpack_from(answer, _HEADER.size)[0])


def message(entry: Entry, sequence: int) -> bytes:
    """The netlink message that deletes `entry` and no other."""
    import socket

    family = socket.AF_INET6 if ":" in entry.reply_src else socket.AF_INET
    # Without a tuple the kernel would flush the whole table, so it is never optional here.
    body = struct.pack("!BBH", family, 0, 0) + _tuple(entry, family)
    zone, _ = entry.zone()
    if zone is not None:
        body += _attribute(_ZONE, struct.pack("!H", zone))
    ident = entry.ident()
    if ident is not None:
        body += _attribute(_ID, struct.pack("!I", ident))
    return _HEADER.pack(_HEADER.size + len(body), _CT_DELETE, _REQUEST_ACK, sequence, 0) + body


def _tuple(entry: Entry, family: int) -> bytes:
    import socket

    first = 3 if family == socket.AF_INET6 else 1  # CTA_IP_V6_SRC, CTA_IP_V4_SRC
    addresses = b"".join(
        _attribute(kind, socket.inet_pton(family, address))
        for kind, address in ((first, entry.reply_src), (first + 1, entry.reply_dst))
    )
    kinds = _PROTO_V6 if entry.number == _ICMPV6 else _PROTO
    protocol = _attribute(_PROTO_NUM, bytes([entry.number]))
    for key, value in entry.reply_fields().items():
        kind, layout = kinds[key]
        protocol += _attribute(kind, struct.pack(layout, value))
    parts = _attribute(_TUPLE_IP | _NESTED, addresses)
    parts += _attribute(_TUPLE_PROTO | _NESTED, protocol)
    _, zone = entry.zone()
    if zone is not None:
        parts += _attribute(_TUPLE_ZONE, struct.pack("!H", zone))
    return _attribute(_TUPLE_REPLY | _NESTED, parts)


def _attribute(kind: int, payload: bytes) -> bytes:
    """A netlink attribute: length and kind in host order, the payload padded to four bytes."""
    padding = bytes(-len(payload) % 4)
    return struct.pack("=HH", 4 + len(payload), kind) + payload + padding
