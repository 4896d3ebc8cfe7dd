"""A bridge's part in a pool of several hosts: the overlay, and what is known of the other hosts.

Values, and how they stand in the store, as in dnet.model.entities. The peers are a copy of what
the registry said last: everything that is local goes on without it.
"""

from __future__ import annotations

from dnet.model.entities import Row, row_of
from dnet.typing import Literal, NamedTuple, Self

Transport = Literal["vxlan", "route"]
VXLAN: Transport = "vxlan"
ROUTE: Transport = "route"
TRANSPORTS: tuple[Transport, ...] = (VXLAN, ROUTE)
VNI, PORT = 4242, 4789  # The port is IANA's (RFC 7348, section 5).
# What VXLAN puts ahead of a frame's payload over IPv4: 14 + 8 + 8 + 20 bytes (RFC 7348, section 5).
OVERHEAD = 50
PEER, LEFT, REMOVED = STANDINGS = "peer", "left", "removed"


class Overlay(NamedTuple):
    """A bridge's place among the hosts of a pool.

    Attributes:
        bridge: the bridge whose subnet is this host's block.
        name: this host's name among them.
        registry: the URL of who keeps the hosts' records, without any secret.
        block: this host's part of the pool, None until the registry has given one.
        pool: the addresses of all hosts, None until then.
        underlay: the address that the others reach this host by.
        token: tells this host from a copy of it, and an answer that was lost from another's;
            empty where the registry keeps none.
        revision: the registry's, when it was what is known of it.
        digest: of what it said then, of which all of that follows; empty where it is to be read
            again, as where some of it was not believed.
        expelled: whether the registry has this host no longer.
        ca, cert, key, user: the paths of files with what the registry asks for.
    """

    bridge: str
    name: str
    registry: str
    underlay: str
    token: str = ""
    pool: str | None = None
    block: str | None = None
    transport: Transport = VXLAN
    vni: int = VNI
    port: int = PORT
    revision: int = 0
    expelled: bool = False
    ca: str = ""
    cert: str = ""
    key: str = ""
    user: str = ""
    digest: str = ""

    @property
    def device(self) -> str:
        """The name of its VXLAN device."""
        return f"dnetvx{self.vni}"

    def row(self) -> Row:
        """What stands in the store under the bridge's name."""
        return row_of(self)

    @classmethod
    def from_row(cls, key: str, row: Row) -> Self:
        """The overlay behind a row of the store."""
        return cls(key, **row)


class Peer(NamedTuple):
    """Another host of a pool, or what one has left behind.

    `state` is one of STANDINGS; only the first is reached. `underlay` is None for the others.
    """

    name: str
    block: str
    underlay: str | None = None
    revision: int = 0
    state: str = PEER

    def row(self) -> Row:
        """What stands in the store under the name."""
        return row_of(self)

    @classmethod
    def from_row(cls, key: str, row: Row) -> Self:
        """The peer behind a row of the store."""
        return cls(key, **row)
