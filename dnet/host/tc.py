"""What limits what passes a device, by rtnetlink, as tc(8) has it.

The kernel's side is sch_tbf.c, cls_u32.c and act_mirred.c of net/sched; the messages are those of
include/uapi/linux/pkt_sched.h, pkt_cls.h and tc_act/tc_mirred.h.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator
from contextlib import closing

from dnet.host import nlsocket, rtnl
from dnet.host.nlsocket import CREATE, ECHO, EXCLUSIVE, REPLACE, attribute, attributes, values
from dnet.network.facts import Shaping
from dnet.plan.ratesteps import (
    AddIfb,
    AddIngress,
    DeleteIngress,
    DeleteRate,
    RateStep,
    Redirect,
    SetRate,
)

_NEW_QDISC, _DELETE_QDISC, _GET_QDISC = 36, 37, 38  # include/uapi/linux/rtnetlink.h
_NEW_FILTER, _GET_FILTER = 44, 46
_MESSAGE = struct.Struct("=BxxxiIII")  # struct tcmsg
_ROOT, _INGRESS, _INGRESS_HANDLE = 0xFFFFFFFF, 0xFFFFFFF1, 0xFFFF0000  # TC_H_…
_KIND, _OPTIONS = 1, 2  # TCA_KIND, TCA_OPTIONS
_TBF = struct.Struct("=BBHhHI12xIII")  # struct tc_tbf_qopt, without a peak rate
_PARAMETERS, _RATE64, _BURST = 1, 4, 6  # TCA_TBF_…
_ETHERNET = 1  # TC_LINKLAYER_ETHERNET: the kernel computes, and needs no table of ours
_FIRST_OF_ALL = 1 << 16 | 0x0300  # The priority, and ETH_P_ALL in the order of the network
_SELECTOR, _ACTIONS = 5, 7  # TCA_U32_SEL, TCA_U32_ACT
_EVERYTHING = struct.pack("=BBBxHHhhI4I", 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)  # struct tc_u32_sel
_ACTION_KIND, _ACTION_OPTIONS, _MIRRED = 1, 2, 2  # TCA_ACT_…, TCA_MIRRED_PARMS
_REDIRECTION = struct.Struct("=IIiiiii")  # struct tc_mirred
_STOLEN, _OUT_BY = 4, 1  # TC_ACT_STOLEN, TCA_EGRESS_REDIR
_NONE = (errno.ENOENT, errno.EINVAL, errno.ENODEV)  # The built-in discipline is not told of.


def shaping(device: str) -> Shaping:
    """What limits what passes a device. Raises OSError."""
    index = rtnl.find_index(device)
    if index is None:
        return Shaping()
    with closing(nlsocket.Socket(nlsocket.ROUTE)) as socket:
        bits, limit = _bucket(_discipline(socket, index, _ROOT))
        is_looked_at = _KIND in _discipline(socket, index, _INGRESS)
        by = next(_redirections(socket, index), None) if is_looked_at else None
        return Shaping(bits, limit, is_looked_at, rtnl.name_of(by))


def take(step: RateStep) -> None:
    """Make the change a step stands for. Raises OSError."""
    with closing(nlsocket.Socket(nlsocket.ROUTE)) as socket:
        match step:
            case AddIfb():
                with closing(rtnl.Channel()) as channel:
                    channel.add_ifb({rtnl.NAME: step.device})
            case SetRate():
                body = _message(step.device, _ROOT) + _kind(b"tbf", _limits(step))
                socket.request(_NEW_QDISC, body, CREATE | REPLACE)
            case AddIngress():
                body = _message(step.device, _INGRESS, _INGRESS_HANDLE) + _kind(b"ingress")
                socket.request(_NEW_QDISC, body, CREATE | EXCLUSIVE)
            case Redirect():
                body = _message(step.device, _INGRESS_HANDLE, 0, _FIRST_OF_ALL)
                body += _kind(b"u32", _redirected(rtnl.index_of(step.by)))
                socket.request(_NEW_FILTER, body, CREATE | EXCLUSIVE)
            case DeleteRate() | DeleteIngress():
                place = _ROOT if isinstance(step, DeleteRate) else _INGRESS
                _delete(socket, _message(step.device, place))


def _delete(socket: nlsocket.Socket, body: bytes) -> None:
    """Delete a queue, also where it is gone already. Raises OSError."""
    refusal, _ = socket.attempt(_DELETE_QDISC, body)
    if refusal not in (0, *_NONE):
        raise OSError(refusal, errno.errorcode.get(refusal, ""))


def _message(device: str, parent: int, handle: int = 0, about: int = 0) -> bytes:
    return _MESSAGE.pack(0, rtnl.index_of(device), handle, parent, about)


def _kind(name: bytes, options: bytes | None = None) -> bytes:
    return attribute(_KIND, name + b"\0") + (
        b"" if options is None else attribute(_OPTIONS, options)
    )


def _limits(step: SetRate) -> bytes:
    rate = step.bits // 8
    told = min(rate, 0xFFFFFFFF)
    limits = _TBF.pack(0, _ETHERNET, 0, 0, 0, told, step.limit, 0, 0)
    found = attribute(_PARAMETERS, limits) + attribute(_BURST, struct.pack("=I", step.burst))
    return found + (attribute(_RATE64, struct.pack("=Q", rate)) if rate > told else b"")


def _redirected(by: int) -> bytes:
    parameters = _REDIRECTION.pack(0, 0, _STOLEN, 0, 0, _OUT_BY, by)
    options = attribute(_ACTION_OPTIONS, attribute(_MIRRED, parameters))
    action = attribute(_ACTION_KIND, b"mirred\0") + options
    return attribute(_SELECTOR, _EVERYTHING) + attribute(_ACTIONS, attribute(1, action))


def _discipline(socket: nlsocket.Socket, index: int, parent: int) -> dict[int, bytes]:
    # Whoever does not ask to hear of it himself is not answered.
    refusal, answers = socket.attempt(_GET_QDISC, _MESSAGE.pack(0, index, 0, parent, 0), ECHO)
    if refusal in _NONE or not answers:
        return {}
    if refusal:
        raise OSError(refusal, errno.errorcode.get(refusal, ""))
    return attributes(answers[0], _MESSAGE.size)


def _bucket(told: dict[int, bytes]) -> tuple[int | None, int | None]:
    """The bits a second and the limit of a token bucket; None for any other discipline."""
    if told.get(_KIND) != b"tbf\0":
        return None, None
    options = attributes(told[_OPTIONS])
    _, _, _, _, _, rate, limit, _, _ = _TBF.unpack_from(options[_PARAMETERS])
    if _RATE64 in options:
        (rate,) = struct.unpack("=Q", options[_RATE64])
    return rate * 8, limit


def _redirections(socket: nlsocket.Socket, index: int) -> Iterator[int]:
    """The numbers of the devices that what is received goes by."""
    for one in socket.dump(_GET_FILTER, _MESSAGE.pack(0, index, 0, _INGRESS_HANDLE, 0)):
        told = attributes(one, _MESSAGE.size)
        options = attributes(told.get(_OPTIONS, b""))
        if told.get(_KIND) == b"u32\0" and _ACTIONS in options:
            for action in values(options[_ACTIONS]):
                about = attributes(attributes(action).get(_ACTION_OPTIONS, b""))
                if _MIRRED in about:
                    yield _REDIRECTION.unpack_from(about[_MIRRED])[-1]
