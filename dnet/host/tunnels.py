"""What leads to the other hosts of a pool, by rtnetlink(7): VXLAN devices, and routes.

Documentation/networking/vxlan.rst. All of it is of IPv4.
"""

from __future__ import annotations

import _socket  # Under `socket`, and loaded in a thirtieth of its time.
import errno
import struct
from contextlib import suppress

from dnet.host import nlsocket
from dnet.host.nlsocket import CREATE, EXCLUSIVE, REPLACE, attribute, attributes
from dnet.host.rtnl import index_of, name_of
from dnet.network.facts import POOL_ROUTES, PoolRoute
from dnet.plan.poolsteps import (
    AddForwarding,
    AddNeighbour,
    AddPoolRoute,
    AddVxlan,
    DeleteForwarding,
    DeleteNeighbour,
    DeletePoolRoute,
    PoolStep,
)
from dnet.typing import NamedTuple
from dnet.values.family import V4

_TRIES = 100
_NUMBER = struct.Struct("=I")

_NEW_LINK, _GET_LINK = 16, 18  # RTM_…, include/uapi/linux/rtnetlink.h
_NEW_ROUTE, _DELETE_ROUTE, _GET_ROUTE = 24, 25, 26
_NEW_NEIGHBOUR, _DELETE_NEIGHBOUR, _GET_NEIGHBOUR = 28, 29, 30

_LINK = struct.Struct("=HHiII")  # struct ifinfomsg
_MAC, _NAME, _MTU, _INFO, _KIND, _DATA = 1, 3, 4, 18, 1, 2  # IFLA_…, IFLA_INFO_…
# IFLA_VXLAN_ID, IFLA_VXLAN_LOCAL, IFLA_VXLAN_LEARNING, IFLA_VXLAN_PORT
_VNI, _LOCAL, _LEARNING, _PORT = 1, 4, 7, 15

_NEIGHBOUR = struct.Struct("=BxxxiHBB")  # struct ndmsg
_OF_BRIDGE, _SELF, _PERMANENT = 7, 0x02, 0x80  # AF_BRIDGE, NTF_SELF, NUD_PERMANENT
_AT, _REACHED_BY = 1, 2  # NDA_DST, NDA_LLADDR

_ROUTE = struct.Struct("=BBBBBBBBI")  # struct rtmsg
_MAIN, _UNICAST, _UNREACHABLE = 254, 1, 7  # RT_TABLE_MAIN, RTN_…
_ON_LINK = 4  # RTNH_F_ONLINK
_TO, _BY, _THROUGH, _FROM = 1, 4, 5, 7  # RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PREFSRC


class Vxlan(NamedTuple):
    """What a VXLAN device is set to."""

    vni: int
    local: str | None
    port: int
    learns: bool


