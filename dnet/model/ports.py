"""Who has a port of the host: a reservation, a mapping, or a link from the host.

A port on 0.0.0.0 and the same port on one address of IPv4 exclude each other, both ways; so do
one on :: and one on an address of IPv6.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from dnet.model.state import State
from dnet.model.table import Index, Raw, Table
from dnet.typing import Any, NamedTuple
from dnet.values import family, names
from dnet.values.endpoint import Endpoint
from dnet.values.family import V6


class Holder(NamedTuple):
    """Who has a port: "reservation", "mapping" or "link", and its key in the store."""

    kind: str
    key: str


class Ports:
    """The endpoints that are keys of a table.

    A single port is found under its key, once it is known which addresses there are; only ranges
    are looked up by each block of 256 ports that they reach into. So ten thousand single ports
    need not be taken apart because of one.
    """

    def __init__(self, rows: Raw) -> None:
        self._rows = rows
        self._hosts = dict.fromkeys(_hosts_of(rows))
        ranges = {key: row for key, row in rows.items() if "-" in key}
        self._ranges = Index(_blocks_of, ranges)

    def add(self, key: str, row: Any) -> None:
        """Take up an endpoint that has come."""
        if "-" in key:
            self._ranges.add(key, row)
        else:
            self._hosts[key.rpartition(":")[0]] = None

    def remove(self, key: str, row: Any) -> None:
        """Let go of an endpoint that goes; its address may well be used again."""
        if "-" in key:
            self._ranges.remove(key, row)

    def overlapping(self, endpoint: Endpoint) -> Iterator[str]:
        """The keys of all that have one of the ports, on whichever address of the family."""
        proto, of = endpoint.proto, family.of(endpoint.host_ip)
        for host in self._hosts:
            if family.of(host) is not of:
                continue
            for port in range(endpoint.port, endpoint.end + 1):
                key = f"{host}:{port}/{proto}"
                if key in self._rows:
                    yield key
        blocks = range(endpoint.port >> 8, (endpoint.end >> 8) + 1)
        for key in dict.fromkeys(key for one in blocks for key in self._ranges.keys((one, proto))):
            other = Endpoint.from_key(key)
            same_family = family.of(other.host_ip) is of
            if same_family and other.port <= endpoint.end and endpoint.port <= other.end:
                yield key

    def may_be_taken(self, port: int, proto: str) -> bool:
        """Whether somebody has a port on any address, or a range near it: mostly nobody does."""
        if (port >> 8, proto) in self._ranges:
            return True
        single = f":{port}/{proto}"
        return any(f"{host}{single}" in self._rows for host in self._hosts)


def ports(table: Table[Any]) -> Ports:
    """The endpoints of the mappings, or of the reservations."""
    return table.derive("ports", Ports)


def find_holder(state: State, endpoint: Endpoint, owner: str | None = None) -> Holder | None:
    """Who has one of the endpoint's ports; what is reserved for `owner` does not count."""
    if not endpoint.is_range and not _may_be_taken(state, endpoint.port, endpoint.proto):
        return None
    for kind, key, other in overlapping(state, endpoint):
        if not meet(endpoint.host_ip, other.host_ip):
            continue
        if kind == "reservation" and owner is not None and state.reservations[key].owner == owner:
            continue
        return Holder(kind, key)
    return None


def meet(one: str, other: str) -> bool:
    """Whether a port on one address of the host is a port on the other as well."""
    of = family.of(one)
    return one == other or (of is family.of(other) and of.any in (one, other))


def overlapping(state: State, endpoint: Endpoint) -> Iterator[tuple[str, str, Endpoint]]:
    """Everything that has one of the ports, on whichever address of the endpoint's family.

    Kind, key and what it has.
    """
    for kind, table in (("mapping", state.mappings), ("reservation", state.reservations)):
        for key in ports(table).overlapping(endpoint):
            yield kind, key, Endpoint.from_key(key)
    of = family.of(endpoint.host_ip)
    links, kept = _links(state), kept_beside(state) if of is V6 else None
    for port in range(endpoint.port, endpoint.end + 1):
        one = f"{port}/{endpoint.proto}"
        for key in kept.keys(one) if kept else ():
            yield "reservation", key, state.reservations[key].endpoints[-1]
        for key in links.keys(one):
            for at, _ in state.links[key].ways:
                if family.of(at) is of:
                    yield "link", key, Endpoint.single(at, port, endpoint.proto)


def kept_beside(state: State) -> Index:
    """The reservations that keep their port of IPv6 as well, by that port: `8080/tcp`."""
    return state.reservations.index("beside", _kept_beside)


def _kept_beside(key: str, row: Any) -> tuple[str, ...]:
    return (key.rpartition(":")[2],) if "host_ip6" in row else ()


def taken_on(state: State, host_ips: Collection[str], proto: str) -> Callable[[int], bool]:
    """Whether somebody has a port of any of some addresses: for many ports, almost all free."""

    def is_taken(port: int) -> bool:
        if not _may_be_taken(state, port, proto):
            return False
        return any(find_holder(state, Endpoint.single(ip, port, proto)) for ip in host_ips)

    return is_taken


def _may_be_taken(state: State, port: int, proto: str) -> bool:
    return (
        ports(state.mappings).may_be_taken(port, proto)
        or ports(state.reservations).may_be_taken(port, proto)
        or f"{port}/{proto}" in _links(state)
    )


def _hosts_of(keys: Iterable[str]) -> Iterator[str]:
    """The addresses in keys as they stand there, be it in brackets: mostly that of the one before.

    Each at least once, and of ten thousand keys few are taken apart.
    """
    ahead = "-"
    for key in keys:
        if not key.startswith(ahead):
            host = key.rpartition(":")[0]
            ahead = f"{host}:"
            yield host


def _blocks_of(key: str, _row: Any) -> Iterable[tuple[int, str]]:
    """The blocks of 256 ports that a range reaches into."""
    one = Endpoint.from_key(key)
    return ((number, one.proto) for number in range(one.port >> 8, (one.end >> 8) + 1))


def _links(state: State) -> Index:
    """The links from the host, by their ports."""
    return state.links.index("port", _ports_of_link)


def _ports_of_link(key: str, row: Any) -> tuple[str, ...]:
    return tuple(row["ports"]) if key.startswith(f"{names.HOST}:") else ()
