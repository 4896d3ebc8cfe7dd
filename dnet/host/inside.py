"""What is done inside a container's network namespace."""

from __future__ import annotations

import os
import socket
from types import TracebackType
from typing import Any, Self

from dnet.host import netns, routes

_ARP, _ARP_REQUEST, _ETHERNET, _IPV4 = 0x0806, 1, 1, 0x0800
_BROADCAST = b"\xff" * 6


class Namespace:
    """A network namespace with a netlink socket of its own.

    Being there takes a system call, and a socket stays where it was opened; pyroute2's own
    NetNS starts a process for it.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> Self:
        from pyroute2 import IPRoute

        with netns.inside(self._path):
            self._route: Any = IPRoute()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._route.close()

    def peer_of(self, name: str) -> tuple[int, str] | None:
        """The index of a device's other end, and its own hardware address."""
        from pyroute2.netlink.exceptions import NetlinkError

        try:
            found = self._route.link("get", ifname=name)[0]
        except NetlinkError:
            return None
        return found.get_attr("IFLA_LINK"), found.get_attr("IFLA_ADDRESS")

    def configure(self, name: str, cidr: str, gateway: str) -> None:
        """Bring up the loopback and a device with its address, and a route where there is none."""
        with netns.inside(self._path):
            _disable_ipv6(name)
            routed = any(subnet == "0.0.0.0/0" for _, subnet in routes.read())
        index = self._index(name)
        ip, _, prefix = cidr.partition("/")
        self._route.link("set", index=self._index("lo"), state="up")
        self._route.addr("add", index=index, address=ip, prefixlen=int(prefix))
        self._route.link("set", index=index, state="up")
        if not routed:
            self._route.route("add", gateway=gateway, oif=index)

    def announce(self, name: str, mac: str, ip: str) -> None:
        """Tell the neighbours whose address it is now: an ARP announcement (RFC 5227, 2.3)."""
        source, address = bytes.fromhex(mac.replace(":", "")), socket.inet_aton(ip)
        header = _BROADCAST + source + _ARP.to_bytes(2, "big")
        kind = _ETHERNET.to_bytes(2, "big") + _IPV4.to_bytes(2, "big") + bytes((6, 4))
        sender, target = source + address, bytes(6) + address
        frame = header + kind + _ARP_REQUEST.to_bytes(2, "big") + sender + target
        with netns.inside(self._path), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
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
