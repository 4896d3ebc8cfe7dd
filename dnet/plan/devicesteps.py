"""The steps that change a device of the host's, or its other end in a container's namespace.

Of each, `device` is the host's device that it is about, `shown` the ip(8) command that would do
the same, `why` what was found to differ. They are named tuples: a dozen frozen dataclasses take
five times as long to load.
"""

from __future__ import annotations

from dnet.typing import TYPE_CHECKING, NamedTuple
from dnet.values import family
from dnet.values.family import V4, V6
from dnet.values.names import for_shell as word

if TYPE_CHECKING:
    from dnet.network.facts import Namespace
    from dnet.plan.poolsteps import PoolStep
    from dnet.plan.ratesteps import RateStep
    from dnet.typing import TypeAlias


# What a device in a namespace needs of IPv6, ahead of its being up: that it speaks it, takes no
# router advertisement of a sibling, and does not wait for a second to see whether somebody has its
# address already (Documentation/networking/ip-sysctl.rst).
INSIDE6 = {"accept_ra": "0", "autoconf": "0", "accept_dad": "0", "disable_ipv6": "0"}


class AddBridge(NamedTuple):
    """Make a bridge; with an address given it keeps that whatever its ports are."""

    device: str
    mac: str
    why: str

    @property
    def shown(self) -> str:
        return f"ip link add name {word(self.device)} address {self.mac} type bridge"


class SetLink(NamedTuple):
    """Change what is given of a device: its bridge, its state, its MTU, its hardware address."""

    device: str
    why: str = ""
    master: str | None = None
    up: bool | None = None
    mtu: int | None = None
    mac: str | None = None

    @property
    def shown(self) -> str:
        bridge = None if self.master is None else word(self.master)
        given = {"master": bridge, "mtu": self.mtu, "address": self.mac}
        words = [f"{name} {value}" for name, value in given.items() if value is not None]
        if self.up is not None:
            words.append("up" if self.up else "down")
        return " ".join(["ip link set dev", word(self.device), *words])


class DeleteLink(NamedTuple):
    """Delete a device; one that is gone already is no error."""

    device: str
    why: str = ""

    @property
    def shown(self) -> str:
        return f"ip link delete dev {word(self.device)}"


class AddAddress(NamedTuple):
    """Give a device an address, which it may have already if it is given `again`.

    One of IPv6 without asking whether somebody has it, for which the kernel takes a second.
    """

    device: str
    cidr: str
    why: str = ""
    again: bool = False

    @property
    def shown(self) -> str:
        verb = "replace" if self.again else "add"
        how, end = (" brd +", "") if family.of(self.cidr) is V4 else ("", " nodad")
        return f"ip address {verb} {self.cidr}{how} dev {word(self.device)}{end}"


class DeleteAddress(NamedTuple):
    """Take an address away from a device."""

    device: str
    cidr: str
    why: str = ""

    @property
    def shown(self) -> str:
        return f"ip address delete {self.cidr} dev {word(self.device)}"


class AddSubnetRoute(NamedTuple):
    """Route a subnet to what is plugged into a device."""

    device: str
    subnet: str
    source: str
    why: str

    @property
    def shown(self) -> str:
        by = f"dev {word(self.device)} proto kernel"
        if family.of(self.subnet) is V6:
            return f"ip route replace {self.subnet} {by} metric 256"
        return f"ip route replace {self.subnet} {by} scope link src {self.source}"


class AddLoopbackRoute(NamedTuple):
    """Let the host take ::1 for itself also behind a device.

    The answer to what was translated there comes in by it, and of a loopback address the device
    counts (rt6_need_strict, net/ipv6/route.c).
    """

    device: str
    metric: int
    why: str = ""

    @property
    def shown(self) -> str:
        route = f"local {V6.loopback} dev {word(self.device)} table local"
        return f"ip -6 route add {route} metric {self.metric}"


class DeleteLoopbackRoute(NamedTuple):
    """Take that back."""

    device: str
    why: str = ""

    @property
    def shown(self) -> str:
        return f"ip -6 route delete local {V6.loopback} dev {word(self.device)} table local"


class AddProxyNeighbour(NamedTuple):
    """Let the host answer on a device who is asked for there (`proxy_ndp`, RFC 4389)."""

    device: str
    ip: str
    why: str

    @property
    def shown(self) -> str:
        return f"ip -6 neigh add proxy {self.ip} dev {word(self.device)}"


