"""IPv4 and IPv6 in the document of a store: without a word of dnet's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple


class Linked(NamedTuple):
    """A link in one family: its ends, with the bridges that they are on, and (port, protocol)s."""

    is_host_s: bool
    parent: str
    child: str
    bridge: str | None
    home: str
    ports: list[tuple[str, str]]


class Family(NamedTuple):
    """A version of IP: how it is written, and the fields that it has in a store."""

    version: int
    bits: int
    any: str
    loopback: str
    suffix: str

    @property
    def ip(self) -> str:
        """The field of an interface's address."""
        return f"ip{self.suffix}"

    @property
    def leases(self) -> str:
        """The table of taken addresses."""
        return f"leases{self.suffix}"

    def is_of(self, ip: str) -> bool:
        """Whether an address is of it."""
        return (":" in ip) == (self.version == 6)

    def target(self, ip: str, port: object) -> str:
        """Where a translation leads."""
        return f"[{ip}]:{port}" if self.version == 6 else f"{ip}:{port}"

    def homes(self, store: Any) -> set[str]:
        """The bridges that have it."""
        field = f"address{self.suffix}"
        return {name for name, one in store["bridges"].items() if one.get(field)}

    def mappings(self, store: Any) -> Iterator[tuple[str, Any]]:
        """The rows of its mappings, by their keys."""
        for key, row in store["mappings"].items():
            if self.is_of(row["container_ip"]):
                yield key, row

    def links(self, store: Any) -> Iterator[Linked]:
        """The links that have it."""
        for key, row in store["links"].items():
            parent, child = (row.get(f"{end}_ip{self.suffix}") for end in ("parent", "child"))
            if parent and child:
                ports = [(port, proto) for port, proto in (one.split("/") for one in row["ports"])]
                bridge, home = row.get("parent_bridge"), row["child_bridge"]
                yield Linked(key.startswith("host:"), parent, child, bridge, home, ports)


V4 = Family(4, 32, "0.0.0.0", "127.0.0.1", "")
V6 = Family(6, 128, "::", "::1", "6")
FAMILIES = V4, V6
