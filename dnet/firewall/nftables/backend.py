"""nftables behind the firewall's door: a table of constant text, and elements of its sets."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from dnet.errors import ConflictError, DnetError
from dnet.firewall.door import Chain, Finding, Former
from dnet.firewall.nftables import elements
from dnet.firewall.nftables.change import Change
from dnet.firewall.nftables.elements import Element
from dnet.firewall.nftables.layout import TABLE, TRACE, USER, Form
from dnet.firewall.traffic import families, filtered, pooled
from dnet.model.entities import Bridge, Link
from dnet.model.state import Change as Changed
from dnet.model.state import State
from dnet.model.table import ABSENT
from dnet.typing import TYPE_CHECKING, NamedTuple
from dnet.values.family import Families
from dnet.values.names import for_shell

if TYPE_CHECKING:
    from dnet.firewall.nftables.listing import Seen
    from dnet.values.sources import Sources


class Shape(NamedTuple):
    """What bridges need: their elements, and whether they are open to other networks by name.

    `lists` are those of who may use mappings, which each have a chain; `counts` is whether what
    passes through mappings is counted.
    """

    elements: tuple[Element, ...]
    open: frozenset[str]
    translating: frozenset[str]
    lists: tuple[Sources, ...] = ()
    counts: bool = False

    @property
    def traces(self) -> frozenset[Chain]:
        """The one table."""
        return frozenset({TRACE}) if self.elements else frozenset()

    def __bool__(self) -> bool:
        return bool(self.elements)


class Nftables:
    """How a state becomes the table `inet dnet`; see dnet.firewall.door.Firewall."""

    needs_br_netfilter = False

    # What looks at what is there is loaded when it is needed.

    def shape(self, state: State) -> Shape:
        """What a state needs but for single mappings and links."""
        every = list(state.bridges.values())
        bridges = filtered(every)
        translates = bool(state.mappings) or any(state.link_endpoints())
        names = frozenset(one.name for one in bridges) if translates else frozenset[str]()
        by_name = frozenset(one.name for one in bridges if one.direct_access)
        hosts = pooled(state)
        needed = tuple(elements.of_bridges(every, _closed(bridges), hosts))
        return Shape(needed, by_name, names, elements.lists(state), state.counts)

    def delta(self, state: State, changes: Iterable[Changed]) -> Change:
        """The elements of changed mappings and links, without a look."""
        going: list[Element] = []
        coming: list[Element] = []
        links: list[tuple[Link, int]] = []
        for table, key, old, new in changes:
            for row, found, step in ((old, going, -1), (new, coming, 1)):
                if row is ABSENT:
                    continue
                if table is state.mappings:
                    found += elements.of_mapping(key, row, counts=state.counts)
                elif table is state.links:
                    link = Link.from_row(key, row)
                    found += elements.of_link(link)
                    links.append((link, step))
        if kept := _kept(state, links):
            going = [one for one in going if one not in kept]
            coming = [one for one in coming if one not in kept]
        return Change(going=elements.collected(going), coming=elements.collected(coming))

    def compare(
        self,
        seen: Seen,
        state: State,
        former: Former,
        *,
        expected: Shape | None = None,
        reserved: Collection[Chain] = (),
    ) -> Change:
        """The smallest change from what was seen to what a state needs; see the door.

        Raises ConflictError.
        """
        from dnet.firewall.nftables import diff, forward

        bridges = filtered(state.bridges.values())
        known = former.traces.union(expected.traces if expected else ()).difference(reserved)
        table = seen.table
        if table is not None and bridges:
            is_known = TRACE in known or diff.is_remainder(table)
            if objection := _objection(diff.is_dnets(table), is_known):
                if expected is not None:
                    raise objection
                foreign = Finding(TRACE, "the table is not dnet's")
                return Change(findings=(foreign,), refusal=objection)
        opened = forward.opened(seen.forward, bridges)
        if bridges:
            change = _filled(seen, state, bridges, opened)
        elif table is not None and diff.is_dnets(table) and TRACE in former.traces:
            change = diff.gone(table, goes_on=former.goes_on)
            if diff.has_administrators(table):
                change = change._replace(left=(_left(former),))
        else:
            change = Change()
        beside, found = forward.difference(seen.forward, bridges, former.bridges)
        return change._replace(
            beside=tuple(beside),
            findings=(*change.findings, *found),
            notes=tuple(map(_told, opened)),
        )

    def own(self, _of: Families, /) -> frozenset[Chain]:
        """The table, whose name nobody chooses."""
        return frozenset({TRACE})

    def unknown(self, seen: Seen, owned: Collection[Chain]) -> list[Chain]:
        """The table where it is dnet's, there and not owned."""
        from dnet.firewall.nftables import diff

        if seen.table is None or TRACE in owned or not diff.is_dnets(seen.table):
            return []
        return [] if diff.is_remainder(seen.table) else [TRACE]

    def objections(self, _state: State, _bridge: Bridge) -> Iterator[DnetError]:
        """None: bridges share the table."""
        yield from ()


