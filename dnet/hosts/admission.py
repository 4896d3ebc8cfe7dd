"""Which hosts of a registry are believed, on a host that is in the pool itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from dnet.errors import ConflictError
from dnet.hosts import pools
from dnet.hosts.pools import Obstacle
from dnet.hosts.record import PEER, HostRecord, Pool, Roster
from dnet.typing import NamedTuple


class Here(NamedTuple):
    """The host that decides.

    Attributes:
        own: its own record, as it was when it joined.
        addresses: all that it has, of both families.
        obstacles: its addresses, and where its routes lead, but for default routes and what dnet
            made for this pool.
        known: the peers that it has by now, by name.
        everybody: the addresses that are those of all hosts on one of its networks.
    """

    own: HostRecord
    pool: Pool
    addresses: Collection[str]
    obstacles: Collection[Obstacle]
    known: Mapping[str, HostRecord]
    everybody: Collection[str] = ()


class Admitted(NamedTuple):
    """The peers that are believed, in the registry's order, and a sentence on each other one."""

    peers: tuple[HostRecord, ...]
    refused: tuple[str, ...]


def is_older(roster: Roster, known: int) -> bool:
    """Whether a registry says what was before a revision that is known, its own record's included.

    As one that was cut off from the others does, one that was restored, and one that lies.
    """
    return roster.revision < known


def admit(roster: Roster, here: Here) -> Admitted:
    """The peers of a host, of those who joined first where two are in each other's way.

    One that is refused takes nothing from the others.
    """
    peers: dict[str, HostRecord] = {}
    refused = list(roster.refused)
    taken = {here.own.block: here.own.name}
    underlays = {here.own.underlay: here.own.name}
    others = (one for one in roster.hosts if one.state == PEER and one.name != here.own.name)
    # Of the hundreds of routes of a host few are where the blocks can be.
    near = [one for one in here.obstacles if pools.in_the_way(here.pool.subnet, [one])]
    here = here._replace(obstacles=near)
    for host in sorted(others, key=lambda one: one.revision):
        why = next(_objections(host, here, taken, underlays), None)
        if why is not None:
            refused.append(f"the record of {host.name} is refused: {why}")
            continue
        peers[host.name] = host
        taken[host.block] = underlays[host.underlay] = host.name
    return Admitted(tuple(peers.values()), tuple(refused))


def standing(roster: Roster, own: HostRecord) -> ConflictError | None:
    """Why a host may attach nothing new, as the registry does not know it as it was.

    None where all is well. The tokens are compared where the registry keeps any.
    """
    name = own.name
    found = next((one for one in roster.hosts if one.state == PEER and one.name == name), None)
    if found is None:
        return ConflictError(
            f"{name} has been removed from the pool, or was never registered",
            "its containers keep running, but other hosts do not reach them; "
            "to get a block again: dnet host leave --force, then dnet host join",
        )
    if found.token != own.token:
        return ConflictError(
            f"another host has joined as {name}, from {found.underlay}",
            "to get a block under another name: dnet host leave --force, then dnet host join NAME",
        )
    if found.block != own.block:
        return ConflictError(
            f"the block of {name} is now {found.block}, and was {own.block}",
            "to use that block: dnet host leave --force, then dnet host join",
        )
    if found.underlay != own.underlay:
        return ConflictError(
            f"{name} has moved to {found.underlay}, but this host has {own.underlay}",
            "if this is the same host and not a copy of it: dnet host join --moved",
        )
    return None


def _objections(
    host: HostRecord, here: Here, taken: Mapping[str, str], underlays: Mapping[str, str]
) -> Iterator[str]:
    """Why a record is not believed, in words."""
    misfit = pools.misfit(here.pool, host.block)
    if misfit is not None:
        yield f"its block {host.block} {misfit}"
    if host.block in taken:
        yield f"its block {host.block} is that of {taken[host.block]}"
    if host.underlay in here.addresses:
        yield f"its address {host.underlay} is this host's own"
    if host.underlay in here.everybody:
        yield f"its address {host.underlay} is a network or broadcast address"
    if host.underlay in underlays:
        yield f"its address {host.underlay} is that of {underlays[host.underlay]}"
    if pools.is_inside(here.pool, host.underlay):
        yield f"its address {host.underlay} is inside the pool {here.pool.subnet}"
    if host.token and host.token == here.own.token:
        yield "it is a copy of this host, with the same token"
    known = here.known.get(host.name)
    if known is not None and host.revision < known.revision:
        yield f"it is older than what is known of {host.name}"
    obstacle = pools.in_the_way(host.block, here.obstacles)
    if obstacle is not None:
        yield f"its block {host.block} overlaps {obstacle.what}"
