"""Devices and addresses: what is asked of the kernel and changed in it by rtnetlink."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property

from dnet.errors import ConflictError, KernelError
from dnet.host import rtnl, system
from dnet.host.privilege import reporting
from dnet.host.rtnl import Channel, Link, find_index, index_of, name_of, unless_missing
from dnet.model.entities import Interface
from dnet.network import bridgeports
from dnet.network.facts import Device, Namespace, PoolRoute, Tunnel
from dnet.plan.devicesteps import (
    AddAddress,
    AddBridge,
    AddLoopbackRoute,
    AddProxyNeighbour,
    AddSubnetRoute,
    AddVeth,
    ConfigureInside,
    DeleteAddress,
    DeleteLink,
    DeleteLoopbackRoute,
    DeleteProxyNeighbour,
    DeviceStep,
    InsideStep,
    RouteInside,
    SetHairpin,
    SetIsolated,
    SetLink,
    SetMacInside,
    SetMtuInside,
    WayStep,
)
from dnet.typing import TYPE_CHECKING
from dnet.values import family
from dnet.values.family import V6

if TYPE_CHECKING:
    from dnet.host.containerns import NamespaceHandle
    from dnet.host.tunnels import Tunnels
    from dnet.network.facts import ContainerDevice, Shaping
    from dnet.plan.poolsteps import PoolStep
    from dnet.plan.ratesteps import RateStep

_FORWARDING = 3  # BR_STATE_FORWARDING, include/uapi/linux/if_bridge.h
# Where a router is on no network of the host's, on one that is down, or refused by a route.
_NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL)
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

    @cached_property
    def _tunnels(self) -> Tunnels:
        from dnet.host.tunnels import Tunnels  # Loaded where there are several hosts.

        return Tunnels()

    def close(self) -> None:
        """Close the sockets that were opened."""
        for name in ("_channel", "_tunnels"):
            if name in self.__dict__:
                self.__dict__.pop(name).close()

    # Questions

    def device(self, name: str) -> Device | None:
        """A device by its name."""
        index = find_index(name)
        if index is None:
            return None
        with reporting(f"asking for {name}"):
            return unless_missing(lambda: self._device(index))

    def _device(self, index: int) -> Device:
        return _device(self._channel.link(index), tuple(self._channel.addresses(index)))

    def ports(self, name: str) -> list[Device]:
        """The ports of a bridge, without their addresses."""
        bridge = find_index(name)
        if bridge is None:
            return []
        with reporting("asking for the ports"):
            return [_device(one, ()) for one in self._channel.links() if one.master == bridge]

    def shaping(self, name: str) -> Shaping:
        """What limits what passes a device."""
        from dnet.host import tc

        with reporting(f"asking what limits {name}"):
            return tc.shaping(name)

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

    def ipv6_addresses(self, name: str) -> list[str]:
        """The IPv6 addresses of a device beyond its link; none where it is not there."""
        index = find_index(name)
        if index is None:
            return []
        with reporting(f"asking for {name}"):
            return self._channel.addresses(index, V6)

    def standing_alone(self) -> list[str]:
        """The devices that are no port of a bridge, without the loopback."""
        with reporting("asking for the devices"):
            found = self._channel.links()
        return [one.name for one in found if one.state is None and one.name != "lo"]

    def loopback_routes(self) -> dict[str, int]:
        """The devices behind which the host takes ::1 for itself, with the routes' metrics."""
        from dnet.host import fib

        with reporting("asking for the routes of ::1"):
            found = fib.loopback_routes()
        return {name: metric for index, metric in found.items() if (name := name_of(index))}

    def proxied(self) -> dict[str, list[str]]:
        """The IPv6 addresses for which the host answers, by the device it does so on."""
        with reporting("asking for whom the host answers"):
            found: dict[str, list[str]] = {}
            for index, ip in self._channel.proxied(V6):
                if name := name_of(index):
                    found.setdefault(name, []).append(ip)
            return found

    def is_routed(self, device: Device, subnet: str) -> bool:
        """Whether a subnet is routed to what is plugged into a device."""
        with reporting(f"asking for the routes of {device.name}"):
            return subnet in self._channel.subnets(device.ifindex, family.of(subnet))

    def ways_to(self, ips: Iterable[str]) -> Iterator[tuple[str, str | None]]:
        """Each address, with the device by which the host sends there; None without a route."""
        known: dict[int | None, str | None] = {None: None}
        for ip in ips:
            with reporting(f"asking for the route to {ip}"):
                index = self._channel.way_to(ip)
            if index not in known:
                known[index] = name_of(index)
            yield ip, known[index]

    def way_on(self, ip: str, source: str, bridge: Device) -> str | None:
        """The device by which the host sends on what comes in by a bridge; None without a route."""
        with reporting(f"asking for the route from {source} to {ip}"):
            index = self._channel.way_to(ip, source, bridge.ifindex)
        return None if index is None else name_of(index)

    def tunnel(self, name: str) -> Tunnel | None:
        """A VXLAN device with whom it reaches; None where there is no device of that name."""
        device = self.device(name)
        if device is None:
            return None
        with reporting(f"asking for {name}"):
            told = self._tunnels.vxlan(device.ifindex)
            neighbours = self._tunnels.neighbours(device.ifindex)
            return Tunnel(device, *told, neighbours, self._tunnels.hosts(device.ifindex))

    def pool_routes(self) -> list[PoolRoute]:
        """The routes to blocks of pools that dnet made."""
        with reporting("asking for the routes to other hosts"):
            return self._tunnels.routes()

    def container_device(self, interface: Interface, netns: Namespace) -> ContainerDevice | None:
        """An interface's device as it is in a namespace."""
        from dnet.host import containerns

        with (
            reporting(f"asking for {interface.ifname} in {netns.path}"),
            containerns.opened(netns) as there,
        ):
            return there.device(str(interface.ifname))

    # Changes

    def take(self, step: DeviceStep) -> None:
        """Make the change a step stands for. Raises KernelError, ConflictError, ExhaustedError."""
        with reporting(step.shown):
            try:
                self._take(step)
            except OSError as error:
                bridge = step.master if isinstance(step, AddVeth | SetLink) else None
                if error.errno == errno.EXFULL and bridge is not None:
                    raise bridgeports.too_many(bridge) from None
                raise

    def _take(self, step: DeviceStep) -> None:
        match step:
            case AddBridge():
                self._add_bridge(step)
            case SetLink() | DeleteLink():
                self._change_link(step)
            case AddAddress():
                self._channel.add_address(index_of(step.device), step.cidr, again=step.again)
            case DeleteAddress():
                self._channel.delete_address(index_of(step.device), step.cidr)
            case (
                AddSubnetRoute()
                | AddLoopbackRoute()
                | DeleteLoopbackRoute()
                | AddProxyNeighbour()
                | DeleteProxyNeighbour()
            ):
                self._take_way(step, index_of(step.device))
            case AddVeth():
                self._add_veth(step)
            case SetIsolated():
                self._channel.set_isolated(index_of(step.device), on=step.on)
            case SetHairpin():
                self._set_hairpin(step)
            case _:
                self._take_beyond(step)

    def _take_way(self, step: WayStep, index: int) -> None:
        match step:
            case AddSubnetRoute():
                self._channel.add_subnet_route(index, step.subnet, step.source)
            case AddLoopbackRoute():
                self._channel.add_loopback_route(index, step.metric)
            case DeleteLoopbackRoute():
                self._channel.delete_loopback_route(index)
            case AddProxyNeighbour():
                self._channel.add_proxy(index, step.ip)
            case DeleteProxyNeighbour():
                self._channel.delete_proxy(index, step.ip)

    def _take_beyond(self, step: InsideStep | PoolStep | RateStep) -> None:
        """What is about a container's namespace, about other hosts, or about how much passes."""
        match step:
            case ConfigureInside() | RouteInside() | SetMtuInside() | SetMacInside():
                self._take_inside(step)
            case _:
                self._take_seldom(step)

    def _take_seldom(self, step: PoolStep | RateStep) -> None:
        from dnet.plan.ratesteps import RateStep

        if isinstance(step, RateStep):
            from dnet.host import tc

            tc.take(step)
        else:
            self._take_pool(step)

    def _take_pool(self, step: PoolStep) -> None:
        from dnet.plan.poolsteps import AddPoolRoute

        try:
            self._tunnels.take(step)
        except OSError as error:
            waits = isinstance(step, AddPoolRoute) and step.can_wait
            if error.errno not in _NO_WAY or not waits:
                raise
            self._warn(f"{step.shown}: {error.strerror}; dnet host sync tries again")

    def _add_bridge(self, step: AddBridge) -> None:
        """Where the kernel can, Linux 6.7 and later, it learns only so many addresses.

        Who sends from ever new ones would fill its memory.
        """
        self._channel.add_bridge({rtnl.NAME: step.device, rtnl.MAC: step.mac})
        self._channel.limit_learning(index_of(step.device), _MOST_LEARNED)

    def _set_link(self, step: SetLink) -> None:
        index, master = index_of(step.device), step.master and index_of(step.master)
        given = {rtnl.MASTER: master, rtnl.MTU: step.mtu, rtnl.MAC: step.mac}
        attributes = {kind: value for kind, value in given.items() if value is not None}
        self._channel.set_link(index, up=step.up, attributes=attributes)

    def _change_link(self, step: SetLink | DeleteLink) -> None:
        if isinstance(step, SetLink):
            self._set_link(step)
        else:
            self._delete_link(step)

    def _delete_link(self, step: DeleteLink) -> None:
        index = find_index(step.device)
        if index is not None:
            unless_missing(lambda: self._channel.delete_link(index))

    def _add_veth(self, step: AddVeth) -> None:
        from dnet.host.netns import opened

        name, mtu, master = step.device, step.mtu, index_of(step.master)
        with opened(step.netns) as descriptor:
            port: rtnl.Attributes = {rtnl.NAME: name, rtnl.MTU: mtu, rtnl.MASTER: master}
            peer: rtnl.Attributes = {rtnl.NAME: step.peer, rtnl.MTU: mtu, rtnl.MAC: step.mac}
            peer[rtnl.NETNS] = descriptor
            try:
                self._channel.add_veth(port, peer, up=step.up)
            except FileExistsError:
                if find_index(name) is not None:
                    raise ConflictError(
                        f"the device {name} already exists and is not dnet's",
                        f"ip link delete dev {name}",
                    ) from None
                raise ConflictError(
                    f"the device {step.peer} already exists in {step.netns.path}",
                    "choose another name with --ifname",
                ) from None

    def _set_hairpin(self, step: SetHairpin) -> None:
        self._channel.set_hairpin(index_of(step.device))

    def _take_inside(self, step: InsideStep) -> None:
        from dnet.host import containerns

        with containerns.opened(step.netns) as there:
            match step:
                case RouteInside():
                    there.route(step.ifname, step.gateway)
                case SetMtuInside():
                    there.set_mtu(step.ifname, step.mtu)
                case SetMacInside():
                    there.announce(step.ifname, step.mac)
                case _:
                    self._configure_inside(there, step)

    def _configure_inside(self, there: NamespaceHandle, step: ConfigureInside) -> None:
        name, subnets = step.ifname, [(step.cidr, step.gateway)]
        if step.cidr6 is None or step.gateway6 is None:
            try:
                there.disable_ipv6(name)
            except OSError as error:
                what = f"cannot disable IPv6 on {name} in {step.netns.path}: {error.strerror}"
                self._keeps_ipv6(what, step.apart)
        else:
            there.prepare_ipv6(name)
            subnets.append((step.cidr6, step.gateway6))
        there.configure(name, *subnets)
        self._await_forwarding(step.device)
        there.announce(name, step.mac)

    def _keeps_ipv6(self, what: str, apart: bool) -> None:
        if apart:
            raise KernelError(
                f"{what}; with it, other containers of the bridge reach it despite --no-icc",
                "mount -o remount,rw /proc/sys, or disable IPv6 in the namespace first",
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
            if found.state == _FORWARDING:
                return
            time.sleep(0.001)
        bridge = name_of(found.master) or "the bridge"
        if bridge not in self._waiting:
            self._waiting.add(bridge)
            self._warn(
                f"{bridge} runs STP: a container can be reached once its port forwards, after "
                "twice the forward delay"
            )


def _device(link: Link, addresses: tuple[str, ...]) -> Device:
    return Device(
        name=link.name,
        ifindex=link.ifindex,
        kind=link.kind,
        mac=link.mac,
        mtu=link.mtu,
        up=link.up,
        addresses=addresses,
        master=link.master,
        hairpin=link.hairpin,
        guarded=link.guarded,
        isolated=link.isolated,
    )