def _filled(seen: Seen, state: State, bridges: list[Bridge], opened: Iterable[str]) -> Change:
    """What makes the table, or makes it what it should be."""
    from dnet.firewall.nftables import diff

    closed = [*_closed(bridges), *opened]
    wanted = {} if seen.elements is None else elements.everything(state, closed)
    lists, hosts = elements.lists(state), pooled(state)
    form = Form(families(bridges), hosts is not None, bool(lists), lists, state.counts)
    if seen.table is None:
        return diff.made(wanted, form)
    return diff.difference(seen, seen.table, wanted, form)


def _left(former: Former) -> str:
    """What is said of what the administrator has in the table where dnet has nothing."""
    if former.goes_on:
        return (
            f"rules in chain {USER} of {TABLE} still drop packets, but no longer accept them; to "
            "accept packets: iptables -A DNET-USER …"
        )
    return (
        f"the table {TABLE} is kept, because it has a chain {USER} or other objects of yours: "
        f"nft delete table {TABLE}"
    )


def _told(bridge: str) -> str:
    """What is said of a bridge that is closed for what lets it past iptables-nft's FORWARD."""
    return (
        f"{bridge}: other networks cannot reach its containers' own addresses, because filter "
        "FORWARD of iptables-nft drops new connections; to allow it: "
        f"dnet bridge init {for_shell(bridge)} --direct-access"
    )


def _closed(bridges: Iterable[Bridge]) -> list[str]:
    return [one.name for one in bridges if one.direct_access is False]


def _kept(state: State, changed: list[tuple[Link, int]]) -> set[Element]:
    """Where parents send from whose link is neither their first nor was their last."""
    more: dict[Element, int] = {}
    ids: dict[Element, str] = {}
    for link, step in changed:
        if not link.from_host:
            for one in elements.parents(link):
                more[one] = more.get(one, 0) + step
                ids[one] = link.parent
    return {one for one, step in more.items() if _is_kept(_count(state, ids[one], one), step)}


def _is_kept(now: int, more: int) -> bool:
    """Whether something that so many need now is needed as before, be it by nobody."""
    return bool(now) == bool(now - more)


def _count(state: State, parent: str, sending: Element) -> int:
    links = (state.links[key] for key in state.links_by_member.keys(parent))
    return sum(one.parent == parent and sending in elements.parents(one) for one in links)


def _objection(is_dnets: bool, is_known: bool) -> ConflictError | None:
    """Why a table cannot be dnet's: somebody else made it."""
    if not is_dnets:
        return ConflictError(
            f"there is a table {TABLE}, which dnet did not make",
            f"to see it: nft list table {TABLE}; dnet needs this name for its own table",
        )
    if is_known:
        return None
    return ConflictError(
        f"there is a table {TABLE}, unknown to this store",
        "if it belongs to another store: --state-dir; if that store is lost: dnet reset --unowned",
    )
