"""Deleting single connection tracking entries through netlink (ctnetlink), and holding their place.

The messages are nf_conntrack_netlink.c's; the numbers are those of
include/uapi/linux/netfilter/nfnetlink.h and nfnetlink_conntrack.h. IPCTNL_MSG_CT_DELETE names the
reply tuple, the zone and the identity of the entry. The reply tuple, since it says how the flow is
translated: one that was tracked anew meanwhile, under the present rules, has the same original
tuple and, in the same place of memory, the same identity, but it is not what was listed and has to
stay.
"""

from __future__ import annotations

import _socket  # Under `socket`, and loaded in a thirtieth of its time.
import errno
import os
import struct
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from dnet.host import nlsocket
from dnet.host.conntrack.entry import Entry
from dnet.host.nlsocket import CREATE, EXCLUSIVE, NESTED, attribute
from dnet.values import family
from dnet.values.family import V6

_CT_NEW = 1 << 8 | 0  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW
_CT_DELETE = 1 << 8 | 2  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE
_ATTEMPTS = 3
_SHORT_TIMEOUT = 30  # Seconds: nf_conntrack_udp_timeout (nf_conntrack-sysctl), for what has none.

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
    try:
        channel = nlsocket.Socket(nlsocket.NETFILTER)
    except OSError as error:
        warn(f"cannot delete connection tracking entries: {error.strerror}")
        return
    with channel:
        for entry in entries:
            refusal, _ = channel.attempt(_CT_DELETE, deletion(entry))
            if refusal == errno.ENOENT:
                continue
            if refusal:
                warn(f"cannot delete connection tracking entry {entry}: {os.strerror(refusal)}")
                continue
            if entry in hold:
                _hold(channel, entry, warn)
            yield entry


def _hold(channel: nlsocket.Socket, entry: Entry, warn: Callable[[str], None]) -> None:
    """Take the place of an entry, from whoever took it in the moment since its deletion."""
    refusal = 0
    for _ in range(_ATTEMPTS):
        refusal, _ = channel.attempt(_CT_NEW, holding(entry), CREATE | EXCLUSIVE)
        if refusal != errno.EEXIST:
            break
        channel.attempt(_CT_DELETE, eviction(entry))
    if refusal:
        warn(f"what ended may come back: {entry}: {os.strerror(refusal)}")


def deletion(entry: Entry) -> bytes:
    """The body of the message that deletes `entry` and no other."""
    # It always names a tuple: a deletion without one would flush the whole table.
    body = attribute(_TUPLE_REPLY | NESTED, _answers(entry))
    zone, _ = entry.zone()
    if zone is not None:
        body += attribute(_ZONE, struct.pack("!H", zone))
    ident = entry.ident()
    if ident is not None:
        body += attribute(_ID, struct.pack("!I", ident))
    return _about(entry) + body


def eviction(entry: Entry) -> bytes:
    """The message that deletes whichever entry the packets of the one who asked belong to now."""
    return _about(entry) + attribute(_TUPLE_ORIG | NESTED, _asks(entry))


def holding(entry: Entry) -> bytes:
    """The message that makes an entry in which the one who was asked answers itself.

    A TCP connection is closed in it, so that the kernel forgets it as soon as the client begins
    a new one from the same port.
    """
    turned = {_TURNED.get(key, key): value for key, value in entry.orig_fields().items()}
    answers = _tuple(entry, entry.dst, entry.src, turned)
    body = attribute(_TUPLE_ORIG | NESTED, _asks(entry))
    body += attribute(_TUPLE_REPLY | NESTED, answers)
    body += attribute(_TIMEOUT, struct.pack("!I", entry.timeout or _SHORT_TIMEOUT))
    if entry.proto == "tcp":
        state = attribute(_TCP_STATE, bytes([_TCP_CLOSED]))
        state += attribute(_TCP_FLAGS, bytes([_CLOSE_INIT, _CLOSE_INIT]))  # and their mask
        body += attribute(_PROTOINFO | NESTED, attribute(_TCP | NESTED, state))
    return _about(entry) + body


def _about(entry: Entry) -> bytes:
    """A struct nfgenmsg: family, version, resource."""
    return struct.pack("!BBH", family.of(entry.src).number, 0, 0)


def _asks(entry: Entry) -> bytes:
    """The original tuple, as far as it has no zone of its own."""
    return _tuple(entry, entry.src, entry.dst, entry.orig_fields())


def _answers(entry: Entry) -> bytes:
    """The reply tuple."""
    parts = _tuple(entry, entry.reply_src, entry.reply_dst, entry.reply_fields())
    _, zone = entry.zone()
    if zone is not None:
        parts += attribute(_TUPLE_ZONE, struct.pack("!H", zone))
    return parts


def _tuple(entry: Entry, source: str, destination: str, fields: Mapping[str, int]) -> bytes:
    own = family.of(entry.src)
    first = 3 if own is V6 else 1  # CTA_IP_V6_SRC, CTA_IP_V4_SRC
    addresses = b"".join(
        attribute(kind, _socket.inet_pton(own.number, address))
        for kind, address in ((first, source), (first + 1, destination))
    )
    kinds = _PROTO_V6 if entry.number == _ICMPV6 else _PROTO
    protocol = attribute(_PROTO_NUM, bytes([entry.number]))
    for key, value in fields.items():
        kind, layout = kinds[key]
        protocol += attribute(kind, struct.pack(layout, value))
    parts = attribute(_TUPLE_IP | NESTED, addresses)
    return parts + attribute(_TUPLE_PROTO | NESTED, protocol)
