"""The routing tables of the network namespace the process is in, and what leads to them.

By rtnetlink(7), a row at a time: a router that knows the whole internet has a million of them,
and is to wait a second at most.
"""

from __future__ import annotations

import _socket  # Under `socket`, and loaded in a thirtieth of its time.
import errno
import struct
import sys
from collections.abc import Container, Iterable, Iterator, Mapping

from dnet.host import nlsocket
from dnet.network.facts import Route
from dnet.typing import NamedTuple
from dnet.values import address
from dnet.values.family import V4, V6, Family
from dnet.values.family import of as family_of

_GET_ROUTE, _GET_RULE = 26, 34  # RTM_GETROUTE, RTM_GETRULE, include/uapi/linux/rtnetlink.h
_EVERY_TABLE, _DEFAULT, _MAIN, _LOCAL = 0, 253, 254, 255  # RT_TABLE_UNSPEC, …
_CLONED = 0x200  # RTM_F_CLONED: what was learned of a single address, such as its path MTU
_UNICAST, _TO_HOST = 1, 2  # RTN_UNICAST, RTN_LOCAL
_REFUSING = {6: "blackhole", 7: "unreachable", 8: "prohibit"}  # RTN_…, and FR_ACT_… of a rule
_KINDS = {_UNICAST: "unicast", _TO_HOST: "local", **_REFUSING}
# RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_MULTIPATH, RTA_TABLE
_TO, _BY, _GATEWAY, _PATHS, _TABLE = 1, 4, 5, 9, 15
_METRIC = 6  # RTA_PRIORITY
_RULE_TO, _RULE_TABLE, _RULE_VRF = 1, 15, 19  # FRA_DST, FRA_TABLE, FRA_L3MDEV
_TO_TABLE, _INVERTED = 1, 0x2  # FR_ACT_TO_TBL, FIB_RULE_INVERT

_QUESTION = struct.Struct("=BBBBBBBBI")  # struct rtmsg, and struct fib_rule_hdr, which is as long
# Of struct rtmsg the length of the destination, who made it, the type and the flags. RTA_TABLE
# comes next, and then RTA_DST: fib_dump_info (net/ipv4/fib_semantics.c) and rt6_fill_node
# (net/ipv6/route.c) have never put them otherwise.
_ROW = "=xB3xBxBI 4xI 2xH{}s"
_RULE = struct.Struct("=xB5xBI")  # The length of the destination, the action and the flags.
_NUMBER = struct.Struct("=I")
_PATH = struct.Struct("=HBBi")  # struct rtnexthop: length, flags, hops, device
_SHORTEST_NETWORK = 8
_MOST_WAYS = 4096

Prefix = tuple[int, int]
"""A network's address as a number, and the length of its prefix."""

Row = tuple[bytes, int, int, int, bytes]
"""A route: the address of its destination, the length of that one's prefix, the route's kind, its
table, and its other attributes. As bytes, since of a million nearly all are passed over."""

_EVERYWHERE: Prefix = (0, 0)
_EVERY_OCTET = range(256)


class _Rule(NamedTuple):
    """What a rule does, to which table it leads, and for which destination."""

    action: int
    table: int
    to: Prefix


def overlapping(subnets: Iterable[str], but: int | None = None) -> Iterator[Route]:
    """The routes of the tables in use that have an address in common with any of some subnets.

    All of these are of one family.
    In use are the tables that rules lead to (ip-rule(8)). A rule for a destination leads there
    what lies in it, and one that refuses a destination is like a route that does. Left out are
    routes that lead nowhere by themselves, as `throw` does, and those that were made by `but`, a
    number (rtnetlink(7)). Raises OSError.
    """
    asked = list(subnets)
    own_family = family_of(asked[0]) if asked else V4
    wanted = [prefix(one) for one in asked]
    octets = {octet for one in wanted for octet in _octets(one, own_family)}
    rules = list(_rules(own_family))
    for rule in rules:
        if rule.action in _REFUSING and _meets_any(rule.to, wanted, own_family):
            yield Route(_cidr(rule.to, own_family), kind=_REFUSING[rule.action], table=None)
    for table in _tables(rules):
        destinations = {rule.to for rule in rules if rule.table == table}
        for network, length, kind, own_table, way in _rows(table, 0, octets, own_family, but):
            own = int.from_bytes(network, "big"), length
            for to in destinations if kind in _KINDS else ():
                narrowed = max(own, to, key=lambda one: one[1])
                if meet(own, to, own_family) and _meets_any(narrowed, wanted, own_family):
                    device = _name(next(_hops(way))[0])
                    yield Route(_cidr(narrowed, own_family), device, _KINDS[kind], own_table)


