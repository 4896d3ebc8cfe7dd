"""The ports of a bridge, by their names alone: there may be a thousand of them."""

from __future__ import annotations

import _socket  # Under `socket`, and loaded in a thirtieth of its time.
import struct

from dnet.host import nlsocket

_GET_LINK = 18  # RTM_GETLINK, include/uapi/linux/rtnetlink.h
_NAME, _MASTER, _MASK = 3, 10, 29  # IFLA_IFNAME, IFLA_MASTER, IFLA_EXT_MASK
_WITHOUT_STATISTICS = 1 << 3  # RTEXT_FILTER_SKIP_STATS
_LINK = struct.Struct("=BxHiII")  # struct ifinfomsg
_NUMBER = struct.Struct("=I")


def names(bridge: str) -> frozenset[str]:
    """The names of the devices plugged into a bridge; none where it is not there.

    Raises OSError with the kernel's error number.
    """
    try:
        index = _NUMBER.pack(_socket.if_nametoindex(bridge))
    except OSError:
        return frozenset()
    question = _LINK.pack(_socket.AF_UNSPEC, 0, 0, 0, 0)
    question += nlsocket.attribute(_MASTER, index)
    question += nlsocket.attribute(_MASK, _NUMBER.pack(_WITHOUT_STATISTICS))
    found = set()
    for message in nlsocket.dump(nlsocket.ROUTE, _GET_LINK, question):
        has = nlsocket.attributes(message, _LINK.size)
        if has.get(_MASTER) == index:
            found.add(has[_NAME].rstrip(b"\0").decode(errors="surrogateescape"))
    return frozenset(found)
