"""What the pure parts may ask about the machine they decide for.

They are given an object of this shape and never look for themselves, so a test decides what
the machine is like, and nothing is read that a decision does not need.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from dnet.typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from dnet.errors import DnetError
    from dnet.model.entities import Bridge
    from dnet.model.state import State

# The tables that there always are, RT_TABLE_… of include/uapi/linux/rtnetlink.h.
DEFAULT, MAIN, LOCAL = 253, 254, 255
REFUSING = ("blackhole", "unreachable", "prohibit")
# Of the numbers that say who made a route those from 5 on are anybody's (rtnetlink(7)).
POOL_ROUTES = 68


class Device(NamedTuple):
    """A network device as the kernel has it.

    `addresses` are its IPv4 addresses with prefix length; `master` the bridge it is a port of;
    `hairpin`, `guarded` and `isolated` whether, as a port, it is in hairpin mode, takes no BPDU
    and is kept apart from other isolated ones.
    """

    name: str
    ifindex: int
    kind: str | None
    mac: str | None
    mtu: int
    up: bool
    addresses: tuple[str, ...] = ()
    master: int | None = None
    hairpin: bool = False
    guarded: bool = False
    isolated: bool = False


class Shaping(NamedTuple):
    """What limits what passes a device.

    `bits` are those that it may send in a second and `limit` the bytes that may wait for it, None
    where that is no token bucket; `ingress` is whether what it receives is looked at, `redirect`
    the device that all of it goes by.
    """

    bits: int | None = None
    limit: int | None = None
    ingress: bool = False
    redirect: str | None = None


class Namespace(NamedTuple):
    """A network namespace: how the store names it, where it is, and which one it is.

    `cookie` is never used again on the same boot; None where the kernel has none.
    """

    shown: str
    path: str
    cookie: int | None


class Tunnel(NamedTuple):
    """A VXLAN device as the kernel has it, and whom it reaches.

    `neighbours` are the hardware addresses that are known for good, by address; `hosts` where the
    frames for a hardware address go.
    """

    device: Device
    vni: int
    local: str | None
    port: int
    learns: bool
    neighbours: Mapping[str, str]
    hosts: Mapping[str, str]


class PoolRoute(NamedTuple):
    """A route that dnet made to a block of a pool; without a `router` one that refuses."""

    subnet: str
    router: str | None
    device: str | None
    source: str | None


class ContainerDevice(NamedTuple):
    """A device in a container's namespace.

    `peer` is the index of its other end, `default` the device of the namespace's default route,
    `ipv6` whether the device speaks IPv6. Only of one that does are known its addresses of IPv6,
    `default6`, the device of the default route, and `unset6`, the settings that it lacks.
    """

    peer: int | None
    mac: str | None
    mtu: int
    up: bool
    addresses: tuple[str, ...]
    default: str | None
    ipv6: bool
    default6: str | None = None
    unset6: tuple[str, ...] = ()


class Route(NamedTuple):
    """A route of the host, as ip-route(8) has it: to a subnet, by a device, in a table.

    `kind` is `unicast`; `local` for what is the host's own; or `blackhole`, `unreachable` or
    `prohibit` for what is refused. `table` is None for a rule that refuses by itself.
    """

    subnet: str
    device: str | None = None
    kind: str = "unicast"
    table: int | None = MAIN


class Facts(Protocol):
    """The machine, as far as a decision may depend on it."""

    def now(self) -> str:
        """The time, RFC 3339 in UTC."""

    def objections(self, state: State, bridge: Bridge) -> Iterator[DnetError]:
        """Why the firewall cannot have a bridge next to those of a state, if it cannot."""

    def firewalls(self) -> Iterator[str]:
        """Those whose programs are on this machine, in the order of FIREWALLS."""

    def device(self, name: str) -> Device | None:
        """A network device of the host's namespace."""

    def has_zone(self, name: str) -> bool:
        """Whether firewalld runs and has a device in one of its zones."""

    def routes(self, subnets: Sequence[str], but: int | None = None) -> Iterator[Route]:
        """The routes that have an address in common with any of some subnets.

        Without those that `but` made, a number (rtnetlink(7)). Raises KernelError.
        """

    def gateways(self, subnet: str) -> Collection[str]:
        """The addresses in a subnet that routes go through."""

    def own_addresses(self, subnet: str) -> Mapping[str, str]:
        """The addresses in a subnet that the host itself has, each with the name of its device.

        None where the kernel does not tell.
        """

    def host_addresses(self) -> Mapping[str, str]:
        """Every IPv4 address that the host itself has, each with the name of its device.

        Raises KernelError.
        """

    def missing_ipv6(self) -> tuple[str, str] | None:
        """Why no bridge can have IPv6, and what to do about it; None where one can."""

    def ipv6_addresses(self, device: str) -> Sequence[str]:
        """The IPv6 addresses of a device beyond its link, with their prefix lengths."""

    def random_bits(self, count: int) -> int:
        """A number of so many bits that nobody can foretell."""

    def nameservers(self) -> Sequence[str]:
        """The addresses of resolv.conf."""

    def mac(self, device: str) -> str | None:
        """The hardware address of a network device of the host's namespace."""

    def port_names(self, bridge: str) -> Collection[str]:
        """The names of the devices plugged into a bridge."""

    def port_name(self, interface_id: str) -> str:
        """What the host's end of an interface's veth pair is called, be it there or not."""

    def default_device(self) -> str | None:
        """The device of the default route; None where there is none, or it refuses.

        Raises KernelError.
        """

    def default_mtu(self) -> int:
        """The MTU of the default route's device, else 1500."""

    def namespace(self, text: str) -> Namespace:
        """The network namespace a name, path or pid means. Raises NotFoundError, UsageError."""

    def is_there(self, shown: str, cookie: int | None) -> bool:
        """Whether a namespace of the store is there, and is the same one still."""

    def is_another(self, shown: str, cookie: int | None) -> bool:
        """Whether a name of the store stands for another namespace now."""

    def is_inhabited(self, shown: str, cookie: int | None) -> bool:
        """Whether a namespace of the store is there, and a process is in it."""

    def port_of(self, interface_id: str) -> str | None:
        """The host's end of an interface's veth pair, by its name, where it is there."""

    def stays(self, interface_id: str) -> bool:
        """Whether the host's end of its pair is there, and does not go with its namespace."""

    def why_unfit(self, path: str) -> str | None:
        """Why a file cannot be a hosts file, in words."""

    def is_busy(self, host_ip: str, port: int, proto: str) -> bool:
        """Whether a port is not to be chosen: a host process has it, or it is reserved."""

    def why_busy(self, host_ip: str, first: int, last: int, proto: str) -> str | None:
        """Which host process has one of the ports, in words, or None where all are free."""

    def listened_on(self, host_ip: str, first: int, last: int, proto: str) -> Sequence[str]:
        """Where, of an address's family, host processes have one of the ports.

        A wildcard is for all.
        """
