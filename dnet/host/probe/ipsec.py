"""The policies of IPsec that take packets of a container (ip-xfrm(8)).

The messages are those of xfrm_user.c, with the numbers of include/uapi/linux/xfrm.h.
"""

from __future__ import annotations

import _socket  # Under `socket`, and loaded in a thirtieth of its time.
import struct
from collections.abc import Iterator
from contextlib import suppress

from dnet.host import fib, nlsocket
from dnet.values import family
from dnet.values.family import Family

_XFRM = 6  # NETLINK_XFRM
_GET_POLICY = 0x15  # XFRM_MSG_GETPOLICY
_QUESTION = bytes(64)  # struct xfrm_userpolicy_id
# struct xfrm_userpolicy_info: of its selector the destination, the source, …, the family and the
# lengths of both prefixes; …; the direction and the action.
_POLICY = struct.Struct("=16s16s8xHBB116xBB6x")
_DIRECTIONS = ("in", "out", "fwd")
_BLOCK = 1  # XFRM_POLICY_BLOCK
_TEMPLATES = 5  # XFRMA_TMPL


def policies(ip: str) -> Iterator[str]:
    """Those for what is sent to or comes from an address, as ip(8) shows them."""
    of = family.of(ip)
    with suppress(OSError):
        for message in nlsocket.dump(_XFRM, _GET_POLICY, _QUESTION):
            to, source, number, *lengths, way, action = _POLICY.unpack_from(message)
            told = nlsocket.attributes(message, _POLICY.size)
            is_open = action != _BLOCK and _TEMPLATES not in told
            if number != of.number or way >= len(_DIRECTIONS) or is_open:
                continue
            ends = [
                f"{_socket.inet_ntop(of.number, packed[: of.bits // 8])}/{length}"
                for packed, length in zip((to, source), lengths, strict=True)
            ]
            if any(_has(end, ip, of) for end in ends):
                blocks = " action block" if action == _BLOCK else ""
                yield f"src {ends[1]} dst {ends[0]} dir {_DIRECTIONS[way]}{blocks}"


def _has(network: str, ip: str, of: Family) -> bool:
    return fib.meet(fib.prefix(network), fib.prefix(f"{ip}/{of.bits}"), of)