def gateways(subnet: str) -> set[str]:
    """The addresses in a subnet that routes of the tables in use go through. Raises OSError."""
    inside, own = prefix(subnet), family_of(subnet)
    ways = _ways(_tables(_rules(own)), own)
    found = {gateway for way in ways for _, gateway in _hops(way) if gateway}
    return {address.from_int(one, own) for one in found if meet((one, own.bits), inside, own)}


def devices() -> list[str]:
    """The devices by which routes of the main table lead anywhere. Raises OSError."""
    found = dict.fromkeys(index for way in _ways([_MAIN]) for index, _ in _hops(way))
    return [name for name in map(_name, found) if name is not None]


def defaults(family: Family = V4) -> Iterator[str | None]:
    """The device of each default route of the main table, None of one that refuses everything.

    Raises OSError.
    """
    for network, length, kind, _, way in _rows(_MAIN, family=family):
        if length == 0:
            first = next((index for index, _ in _hops(way) if index), 0)
            yield None if kind in _REFUSING else _name(first)
        elif family is V4 and any(network):
            return  # They come by their destinations: fib_table_dump, net/ipv4/fib_trie.c.


def to_host(family: Family = V4) -> Iterator[tuple[Prefix, str]]:
    """What the host takes for itself, each with the name of a device. Raises OSError.

    Single addresses as a rule; an administrator may have it take a whole network.
    """
    for network, length, kind, _, way in _rows(_LOCAL, _TO_HOST, family=family):
        if kind == _TO_HOST:
            yield (int.from_bytes(network, "big"), length), _name(next(_hops(way))[0]) or "lo"


