"""What comes in by a device of the probe's own, taken for having come in by another.

A queueing discipline on that device alone, with a filter that hands all packets of IP on (tc(8),
tc-mirred(8)); it goes with the device. The numbers are those of include/uapi/linux/pkt_sched.h,
pkt_cls.h, tc_act/tc_mirred.h.
"""

from __future__ import annotations

import _socket  # Under `socket`, and loaded in a thirtieth of its time.
import struct

from dnet.host import nlsocket
from dnet.host.nlsocket import CREATE, EXCLUSIVE, attribute
from dnet.values.family import V4, V6, Family

_NEW_QUEUE, _NEW_FILTER = 36, 44  # RTM_NEWQDISC, RTM_NEWTFILTER
_MESSAGE = struct.Struct("=BxxxiIII")  # struct tcmsg: family, device, handle, parent, info
_INGRESS = 0xFFFFFFF1  # TC_H_INGRESS
_HANDLE = 0xFFFF0000
_KIND, _OPTIONS = 1, 2  # TCA_KIND, TCA_OPTIONS
_ETHERTYPES = {V4: 0x0800, V6: 0x86DD}

# struct tc_u32_sel with one struct tc_u32_key, which any packet meets: flags, …, the number of
# keys; then mask, value, offset.
_SELECTOR = struct.Struct("=BBBxHHhhI 4s4sii")
_TERMINAL = 1  # TC_U32_TERMINAL
_U32_SELECTOR, _U32_ACTIONS = 5, 7  # TCA_U32_SEL, TCA_U32_ACT
_MATCHALL_ACTIONS = 2  # TCA_MATCHALL_ACT
# struct tc_mirred: index, capabilities, action, references, bindings, what it does, device
_MIRRED = struct.Struct("=IIiiiiI")
_STOLEN, _REDIRECT = 4, 3  # TC_ACT_STOLEN, TCA_INGRESS_REDIR
_PARAMETERS = 2  # TCA_MIRRED_PARMS


def ingress(index: int, to: int, families: tuple[Family, ...]) -> None:
    """Let what comes in by a device come in by another one; both are numbers of devices.

    Raises OSError where the kernel cannot do so.
    """
    with nlsocket.Socket(nlsocket.ROUTE) as socket:
        queue = _MESSAGE.pack(_socket.AF_UNSPEC, index, _HANDLE, _INGRESS, 0)
        queue += attribute(_KIND, b"ingress\0")
        socket.request(_NEW_QUEUE, queue, CREATE | EXCLUSIVE)
        for at, of in enumerate(families, 1):
            info = at << 16 | _socket.htons(_ETHERTYPES[of])
            head = _MESSAGE.pack(_socket.AF_UNSPEC, index, 0, _HANDLE, info)
            _filter(socket, head, to)


def _filter(socket: nlsocket.Socket, head: bytes, to: int) -> None:
    """With what every kernel has that has any of it, else with what does just that."""
    selector = _SELECTOR.pack(_TERMINAL, 0, 1, 0, 0, 0, 0, 0, bytes(4), bytes(4), 0, 0)
    options = attribute(_U32_SELECTOR, selector) + attribute(_U32_ACTIONS, _actions(to))
    try:
        _add(socket, head, "u32", options)
    except OSError:
        _add(socket, head, "matchall", attribute(_MATCHALL_ACTIONS, _actions(to)))


def _add(socket: nlsocket.Socket, head: bytes, kind: str, options: bytes) -> None:
    body = head + attribute(_KIND, kind.encode() + b"\0") + attribute(_OPTIONS, options)
    socket.request(_NEW_FILTER, body, CREATE | EXCLUSIVE)


def _actions(to: int) -> bytes:
    given = attribute(_PARAMETERS, _MIRRED.pack(0, 0, _STOLEN, 0, 0, _REDIRECT, to))
    return attribute(1, attribute(_KIND, b"mirred\0") + attribute(_OPTIONS, given))
