"""The things dnet keeps: a bridge, an interface, a reserved port, a mapping, a link.

Plain values, and how each stands in the store: `row` gives the JSON object, from which what is
derived or at its default is left out, and `from_row` takes it back.
"""

from __future__ import annotations

from dnet.typing import TYPE_CHECKING, Any, NamedTuple, Self
from dnet.values import address, names
from dnet.values.endpoint import Endpoint
from dnet.values.family import V4, V6, Family

if TYPE_CHECKING:
    from dnet.values.sources import Sources

DEFAULT_BRIDGE = "dnet0"
DEFAULT_CHAIN = "DNET"
DYNAMIC_PORTS = (49153, 65535)
# IPv4 needs the one (RFC 791); the other is the most that an Ethernet device, such as a bridge or
# a veth, can have: ETH_MAX_MTU, include/uapi/linux/if_ether.h.
MTUS = range(68, 0xFFFF + 1)
GONE = 0  # The kernel's cookies begin at 1.
ROUND_ROBIN, REUSE = "round-robin", "reuse"
IPTABLES, NFTABLES = FIREWALLS = "iptables", "nftables"

Row = dict[str, Any]


def row_of(entity: Any, keys: int = 1) -> Row:
    """The JSON object that stands in the store.

    Without what is at its default, and without the first fields, which are in the row's key.
    """
    defaults = entity._field_defaults
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in zip(entity._fields[keys:], entity[keys:], strict=True)
        if name not in defaults or value != defaults[name]
    }


class Subnet(NamedTuple):
    """A network of one family, on a bridge; `address` is the bridge's own, with prefix length.

    `range` is the part that addresses are handed out from, None for all of it; `masquerade` whether
    its containers reach other networks under the host's address.
    """

    family: Family
    address: str
    range: str | None = None
    masquerade: bool = True

    @property
    def gateway(self) -> str:
        """The bridge's own address, which its containers use as their router."""
        return address.host(self.address)

    @property
    def network(self) -> str:
        """The network of the address, such as 172.17.0.0/16."""
        return address.subnet(self.address)

    @property
    def pool(self) -> str:
        """What addresses are handed out from on their own accord: no more than can be listed."""
        if self.family is V6:
            from dnet.values import address6

            return address6.pool(self.range or self.address)
        return self.range or self.address


