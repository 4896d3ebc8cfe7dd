"""What is done inside a container's network namespace."""

from __future__ import annotations

import os
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, Self

from dnet.host import netlink, netns, routes

_ARP, _ARP_REQUEST, _ETHERNET, _IPV4 = 0x0806, 1, 1, 0x0800
_BROADCAST = b"\xff" * 6


class Inner(NamedTuple):
    """A device in a container's namespace: `peer` is the index of its other end."""

    peer: int | None
    mac: str | None
    up: bool
    addresses: tuple[str, ...]
    routed: bool


class Namespace:
    """A network namespace with a netlink socket of its own.

    Being there takes a system call, and a socket stays where it was opened; pyroute2's own
    NetNS starts a process for it.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> Self:
        with netns.inside(self._path):
            self._route = netlink.open_socket()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._route.close()

    def inner(self, name: str) -> Inner | None:
        """A device as it is, or None."""
        link = netlink.unless_missing(lambda: self._route.link("get", ifname=name)[0])
        if link is None:
            return None
        addresses = self._route.get_addr(family=2, index=link["index"])
        return Inner(
            peer=link.get_attr("IFLA_LINK"),
            mac=link.get_attr("IFLA_ADDRESS"),
            up=bool(link["flags"] & 1),
            addresses=tuple(netlink.cidr(message) for message in addresses),
            routed=self._is_routed(),
        )

    def _is_routed(self) -> bool:
        with netns.inside(self._path):
            return any(subnet == routes.DEFAULT for _, subnet in routes.read())

    def configure(self, name: str, cidr: str, gateway: str) -> None:
        """Bring up the loopback and a device with its address, and a route where there is none."""
        with netns.inside(self._path):
            _disable_ipv6(name)
        routed = self._is_routed()
        index = self._index(name)
        ip, _, prefix = cidr.partition("/")
        self._route.link("set", index=self._index("lo"), state="up")
        self._route.addr("replace", index=index, address=ip, prefixlen=int(prefix))
        self._route.link("set", index=index, state="up")
        if not routed:
            self._route.route("add", gateway=gateway, oif=index)

    def announce(self, name: str, mac: str, ip: str) -> None:
        """Tell the neighbours whose address it is now: an ARP announcement (RFC 5227, 2.3).

        Without CAP_NET_RAW nobody is told, and the first packet tells them: the MAC follows from
        the address, so what they remember of it is still right.
        """
        import socket

        source, address = bytes.fromhex(mac.replace(":", "")), socket.inet_aton(ip)
        header = _BROADCAST + source + _ARP.to_bytes(2, "big")
        kind = _ETHERNET.to_bytes(2, "big") + _IPV4.to_bytes(2, "big") + bytes((6, 4))
        sender, target = source + address, bytes(6) + address
        frame = header + kind + _ARP_REQUEST.to_bytes(2, "big") + sender + target
        with (
            netns.inside(self._path),
            suppress(PermissionError),
            socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw,
        ):
            raw.bind((name, _ARP))
            raw.send(frame)

    def _index(self, name: str) -> int:
        return int(self._route.link("get", ifname=name)[0]["index"])


def _disable_ipv6(name: str) -> None:
    """No link-local address, by which siblings could be reached past every rule of IPv4."""
    path = f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6"
    if os.path.exists(path):
        with open(path, "w", encoding="ascii") as file:
            file.write("1")
