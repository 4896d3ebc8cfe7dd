"""The table of who reaches what, as rows that `tests.world` tries with real connections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import NamedTuple


class Plan(NamedTuple):
    """The addresses of one family, of everybody in the lab, with the lengths of the networks."""

    host: str
    other: str
    loopback: str
    bridge_a: str
    bridge_b: str
    client: str
    neighbour: str
    web: str
    sibling: str
    rogue: str
    far: str
    gateway: str
    wire: int
    bridge: int


V4 = Plan(
    *("10.99.0.1", "10.99.0.11", "127.0.0.1", "172.17.42.1", "172.18.42.1"),
    *("10.99.0.2", "10.98.0.2", "172.17.0.2", "172.17.0.3", "172.17.0.4", "172.18.0.2"),
    *("10.98.0.1", 24, 16),
)
V6 = Plan(
    *("2001:db8:99::1", "2001:db8:99::11", "::1", "fd00:17::1", "fd00:18::1"),
    *("2001:db8:99::2", "2001:db8:98::2", "fd00:17::2", "fd00:17::3", "fd00:17::4", "fd00:18::2"),
    *("2001:db8:98::1", 64, 64),
)


class Conditions(NamedTuple):
    """What a host may be found like, in which the table has to hold."""

    variant: str
    rp_filter: int
    forward_policy: str
    bridge_nf: int
    icc: bool
    ipv6: bool

    def __str__(self) -> str:
        rp_filter = "strict" if self.rp_filter else "loose"
        icc = "icc" if self.icc else "no-icc"
        plans = "-".join((rp_filter, self.forward_policy, f"nf{self.bridge_nf}", icc))
        return f"{self.variant}-{plans}{'-dual' if self.ipv6 else ''}"

    @property
    def plans(self) -> tuple[Plan, ...]:
        """Those of the families that are tried."""
        return (V4, V6) if self.ipv6 else (V4,)

    def has_loopback(self, plan: Plan) -> bool:
        """Whether what is published answers the host at its loopback address.

        Not at ::1 where bridged traffic meets ip6tables, as --no-icc of iptables needs it.
        """
        by_rules = not self.icc and self.variant != "nftables"
        return plan is V4 or not (self.bridge_nf or by_rules)


def _covering() -> Iterator[Conditions]:
    """Hosts in which every two of the conditions occur together in every combination.

    With nftables every three of the last ones: how siblings are kept apart depends on br_netfilter.
    """
    for strict, drop, third in product((False, True), repeat=3):
        forward = "DROP" if drop else "ACCEPT"
        variant, bridge_nf = "legacy" if third else "nft", int(third ^ strict ^ drop)
        ipv6 = strict ^ third
        yield Conditions(variant, int(strict), forward, bridge_nf, strict ^ drop, ipv6)
        icc = strict ^ drop ^ third
        yield Conditions("nftables", int(strict), forward, int(third), icc, ipv6)


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


def _works(at: Plan, *, loopback: bool) -> Iterator[Row]:
    yield from _published(
        "outside to the host's address", "client", (at.host, at.other), at.client + ":"
    )
    bound = Row("outside to the host's address", "client", at.other, 8081, f"web:80 {at.client}:")
    yield bound._replace(until="mapping")
    own = (at.host, at.other, at.bridge_a, at.bridge_b)
    line = "the host to its own addresses"
    yield from _published(line, "host", own)
    yield Row(line, "host", at.other, 8081, "web:80", "mapping")
    line = "the host to its loopback address"
    bound = Row(line, "host", at.loopback, 8082, "web:80", "mapping")
    for row in (*_published(line, "host", (at.loopback,)), bound):
        yield row if loopback else row._replace(answer=None, until=None)
    yield Row(line, "host", at.loopback, 7000, "loopback:7000")
    for line, source in (
        ("another container of the bridge to the host's address", "sibling"),
        ("a container of another bridge to the host's address", "far"),
        ("the container itself to the host's address", "web"),
    ):
        yield from _published(line, source, own)
        yield Row(line, source, at.other, 8081, "web:80", "mapping")


def _refused(at: Plan) -> Iterator[Row]:
    line = "a mapping bound to another address"
    for source in ("client", "sibling", "far", "web"):
        yield Row(line, source, at.host, 8081)
        yield Row(line, source, at.host, 8082)
        yield Row(line, source, at.other, 8082)
    yield Row(line, "host", at.host, 8081)
    yield Row(line, "host", at.host, 8082)
    yield Row(line, "host", at.loopback, 8081)
    for source in ("neighbour", "rogue"):
        for port in (7000, 7001, 8080, 8082, 8090, 8005):
            yield Row("packets for the loopback address from the wire", source, at.loopback, port)
    line = "a container to another bridge's containers"
    for port in (80, 81, 5432):
        yield Row(line, "far", at.web, port)
        yield Row(line, "web", at.far, port)
        yield Row(line, "sibling", at.far, port)


def _siblings(at: Plan, icc: bool) -> Iterator[Row]:
    line = "two containers of the bridge"
    for port in (80, 81):
        yield Row(line, "sibling", at.web, port, f"web:{port} {at.sibling}:" if icc else None)
        yield Row(line, "web", at.sibling, port, f"sibling:{port} {at.web}:" if icc else None)
    line = "two linked containers of the bridge"
    until = None if icc else "link"
    yield Row(line, "sibling", at.web, 5432, f"web:5432 {at.sibling}:", until)
    yield Row(line, "web", at.sibling, 5432, f"sibling:5432 {at.web}:" if icc else None)
    yield Row(line, "rogue", at.web, 5432, f"web:5432 {at.rogue}:" if icc else None)


def rows(conditions: Conditions) -> tuple[Row, ...]:
    """The whole table, of each family that is tried."""
    return tuple(row for at in conditions.plans for row in _of(at, conditions))


def _of(at: Plan, conditions: Conditions) -> Iterator[Row]:
    yield from _works(at, loopback=conditions.has_loopback(at))
    yield from _refused(at)
    yield from _siblings(at, conditions.icc)


LINES = tuple(dict.fromkeys(row.line for row in rows(CONDITIONS[0])))