class Bridge(NamedTuple):
    """A bridge device with its subnet, and the options its containers share.

    `address` is the gateway with its prefix length, `address6` that of IPv6, None without it.
    `adopted` is a device that was there before dnet: it is never deleted. `other_ips` are its
    further addresses in the subnets. `direct_access` is whether what comes from elsewhere may go
    straight to a container's own address, None where nobody said; `masquerade6` is None where the
    kind of prefix decides. `origin` is `BY:NETWORK` of the container runtime that it was made for:
    it goes with its last attachment.
    """

    name: str
    address: str
    mtu: int
    created: str
    range: str | None = None
    chain: str = DEFAULT_CHAIN
    icc: bool = True
    masquerade: bool = True
    ip_forward: bool = True
    iptables: bool = True
    isolate: bool = True
    binding_ip: str = V4.any
    port_range: tuple[int, int] = DYNAMIC_PORTS
    allocation: str = ROUND_ROBIN
    adopted: bool = False
    other_ips: tuple[str, ...] = ()
    firewalld: bool = True
    direct_access: bool | None = None
    address6: str | None = None
    range6: str | None = None
    masquerade6: bool | None = None
    binding_ip6: str = V6.any
    origin: str | None = None

    @property
    def subnets(self) -> tuple[Subnet, ...]:
        """What its containers have addresses of: one of each family that it serves, IPv4 first."""
        first = Subnet(V4, self.address, self.range, self.masquerade)
        if self.address6 is None:
            return (first,)
        return first, Subnet(V6, self.address6, self.range6, self._masquerades6)

    @property
    def _masquerades6(self) -> bool:
        """Outside of its site nobody answers to a unique local address (RFC 4193, 4.3)."""
        from dnet.values import address6

        if self.masquerade6 is not None or self.address6 is None:
            return bool(self.masquerade6)
        return address6.is_unique_local(self.address6)

    @property
    def binding_ips(self) -> tuple[str, ...]:
        """Where ports are published that name no address: one in each family that it serves."""
        return (self.binding_ip,) if self.address6 is None else (self.binding_ip, self.binding_ip6)

    def subnet_of(self, of: Family) -> Subnet | None:
        """The subnet of a family, if it serves that."""
        return next((one for one in self.subnets if one.family is of), None)

    @property
    def gateway(self) -> str:
        """The bridge's own address, which its containers use as their router."""
        return address.host(self.address)

    @property
    def subnet(self) -> str:
        """The network of the address, such as 172.17.0.0/16."""
        return address.subnet(self.address)

    def contains(self, ip: str) -> bool:
        """Whether an address lies in one of its subnets."""
        return any(address.contains(one.address, ip) for one in self.subnets)

    @property
    def trusted(self) -> bool:
        """Whether firewalld, while it runs, is to let through what the rules let through."""
        return self.iptables and self.firewalld

    @property
    def key(self) -> str:
        """The name."""
        return self.name

    def row(self) -> Row:
        """What stands in the store under the key."""
        return row_of(self)

    @classmethod
    def from_row(cls, key: str, row: Row) -> Self:
        """The bridge behind a row of the store."""
        low, high = row.get("port_range", DYNAMIC_PORTS)
        spans = {"port_range": (low, high), "other_ips": tuple(row.get("other_ips", ()))}
        return cls(name=key, **{**row, **spans})


class Origin(NamedTuple):
    """Which container runtime asked for an interface, and for what.

    `by` is one of origins.RUNTIMES, `network` the runtime's name for the network, `container` its
    id of the container, `ifname` the device's name there, `name` what people call the container.
    """

    by: str
    network: str
    container: str
    ifname: str
    name: str | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """What no two interfaces have in common."""
        return tuple(self[:4])


class Interface(NamedTuple):
    """A container's interface: an address on a bridge under an id, and where it is plugged in.

    `netns` and `ifname` are None until it is attached; `cookie` tells the namespace from
    another one of the same name; it is GONE once a boot has taken the namespace with it. `origin`
    is None for what no container runtime asked for. `hosts_file` is the path of the file that tells
    it whom it may reach, if it has one; `rate_in` and `rate_out` limit what it gets and sends, as
    dnet.values.rates writes it.
    """

    id: str
    bridge: str
    ip: str
    expose: tuple[str, ...] = ()
    mac: str | None = None
    netns: str | None = None
    ifname: str | None = None
    cookie: int | None = None
    ip6: str | None = None
    origin: Origin | None = None
    hosts_file: str | None = None
    rate_in: str | None = None
    rate_out: str | None = None

    @property
    def key(self) -> str:
        """The id."""
        return self.id

    @property
    def addresses(self) -> tuple[str, ...]:
        """Its addresses: one in each of the bridge's subnets that it has been given one of."""
        return (self.ip,) if self.ip6 is None else (self.ip, self.ip6)

    def address_of(self, of: Family) -> str | None:
        """Its address of a family, if it has one."""
        return self.ip if of is V4 else self.ip6

    @property
    def hardware_address(self) -> str:
        """The MAC it was given, else the one that belongs to its address."""
        return self.mac or address.mac(self.ip)

    def row(self) -> Row:
        """What stands in the store under the key."""
        row = row_of(self)
        return row | {"origin": self.origin._asdict()} if self.origin else row

    @classmethod
    def from_row(cls, key: str, row: Row) -> Self:
        """The interface behind a row of the store."""
        row = {**row, "expose": tuple(row.get("expose", ()))}
        if origin := row.get("origin"):
            row["origin"] = Origin(**origin)
        return cls(id=key, **row)


