"""What leads to the other hosts of a pool, as steps: see dnet.plan.devicesteps for those of one."""

from __future__ import annotations

from dnet.network.facts import POOL_ROUTES
from dnet.typing import NamedTuple
from dnet.values.names import for_shell as word


class AddVxlan(NamedTuple):
    """Make a VXLAN device that learns nothing: whom it reaches is said peer by peer.

    Documentation/networking/vxlan.rst; `local` is the address that its packets come from.
    """

    device: str
    vni: int
    local: str
    port: int
    mac: str
    mtu: int
    why: str = ""

    @property
    def shown(self) -> str:
        return (
            f"ip link add name {self.device} address {self.mac} mtu {self.mtu} type vxlan "
            f"id {self.vni} local {self.local} dstport {self.port} nolearning"
        )


class AddNeighbour(NamedTuple):
    """Say for good which hardware address a peer has behind a VXLAN device."""

    device: str
    ip: str
    mac: str
    why: str = ""

    @property
    def shown(self) -> str:
        return f"ip neigh replace {self.ip} lladdr {self.mac} dev {self.device} nud permanent"


class DeleteNeighbour(NamedTuple):
    """Forget that; what is forgotten already is no error."""

    device: str
    ip: str
    why: str = ""

    @property
    def shown(self) -> str:
        return f"ip neigh delete {self.ip} dev {self.device}"


class AddForwarding(NamedTuple):
    """Say which host the frames for a hardware address go to."""

    device: str
    mac: str
    host: str
    why: str = ""

    @property
    def shown(self) -> str:
        entry = f"{self.mac} dev {self.device} dst {self.host}"
        return f"bridge fdb replace {entry} self permanent"


class DeleteForwarding(NamedTuple):
    """Forget that; what is forgotten already is no error."""

    device: str
    mac: str
    why: str = ""

    @property
    def shown(self) -> str:
        return f"bridge fdb delete {self.mac} dev {self.device} self"


class AddPoolRoute(NamedTuple):
    """Route a peer's block to it: through a device where it is not reached directly.

    `source` is what the host itself sends from. Without a `router` the block is nobody's, and is
    refused.
    """

    device: str
    subnet: str
    router: str | None = None
    source: str | None = None
    onlink: bool = False
    why: str = ""

    @property
    def can_wait(self) -> bool:
        """Whether it may fail for now: a router may be reached later, as after the host's boot."""
        return self.router is not None and not self.onlink

    @property
    def shown(self) -> str:
        if self.router is None:
            return f"ip route replace unreachable {self.subnet} proto {POOL_ROUTES}"
        by = f"dev {word(self.device)} onlink " if self.onlink else ""
        return (
            f"ip route replace {self.subnet} via {self.router} {by}src {self.source} "
            f"proto {POOL_ROUTES}"
        )


class DeletePoolRoute(NamedTuple):
    """Route it no longer; what is gone already is no error."""

    device: str
    subnet: str
    refused: bool = False
    why: str = ""

    @property
    def shown(self) -> str:
        kind = "unreachable " if self.refused else ""
        return f"ip route delete {kind}{self.subnet} proto {POOL_ROUTES}"


PoolStep = (
    AddVxlan
    | AddNeighbour
    | DeleteNeighbour
    | AddForwarding
    | DeleteForwarding
    | AddPoolRoute
    | DeletePoolRoute
)