class Tunnels:
    """A socket of the network namespace the process is in; every request raises OSError."""

    def __init__(self) -> None:
        self._socket = nlsocket.Socket(nlsocket.ROUTE)

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def vxlan(self, index: int) -> Vxlan:
        """What a device is set to as one of VXLAN, which is nothing where it is another."""
        (answer, *_) = self._socket.request(_GET_LINK, _LINK.pack(0, 0, index, 0, 0))
        info = attributes(attributes(answer, _LINK.size).get(_INFO, b""))
        is_one = info.get(_KIND) == b"vxlan\0"
        data = attributes(info.get(_DATA, b"")) if is_one else {}
        return Vxlan(
            vni=_NUMBER.unpack(data[_VNI])[0] if _VNI in data else 0,
            local=_text(data.get(_LOCAL)),
            port=int.from_bytes(data.get(_PORT, b""), "big"),
            learns=data.get(_LEARNING) != b"\0",
        )

    def neighbours(self, index: int) -> dict[str, str]:
        """The hardware addresses that are known for good behind a device, by address."""
        found = {}
        for own, told in self._neighbours(_NEIGHBOUR.pack(V4.number, 0, 0, 0, 0)):
            ip, mac = _text(told.get(_AT)), told.get(_REACHED_BY)
            if own[:3] == (V4.number, index, _PERMANENT) and ip and mac:
                found[ip] = mac.hex(":")
        return found

    def hosts(self, index: int) -> dict[str, str]:
        """Where a VXLAN device sends the frames for a hardware address."""
        found = {}
        for own, told in self._neighbours(_NEIGHBOUR.pack(_OF_BRIDGE, index, 0, 0, 0)):
            host, mac = _text(told.get(_AT)), told.get(_REACHED_BY)
            if own[:2] == (_OF_BRIDGE, index) and host and mac:
                found[mac.hex(":")] = host
        return found

    def _neighbours(self, question: bytes) -> list[tuple[tuple[int, ...], dict[int, bytes]]]:
        found = self._dump(_GET_NEIGHBOUR, question)
        return [(_NEIGHBOUR.unpack_from(one), attributes(one, _NEIGHBOUR.size)) for one in found]

    def routes(self) -> list[PoolRoute]:
        """The routes of the main table that dnet made to blocks of pools."""
        found = []
        for one in self._dump(_GET_ROUTE, _route(0, 0)):
            _, length, _, _, table, made_by, *_ = _ROUTE.unpack_from(one)
            told = attributes(one, _ROUTE.size)
            if (table, made_by) == (_MAIN, POOL_ROUTES) and _TO in told:
                by = name_of(_NUMBER.unpack(told[_BY])[0]) if _BY in told else None
                to = f"{_text(told[_TO])}/{length}"
                router, source = _text(told.get(_THROUGH)), _text(told.get(_FROM))
                found.append(PoolRoute(to, router, by if router else None, source))
        return found

    def take(self, step: PoolStep) -> None:
        """Carry out a step, also one that deletes what is gone already."""
        match step:
            case AddVxlan():
                self._add_vxlan(step)
            case AddNeighbour():
                message = _neighbour(index_of(step.device), _PERMANENT) + _at(step.ip)
                self._socket.request(_NEW_NEIGHBOUR, message + _by(step.mac), CREATE | REPLACE)
            case DeleteNeighbour():
                self._delete(_DELETE_NEIGHBOUR, _neighbour(index_of(step.device)) + _at(step.ip))
            case AddForwarding():
                message = _forwarding(index_of(step.device)) + _at(step.host)
                self._socket.request(_NEW_NEIGHBOUR, message + _by(step.mac), CREATE | REPLACE)
            case DeleteForwarding():
                self._delete(_DELETE_NEIGHBOUR, _forwarding(index_of(step.device)) + _by(step.mac))
            case AddPoolRoute():
                self._add_route(step)
            case DeletePoolRoute():
                self._delete(_DELETE_ROUTE, _to(step.subnet, refused=step.refused))

    def _add_vxlan(self, step: AddVxlan) -> None:
        data = attribute(_VNI, _NUMBER.pack(step.vni)) + attribute(_LOCAL, _packed(step.local))
        data += attribute(_LEARNING, b"\0") + attribute(_PORT, step.port.to_bytes(2, "big"))
        kind = attribute(_KIND, b"vxlan\0") + attribute(_DATA, data)
        message = _LINK.pack(0, 0, 0, 0, 0) + attribute(_NAME, step.device.encode() + b"\0")
        message += attribute(_MAC, _bytes(step.mac)) + attribute(_MTU, _NUMBER.pack(step.mtu))
        self._socket.request(_NEW_LINK, message + attribute(_INFO, kind), CREATE | EXCLUSIVE)

    def _add_route(self, step: AddPoolRoute) -> None:
        flags = _ON_LINK if step.onlink else 0
        message = _to(step.subnet, refused=step.router is None, flags=flags)
        if step.router is not None:
            message += attribute(_THROUGH, _packed(step.router))
        if step.source is not None:
            message += attribute(_FROM, _packed(step.source))
        if step.onlink:
            message += attribute(_BY, _NUMBER.pack(index_of(step.device)))
        self._socket.request(_NEW_ROUTE, message, CREATE | REPLACE)

    def _delete(self, kind: int, message: bytes) -> None:
        with suppress(FileNotFoundError, ProcessLookupError):
            self._socket.request(kind, message)

    def _dump(self, kind: int, question: bytes) -> list[bytes]:
        found = self._socket.dump(kind, question, tries=_TRIES)
        if self._socket.changed:
            raise OSError(errno.EAGAIN, "it changes faster than it can be read")
        return found


def _to(subnet: str, *, refused: bool, flags: int = 0) -> bytes:
    """The beginning of a message about a route of dnet's."""
    ip, _, length = subnet.partition("/")
    kind = _UNREACHABLE if refused else _UNICAST
    return _route(int(length), kind, flags) + attribute(_TO, _packed(ip))


def _route(length: int, kind: int, flags: int = 0) -> bytes:
    return _ROUTE.pack(V4.number, length, 0, 0, _MAIN, POOL_ROUTES, 0, kind, flags)


def _neighbour(index: int, state: int = 0) -> bytes:
    return _NEIGHBOUR.pack(V4.number, index, state, 0, 0)


def _forwarding(index: int) -> bytes:
    return _NEIGHBOUR.pack(_OF_BRIDGE, index, _PERMANENT, _SELF, 0)


def _at(ip: str) -> bytes:
    return attribute(_AT, _packed(ip))


def _by(mac: str) -> bytes:
    return attribute(_REACHED_BY, _bytes(mac))


def _packed(ip: str) -> bytes:
    return _socket.inet_pton(V4.number, ip)


def _bytes(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def _text(ip: bytes | None) -> str | None:
    """An address of IPv4 in text; None for none, or for one of another family."""
    is_one = ip is not None and len(ip) == V4.bits // 8
    return _socket.inet_ntop(V4.number, ip) if is_one and ip is not None else None