class DeleteProxyNeighbour(NamedTuple):
    """Take that back; where it does not any more is no error."""

    device: str
    ip: str
    why: str

    @property
    def shown(self) -> str:
        return f"ip -6 neigh delete proxy {self.ip} dev {word(self.device)}"


class AddVeth(NamedTuple):
    """Make a veth pair: a port of a bridge, up if so given, and its peer in another namespace."""

    device: str
    master: str
    mtu: int
    netns: Namespace
    peer: str
    mac: str
    why: str
    up: bool = True

    @property
    def shown(self) -> str:
        up = " up" if self.up else ""
        return (
            f"ip link add name {self.device} mtu {self.mtu} master {word(self.master)}{up} "
            f"type veth peer name {word(self.peer)} address {self.mac} mtu {self.mtu} "
            f"netns {word(self.netns.shown)}"
        )


class SetIsolated(NamedTuple):
    """Keep a port of a bridge apart from other isolated ones, or no longer."""

    device: str
    on: bool
    why: str = ""

    @property
    def shown(self) -> str:
        return f"bridge link set dev {word(self.device)} isolated {'on' if self.on else 'off'}"


class SetHairpin(NamedTuple):
    """Let a bridge send a frame back to the port it came from, and take no BPDU from it.

    The guard is for a bridge with STP, which a container could take over. It is the last step of
    all: who has it was plugged in to the end.
    """

    device: str
    why: str = ""

    @property
    def shown(self) -> str:
        return f"bridge link set dev {self.device} hairpin on guard on"


class ConfigureInside(NamedTuple):
    """Give the device in a namespace its addresses, and the namespace its routes.

    Without a `cidr6` IPv6 is switched off; `apart` is whether it would lead past the rules that
    keep siblings apart.
    """

    device: str
    netns: Namespace
    ifname: str
    mac: str
    cidr: str
    gateway: str
    apart: bool
    why: str = ""
    cidr6: str | None = None
    gateway6: str | None = None

    @property
    def shown(self) -> str:
        # In double quotes, for the script as a whole is in single ones.
        name = self.ifname
        inner = name if word(name) == name else f'"{name}"'.replace("$", "\\$")
        return (
            f"{_inside(self.netns)} sh -c '"
            f"sysctl -w {self._settings(inner)}; "
            f"ip link set lo up; ip address add {self.cidr} brd + dev {inner}; "
            f"ip link set {inner} up; ip route add default via {self.gateway}"
            f"{self._ipv6(inner)}'"
        )

    def _settings(self, inner: str) -> str:
        needed = INSIDE6 if self.cidr6 else {"disable_ipv6": "1"}
        return " ".join(f"net.ipv6.conf.{inner}.{name}={value}" for name, value in needed.items())

    def _ipv6(self, inner: str) -> str:
        if self.cidr6 is None:
            return ""
        add = f"ip address add {self.cidr6} dev {inner} nodad"
        return f"; {add}; ip route add default via {self.gateway6}"


class RouteInside(NamedTuple):
    """Give a namespace a default route by a device of it, where it has none."""

    device: str
    netns: Namespace
    ifname: str
    gateway: str
    why: str = ""

    @property
    def shown(self) -> str:
        route = f"ip route add default via {self.gateway} dev {word(self.ifname)}"
        return f"{_inside(self.netns)} {route}"


class SetMtuInside(NamedTuple):
    """Set the MTU of the device in a namespace."""

    device: str
    netns: Namespace
    ifname: str
    mtu: int
    why: str

    @property
    def shown(self) -> str:
        return f"{_inside(self.netns)} ip link set dev {word(self.ifname)} mtu {self.mtu}"


class SetMacInside(NamedTuple):
    """Set the hardware address of the device in a namespace, and let it be known."""

    device: str
    netns: Namespace
    ifname: str
    mac: str
    why: str

    @property
    def shown(self) -> str:
        return f"{_inside(self.netns)} ip link set dev {word(self.ifname)} address {self.mac}"


WayStep = (
    AddSubnetRoute
    | AddLoopbackRoute
    | DeleteLoopbackRoute
    | AddProxyNeighbour
    | DeleteProxyNeighbour
)
InsideStep = ConfigureInside | RouteInside | SetMtuInside | SetMacInside
DeviceStep: TypeAlias = (
    "AddBridge | SetLink | DeleteLink | AddAddress | DeleteAddress | WayStep | AddVeth"
    "| SetIsolated | SetHairpin | InsideStep | PoolStep | RateStep"
)


def _inside(netns: Namespace) -> str:
    return f"nsenter --net={word(netns.path)}"
