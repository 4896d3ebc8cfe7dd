"""Who has which address under which name, as an /etc/hosts says it (hosts(5))."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dnet.firewall.traffic import kept_apart
from dnet.model import find
from dnet.model.entities import Interface, Link
from dnet.model.state import Change, State
from dnet.model.table import ABSENT
from dnet.typing import NamedTuple
from dnet.values import family
from dnet.values.family import FAMILIES
from dnet.values.names import HOST

_LOCALHOST = ("127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback")


class Block(NamedTuple):
    """What a file is to tell an interface, the `owner`; no lines take it out of there."""

    path: str
    owner: str
    lines: tuple[str, ...] | None

    @property
    def shown(self) -> str:
        """A comment: no command does the same."""
        verb = "tells" if self.lines is not None else "no longer tells"
        return f"# {self.path} {verb} whom {self.owner} may reach"

    @property
    def why(self) -> str:
        """What was found to differ."""
        return f"{self.path} does not tell whom {self.owner} may reach"


def kept(state: State) -> Iterator[Block]:
    """What is to be in every hosts file."""
    for one in state.interfaces.values():
        if one.hosts_file is not None:
            yield Block(one.hosts_file, one.id, tuple(lines(state, one)))


def changed(state: State, changes: Iterable[Change]) -> Iterator[Block]:
    """The same after a change, and what goes with it."""
    for table, key, old, _ in changes:
        path = old.get("hosts_file") if table is state.interfaces and old is not ABSENT else None
        now = state.interfaces.get(key) if path else None
        if path and (now is None or now.hosts_file != path):
            yield Block(path, key, None)
    yield from kept(state)


def whole(state: State, who: str | None) -> Iterator[str]:
    """The lines of a whole file, for an interface's id or for the host. Raises NotFoundError."""
    reader = None if who in (None, HOST) else find.interface(state, str(who))
    yield from _LOCALHOST
    yield from lines(state, reader)


def lines(state: State, reader: Interface | None) -> Iterator[str]:
    """What an interface may reach, itself included; None is the host, which reaches everybody.

    Each address has its owner's name, and the alias of the link by which it is reached. Where an
    alias is the name of somebody else it stands for the alias alone.
    """
    links = _links(state, reader.id if reader else HOST)
    aliases = {link.child: link.alias for link in links}
    linked = {ip for link in links for _, ip in link.ways}
    apart = {(one.name, other.name) for one, other in kept_apart(state.bridges.values())}
    for bridge, ip, owner in _owned(state):
        if reader and not (
            owner == reader.id or ip in linked or _is_near(reader, ip, bridge, apart)
        ):
            continue
        own = [] if owner in aliases.values() else [owner]
        names = dict.fromkeys([*own, *filter(None, [aliases.get(owner)])])
        if names:
            yield " ".join([ip, *names])


def _links(state: State, parent: str) -> list[Link]:
    links = (state.links[key] for key in state.links_by_member.keys(parent))
    return [link for link in links if link.parent == parent]


def _owned(state: State) -> Iterator[tuple[str, str, str]]:
    """Bridge, address and owner of all that is taken by somebody."""
    for bridge in state.bridges:
        for of in FAMILIES:
            for ip, owner in state.leases(bridge, of).rows.items():
                if owner is not None:
                    yield bridge, ip, owner


def _is_near(reader: Interface, ip: str, bridge: str, apart: set[tuple[str, str]]) -> bool:
    """Whether an address answers without a link."""
    return (reader.bridge, bridge) not in apart and bool(reader.address_of(family.of(ip)))
