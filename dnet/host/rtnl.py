"""Requests by rtnetlink(7): pyroute2's messages over a socket of dnet's own.

Its own sockets take ten times as long for most requests as the kernel does.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from typing import Any

from dnet.host import messages

_ROUTE = 0  # NETLINK_ROUTE, include/uapi/linux/netlink.h
_ERROR, _DONE = 2, 3  # NLMSG_ERROR, NLMSG_DONE
_REQUEST, _ACKNOWLEDGE, _DUMP = 0x1, 0x4, 0x300  # NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP
_INTERRUPTED = 0x10  # NLM_F_DUMP_INTR
_CREATE, _EXCLUSIVE, _REPLACE = 0x400, 0x200, 0x100  # NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_NUMBER = struct.Struct("=i")
_RECEIVE = 1 << 17

_NEW_LINK, _DELETE_LINK, _GET_LINK = 16, 17, 18  # include/uapi/linux/rtnetlink.h
_NEW_ADDRESS, _DELETE_ADDRESS, _GET_ADDRESS = 20, 21, 22
_NEW_ROUTE = 24
_IPV4 = 2  # AF_INET
_UP = 0x1  # IFF_UP
_MAIN, _BOOT, _UNICAST = 254, 3, 1  # RT_TABLE_MAIN, RTPROT_BOOT, RTN_UNICAST


class Channel:
    """A socket of the network namespace that the process is in when it is opened.

    Every request raises OSError with the kernel's error number.
    """

    def __init__(self) -> None:
        import socket

        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
        self._socket = socket.socket(socket.AF_NETLINK, kind, _ROUTE)
        self._sequence = 0
        self._was_interrupted = False

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    # Questions

    def link(self, index: int) -> Any:
        """A device."""
        return self._ask(_GET_LINK, _link(index))[0]

    def links(self) -> list[Any]:
        """Every device."""
        return self._dump(_GET_LINK, lambda: _link(0))

    def addresses(self, index: int) -> list[Any]:
        """The IPv4 addresses of a device."""
        found = self._dump(_GET_ADDRESS, messages.routing().address)
        return [one for one in found if (one["family"], one["index"]) == (_IPV4, index)]

    # Changes

    def add_link(self, *, up: bool | None = None, **attributes: Any) -> None:
        """Make a device, and bring it up."""
        self._ask(_NEW_LINK, _link(0, up=up, **attributes), _CREATE | _EXCLUSIVE)

    def set_link(self, index: int, *, up: bool | None = None, **attributes: Any) -> None:
        """Change a device, and bring it up or down."""
        self._ask(_NEW_LINK, _link(index, up=up, **attributes))

    def delete_link(self, index: int) -> None:
        """Delete a device."""
        self._ask(_DELETE_LINK, _link(index))

    def add_address(self, index: int, cidr: str, *, again: bool = False) -> None:
        """Give a device an IPv4 address, which it may have already if it is given `again`."""
        self._ask(
            _NEW_ADDRESS, _address(index, cidr), _CREATE | (_REPLACE if again else _EXCLUSIVE)
        )

    def delete_address(self, index: int, cidr: str) -> None:
        """Take an IPv4 address away from a device."""
        self._ask(_DELETE_ADDRESS, _address(index, cidr))

    def add_default_route(self, index: int, gateway: str) -> None:
        """Route everything that has no other way through a device."""
        message = messages.routing().route()
        message.update({"family": _IPV4, "table": _MAIN, "proto": _BOOT, "type": _UNICAST})
        message |= nested("RTA", gateway=gateway, oif=index)
        self._ask(_NEW_ROUTE, message, _CREATE | _EXCLUSIVE)

    def _dump(self, kind: int, question: Callable[[], Any]) -> list[Any]:
        """All there is, asked for again where it changed in the middle of the answer."""
        while True:
            found = self._ask(kind, question(), _DUMP)
            if not self._was_interrupted:
                return found

    def _ask(self, kind: int, message: Any, flags: int = 0) -> list[Any]:
        self._sequence += 1
        self._was_interrupted = False
        header = message["header"]
        header["type"], header["sequence_number"] = kind, self._sequence
        header["flags"] = _REQUEST | flags | (0 if flags == _DUMP else _ACKNOWLEDGE)
        message.encode()
        self._socket.send(message.data)
        return list(self._answers(type(message)))

    def _answers(self, message: Any) -> Iterator[Any]:
        """The answers to the last request, up to its acknowledgement or the end of all."""
        while True:
            data = self._socket.recv(_RECEIVE)
            at = 0
            while at < len(data):
                length, kind, flags, sequence, _ = _HEADER.unpack_from(data, at)
                if sequence == self._sequence:
                    self._was_interrupted |= bool(flags & _INTERRUPTED)
                    if kind in (_ERROR, _DONE):
                        _accept(data[at + _HEADER.size : at + length])
                        return
                    answer = message(data, offset=at)
                    answer.decode()
                    yield answer
                at += length + 3 & ~3


def nested(prefix: str, **attributes: Any) -> dict[str, Any]:
    """Attributes as a message has them, and as one can be the value of another.

    `prefix` is what the kernel's names of them begin with, such as IFLA.
    """
    return {"attrs": [(f"{prefix}_{name.upper()}", one) for name, one in attributes.items()]}


def _accept(result: bytes) -> None:
    number = -_NUMBER.unpack_from(result)[0] if result else 0
    if number:
        raise OSError(number, os.strerror(number))


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
    message.update({"family": _IPV4, "prefixlen": int(prefix), "index": index})
    message |= nested("IFA", local=ip, address=ip)
    return message