def loopback_routes() -> dict[int, int]:
    """The devices by which the host takes ::1 for itself, each with the route's metric.

    Raises OSError.
    """
    found = {}
    own = address.to_int(V6.loopback).to_bytes(V6.bits // 8, "big"), V6.bits, _TO_HOST
    for network, length, kind, _, way in _rows(_LOCAL, _TO_HOST, family=V6):
        if (network, length, kind) == own:
            has = nlsocket.attributes(way)
            index = int.from_bytes(has.get(_BY, b""), sys.byteorder)
            found[index] = int.from_bytes(has.get(_METRIC, b""), sys.byteorder)
    return found


def prefix(cidr: str) -> Prefix:
    """A network, or an address with the length of its network's prefix, in numbers."""
    ip, _, length = cidr.partition("/")
    return _masked(address.to_int(ip), int(length), family_of(ip)), int(length)


def meet(one: Prefix, other: Prefix, family: Family = V4) -> bool:
    """Whether two networks of a family have an address in common: then one is in the other."""
    length = min(one[1], other[1])
    return _masked(one[0], length, family) == _masked(other[0], length, family)


def _rules(family: Family) -> Iterator[_Rule]:
    """The rules; where the kernel has none, those that it would begin with."""
    question = _QUESTION.pack(family.number, *[0] * 8)
    try:
        for message in nlsocket.dump(nlsocket.ROUTE, _GET_RULE, question):
            length, action, flags = _RULE.unpack_from(message)
            has = nlsocket.attributes(message, _RULE.size)
            is_for = _RULE_TO in has and not flags & _INVERTED
            to = int.from_bytes(has[_RULE_TO], "big") if is_for else 0
            # One for VRFs leads to the table of whichever device, and names none.
            is_for_vrf = has.get(_RULE_VRF, b"\0") != b"\0"
            table = _EVERY_TABLE if is_for_vrf else _NUMBER.unpack(has[_RULE_TABLE])[0]
            yield _Rule(action, table, (to, length) if is_for else _EVERYWHERE)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        yield from (_Rule(_TO_TABLE, table, _EVERYWHERE) for table in (_LOCAL, _MAIN, _DEFAULT))


def _tables(rules: Iterable[_Rule]) -> list[int]:
    """The tables that rules lead to, the main one first and that of the host's addresses last."""
    found = {rule.table for rule in rules if rule.action == _TO_TABLE}
    if _EVERY_TABLE in found:
        return [_EVERY_TABLE]
    return sorted(found, key=lambda table: (table == _LOCAL, table != _MAIN, table))


def _rows(
    table: int,
    kind: int = 0,
    octets: Container[int] = _EVERY_OCTET,
    family: Family = V4,
    but: int | None = None,
) -> Iterator[Row]:
    """The routes of a table; none where it is not there.

    Those of one table and of a kind alone, where the kernel cares to tell them apart; with `octets`
    those networks alone whose address begins with one of them, and what is no network; none that
    were made by `but`.
    """
    size = family.bits // 8
    row, nowhere = struct.Struct(_ROW.format(size)), bytes(size)
    question = _QUESTION.pack(family.number, 0, 0, 0, 0, 0, 0, kind, 0)
    if table != _EVERY_TABLE:
        question += nlsocket.attribute(_TABLE, _NUMBER.pack(table))
    answers = nlsocket.places(nlsocket.ROUTE, _GET_ROUTE, question)
    try:
        for data, at, end in answers:
            length, by, own_kind, flags, own_table, second, network = row.unpack_from(data, at)
            if by == but:
                continue
            if length >= _SHORTEST_NETWORK and network[0] not in octets:
                continue
            if flags & _CLONED or table not in (_EVERY_TABLE, own_table):
                continue
            if second == _TO:
                yield network, length, own_kind, own_table, data[at + row.size : end]
            else:
                yield nowhere, 0, own_kind, own_table, data[at + row.size - size - 4 : end]
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise


def _ways(tables: Iterable[int], family: Family = V4) -> Iterator[bytes]:
    """Which ways the routes of tables go that lead to somebody else."""
    known = set[bytes]()
    for table in tables:
        for _, _, kind, _, way in _rows(table, family=family):
            # Of a million routes nearly all go one of a few ways.
            if kind == _UNICAST and way not in known:
                if len(known) < _MOST_WAYS:
                    known.add(way)
                yield way


def _hops(way: bytes) -> Iterator[tuple[int, int]]:
    """The device's number and the gateway of each path of a route; 0 for none."""
    has = nlsocket.attributes(way)
    yield _hop(int.from_bytes(has.get(_BY, b""), sys.byteorder), has)
    paths, at = has.get(_PATHS, b""), 0
    while at + _PATH.size <= len(paths):
        length, _, _, index = _PATH.unpack_from(paths, at)
        yield _hop(index, nlsocket.attributes(paths[at : at + length], _PATH.size))
        at += max(length, _PATH.size) + 3 & ~3


def _hop(index: int, has: Mapping[int, bytes]) -> tuple[int, int]:
    return index, int.from_bytes(has.get(_GATEWAY, b""), "big")


def _name(index: int) -> str | None:
    try:
        return _socket.if_indextoname(index) if index else None
    except OSError:  # It is gone by now.
        return None


def _cidr(prefix: Prefix, family: Family) -> str:
    return f"{address.from_int(prefix[0], family)}/{prefix[1]}"


def _masked(number: int, length: int, family: Family) -> int:
    """The network that an address is in."""
    return number >> family.bits - length << family.bits - length


def _meets_any(one: Prefix, others: Iterable[Prefix], family: Family) -> bool:
    return any(meet(one, other, family) for other in others)


def _octets(prefix: Prefix, family: Family) -> range:
    """What the addresses of a network begin with."""
    first = prefix[0] >> family.bits - 8
    return range(first, first + (1 << max(8 - prefix[1], 0)))
