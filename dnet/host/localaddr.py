"""The host's own addresses, as the kernel's routing table has them."""

from __future__ import annotations

import _socket  # Under `socket`, and loaded in a thirtieth of its time.
import struct
from collections.abc import Iterable
from contextlib import suppress

from dnet.host import fib, nlsocket
from dnet.values import address, family
from dnet.values.family import V4, Family

_GET_ADDRESS = 22  # RTM_GETADDR, include/uapi/linux/rtnetlink.h
_EVERYWHERE = 0  # RT_SCOPE_UNIVERSE
_ADDRESS = struct.Struct("=BxxBi")  # struct ifaddrmsg: family, scope, device
_ALL_ONES = (1 << V4.bits) - 1
# A wider network that the host takes for itself is not listed address by address.
_WIDEST_LISTED = 16


class LocalAddresses:
    """What iptables calls `--dst-type LOCAL`: `address in local`. IPv4 only.

    Read on the first question. Where the kernel does not tell, it is 127.0.0.0/8 alone.
    """

    def __init__(self) -> None:
        self._is_read = False
        self._hosts: dict[int, str] = {}
        self._networks: dict[fib.Prefix, str] = {fib.prefix(V4.local): "lo"}

    def __contains__(self, text: str) -> bool:
        self._look()
        number = _number(text)
        if number is None:
            return False
        own = number, V4.bits
        return number in self._hosts or any(fib.meet(own, one) for one in self._networks)

    def within(self, subnet: str) -> dict[str, str]:
        """The addresses of a subnet that are the host's own, each with the name of its device."""
        self._look()
        inside = fib.prefix(subnet)
        found = {
            fib.dotted(number): device
            for number, device in self._hosts.items()
            if fib.meet((number, V4.bits), inside)
        }
        for network, device in self._networks.items():
            first, length = max(network, inside, key=lambda one: one[1])
            if fib.meet(network, inside) and length >= _WIDEST_LISTED:
                last = first | _ALL_ONES >> length
                found |= dict.fromkeys(address.ascending(first, last), device)
        return found

    def _look(self) -> None:
        if self._is_read:
            return
        self._is_read = True
        with suppress(OSError):
            for (number, length), device in self._read():
                if length == V4.bits:
                    self._hosts[number] = device
                else:
                    self._networks[number, length] = device

    def _read(self) -> Iterable[tuple[fib.Prefix, str]]:
        return fib.to_host()


def has_global(device: str, of: Family) -> bool:
    """Whether a device has an address of a family that is good beyond its link.

    Not where the kernel does not tell, or there is no such device.
    """
    with suppress(OSError):
        index = _socket.if_nametoindex(device)
        question = _ADDRESS.pack(of.number, 0, index)
        answers = nlsocket.dump(nlsocket.ROUTE, _GET_ADDRESS, question)
        return (of.number, _EVERYWHERE, index) in map(_ADDRESS.unpack_from, answers)
    return False


def _number(text: str) -> int | None:
    try:
        return address.to_int(text) if family.of(text) is V4 else None
    except ValueError:
        return None
