"""The part of a state that a command is asked to show, as a state of its own.

It is for reading: what is shown of a part is shown as of the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain

from dnet.errors import NotFoundError, UsageError
from dnet.model import find
from dnet.model.ports import meet, overlapping
from dnet.model.state import State
from dnet.values import address, names, nearby
from dnet.values.endpoint import EndpointQuery, parse_endpoint

_LEASES = ("leases", "leases6")


def of_owner(state: State, name: str) -> State:
    """What an interface's id has, or another owner of an address or a port; links both ways.

    Of the bridges those alone that any of it is on. Raises NotFoundError, UsageError for what is no
    id. The host has its links.
    """
    part = _with_leases(state, lambda _, owner: owner == name)
    leases = [one for kind in _LEASES for one in part.document().get(kind, {}).items()]
    ips = [ip for _, rows in leases for ip in rows]
    part = _with_keys(
        part,
        interfaces=[name],
        reservations=state.reservations_by_owner.keys(name),
        mappings=chain.from_iterable(map(state.mappings_by_target.keys, ips)),
        links=state.links_by_member.keys(name),
    )
    if name != names.HOST and not ips and not part.reservations:
        raise _nobody(state, name)
    homes = {bridge for bridge, _ in leases}.union(one.bridge for one in part.reservations.values())
    return _with_keys(part, bridges=homes)


def of_address(state: State, asked: str) -> State:
    """A taken address, or those of an owner. Raises NotFoundError, UsageError."""
    if not names.reads_as_address(asked):
        return of_owner(state, asked)
    ip = address.parse_any(asked)
    part = _with_leases(state, lambda one, _: one == ip)
    if not any(part.document().get(kind) for kind in _LEASES):
        raise NotFoundError(f"{ip} is not taken", "dnet ip list")
    return part


def of_port(state: State, asked: str) -> State:
    """Whatever has one of an endpoint's ports, or the ports of an owner.

    Without an address on any; on an address also what has the port on all of them. Raises
    NotFoundError, UsageError for what is neither an endpoint nor an id.
    """
    if asked in state.interfaces or asked in state.reservations_by_owner:
        return of_owner(state, asked)
    try:
        query = parse_endpoint(asked)
    except UsageError as error:
        if asked[:1].isalpha():
            return of_owner(state, asked)
        raise UsageError(
            f"{names.quoted(asked)} is neither a host endpoint nor an id: {error}", "dnet port list"
        ) from None
    found: dict[str, list[str]] = {"mapping": [], "reservation": [], "link": []}
    for kind, key in _holders(state, query):
        found[kind].append(key)
    if not any(found.values()):
        known = chain(state.mappings, state.reservations)
        suggest = partial(nearby.endpoints, query, known)
        raise NotFoundError(f"port {query} is not taken", "dnet port list", suggest)
    return _with_keys(
        state,
        mappings=found["mapping"],
        reservations=found["reservation"],
        links=found["link"],
    )


def _holders(state: State, query: EndpointQuery) -> Iterable[tuple[str, str]]:
    for endpoint in query.endpoints:
        for kind, key, other in overlapping(state, endpoint):
            if query.host_ip is None or meet(query.host_ip, other.host_ip):
                yield kind, key


def _nobody(state: State, name: str) -> NotFoundError:
    """The error for who has nothing. Raises UsageError for what is no id."""
    return find.no_interface(state, names.interface_id(name))


def _with_keys(state: State, **kept: Iterable[str]) -> State:
    """A state with these rows alone, in their order, of the tables that are named."""
    document = state.document()
    tables = {
        table: {key: row for key, row in document[table].items() if key in wanted}
        for table, wanted in ((table, frozenset(keys)) for table, keys in kept.items())
    }
    return State(document | tables)


def _with_leases(state: State, is_kept: Callable[[str, str | None], bool]) -> State:
    """A state with these of its taken addresses alone."""
    document = state.document()
    leases = {
        kind: {
            bridge: {ip: owner for ip, owner in rows.items() if is_kept(ip, owner)}
            for bridge, rows in document.get(kind, {}).items()
        }
        for kind in _LEASES
    }
    return State(document | leases)
