"""Requests by rtnetlink(7): pyroute2's messages over a socket of dnet's own."""

from __future__ import annotations

import _socket  # Under `socket`, and loaded in a thirtieth of its time.
import errno
import os
import struct
from collections.abc import Callable
from typing import Any, TypeVar

from dnet.host import messages, nlsocket
from dnet.host.nlsocket import CREATE, EXCLUSIVE, REPLACE, attribute, attributes
from dnet.values import address
from dnet.values.family import V4

T = TypeVar("T")

_NUMBER = struct.Struct("=i")
_TRIES = 100

_NEW_LINK, _DELETE_LINK, _GET_LINK = 16, 17, 18  # include/uapi/linux/rtnetlink.h
_NEW_ADDRESS, _DELETE_ADDRESS, _GET_ADDRESS = 20, 21, 22
_NEW_ROUTE, _GET_ROUTE = 24, 26
_UP = 0x1  # IFF_UP
_MAIN, _BOOT, _UNICAST = 254, 3, 1  # RT_TABLE_MAIN, RTPROT_BOOT, RTN_UNICAST
_KERNEL, _LINK = 2, 253  # RTPROT_KERNEL, RT_SCOPE_LINK
_ROUTE_MESSAGE = struct.Struct("=BBBBBBBBI")  # struct rtmsg
_TO, _BY = 1, 4  # RTA_DST, RTA_OIF
_LINK_MESSAGE = struct.Struct("=HHiII")  # struct ifinfomsg
# IFLA_LINKINFO, IFLA_INFO_KIND, IFLA_INFO_DATA, IFLA_BR_FDB_MAX_LEARNED
_LINK_INFO, _KIND, _BRIDGE_DATA, _MAX_LEARNED = 18, 1, 2, 49


class Channel:
    """A socket of the network namespace that the process is in when it is opened.

    Every request raises OSError with the kernel's error number. `most` is how many answers to
    one question are taken: whoever rules a namespace decides how many there are.
    """

    def __init__(self, most: int | None = None) -> None:
        self._socket = nlsocket.Socket(nlsocket.ROUTE)
        self._most = most

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    # Questions

    def link(self, index: int) -> Any:
        """A device."""
        return self._ask(_GET_LINK, _link(index))[0]

    def links(self) -> list[Any]:
        """Every device."""
        return self._dump(_GET_LINK, _link(0))

    def addresses(self, index: int) -> list[Any]:
        """The IPv4 addresses of a device."""
        found = self._dump(_GET_ADDRESS, _addresses_of(index))
        return [one for one in found if (one["family"], one["index"]) == (V4.number, index)]

    def subnets(self, index: int) -> list[str]:
        """The subnets that the main table routes to what is plugged into a device."""
        found = self._dump(_GET_ROUTE, _routes_by(index))
        return [
            f"{one.get_attr('RTA_DST')}/{one['dst_len']}"
            for one in found
            if (one["table"], one["scope"], one["type"]) == (_MAIN, _LINK, _UNICAST)
            and one.get_attr("RTA_OIF") == index
        ]

    def way_to(self, ip: str) -> int | None:
        """The number of the device by which the host sends to an address; None without a route.

        Its message is put together by hand: there may be a thousand addresses to ask for.
        """
        message = _ROUTE_MESSAGE.pack(V4.number, V4.bits, 0, 0, 0, 0, 0, 0, 0)
        message += attribute(_TO, _socket.inet_aton(ip))
        refusal, answers = self._socket.attempt(_GET_ROUTE, message)
        device = None if refusal else attributes(answers[0], _ROUTE_MESSAGE.size).get(_BY)
        return None if device is None else int(_NUMBER.unpack(device)[0])

    # Changes

    def add_link(self, *, up: bool | None = None, **attributes: Any) -> None:
        """Make a device, and bring it up."""
        self._ask(_NEW_LINK, _link(0, up=up, **attributes), CREATE | EXCLUSIVE)

    def set_link(self, index: int, *, up: bool | None = None, **attributes: Any) -> None:
        """Change a device, and bring it up or down."""
        self._ask(_NEW_LINK, _link(index, up=up, **attributes))

    def limit_learning(self, index: int, most: int) -> None:
        """Let a bridge learn only so many addresses; an older kernel than 6.7 passes that over.

        By hand, because pyroute2 does not know IFLA_BR_FDB_MAX_LEARNED.
        """
        limit = attribute(_BRIDGE_DATA, attribute(_MAX_LEARNED, _NUMBER.pack(most)))
        kind = attribute(_KIND, b"bridge\0")
        message = _LINK_MESSAGE.pack(0, 0, index, 0, 0) + attribute(_LINK_INFO, kind + limit)
        self._socket.request(_NEW_LINK, message)

    def delete_link(self, index: int) -> None:
        """Delete a device."""
        self._ask(_DELETE_LINK, _link(index))

    def add_address(self, index: int, cidr: str, *, again: bool = False) -> None:
        """Give a device an IPv4 address, which it may have already if it is given `again`.

        With the broadcast address of its subnet, which programs ask for (SIOCGIFBRDADDR,
        netdevice(7)).
        """
        self._ask(_NEW_ADDRESS, _address(index, cidr), CREATE | (REPLACE if again else EXCLUSIVE))

    def delete_address(self, index: int, cidr: str) -> None:
        """Take an IPv4 address away from a device."""
        self._ask(_DELETE_ADDRESS, _address(index, cidr))

    def add_default_route(self, index: int, gateway: str) -> None:
        """Route everything that has no other way through a device."""
        message = messages.routing().route()
        message.update({"family": V4.number, "table": _MAIN, "proto": _BOOT, "type": _UNICAST})
        message |= nested("RTA", gateway=gateway, oif=index)
        self._ask(_NEW_ROUTE, message, CREATE | EXCLUSIVE)

    def add_subnet_route(self, index: int, subnet: str, source: str) -> None:
        """Route a subnet to what is plugged into a device, as the kernel does for an address."""
        ip, _, length = subnet.partition("/")
        message = messages.routing().route()
        message.update({"family": V4.number, "table": _MAIN, "proto": _KERNEL, "type": _UNICAST})
        message.update({"scope": _LINK, "dst_len": int(length)})
        message |= nested("RTA", dst=ip, oif=index, prefsrc=source)
        self._ask(_NEW_ROUTE, message, CREATE | REPLACE)

    def _dump(self, kind: int, question: Any) -> list[Any]:
        """All there is, asked for again where it changed in the middle of the answer."""
        body = _body(question)
        found = self._socket.dump(kind, body, most=self._most, tries=_TRIES)
        if self._socket.changed:
            raise OSError(errno.EAGAIN, "it changes faster than it can be read")
        return [_read(question, one) for one in found]

    def _ask(self, kind: int, message: Any, flags: int = 0) -> list[Any]:
        found = self._socket.request(kind, _body(message), flags)
        return [_read(message, one) for one in found]


