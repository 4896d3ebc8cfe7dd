"""What is done inside a container's network namespace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from dnet.host import netns, routes, rtnl, system
from dnet.host.rtnl import Channel, find_index, index_of, unless_missing
from dnet.network.facts import ContainerDevice, Namespace
from dnet.plan.devicesteps import INSIDE6
from dnet.values import family
from dnet.values.family import FAMILIES, V4, V6

_MOST_ADDRESSES = 1024


class NamespaceHandle:
    """A network namespace with a netlink socket of its own.

    Being there takes a system call, and a socket stays where it was opened.
    """

    def __init__(self, descriptor: int, channel: Channel) -> None:
        self._descriptor = descriptor
        self._channel = channel

    def device(self, name: str) -> ContainerDevice | None:
        """A device as it is, or None."""
        with netns.inside(self._descriptor):
            index = find_index(name)
        link = unless_missing(lambda: self._channel.link(index)) if index else None
        if index is None or link is None:
            return None
        with netns.inside(self._descriptor):
            default, ipv6 = routes.default_device(), _speaks_ipv6(name)
            default6 = routes.default_device(V6) if ipv6 else None
            unset6 = tuple(_unset(name)) if ipv6 else ()
        families = FAMILIES if ipv6 else (V4,)
        return ContainerDevice(
            peer=link.peer,
            mac=link.mac,
            mtu=link.mtu,
            up=link.up,
            addresses=tuple(one for of in families for one in self._channel.addresses(index, of)),
            default=default,
            ipv6=ipv6,
            default6=default6,
            unset6=unset6,
        )

    def disable_ipv6(self, name: str) -> None:
        """No link-local address, by which siblings could be reached past every rule of IPv4."""
        with netns.inside(self._descriptor):
            if _speaks_ipv6(name):
                _write(_ipv6_setting(name, "disable_ipv6"), "1")

    def prepare_ipv6(self, name: str) -> None:
        """Make the settings that a device needs for IPv6. Raises OSError."""
        with netns.inside(self._descriptor):
            for setting in _unset(name):
                _write(_ipv6_setting(name, setting), INSIDE6[setting])

    def configure(self, name: str, *subnets: tuple[str, str]) -> None:
        """Bring up the loopback and a device, and give it its address in each subnet.

        With an address comes the gateway for a default route, where its family has none. The
        device is up once it has the first; one of IPv6 is for a device that is up.
        """
        gateways = [gateway for _, gateway in subnets]
        with netns.inside(self._descriptor):
            index, loopback = index_of(name), index_of("lo")
            unrouted = [one for one in gateways if routes.default_device(family.of(one)) is None]
        self._channel.set_link(loopback, up=True)
        for number, (cidr, gateway) in enumerate(subnets):
            self._channel.add_address(index, cidr, again=True)
            if number == 0:
                self._channel.set_link(index, up=True)
            if gateway in unrouted:
                self._channel.add_default_route(index, gateway)

    def route(self, name: str, gateway: str) -> None:
        """Add a default route by a device, unless there is one."""
        with netns.inside(self._descriptor):
            index, default = index_of(name), routes.default_device(family.of(gateway))
        if default is None:
            self._channel.add_default_route(index, gateway)

    def set_mtu(self, name: str, mtu: int) -> None:
        """Set the MTU of a device, which speaks IPv6 no more than before.

        One that was too small for IPv6 would begin with it (addrconf_notify, net/ipv6/addrconf.c).
        """
        with netns.inside(self._descriptor):
            index, spoke = index_of(name), _speaks_ipv6(name)
        self._channel.set_link(index, attributes={rtnl.MTU: mtu})
        if not spoke:
            self.disable_ipv6(name)

    def announce(self, name: str, mac: str) -> None:
        """Let the kernel tell the neighbours whose address it is: an announcement (RFC 5227, 2.3).

        With arp_notify (Documentation/networking/ip-sysctl.rst) it does so whenever a hardware
        address is set. A packet socket of dnet's own would take it 15 ms to close.
        """
        notify = [f"/proc/sys/net/ipv4/conf/{name}/arp_notify"]
        with netns.inside(self._descriptor):
            index = index_of(name)
            if _speaks_ipv6(name):
                notify.append(_ipv6_setting(name, "ndisc_notify"))
            before = {path: system.read_file(path).decode() for path in notify}
            # Where /proc/sys is read-only, the neighbours find out by themselves.
            with suppress(OSError):
                for path in notify:
                    _write(path, "1")
            try:
                self._channel.set_link(index, attributes={rtnl.MAC: mac})
            finally:
                with suppress(OSError):
                    for path, value in before.items():
                        _write(path, value)


@contextmanager
def opened(namespace: Namespace) -> Iterator[NamespaceHandle]:
    """A namespace to do something in, opened once. Raises what netns.opened raises."""
    with netns.opened(namespace) as descriptor:
        with netns.inside(descriptor):
            channel = Channel(_MOST_ADDRESSES)
        try:
            yield NamespaceHandle(descriptor, channel)
        finally:
            channel.close()


def _speaks_ipv6(name: str) -> bool:
    """Whether a device of this namespace speaks IPv6; a kernel may have none."""
    try:
        return system.read_file(_ipv6_setting(name, "disable_ipv6")).strip() == b"0"
    except OSError:
        return False


def _unset(name: str) -> Iterator[str]:
    """The settings of a device of this namespace that are not as IPv6 needs them; OSError."""
    for setting, value in INSIDE6.items():
        if system.read_file(_ipv6_setting(name, setting)).strip().decode() != value:
            yield setting


def _ipv6_setting(name: str, setting: str) -> str:
    return f"/proc/sys/net/ipv6/conf/{name}/{setting}"


def _write(path: str, value: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(value)
