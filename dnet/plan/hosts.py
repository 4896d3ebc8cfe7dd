"""Who has which address under which name, as an /etc/hosts says it (hosts(5))."""

from __future__ import annotations

from collections.abc import Iterator

from dnet.firewall.traffic import kept_apart
from dnet.model import find
from dnet.model.entities import Interface, Link
from dnet.model.state import State
from dnet.values import family
from dnet.values.family import FAMILIES
from dnet.values.names import HOST

_LOCALHOST = ("127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback")


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
