"""The things dnet keeps: a bridge, an interface, a reserved port, a mapping, a link.

Plain values, and how each stands in the store: `row` gives the JSON object, from which what is
derived or at its default is left out, and `from_row` takes it back.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Any, ClassVar, Self

from dnet import address, names
from dnet.address import ANY
from dnet.endpoint import Endpoint

DEFAULT_BRIDGE = "dnet0"
DEFAULT_CHAIN = "DNET"
DYNAMIC_PORTS = (49153, 65535)
ROUND_ROBIN, REUSE = "round-robin", "reuse"

Row = dict[str, Any]


@cache
def _stored_fields(cls: Any) -> tuple[tuple[str, Any], ...]:
    """Name and default of what a row of the class holds; the key fields stand in its key."""
    return tuple(
        (field.name, field.default) for field in fields(cls) if field.name not in cls.key_fields
    )


class Entity:
    """What the five kinds share: a text key, and a row without it."""

    __slots__ = ()
    key_fields: ClassVar[tuple[str, ...]] = ()

    def row(self) -> Row:
        """The JSON object that stands in the store, defaults left out."""
        row: Row = {}
        kind: Any = type(self)
        for name, default in _stored_fields(kind):
            value = getattr(self, name)
            if default is MISSING or value != default:
                row[name] = list(value) if isinstance(value, tuple) else value
        return row


@dataclass(frozen=True, slots=True)
class Bridge(Entity):
    """A bridge device with its subnet, and the options its containers share.

    `address` is the gateway with its prefix length. `adopted` is a device that was there
    before dnet: it is never deleted.
    """

    key_fields: ClassVar[tuple[str, ...]] = ("name",)

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
    binding_ip: str = ANY
    port_range: tuple[int, int] = DYNAMIC_PORTS
    allocation: str = ROUND_ROBIN
    adopted: bool = False

    @property
    def gateway(self) -> str:
        """The bridge's own address, which its containers use as their router."""
        return address.host(self.address)

    @property
    def subnet(self) -> str:
        """The network of the address, such as 172.17.0.0/16."""
        return str(address.network(self.address))

    @property
    def key(self) -> str:
        """The name."""
        return self.name

    @classmethod
    def from_row(cls, key: str, row: Row) -> Self:
        """The bridge behind a row of the store."""
        low, high = row.get("port_range", DYNAMIC_PORTS)
        return cls(name=key, **{**row, "port_range": (low, high)})


@dataclass(frozen=True, slots=True)
class Interface(Entity):
    """A container's interface: an address on a bridge under an id, and where it is plugged in.

    `netns` and `ifname` are None until it is attached; `cookie` tells the namespace from
    another one of the same name.
    """

    key_fields: ClassVar[tuple[str, ...]] = ("id",)

    id: str
    bridge: str
    ip: str
    expose: tuple[str, ...] = ()
    mac: str | None = None
    netns: str | None = None
    ifname: str | None = None
    cookie: int | None = None

    @property
    def key(self) -> str:
        """The id."""
        return self.id

    @property
    def hardware_address(self) -> str:
        """The MAC it was given, else the one that belongs to its address."""
        return self.mac or address.mac(self.ip)

    @classmethod
    def from_row(cls, key: str, row: Row) -> Self:
        """The interface behind a row of the store."""
        row = {**row, "expose": tuple(row.get("expose", ()))}
        return cls(id=key, **row)


@dataclass(frozen=True, slots=True)
class Reservation(Entity):
    """A host port kept for somebody, without a mapping."""

    key_fields: ClassVar[tuple[str, ...]] = ("endpoint",)

    endpoint: Endpoint
    bridge: str
    owner: str | None = None

    @property
    def key(self) -> str:
        """The endpoint's text."""
        return str(self.endpoint)

    @classmethod
    def from_row(cls, key: str, row: Row) -> Self:
        """The reservation behind a row of the store."""
        return cls(endpoint=Endpoint.from_key(key), **row)


@dataclass(frozen=True, slots=True)
class Mapping(Entity):
    """A host port, or a range of them, translated to a container's."""

    key_fields: ClassVar[tuple[str, ...]] = ("endpoint",)

    endpoint: Endpoint
    container_ip: str
    container_port: int
    bridge: str

    @property
    def key(self) -> str:
        """The endpoint's text."""
        return str(self.endpoint)

    @property
    def container_end(self) -> int:
        """The last container port of a range; that of a single port is the port itself."""
        return self.container_port + self.endpoint.end - self.endpoint.port

    @classmethod
    def from_row(cls, key: str, row: Row) -> Self:
        """The mapping behind a row of the store."""
        return cls(endpoint=Endpoint.from_key(key), **row)


@dataclass(frozen=True, slots=True)
class Link(Entity):
    """A parent's way to a child's ports; the parent `host` is the machine itself.

    `parent_bridge` is None for the host, whose `parent_ip` is 127.0.0.1.
    """

    key_fields: ClassVar[tuple[str, ...]] = ("parent", "child")

    parent: str
    child: str
    parent_ip: str
    parent_bridge: str | None
    child_ip: str
    child_bridge: str
    ports: tuple[str, ...]
    alias: str

    @property
    def key(self) -> str:
        """`PARENT:CHILD`."""
        return f"{self.parent}:{self.child}"

    @property
    def from_host(self) -> bool:
        """Whether the parent is the machine itself."""
        return self.parent == names.HOST

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The host ports it occupies: those of a link from the host, on 127.0.0.1."""
        if not self.from_host:
            return ()
        halves = (names.split_port_proto(text) for text in self.ports)
        return tuple(Endpoint.single(address.LOOPBACK, port, proto) for port, proto in halves)

    @classmethod
    def from_row(cls, key: str, row: Row) -> Self:
        """The link behind a row of the store."""
        parent, _, child = key.partition(":")
        return cls(parent=parent, child=child, **{**row, "ports": tuple(row["ports"])})
