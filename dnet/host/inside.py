"""What is done inside a container's network namespace."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from dnet.facts import Namespace
from dnet.host import netlink, netns, routes, system
from dnet.host.rtnl import Channel


class Inner(NamedTuple):
    """A device in a container's namespace: `peer` is the index of its other end."""

    peer: int | None
    mac: str | None
    mtu: int
    up: bool
    addresses: tuple[str, ...]
    routed: bool


class Inside:
    """A network namespace with a netlink socket of its own.

    Being there takes a system call, and a socket stays where it was opened.
    """

    def __init__(self, descriptor: int, channel: Channel) -> None:
        self._descriptor = descriptor
        self._channel = channel

    def inner(self, name: str) -> Inner | None:
        """A device as it is, or None."""
        with netns.inside(self._descriptor):
            index = netlink.find_index(name)
        link = netlink.unless_missing(lambda: self._channel.link(index)) if index else None
        if index is None or link is None:
            return None
        return Inner(
            peer=link.get_attr("IFLA_LINK"),
            mac=link.get_attr("IFLA_ADDRESS"),
            mtu=link.get_attr("IFLA_MTU"),
            up=bool(link["flags"] & 1),
            addresses=tuple(map(netlink.cidr, self._channel.addresses(index))),
            routed=self._is_routed(),
        )

    def _is_routed(self) -> bool:
        with netns.inside(self._descriptor):
            return routes.has_default()

    def configure(self, name: str, cidr: str, gateway: str) -> None:
        """Bring up the loopback and a device with its address, and a route where there is none."""
        with netns.inside(self._descriptor):
            _disable_ipv6(name)
            index, loopback = netlink.index_of(name), netlink.index_of("lo")
            routed = routes.has_default()
        self._channel.set_link(loopback, up=True)
        self._channel.add_address(index, cidr, again=True)
        self._channel.set_link(index, up=True)
        if not routed:
            self._channel.add_default_route(index, gateway)

    def set_mtu(self, name: str, mtu: int) -> None:
        """Set the MTU of a device."""
        with netns.inside(self._descriptor):
            index = netlink.index_of(name)
        self._channel.set_link(index, mtu=mtu)

    def announce(self, name: str, mac: str) -> None:
        """Let the kernel tell the neighbours whose address it is: an announcement (RFC 5227, 2.3).

        With arp_notify (Documentation/networking/ip-sysctl.rst) it does so whenever a hardware
        address is set. A packet socket of dnet's own would take it 15 ms to close.
        """
        notify = f"/proc/sys/net/ipv4/conf/{name}/arp_notify"
        with netns.inside(self._descriptor):
            index, before = netlink.index_of(name), system.read_file(notify).decode()
            _write(notify, "1")
            try:
                self._channel.set_link(index, address=mac)
            finally:
                _write(notify, before)


@contextmanager
def opened(namespace: Namespace) -> Iterator[Inside]:
    """A namespace to do something in, opened once. Raises what netns.opened raises."""
    with netns.opened(namespace) as descriptor:
        with netns.inside(descriptor):
            channel = Channel()
        try:
            yield Inside(descriptor, channel)
        finally:
            channel.close()


def _disable_ipv6(name: str) -> None:
    """No link-local address, by which siblings could be reached past every rule of IPv4."""
    path = f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6"
    if os.path.exists(path):
        _write(path, "1")


def _write(path: str, value: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(value)
