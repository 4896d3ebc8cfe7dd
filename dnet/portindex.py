"""Who has a port of the host: a reservation, a mapping, or a link from the host.

A port on 0.0.0.0 and the same port on one address exclude each other, both ways.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from dnet import address, names
from dnet.endpoint import Endpoint
from dnet.state import State
from dnet.table import Index


class Holder(NamedTuple):
    """Who has a port: "reservation", "mapping" or "link", and its key in the store."""

    kind: str
    key: str


def find_holder(state: State, endpoint: Endpoint, owner: str | None = None) -> Holder | None:
    """Who has one of the endpoint's ports; what is reserved for `owner` does not count."""
    at = endpoint.host_ip
    if not endpoint.is_range and not _is_known(state, endpoint.port, endpoint.proto):
        return None
    for kind, key, other in meeting(state, endpoint):
        if at != other.host_ip and address.ANY not in (at, other.host_ip):
            continue
        if kind == "reservation" and owner is not None and state.reservations[key].owner == owner:
            continue
        return Holder(kind, key)
    return None


def meeting(state: State, endpoint: Endpoint) -> Iterator[tuple[str, str, Endpoint]]:
    """Everything that has one of the ports, on whichever address: kind, key and what it has.

    A range may come more than once.
    """
    proto = endpoint.proto
    for kind, index in _indexes(state):
        for key in _keys_of(index, endpoint):
            if kind == "link":
                yield kind, key, Endpoint(address.LOOPBACK, endpoint.port, proto, endpoint.end)
            else:
                yield kind, key, Endpoint.from_key(key)
        for number in range(endpoint.port >> 8, (endpoint.end >> 8) + 1):
            for key in index.keys(_block(number, proto)):
                other = Endpoint.from_key(key)
                if other.port <= endpoint.end and endpoint.port <= other.end:
                    yield kind, key, other


def _is_known(state: State, port: int, proto: str) -> bool:
    """Whether anybody has a port on any address, or a range near it: mostly nobody does."""
    single, block = f"{port}/{proto}", _block(port >> 8, proto)
    return any(single in index or block in index for _, index in _indexes(state))


def taken_at(state: State, host_ip: str, proto: str) -> Callable[[int], bool]:
    """Whether somebody has a port of an address: for many ports, almost all of them free."""
    indexes = [index for _, index in _indexes(state)]

    def is_taken(port: int) -> bool:
        single, block = f"{port}/{proto}", _block(port >> 8, proto)
        for index in indexes:
            if single in index or block in index:
                return find_holder(state, Endpoint.single(host_ip, port, proto)) is not None
        return False

    return is_taken


def _block(number: int, proto: str) -> str:
    return f"-{number}/{proto}"


def _groups(key: str, _row: Any) -> Iterable[str]:
    """Where to look for an endpoint: `8080/tcp` for a port, `-31/tcp` for a range.

    A range stands in each block of 256 ports that it reaches into.
    """
    ports, _, proto = key.rpartition(":")[2].partition("/")
    first, dash, last = ports.partition("-")
    if not dash:
        return (f"{ports}/{proto}",)
    return [_block(number, proto) for number in range(int(first) >> 8, (int(last) >> 8) + 1)]


def _link_groups(key: str, row: Any) -> tuple[str, ...]:
    return tuple(row["ports"]) if key.startswith(f"{names.HOST}:") else ()


def _indexes(state: State) -> tuple[tuple[str, Index], ...]:
    return (
        ("mapping", state.mappings.index("port", _groups)),
        ("reservation", state.reservations.index("port", _groups)),
        ("link", state.links.index("port", _link_groups)),
    )


def _keys_of(index: Index, endpoint: Endpoint) -> Iterator[str]:
    for port in range(endpoint.port, endpoint.end + 1):
        yield from index.keys(f"{port}/{endpoint.proto}")
