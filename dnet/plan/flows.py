"""Which tracked connections a change of the state ends: as data, from what was changed.

The nat table sees only the first packet of a flow, so a flow that is under way would outlive
the rule that let it through, and one that began without a mapping would never meet it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import product

from dnet.firewall.traffic import kept_apart
from dnet.model.entities import Bridge, Link, Mapping
from dnet.model.ports import ports
from dnet.model.state import Change, State
from dnet.model.table import ABSENT, Table
from dnet.plan.flow import LOCAL, Flow
from dnet.typing import Any
from dnet.values import family, sources
from dnet.values.endpoint import Endpoint
from dnet.values.family import FAMILIES, WILDCARDS
from dnet.values.names import split_port_proto


def ended(changes: Collection[Change], now: State) -> Iterator[Flow]:
    """The connections that what was changed has made obsolete, and nobody else's.

    `now` is the state afterwards.
    """
    bridges = {key: old for table, key, old, _ in changes if table.name == "bridges"}
    if bridges:
        former = {**now.bridges.rows, **bridges}.items()
        yield from _parted((Bridge.from_row(*one) for one in former if one[1] is not ABSENT), now)
    for table, key, old, new in changes:
        if table.name in ("leases", "leases6") and old is not ABSENT:
            yield Flow(either=key)
        elif table.name == "mappings":
            before, after = (
                None if row is ABSENT else Mapping.from_row(key, row) for row in (old, new)
            )
            yield from _of_mapping(before, after, now.mappings)
        elif table.name == "links":
            links = (None if row is ABSENT else Link.from_row(key, row) for row in (old, new))
            yield from _of_link(*links)


def _of_mapping(old: Mapping | None, new: Mapping | None, now: Table[Any]) -> Iterator[Flow]:
    """What a mapping translated that goes or changes, and what came to the port of one that comes.

    Where only others may use it, what those do goes on who still may.
    """
    if old and new and old._replace(sources=new.sources) == new:
        if not sources.widens(old.sources, new.sources):
            yield _through(new, now)._replace(hold=True, spared=tuple(_admitted(new)))
        elif not new.key.endswith("/tcp"):
            yield _past(new.endpoint)._replace(spared=(_through(new, now),))
        return
    if old:
        yield _through(old, now)
    if new and not new.key.endswith("/tcp"):
        yield _past(new.endpoint)


def _admitted(mapping: Mapping) -> Iterator[Flow]:
    """What comes from where a mapping may be used from: the host itself, and its networks."""
    of = family.of(mapping.container_ip)
    yield Flow(orig_src=LOCAL, of=of)
    yield from (Flow(orig_src=one) for one in mapping.sources)


def _of_link(old: Link | None, new: Link | None) -> Iterator[Flow]:
    """What a link that goes or changes let through, and what came to the ports of one that comes.

    One that is there in more families than before goes on as it was in those.
    """
    stays = set(_along(new)) if new else set()
    if old:
        yield from (flow for flow in _along(old) if flow not in stays)
    opened = set(new.endpoints if new else ()).difference(old.endpoints if old else ())
    yield from (_past(at) for at in sorted(opened) if at.proto != "tcp")


def left_behind(there: State, here: State) -> Iterator[Flow]:
    """The connections that the kernel let through while it was that of another state."""
    tables: list[tuple[Table[Any], Table[Any]]] = [
        (there.mappings, here.mappings),
        (there.links, here.links),
    ]
    tables += [
        (there.leases(name, of), here.leases(name, of)) for name in there.bridges for of in FAMILIES
    ]
    for theirs, ours in tables:
        gone = ((theirs, key, row, ABSENT) for key, row in theirs.rows.items() if key not in ours)
        back = ((ours, key, ABSENT, row) for key, row in ours.rows.items() if key not in theirs)
        yield from ended((*gone, *back), here)
    both = (
        (key, row, here.mappings.rows.get(key, row)) for key, row in there.mappings.rows.items()
    )
    yield from ended([(here.mappings, *one) for one in both if one[1] != one[2]], here)
    yield from _parted(there.bridges.values(), here)


def _parted(former: Iterable[Bridge], now: State) -> Iterator[Flow]:
    """What goes on between containers that are kept apart from now on, but for their links.

    On a bridge that was made only now there is nothing yet, if it is not adopted.
    """
    before = list(former)
    yield from _parted_from_peers([one.name for one in before if one.icc], now)
    settled = {one.name for one in before}
    settled |= {one.name for one in now.bridges.values() if one.adopted}
    apart = {(source.name, destination.name) for source, destination in kept_apart(before)}
    for source, destination in kept_apart(now.bridges.values()):
        pair = source.name, destination.name
        if pair in apart or not settled.issuperset(pair):
            continue
        for one, other in product(source.subnets, destination.subnets):
            if one.family is other.family:
                yield Flow(
                    orig_src=one.network,
                    orig_dst=other.network,
                    direct=True,
                    spared=tuple(_linked(now, *pair)),
                )


def _parted_from_peers(was_open: Collection[str], now: State) -> Iterator[Flow]:
    """The same of containers of other hosts, where a bridge `was_open` and is not any more."""
    here = now.overlay
    if here is None or here.block is None or here.bridge not in was_open:
        return
    if not now.bridges[here.bridge].icc:
        for source, destination in ((here.block, here.pool), (here.pool, here.block)):
            yield Flow(orig_src=source, orig_dst=destination, direct=True)


def _linked(now: State, parent_bridge: str, child_bridge: str) -> Iterator[Flow]:
    for link in now.links.values():
        if (link.parent_bridge, link.child_bridge) == (parent_bridge, child_bridge):
            yield from _along(link)


def _destination(host_ip: str) -> str:
    return LOCAL if host_ip in WILDCARDS else host_ip


def _through(mapping: Mapping, now: Table[Any]) -> Flow:
    """What a mapping translated.

    Its place is held where no other mapping has the port now. Otherwise what the container still
    sends, a late answer or a connection that goes on, would be masqueraded under the very port
    that was the mapping's, and the client's next packet would belong to that flow.
    """
    return translated(mapping)._replace(hold=not any(ports(now).overlapping(mapping.endpoint)))


def translated(mapping: Mapping) -> Flow:
    """What a mapping translates."""
    at = mapping.endpoint
    return Flow(
        proto=at.proto,
        orig_dst=_destination(at.host_ip),
        orig_dports=(at.port, at.end),
        reply_src=mapping.container_ip,
        reply_sports=(mapping.container_port, mapping.container_end),
        of=family.of(at.host_ip),
    )


def _past(at: Endpoint) -> Flow:
    """What came to a port before it was anybody's, where a client never starts again."""
    return Flow(
        proto=at.proto,
        orig_dst=_destination(at.host_ip),
        orig_dports=(at.port, at.end),
        of=family.of(at.host_ip),
    )


def _along(link: Link) -> Iterator[Flow]:
    """What went from parent to child."""
    for (parent, child), text in product(link.ways, link.ports):
        port, proto = split_port_proto(text)
        if link.from_host:
            yield Flow(proto=proto, orig_dst=parent, orig_dports=(port, port), reply_src=child)
        else:
            yield Flow(proto=proto, orig_src=parent, orig_dst=child, orig_dports=(port, port))
