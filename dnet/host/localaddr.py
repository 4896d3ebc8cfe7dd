"""The host's own addresses, as the kernel's routing table has them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from dnet.host import fib
from dnet.values import address

_LOOPBACK = (0x7F000000, 8)
_ALL_ONES = 0xFFFFFFFF
# A wider network that the host takes for itself is not listed address by address.
_WIDEST_LISTED = 16


class LocalAddresses:
    """What iptables calls `--dst-type LOCAL`: `address in local`. IPv4 only.

    Read on the first question. Where the kernel does not tell, it is 127.0.0.0/8 alone.
    """

    def __init__(self) -> None:
        self._is_read = False
        self._hosts: dict[int, str] = {}
        self._networks: dict[fib.Prefix, str] = {_LOOPBACK: "lo"}

    def __contains__(self, text: str) -> bool:
        self._look()
        number = _number(text)
        if number is None:
            return False
        return number in self._hosts or any(fib.meet((number, 32), one) for one in self._networks)

    def within(self, subnet: str) -> dict[str, str]:
        """The addresses of a subnet that are the host's own, each with the name of its device."""
        self._look()
        inside = fib.prefix(subnet)
        found = {
            fib.dotted(number): device
            for number, device in self._hosts.items()
            if fib.meet((number, 32), inside)
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
                if length == 32:
                    self._hosts[number] = device
                else:
                    self._networks[number, length] = device

    def _read(self) -> Iterable[tuple[fib.Prefix, str]]:
        return fib.to_host()


def _number(text: str) -> int | None:
    try:
        return address.to_int(text) if "." in text else None
    except ValueError:
        return None
