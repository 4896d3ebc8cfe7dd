"""The table of who reaches what, as rows that `tests.world` tries with real connections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import NamedTuple

HOST, OTHER, LOOPBACK = "10.99.0.1", "10.99.0.11", "127.0.0.1"
BRIDGE_A, BRIDGE_B = "172.17.42.1", "172.18.42.1"
CLIENT, NEIGHBOUR = "10.99.0.2", "10.98.0.2"
WEB, SIBLING, ROGUE, FAR = "172.17.0.2", "172.17.0.3", "172.17.0.4", "172.18.0.2"


class Conditions(NamedTuple):
    """What a host may be found like, in which the table has to hold."""

    variant: str
    rp_filter: int
    forward_policy: str
    bridge_nf: int
    icc: bool

    def __str__(self) -> str:
        rp_filter = "strict" if self.rp_filter else "loose"
        icc = "icc" if self.icc else "no-icc"
        return f"{self.variant}-{rp_filter}-{self.forward_policy}-nf{self.bridge_nf}-{icc}"


def _covering() -> Iterator[Conditions]:
    """Hosts in which every two of the conditions occur together in every combination.

    With nftables every three: how siblings are kept apart depends on br_netfilter.
    """
    for strict, drop, third in product((False, True), repeat=3):
        forward = "DROP" if drop else "ACCEPT"
        variant, bridge_nf = "legacy" if third else "nft", int(third ^ strict ^ drop)
        yield Conditions(variant, int(strict), forward, bridge_nf, strict ^ drop)
        yield Conditions("nftables", int(strict), forward, int(third), strict ^ drop ^ third)


CONDITIONS = tuple(_covering())


class Row(NamedTuple):
    """Who asks where, and what must come back: the beginning of the answer, or None for nothing.

    `until` is what the row needs in order to work: it works no longer once that is removed.
    """

    line: str
    source: str
    address: str
    port: int
    answer: str | None = None
    until: str | None = None


def _published(line: str, source: str, addresses: Iterable[str], seen: str = "") -> Iterator[Row]:
    """The wildcard mappings of `web` (one port, a range) and `far`, at each address."""
    for address in addresses:
        yield Row(line, source, address, 8080, f"web:80 {seen}", "mapping")
        yield Row(line, source, address, 8000, f"web:9100 {seen}", "mapping")
        yield Row(line, source, address, 8009, f"web:9109 {seen}", "mapping")
        yield Row(line, source, address, 8090, f"far:80 {seen}", "mapping")


def _works() -> Iterator[Row]:
    yield from _published("outside to the host's address", "client", (HOST, OTHER), CLIENT + ":")
    bound = Row("outside to the host's address", "client", OTHER, 8081, f"web:80 {CLIENT}:")
    yield bound._replace(until="mapping")
    own = (HOST, OTHER, BRIDGE_A, BRIDGE_B)
    line = "the host to its own addresses"
    yield from _published(line, "host", own)
    yield Row(line, "host", OTHER, 8081, "web:80", "mapping")
    line = "the host to 127.0.0.1"
    yield from _published(line, "host", (LOOPBACK,))
    yield Row(line, "host", LOOPBACK, 8082, "web:80", "mapping")
    yield Row(line, "host", LOOPBACK, 7000, "loopback:7000")
    for line, source in (
        ("another container of the bridge to the host's address", "sibling"),
        ("a container of another bridge to the host's address", "far"),
        ("the container itself to the host's address", "web"),
    ):
        yield from _published(line, source, own)
        yield Row(line, source, OTHER, 8081, "web:80", "mapping")


def _refused() -> Iterator[Row]:
    line = "a mapping bound to another address"
    for source in ("client", "sibling", "far", "web"):
        yield Row(line, source, HOST, 8081)
        yield Row(line, source, HOST, 8082)
        yield Row(line, source, OTHER, 8082)
    yield Row(line, "host", HOST, 8081)
    yield Row(line, "host", HOST, 8082)
    yield Row(line, "host", LOOPBACK, 8081)
    for source in ("neighbour", "rogue"):
        for port in (7000, 7001, 8080, 8082, 8090, 8005):
            yield Row("packets for 127.0.0.1 from the wire", source, LOOPBACK, port)
    line = "a container to another bridge's containers"
    for port in (80, 81, 5432):
        yield Row(line, "far", WEB, port)
        yield Row(line, "web", FAR, port)
        yield Row(line, "sibling", FAR, port)


def _siblings(icc: bool) -> Iterator[Row]:
    line = "two containers of the bridge"
    for port in (80, 81):
        yield Row(line, "sibling", WEB, port, f"web:{port} {SIBLING}:" if icc else None)
        yield Row(line, "web", SIBLING, port, f"sibling:{port} {WEB}:" if icc else None)
    line = "two linked containers of the bridge"
    until = None if icc else "link"
    yield Row(line, "sibling", WEB, 5432, f"web:5432 {SIBLING}:", until)
    yield Row(line, "web", SIBLING, 5432, f"sibling:5432 {WEB}:" if icc else None)
    yield Row(line, "rogue", WEB, 5432, f"web:5432 {ROGUE}:" if icc else None)


def rows(icc: bool) -> tuple[Row, ...]:
    """The whole table, with inter-container traffic on or off."""
    return (*_works(), *_refused(), *_siblings(icc))


LINES = tuple(dict.fromkeys(row.line for row in rows(icc=True)))
