"""What a pool of several hosts can be, and the blocks that it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import count, islice, takewhile

from dnet.errors import ConflictError, ExhaustedError, UsageError
from dnet.hosts import fields
from dnet.hosts.record import LEFT, REMOVED, HostRecord, Pool, Wanted
from dnet.typing import NamedTuple
from dnet.values import address
from dnet.values.family import V4

BLOCK_PREFIX, VNI, PORT = 24, 4242, 4789  # The port is IANA's, RFC 7348.
LAST_VNI, LAST_PORT = (1 << 24) - 1, (1 << 16) - 1
# A bridge takes no shorter, and no longer, prefix; nor is there a network of more hosts.
SHORTEST, LONGEST, MOST_BITS = 8, 30, 16

_FREED = (LEFT, REMOVED)


class Obstacle(NamedTuple):
    """A network that leads elsewhere than into the pool, and what it is, in words."""

    network: str
    what: str


def checked(pool: Pool) -> Pool:
    """A pool that hosts can share, as it is. Raises UsageError for what could be none."""
    fields.parse_block(pool.subnet)
    prefix, bits = address.prefix_len(pool.subnet), pool.block_prefix
    if prefix < SHORTEST or not fields.is_unicast(*fields.bounds(pool.subnet)):
        raise UsageError(
            f"{pool.subnet} cannot be a pool", "take a private network, such as 10.244.0.0/16"
        )
    first, last = prefix + 1, min(LONGEST, prefix + MOST_BITS)
    if not first <= bits <= last:
        raise UsageError(
            f"a host cannot have a /{bits} of the pool {pool.subnet}",
            f"take a block from /{first} to /{last}" if first <= last else "take a larger pool",
        )
    _within("VNI", pool.vni, LAST_VNI)
    _within("port", pool.port, LAST_PORT)
    return pool


def founded(wanted: Wanted) -> Pool:
    """The pool of a host that is the first in it. Raises UsageError."""
    if wanted.subnet is None:
        raise UsageError(
            "there is no pool yet", "the first host must give it: --pool 10.244.0.0/16"
        )
    return checked(
        Pool(
            wanted.subnet,
            BLOCK_PREFIX if wanted.block_prefix is None else wanted.block_prefix,
            VNI if wanted.vni is None else wanted.vni,
            PORT if wanted.port is None else wanted.port,
        )
    )


def agreed(pool: Pool, wanted: Wanted) -> Pool:
    """The pool that others have made, for a host that joins. Raises ConflictError."""
    for key, there, asked in zip(Pool._fields, pool, wanted, strict=True):
        if asked is not None and asked != there:
            named = {"subnet": "", "block_prefix": "block prefix "}.get(key, f"{key} ")
            raise ConflictError(
                f"the pool is {_described(pool)}, not of {named}{asked}",
                "it is the same for all hosts of a pool: leave the option out",
            )
    return pool


def objections(pool: Pool, obstacles: Iterable[Obstacle]) -> Iterator[str]:
    """Why a pool cannot be on a host: its networks that the pool would hide, in words."""
    own = fields.bounds(pool.subnet)
    for network, what in obstacles:
        if _is_v4(network) and _meet(own, fields.bounds(network)):
            yield f"the pool {pool.subnet} overlaps {what}"


def in_the_way(block: str, obstacles: Iterable[Obstacle]) -> Obstacle | None:
    """What of a host overlaps a block, if anything does."""
    own = fields.bounds(block)
    met = (one for one in obstacles if _is_v4(one.network) and _meet(own, fields.bounds(one[0])))
    return next(met, None)


def misfit(pool: Pool, block: str) -> str | None:
    """Why a network is no block of a pool, None where it is one."""
    if address.prefix_len(block) != pool.block_prefix:
        return f"is not a /{pool.block_prefix}"
    (low, high), (first, last) = fields.bounds(pool.subnet), fields.bounds(block)
    return None if low <= first and last <= high else f"is not in the pool {pool.subnet}"


def is_inside(pool: Pool, ip: str) -> bool:
    """Whether an address of either family is one of a pool."""
    number = fields.v4(ip)
    low, high = fields.bounds(pool.subnet)
    return number is not None and low <= number <= high


def blocks(pool: Pool) -> Iterator[str]:
    """Every block of a pool, the lowest first."""
    low, high = fields.bounds(pool.subnet)
    step = fields.size(pool.block_prefix)
    for number in takewhile(lambda one: one < high, count(low, step)):
        yield f"{address.from_int(number, V4)}/{pool.block_prefix}"


def choose(pool: Pool, held: Mapping[str, HostRecord], among: int = 1, lot: int = 0) -> str:
    """A block for one more host; `held` are those that somebody has, or had.

    First the ones that nobody ever had, the lowest first; then those of hosts that left; then of
    those that were removed, which may be alive after all; each by how long ago. Hosts that join
    together and draw different lots rarely choose the same of the first `among`. Raises
    ExhaustedError.
    """
    fresh = list(islice((one for one in blocks(pool) if one not in held), among))
    if fresh:
        return fresh[lot % len(fresh)]
    freed = [one for one in held.values() if one.state in _FREED and not misfit(pool, one.block)]
    if not freed:
        raise ExhaustedError(
            f"no block is left in the pool {_described(pool)}",
            "remove hosts that no longer exist: dnet host list, dnet host remove NAME",
        )
    return min(freed, key=lambda one: (_FREED.index(one.state), one.revision, one.block)).block


def _within(what: str, number: int, last: int) -> None:
    if not 1 <= number <= last:
        raise UsageError(f"{number} is not a {what}", f"give a number from 1 to {last}")


def _described(pool: Pool) -> str:
    of = f"{pool.subnet}, a /{pool.block_prefix} for each host"
    return f"{of}, VNI {pool.vni}, port {pool.port}"


def _is_v4(network: str) -> bool:
    return ":" not in network


def _meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]
