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
# A wider network that the host takes for itself is not listed address by address: bits of a host.
_MOST_LISTED = 16


class LocalAddresses:
    """What iptables calls `--dst-type LOCAL`: `address in local`, of one family.

    Read on the first question. Where the kernel does not tell, it is 127.0.0.0/8 or ::1 alone.
    """

    def __init__(self, of: Family = V4) -> None:
        self._family = of
        self._is_read = False
        self._hosts: dict[int, str] = {}
        self._networks: dict[fib.Prefix, str] = {fib.prefix(of.local): "lo"}

    def __contains__(self, text: object) -> bool:
        self._look()
        own = self._family
        if not isinstance(text, str) or not _is_of(text, own):
            return False
        number = address.to_int(text)
        alone = number, own.bits
        return number in self._hosts or any(fib.meet(alone, one, own) for one in self._networks)

    def within(self, subnet: str) -> dict[str, str]:
        """The addresses of a subnet that are the host's own, each with the name of its device."""
        self._look()
        inside, own = fib.prefix(subnet), self._family
        found = {
            address.from_int(number, own): device
            for number, device in self._hosts.items()
            if fib.meet((number, own.bits), inside, own)
        }
        for network, device in self._networks.items():
            first, length = max(network, inside, key=lambda one: one[1])
            if fib.meet(network, inside, own) and own.bits - length <= _MOST_LISTED:
                last = first | (1 << own.bits - length) - 1
                found |= dict.fromkeys(address.between(first, last, own), device)
        return found

    def _look(self) -> None:
        if self._is_read:
            return
        self._is_read = True
        with suppress(OSError):
            for (number, length), device in self._read():
                if length == self._family.bits:
                    self._hosts[number] = device
                else:
                    self._networks[number, length] = device

    def _read(self) -> Iterable[tuple[fib.Prefix, str]]:
        return fib.to_host(self._family)


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


def _is_of(text: str, of: Family) -> bool:
    """Whether it is an address of a family."""
    try:
        return family.of(text) is of and address.to_int(text) >= 0
    except ValueError:
        return False
