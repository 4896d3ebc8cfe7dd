"""Devices and addresses: what is asked of the kernel and changed in it by rtnetlink."""

from __future__ import annotations

import _socket  # Under `socket`, and loaded in a thirtieth of its time.
import errno
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from dnet.errors import ConflictError, KernelError, out_of_files
from dnet.host import privilege, system
from dnet.host.rtnl import Channel, nested
from dnet.model.entities import Interface
from dnet.network import bridgeports
from dnet.network.facts import Device, Namespace
from dnet.plan.steps import Netlink as Step

if TYPE_CHECKING:
    from dnet.network.facts import Inner

T = TypeVar("T")

_FORWARDING = 3  # BR_STATE_FORWARDING, include/uapi/linux/if_bridge.h
_SET = "3"  # NET_ADDR_SET, include/uapi/linux/netdevice.h
_MOST_LEARNED = 8192  # Eight for each of the 1,024 ports that a bridge can have (BR_MAX_PORTS).


class Netlink:
    """The devices of the network namespace the process is in; `warn` takes a line."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._waiting: set[str] = set()

    @cached_property
    def _channel(self) -> Channel:
        return Channel()

    def close(self) -> None:
        """Close the socket, if one was opened."""
        if "_channel" in self.__dict__:
            self._channel.close()
            del self.__dict__["_channel"]

    # Questions

    def device(self, name: str) -> Device | None:
        """A device by its name."""
        index = find_index(name)
        if index is None:
            return None
        with _reporting(f"asking for {name}"):
            found = unless_missing(lambda: self._channel.link(index))
            if found is None:
                return None
            return _device(found, tuple(map(cidr, self._channel.addresses(index))))

    def ports(self, name: str) -> list[Device]:
        """The ports of a bridge, without their addresses."""
        bridge = find_index(name)
        if bridge is None:
            return []
        with _reporting("asking for the ports"):
            return [_device(one, ()) for one in self._channel.links() if _master(one) == bridge]

    def keeps_mac(self, device: Device) -> bool | None:
        """Whether a bridge has a hardware address that somebody set, and so keeps it.

        None where /sys does not show the devices of this namespace.
        """
        try:
            index, mac, origin = (
                system.read_file(f"/sys/class/net/{device.name}/{attribute}").decode().strip()
                for attribute in ("ifindex", "address", "addr_assign_type")
            )
        except OSError:
            return None
        return origin == _SET if (index, mac) == (str(device.ifindex), device.mac) else None

    def is_routed(self, device: Device, subnet: str) -> bool:
        """Whether a subnet is routed to what is plugged into a device."""
        with _reporting(f"asking for the routes of {device.name}"):
            return subnet in self._channel.subnets(device.ifindex)

    def ways_to(self, ips: Iterable[str]) -> Iterator[tuple[str, str | None]]:
        """Each address, with the device by which the host sends there; None without a route."""
        known: dict[int | None, str | None] = {None: None}
        for ip in ips:
            with _reporting(f"asking for the route to {ip}"):
                index = self._channel.way_to(ip)
            if index not in known:
                known[index] = name_of(index)
            yield ip, known[index]

    def inner(self, one: Interface, netns: Namespace) -> Inner | None:
        """An interface's device as it is in a namespace."""
        from dnet.host import inside

        with _reporting(f"asking for {one.ifname} in {netns.path}"), inside.opened(netns) as there:
            return there.inner(str(one.ifname))

    # Changes, each named by a step

    def take(self, step: Step) -> None:
        """Make the change a step stands for. Raises KernelError, ExhaustedError."""
        with _reporting(step.shown):
            try:
                getattr(self, step.action)(**step.arguments)
            except OSError as error:
                if error.errno == errno.EXFULL:
                    raise bridgeports.too_many(str(step.arguments["bridge"])) from None
                raise

    def add_bridge(self, name: str, mac: str) -> None:
        """Make a bridge; with an address given it keeps that whatever its ports are.

        Where the kernel can, Linux 6.7 and later, it learns only so many addresses: who sends
        from ever new ones would fill its memory.
        """
        self._channel.add_link(
            ifname=name, address=mac, linkinfo=nested("IFLA_INFO", kind="bridge")
        )
        self._channel.limit_learning(index_of(name), _MOST_LEARNED)

    def set_link(self, name: str, *, up: bool | None = None, **attributes: object) -> None:
        """Set MTU or address of a device, and bring it up or down."""
        self._channel.set_link(index_of(name), up=up, **attributes)

    def add_subnet_route(self, name: str, subnet: str, source: str) -> None:
        """Route a subnet to what is plugged into a device."""
        self._channel.add_subnet_route(index_of(name), subnet, source)

    def add_address(self, name: str, cidr: str) -> None:
        """Give a device an address."""
        self._channel.add_address(index_of(name), cidr)

    def replace_address(self, name: str, cidr: str) -> None:
        """Give a device an address that it may have already."""
        self._channel.add_address(index_of(name), cidr, again=True)

    def delete_address(self, name: str, cidr: str) -> None:
        """Take an address away from a device."""
        self._channel.delete_address(index_of(name), cidr)

    def delete_link(self, name: str) -> None:
        """Delete a device; one that is gone already is no error."""
        index = find_index(name)
        if index is not None:
            unless_missing(lambda: self._channel.delete_link(index))

    def add_veth(
        self, name: str, bridge: str, mtu: int, peer: str, mac: str, netns: Namespace
    ) -> None:
        """Make a veth pair: a port of a bridge that is up, and its peer in another namespace."""
        from dnet.host.netns import opened

        master = index_of(bridge)
        with opened(netns) as descriptor:
            inner = nested("IFLA", ifname=peer, mtu=mtu, address=mac, net_ns_fd=descriptor)
            kind = nested("IFLA_INFO", kind="veth", data=nested("VETH_INFO", peer=inner))
            try:
                self._channel.add_link(ifname=name, mtu=mtu, master=master, linkinfo=kind, up=True)
            except FileExistsError:
                if find_index(name) is not None:
                    raise ConflictError(
                        f"there is a device {name} already, which is not dnet's",
                        f"ip link delete dev {name}",
                    ) from None
                raise ConflictError(
                    f"there is a device {peer} in {netns.path} already",
                    "choose another name with --ifname",
                ) from None

    def set_port(self, name: str, bridge: str) -> None:
        """Make a device a port of a bridge, and bring it up."""
        self._channel.set_link(index_of(name), master=index_of(bridge), up=True)

    def set_hairpin(self, name: str) -> None:
        """Let a bridge send a frame back to the port it came from, and take no BPDU from it.

        The guard is for a bridge with STP, which a container could take over.
        """
        port = nested("IFLA_BRPORT", mode=1, guard=1)
        kind = nested("IFLA_INFO", slave_kind="bridge", slave_data=port)
        self._channel.set_link(index_of(name), linkinfo=kind)

    def configure_inside(
        self,
        netns: Namespace,
        name: str,
        mac: str,
        cidr: str,
        gateway: str,
        port: str,
        apart: bool,
    ) -> None:
        """Give the device in a namespace its address, and the namespace its route.

        `apart` is whether IPv6 would lead past the rules that keep siblings apart.
        """
        from dnet.host import inside

        with inside.opened(netns) as there:
            try:
                there.disable_ipv6(name)
            except OSError as error:
                self._keeps_ipv6(f"{name} in {netns.path} keeps IPv6: {error.strerror}", apart)
            there.configure(name, cidr, gateway)
            self._await_forwarding(port)
            there.announce(name, mac)

    def route_inside(self, netns: Namespace, name: str, gateway: str) -> None:
        """Give a namespace a default route by a device of it, where it has none."""
        from dnet.host import inside

        with inside.opened(netns) as there:
            there.route(name, gateway)

    def set_mtu_inside(self, netns: Namespace, name: str, mtu: int) -> None:
        """Set the MTU of the device in a namespace."""
        from dnet.host import inside

        with inside.opened(netns) as there:
            there.set_mtu(name, mtu)

    def set_mac_inside(self, netns: Namespace, name: str, mac: str) -> None:
        """Set the hardware address of the device in a namespace, and let it be known."""
        from dnet.host import inside

        with inside.opened(netns) as there:
            there.announce(name, mac)

    def _keeps_ipv6(self, what: str, apart: bool) -> None:
        if apart:
            raise KernelError(
                f"{what}, and siblings are reached by it past --no-icc",
                "mount -o remount,rw /proc/sys, or switch it off in the namespace beforehand",
            )
        self._warn(what)

    def _await_forwarding(self, port: str) -> None:
        """A bridge forwards for a port once it has noticed the carrier, which takes it a moment.

        With STP it takes twice the forward delay of the bridge: that is not waited for, but said.
        """
        import time

        index = index_of(port)
        for _ in range(100):
            found = self._channel.link(index)
            if _port(found, "STATE") == _FORWARDING:
                return
            time.sleep(0.001)
        bridge = name_of(_master(found)) or "the bridge"
        if bridge not in self._waiting:
            self._waiting.add(bridge)
            self._warn(
                f"{bridge} runs STP: what is plugged in can be reached once its port forwards, "
                "after twice the forward delay"
            )