class Reservation(NamedTuple):
    """A host port kept for somebody, without a mapping.

    One that is kept in both families has its key by that of IPv4, and `host_ip6` next to it.
    """

    endpoint: Endpoint
    bridge: str
    owner: str | None = None
    host_ip6: str | None = None

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """What is kept, IPv4 first."""
        if self.host_ip6 is None:
            return (self.endpoint,)
        return self.endpoint, self.endpoint._replace(host_ip=self.host_ip6)

    @property
    def key(self) -> str:
        """The endpoint's text."""
        return str(self.endpoint)

    def row(self) -> Row:
        """What stands in the store under the key."""
        return row_of(self)

    @classmethod
    def from_row(cls, key: str, row: Row) -> Self:
        """The reservation behind a row of the store."""
        return cls(endpoint=Endpoint.from_key(key), **row)


class Mapping(NamedTuple):
    """A host port, or a range of them, translated to a container's.

    Both its addresses are of one family; a port that is published in both is two mappings.
    `sources` are the networks of that family that may use it besides the host itself, in their
    order; with none, everybody.
    """

    endpoint: Endpoint
    container_ip: str
    container_port: int
    bridge: str
    sources: Sources = ()

    @property
    def key(self) -> str:
        """The endpoint's text."""
        return str(self.endpoint)

    @property
    def container_end(self) -> int:
        """The last container port of a range; that of a single port is the port itself."""
        return self.container_port + self.endpoint.end - self.endpoint.port

    def row(self) -> Row:
        """What stands in the store under the key."""
        # As row_of has it, in a third of the time: of nothing are there more.
        row = {
            "container_ip": self.container_ip,
            "container_port": self.container_port,
            "bridge": self.bridge,
        }
        return row | {"sources": list(self.sources)} if self.sources else row

    @classmethod
    def from_row(cls, key: str, row: Row) -> Self:
        """The mapping behind a row of the store."""
        if "sources" in row:
            row = row | {"sources": tuple(row["sources"])}
        return cls(endpoint=Endpoint.from_key(key), **row)


class Link(NamedTuple):
    """A parent's way to a child's ports; the parent `host` is the machine itself.

    `parent_bridge` is None for the host, whose `parent_ip` is 127.0.0.1. Where both ends have IPv6
    it leads there as well, from `parent_ip6`, of the host ::1, to `child_ip6`; else both are None.
    """

    parent: str
    child: str
    parent_ip: str
    parent_bridge: str | None
    child_ip: str
    child_bridge: str
    ports: tuple[str, ...]
    alias: str
    parent_ip6: str | None = None
    child_ip6: str | None = None

    @property
    def key(self) -> str:
        """`PARENT:CHILD`."""
        return f"{self.parent}:{self.child}"

    @property
    def from_host(self) -> bool:
        """Whether the parent is the machine itself."""
        return self.parent == names.HOST

    @property
    def ways(self) -> tuple[tuple[str, str], ...]:
        """The addresses of parent and child in each family that it leads in, IPv4 first."""
        first = self.parent_ip, self.child_ip
        if self.parent_ip6 is None or self.child_ip6 is None:
            return (first,)
        return first, (self.parent_ip6, self.child_ip6)

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The host ports it occupies: those of a link from the host, on its loopback addresses."""
        if not self.from_host:
            return ()
        halves = [names.split_port_proto(text) for text in self.ports]
        return tuple(Endpoint.single(at, *half) for at, _ in self.ways for half in halves)

    def row(self) -> Row:
        """What stands in the store under the key."""
        return row_of(self, 2)

    @classmethod
    def from_row(cls, key: str, row: Row) -> Self:
        """The link behind a row of the store."""
        parent, _, child = key.partition(":")
        return cls(parent=parent, child=child, **{**row, "ports": tuple(row["ports"])})
