"""The host's own addresses, as the kernel's routing table has them."""

from __future__ import annotations

import re

from dnet.host.system import read_file

_ALL_ONES = 0xFFFFFFFF
_LOOPBACK = ("127.0.0.0", 8)

#          |-- 127.0.0.0
#             /8 host LOCAL
_ADDRESS = re.compile(r"\|-- (\S+)|/(\d+) \S+ LOCAL")


class LocalAddresses:
    """What iptables calls `--dst-type LOCAL`: `address in local`. IPv4 only.

    Read on the first question, for a host with a full routing table has a million lines of it.
    """

    def __init__(self) -> None:
        self._hosts: set[str] | None = None
        self._networks: list[tuple[int, int]] = []

    def __contains__(self, address: str) -> bool:
        if self._hosts is None:
            self._hosts = self._read()
        if address in self._hosts:
            return True
        number = _number(address)
        return number is not None and any(number & mask == net for net, mask in self._networks)

    def _read(self) -> set[str]:
        try:
            text = read_file("/proc/net/fib_trie").decode()
        except OSError:
            text = ""
        hosts = set()
        for address, length in {*parse_trie(text), _LOOPBACK}:
            if length == 32:
                hosts.add(address)
            elif (number := _number(address)) is not None:
                mask = _ALL_ONES << (32 - length) & _ALL_ONES
                self._networks.append((number & mask, mask))
        return hosts


def parse_trie(text: str) -> set[tuple[str, int]]:
    """The addresses and prefix lengths of the local routes in a listing of /proc/net/fib_trie."""
    found = set()
    address = ""
    for match in _ADDRESS.finditer(text):
        if match[1]:
            address = match[1]
        else:
            found.add((address, int(match[2])))
    return found


def _number(address: str) -> int | None:
    parts = address.split(".")
    if len(parts) != 4:
        return None
    return int.from_bytes(bytes(map(int, parts)), "big")