def _device(message: Any, addresses: tuple[str, ...]) -> Device:
    info = message.get_attr("IFLA_LINKINFO")
    kind = info.get_attr("IFLA_INFO_KIND") if info else None
    return Device(
        name=message.get_attr("IFLA_IFNAME"),
        ifindex=message["index"],
        kind=kind,
        mac=message.get_attr("IFLA_ADDRESS"),
        mtu=message.get_attr("IFLA_MTU"),
        up=bool(message["flags"] & 1),
        addresses=addresses,
        master=_master(message),
        hairpin=bool(_port(message, "MODE")),
        guarded=bool(_port(message, "GUARD")),
    )


def _master(message: Any) -> int | None:
    master: int | None = message.get_attr("IFLA_MASTER")
    return master


def _port(message: Any, attribute: str) -> Any:
    """What a device is as a port of its bridge; None where it is no port."""
    info: Any = message.get_attr("IFLA_LINKINFO")
    port: Any = info.get_attr("IFLA_INFO_SLAVE_DATA") if info else None
    return port.get_attr(f"IFLA_BRPORT_{attribute}") if hasattr(port, "get_attr") else None


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


@contextmanager
def _reporting(what: str) -> Iterator[None]:
    """Turn what the kernel refuses into dnet's own errors."""
    try:
        yield
    except PermissionError:
        raise privilege.denied(what, privilege.NET_ADMIN) from None
    except OSError as error:
        refused = KernelError(f"{what}: {error.strerror or error}")
        raise out_of_files(error) or refused from None