def _body(message: Any) -> bytes:
    message.encode()
    return bytes(message.data[nlsocket.HEADER.size :])


def _read(question: Any, body: bytes) -> Any:
    """An answer, which is a message of the same type as its question."""
    answer = type(question)(nlsocket.message(body))
    answer.decode()
    return answer


def nested(prefix: str, **attributes: Any) -> dict[str, Any]:
    """Attributes as a message has them, and as one can be the value of another.

    `prefix` is what the kernel's names of them begin with, such as IFLA.
    """
    return {"attrs": [(f"{prefix}_{name.upper()}", one) for name, one in attributes.items()]}


def _link(index: int, *, up: bool | None = None, **attributes: Any) -> Any:
    message = messages.routing().link()
    message["index"] = index
    if up is not None:
        message["flags"], message["change"] = _UP * up, _UP
    message |= nested("IFLA", **attributes)
    return message


def _address(index: int, cidr: str) -> Any:
    ip, _, prefix = cidr.partition("/")
    message = messages.routing().address()
    message.update({"family": V4.number, "prefixlen": int(prefix), "index": index})
    last = {"broadcast": address.broadcast(cidr)} if int(prefix) <= address.LONGEST_PREFIX else {}
    message |= nested("IFA", local=ip, address=ip, **last)
    return message


def _addresses_of(index: int) -> Any:
    message = messages.routing().address()
    message.update({"family": V4.number, "index": index})
    return message


def _routes_by(index: int) -> Any:
    message = messages.routing().route()
    message.update({"family": V4.number, "table": _MAIN})
    message |= nested("RTA", oif=index)
    return message


def find_index(name: str) -> int | None:
    """The number of a device of the network namespace the process is in, None where there is none.

    By netdevice(7), in the fiftieth part of the time of a question by netlink.
    """
    try:
        return _socket.if_nametoindex(name)
    except OSError:
        return None


def name_of(index: int | None) -> str | None:
    """The name of a device of the namespace the process is in, None where there is none."""
    try:
        return _socket.if_indextoname(index) if index else None
    except OSError:
        return None


def index_of(name: str) -> int:
    """The number of a device that has to be there. Raises OSError."""
    index = find_index(name)
    if index is None:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
    return index


def cidr(message: Any) -> str:
    """The address with its prefix length in an answer of the kernel."""
    return f"{message.get_attr('IFA_LOCAL')}/{message['prefixlen']}"


def unless_missing(ask: Callable[[], T]) -> T | None:
    """An answer, or None where there is no such device."""
    try:
        return ask()
    except OSError as error:
        if error.errno in (errno.ENODEV, errno.ENOENT):
            return None
        raise
