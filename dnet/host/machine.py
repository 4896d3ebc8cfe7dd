"""The machine as the pure parts may ask about it: each answer is looked up when first asked."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property

from dnet.host import system
from dnet.model.entities import FIREWALLS, MTUS, NFTABLES
from dnet.typing import TYPE_CHECKING, Any
from dnet.values import family
from dnet.values.family import V6, Family

if TYPE_CHECKING:
    from dnet.errors import DnetError
    from dnet.firewall.door import Firewall
    from dnet.host.callers import Callers
    from dnet.host.firewall.door import Rules
    from dnet.host.firewall.firewalld import Firewalld
    from dnet.host.localaddr import LocalAddresses
    from dnet.host.netlink import Netlink
    from dnet.host.sockets import HostPorts
    from dnet.model.entities import Bridge, Interface
    from dnet.model.state import State
    from dnet.network.facts import (
        ContainerDevice,
        Device,
        Namespace,
        PoolRoute,
        Route,
        Shaping,
        Tunnel,
    )
    from dnet.plan.steps import SettingStep, Zone
    from dnet.values.family import Families

DEFAULT_MTU = 1500
# Once for all that is asked about: as a rule it takes a few hundredths.
_CLEANUP_SECONDS = 1.0
_PAUSE_SECONDS = 0.02


class Parts:
    """What the machine is asked and changed by; each part is loaded when it is needed.

    A command that only allocates needs none of them. `warn` takes a line; `wait` is the time in
    seconds that the firewall's programs may take, `inherit` the descriptors they keep open,
    `callers` those whose ports are ours.
    """

    def __init__(
        self,
        warn: Callable[[str], None],
        wait: float = 0,
        inherit: tuple[int, ...] = (),
        callers: Callers | None = None,
    ) -> None:
        self._callers = callers
        self._warn = warn
        self._wait = wait
        self._inherit = inherit
        self._firewalls: dict[str, Firewall] = {}
        self._rules: dict[str, Rules] = {}

    @property
    def lent(self) -> Iterable[frozenset[int]]:
        """The inodes of sockets whose ports are ours to publish, the likely ones first."""
        if self._callers is None:
            return ()
        from dnet.host import callers

        return callers.sockets(self._callers)

    @cached_property
    def netlink(self) -> Netlink:
        """Devices and addresses."""
        from dnet.host.netlink import Netlink

        return Netlink(self._warn)

    def firewall(self, name: str) -> Firewall:
        """How a state becomes rules, with one of FIREWALLS."""
        if name not in self._firewalls:
            self._firewalls[name] = _firewall(name)
        return self._firewalls[name]

    def rules(self, name: str) -> Rules:
        """The rules that are in the kernel, of one of FIREWALLS."""
        if name not in self._rules:
            self._rules[name] = _rules(name, self._wait, self._inherit)
        return self._rules[name]

    @cached_property
    def firewalld(self) -> Firewalld:
        """The zones of firewalld."""
        from dnet.host.firewall.firewalld import Firewalld

        return Firewalld(self._warn)


def _firewall(name: str) -> Firewall:
    if name == NFTABLES:
        from dnet.firewall.nftables.backend import Nftables

        return Nftables()
    from dnet.firewall.iptables.backend import Iptables

    return Iptables()


def _rules(name: str, wait: float, inherit: tuple[int, ...]) -> Rules:
    if name == NFTABLES:
        from dnet.host.firewall.nftables import Rules as OfNftables

        return OfNftables(wait, inherit)
    from dnet.host.firewall.iptables import Rules as OfIptables

    return OfIptables(wait, inherit)


class Machine:
    """Facts about this machine and the network namespace the process is in."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._gateways: dict[str, Collection[str]] = {}
        self._own: dict[str, Mapping[str, str]] = {}
        self._macs: dict[str, str | None] = {}
        self._locals: dict[Family, LocalAddresses] = {}

    @cached_property
    def _ports(self) -> HostPorts:
        from dnet.host.sockets import HostPorts

        return HostPorts(self._parts.lent)

    def now(self) -> str:
        """The time, RFC 3339 in UTC."""
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    def objections(self, state: State, bridge: Bridge) -> Iterator[DnetError]:
        """Why the firewall cannot have a bridge next to those of a state, if it cannot."""
        return self._parts.firewall(state.firewall).objections(state, bridge)

    def firewalls(self) -> Iterator[str]:
        """Those whose programs are on this machine, in the order of FIREWALLS."""
        return (name for name in FIREWALLS if self._parts.rules(name).is_there)

    def rules(self, firewall: str, families: Families) -> Any:
        """The rules of a firewall, of some families, as they are now."""
        return self._parts.rules(firewall).read(families)

    def device(self, name: str) -> Device | None:
        """A network device."""
        return self._parts.netlink.device(name)

    def shaping(self, device: str) -> Shaping:
        """What limits what passes a device that is there."""
        return self._parts.netlink.shaping(device)

    def keeps_mac(self, device: Device) -> bool | None:
        """Whether a bridge has a hardware address that somebody set; None if unknown."""
        return self._parts.netlink.keeps_mac(device)

    def is_routed(self, device: Device, subnet: str) -> bool:
        """Whether a subnet is routed to what is plugged into a device."""
        return self._parts.netlink.is_routed(device, subnet)

    def container_device(self, interface: Interface, netns: Namespace) -> ContainerDevice | None:
        """An interface's device as it is in a namespace."""
        return self._parts.netlink.container_device(interface, netns)

    def value(self, setting: SettingStep) -> str | None:
        """What the kernel has for a setting; None where it has no such one."""
        from dnet.host import sysctl

        return sysctl.value(setting)

    def has_global_ipv6(self, name: str) -> bool:
        """Whether a device has an IPv6 address beyond that of the link."""
        from dnet.host import localaddr

        return localaddr.has_global(name, V6)

    def missing_ipv6(self) -> tuple[str, str] | None:
        """Why no bridge can have IPv6, and what to do about it; None where one can."""
        from dnet.plan import settings

        return settings.missing_ipv6(self)

    def ipv6_addresses(self, device: str) -> Sequence[str]:
        """The IPv6 addresses of a device beyond its link, with their prefix lengths."""
        return self._parts.netlink.ipv6_addresses(device)

    def standing_alone(self) -> Sequence[str]:
        """The devices that are no port of a bridge, without the loopback."""
        return self._parts.netlink.standing_alone()

    def default_devices6(self) -> Sequence[str]:
        """The devices of the default routes of IPv6."""
        from dnet.host import routes

        return routes.default_devices(V6)

    def loopback_routes(self) -> Mapping[str, int]:
        """The devices by which ::1 is the host's, each with the metric of that route."""
        return self._parts.netlink.loopback_routes()

    def proxied(self) -> Mapping[str, Collection[str]]:
        """The IPv6 addresses for which the host answers, by the device it does so on."""
        return self._parts.netlink.proxied()

    def tunnel(self, name: str) -> Tunnel | None:
        """A VXLAN device with whom it reaches; None where there is no device of that name."""
        return self._parts.netlink.tunnel(name)

    def pool_routes(self) -> Sequence[PoolRoute]:
        """The routes to blocks of pools that dnet made."""
        return self._parts.netlink.pool_routes()

    def random_bits(self, count: int) -> int:
        """A number of so many bits that nobody can foretell."""
        return int.from_bytes(os.urandom(-(-count // 8)), "big") & (1 << count) - 1

    def joining(self, bridges: Collection[str]) -> Iterator[Zone]:
        """What lets firewalld, where it runs, trust bridges."""
        return self._parts.firewalld.joining(bridges)

    def leaving(self, bridges: Collection[str]) -> Iterator[Zone]:
        """What takes that back."""
        return self._parts.firewalld.leaving(bridges)

    def devices(self) -> Iterator[Device]:
        """Every network device."""
        import _socket

        found = (self._parts.netlink.device(name) for _, name in _socket.if_nameindex())
        return (one for one in found if one is not None)

    def ports(self, name: str) -> Sequence[Device]:
        """The devices plugged into a bridge; none where it is not there."""
        return self._parts.netlink.ports(name)

    def has_zone(self, name: str) -> bool:
        """Whether firewalld runs and has a device in one of its zones."""
        return self._parts.firewalld.has_zone(name)

    def routes(self, subnets: Sequence[str], but: int | None = None) -> Iterator[Route]:
        """The routes that have an address in common with any of some subnets.

        Without those that `but` made, a number (rtnetlink(7)).
        """
        from dnet.host import routes

        return routes.overlapping(subnets, but)

    @cached_property
    def outward(self) -> list[str]:
        """The devices by which the main table leads anywhere, as they were when first asked for."""
        from dnet.host import routes

        return routes.devices()

    def gateways(self, subnet: str) -> Collection[str]:
        """The addresses in a subnet that routes go through."""
        from dnet.host import fib

        if subnet not in self._gateways:
            self._gateways[subnet] = frozenset()
            with suppress(OSError):
                self._gateways[subnet] = fib.gateways(subnet)
        return self._gateways[subnet]

    def own_addresses(self, subnet: str) -> Mapping[str, str]:
        """The addresses in a subnet that the host itself has, each with the name of its device."""
        if subnet not in self._own:
            self._own[subnet] = self._local(family.of(subnet)).within(subnet)
        return self._own[subnet]

    def host_addresses(self) -> Mapping[str, str]:
        """Every IPv4 address that the host itself has, each with the name of its device."""
        from dnet.host import routes

        return routes.host_addresses()

    def _local(self, of: Family) -> LocalAddresses:
        from dnet.host.localaddr import LocalAddresses

        if of not in self._locals:
            self._locals[of] = LocalAddresses(of)
        return self._locals[of]

    def nameservers(self) -> Sequence[str]:
        """The addresses of resolv.conf."""
        return self._nameservers

    @cached_property
    def _nameservers(self) -> Sequence[str]:
        return system.nameservers()

    def mac(self, device: str) -> str | None:
        """The hardware address of a network device."""
        if device not in self._macs:
            self._macs[device] = system.hardware_address(device)
        return self._macs[device]

    def port_names(self, bridge: str) -> Collection[str]:
        """The names of the devices plugged into a bridge; none where it is not there."""
        from dnet.host import bridgeports

        with suppress(OSError):
            return bridgeports.names(bridge)
        return ()

    def port_name(self, interface_id: str) -> str:
        """What the host's end of an interface's veth pair is called, be it there or not."""
        from dnet.values.veth import veth_name

        return veth_name(interface_id)

    def default_device(self) -> str | None:
        """The device of the default route; None where there is none, or it refuses."""
        from dnet.host import routes

        return routes.outward_device()

    def default_mtu(self) -> int:
        """The MTU of the default route's device, else 1500.

        It may be a jumbo frame's or a tunnel's, as the packets go there; that of a device whose
        MTU no bridge can have, as of the loopback (65536), says nothing of a network.
        """
        from dnet.host import routes

        name = routes.default_device()
        device = self._parts.netlink.device(name) if name else None
        return device.mtu if device and device.mtu in MTUS else DEFAULT_MTU

    def namespace(self, text: str) -> Namespace:
        """The network namespace a name, path or pid means. Raises NotFoundError, UsageError."""
        from dnet.host import netns

        return netns.find(text)

    def locate(self, shown: str, cookie: int | None) -> Namespace | None:
        """A namespace of the store, if it is there, and the same one still."""
        from dnet.host import netns

        return netns.locate(shown, cookie)

    def is_there(self, shown: str, cookie: int | None) -> bool:
        """Whether a namespace of the store is there, and is the same one still."""
        return self.locate(shown, cookie) is not None

    def is_another(self, shown: str, cookie: int | None) -> bool:
        """Whether a name of the store stands for another namespace now."""
        from dnet.host import netns

        return netns.is_another(shown, cookie)

    def is_inhabited(self, shown: str, cookie: int | None) -> bool:
        """Whether a namespace of the store is there, and a process is in it."""
        from dnet.host import nsholder

        place = self.locate(shown, cookie)
        return place is not None and nsholder.is_inhabited(place.path)

    def port_of(self, interface_id: str) -> str | None:
        """The host's end of an interface's veth pair, by its name, where it is there."""
        device = self._parts.netlink.device(self.port_name(interface_id))
        return device.name if device else None

    def stays(self, interface_id: str) -> bool:
        """Whether the host's end of its pair is there, and does not go with its namespace.

        The kernel takes the devices of a namespace away a moment after its last process and
        name, in a worker of its own (cleanup_net, net/core/net_namespace.c).
        """
        while self.port_of(interface_id):
            if time.monotonic() > self._patience:
                return True
            time.sleep(_PAUSE_SECONDS)
        return False

    @cached_property
    def _patience(self) -> float:
        return time.monotonic() + _CLEANUP_SECONDS

    def why_unfit(self, path: str) -> str | None:
        """Why a file cannot be a hosts file, in words."""
        from dnet.host import hostsfile

        return hostsfile.why_unfit(path)

    def is_busy(self, host_ip: str, port: int, proto: str) -> bool:
        """Whether a port is not to be chosen: a host process has it, or it is reserved."""
        return self._ports.is_busy(host_ip, port, proto)

    def why_busy(self, host_ip: str, first: int, last: int, proto: str) -> str | None:
        """Which host process has one of the ports, in words, or None where all are free."""
        return self._ports.busy_range(host_ip, first, last, proto)

    def listened_on(self, host_ip: str, first: int, last: int, proto: str) -> Sequence[str]:
        """Where, of an address's family, host processes have one of the ports."""
        return self._ports.addresses(host_ip, first, last, proto)
