"""Deleting single connection tracking entries through netlink (ctnetlink), and holding their place.

The messages are nf_conntrack_netlink.c's; the numbers are those of
include/uapi/linux/netfilter/nfnetlink.h and nfnetlink_conntrack.h. IPCTNL_MSG_CT_DELETE names the
reply tuple, the zone and the identity of the entry. The reply tuple, since it says how the flow is
translated: one that was tracked again meanwhile, under the present rules, has the same original
tuple and, in the same place of memory, the same identity, but it is not what was listed and has to
stay.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable, Collection, Iterable, Iterator

from dnet.host import nlsocket
from dnet.host.conntrack.entry import (
    ANSWERS,
    ASKS,
    DESTINATION_PORT,
    IDENT,
    IP,
    NUMBER,
    PROTO,
    SOURCE_PORT,
    SUBSYSTEM,
    TIMEOUT,
    ZONE,
    Entry,
    direction,
)
from dnet.host.nlsocket import ABOUT, CREATE, EXCLUSIVE, NESTED, attribute, attributes
from dnet.values import family

_CT_NEW, _CT_DELETE = SUBSYSTEM | 0, SUBSYSTEM | 2  # IPCTNL_MSG_CT_NEW, IPCTNL_MSG_CT_DELETE
_ATTEMPTS = 3
# Seconds: nf_conntrack_udp_timeout (nf_conntrack-sysctl), for what has none.
_SHORT_TIMEOUT = struct.pack("!I", 30)
# CTA_PROTOINFO, CTA_PROTOINFO_TCP, CTA_PROTOINFO_TCP_STATE, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL
_PROTOINFO, _TCP, _TCP_STATE, _TCP_FLAGS = 4, 1, 1, 4
# include/uapi/linux/netfilter/nf_conntrack_tcp.h
_TCP_CLOSED, _CLOSE_INIT = 8, 0x04  # TCP_CONNTRACK_CLOSE, IP_CT_TCP_FLAG_CLOSE_INIT


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
        warn(f"a deleted connection may reappear: {entry}: {os.strerror(refusal)}")


def deletion(entry: Entry) -> bytes:
    """The body of the message that deletes `entry` and no other."""
    has = attributes(entry.told)
    # It always names a tuple: a deletion without one would flush the whole table.
    body = _about(entry) + attribute(ANSWERS | NESTED, has[ANSWERS])
    return body + b"".join(attribute(kind, has[kind]) for kind in (ZONE, IDENT) if kind in has)


def eviction(entry: Entry) -> bytes:
    """The message that deletes whichever entry the packets of the one who asked belong to now."""
    return _about(entry) + direction(ASKS, *_asks(entry))


def holding(entry: Entry) -> bytes:
    """The message that makes an entry in which the one who was asked answers itself.

    Of a protocol with ports. A TCP connection is closed in it, so that the kernel forgets it as
    soon as the client begins a new one from the same port.
    """
    ip, proto = _asks(entry)
    turned = {
        NUMBER: proto[NUMBER],
        SOURCE_PORT: proto[DESTINATION_PORT],
        DESTINATION_PORT: proto[SOURCE_PORT],
    }
    body = direction(ASKS, ip, proto)
    body += direction(ANSWERS, dict(zip(ip, reversed(ip.values()), strict=True)), turned)
    timeout = attributes(entry.told).get(TIMEOUT, b"")
    body += attribute(TIMEOUT, timeout if any(timeout) else _SHORT_TIMEOUT)
    if entry.proto == "tcp":
        state = attribute(_TCP_STATE, bytes([_TCP_CLOSED]))
        state += attribute(_TCP_FLAGS, bytes([_CLOSE_INIT, _CLOSE_INIT]))  # and their mask
        body += attribute(_PROTOINFO | NESTED, attribute(_TCP | NESTED, state))
    return _about(entry) + body


def _about(entry: Entry) -> bytes:
    """A struct nfgenmsg: family, version, resource."""
    return ABOUT.pack(family.of(entry.src).number, 0, 0)


def _asks(entry: Entry) -> tuple[dict[int, bytes], dict[int, bytes]]:
    """The addresses and the protocol's part of the original tuple, without a zone of its own."""
    has = attributes(attributes(entry.told)[ASKS])
    return attributes(has[IP]), attributes(has[PROTO])
