"""The ports of the host: which are free, whose turn it is, who has one.

The source's portallocator (daemon/networkdriver/portallocator/portallocator.go). A port on
0.0.0.0 and the same port on one address exclude each other, both ways; so do those on :: and on
an address of IPv6. What a process of the host listens on is not free.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice

from dnet.errors import ConflictError, ExhaustedError, NotFoundError, PortInUseError, UsageError
from dnet.model import find
from dnet.model.entities import Bridge, Reservation
from dnet.model.ports import Holder, find_holder, kept_beside, overlapping, taken_on
from dnet.model.state import State
from dnet.typing import TYPE_CHECKING
from dnet.values import address, family, nearby
from dnet.values.endpoint import Endpoint, EndpointQuery, host_ip_of
from dnet.values.family import FAMILIES, WILDCARDS, Family

if TYPE_CHECKING:
    from dnet.network.facts import Facts

_LISTED = 3


def allocate(
    state: State,
    facts: Facts,
    *,
    bridge: str | None = None,
    host_ip: str | None = None,
    proto: str = "tcp",
    ports: tuple[int, int] | None = None,
    owner: str | None = None,
    count: int = 1,
) -> list[Reservation]:
    """Reserve ports: the one asked for, `count` free ones of a range, or the next dynamic ones.

    Without an address it is those of the bridge, of each family that it serves: all or none.
    Raises PortInUseError, ExhaustedError (then none is reserved), UsageError.
    """
    home = find.bridge(state, bridge)
    at, *beside = hosts = (host_ip,) if host_ip else home.binding_ips
    if home.subnet_of(family.of(at)) is None:
        raise find.without_ipv6(home, f"port on {at}")
    if ports is not None and ports[0] == ports[1]:
        if count != 1:
            raise UsageError(f"--count {count} needs a range of ports", "give one: --port LO-HI")
        for one in hosts:
            claim(state, facts, Endpoint.single(one, ports[0], proto), owner=None)
        chosen = [ports[0]]
    else:
        chosen = choose(state, facts, home, hosts, proto, count=count, among=ports)
    made = [
        Reservation(Endpoint.single(at, port, proto), home.name, owner, *beside) for port in chosen
    ]
    for reservation in made:
        state.reservations.put(reservation.key, reservation)
    return made


def release(
    state: State, _facts: Facts, *, queries: Sequence[EndpointQuery], if_exists: bool = False
) -> None:
    """Give reserved ports back, all or none.

    Raises NotFoundError, and ConflictError for a port that a mapping or a link holds.
    """
    keys: list[str] = []
    for query in queries:
        found = match(state, query, state.reservations.rows, partial(_of_one_owner, state))
        keys += found
        if not found:
            _refuse_held(state, query)
            if not if_exists:
                raise _not_reserved(state, query)
    for key in dict.fromkeys(keys):
        state.reservations.drop(key)


def match(
    state: State,
    query: EndpointQuery,
    known: Collection[str],
    belong: Callable[[str, str], bool],
) -> list[str]:
    """The keys that an endpoint as typed means, out of those of a table; none where it is none.

    Without an address they are the only one of that port, or the one on 0.0.0.0, and along with it
    the only one of IPv6, or the one on ::, if the two `belong` together. Raises UsageError where
    several addresses have it and none is 0.0.0.0.
    """
    exact = str(query.endpoint)
    if exact in known and (query.host_ip is not None or not state.serves_ipv6):
        return [exact]
    if query.host_ip is not None:
        return []
    tail = f":{query.endpoint.ports}"
    found = [key for key in known if key.endswith(tail)]
    pair = [key for of in FAMILIES if (key := _meant(found, of))]
    if len(pair) == len(FAMILIES) and belong(*pair):
        return pair
    if exact in found:
        return [exact]
    if len(found) > 1:
        raise UsageError(f"port {query} is on several addresses", f"name one: {', '.join(found)}")
    return found


def _meant(keys: Iterable[str], of: Family) -> str | None:
    """The only one of a family, or the one on all its addresses."""
    found = {host_ip_of(key): key for key in keys if family.of(host_ip_of(key)) is of}
    return found.get(of.any) or (next(iter(found.values())) if len(found) == 1 else None)


def _of_one_owner(state: State, one: str, other: str) -> bool:
    owners = {state.reservations[key].owner for key in (one, other)}
    return len(owners) == 1 and None not in owners


def claim(
    state: State,
    facts: Facts,
    endpoint: Endpoint,
    owner: str | None,
    advice: str | None = None,
) -> None:
    """Make sure that an endpoint is free, or reserved for `owner` already.

    `advice` is what to do where a process has it, if that is not to choose another. Raises
    PortInUseError with the holder's name.
    """
    holder = find_holder(state, endpoint, owner)
    if holder is not None:
        raise PortInUseError(*_belongs(state, endpoint, holder))
    why = facts.why_busy(endpoint.host_ip, endpoint.port, endpoint.end, endpoint.proto)
    if why is not None:
        raise PortInUseError(
            f"{_named(endpoint)} {_verb(endpoint, 'is', 'are')} not free: {why}",
            advice or _other_choice(facts, endpoint),
        )


def _other_choice(facts: Facts, endpoint: Endpoint) -> str:
    """What to do where processes listen on some addresses: on others the port may be free."""
    other_port = "choose another host port"
    host_ip, port, proto, end = endpoint
    listened_on = facts.listened_on(host_ip, port, end, proto)
    if not WILDCARDS.isdisjoint(listened_on):
        return other_port
    taken = ", ".join(listened_on[:_LISTED]) + (", …" if len(listened_on) > _LISTED else "")
    return f"{other_port}, or a HOST_IP other than {taken}"


def choose(
    state: State,
    facts: Facts,
    bridge: Bridge,
    host_ips: Sequence[str],
    proto: str,
    *,
    count: int = 1,
    length: int = 1,
    among: tuple[int, int] | None = None,
) -> list[int]:
    """The first ports of `count` runs that are free on each address, each `length` ports long.

    Without `among` out of the bridge's dynamic range, going on after the last one handed out
    for that protocol, circular. Raises ExhaustedError.
    """
    low, high = among or bridge.port_range
    cursor = state.cursor(bridge.name)
    is_taken = taken_on(state, host_ips, proto)

    def is_free(port: int) -> bool:
        return not is_taken(port) and not any(facts.is_busy(ip, port, proto) for ip in host_ips)

    last = None if among else cursor.get(proto)
    found = list(islice(_free_runs(low, high, last, length, is_free), count))
    if len(found) < count:
        run = f" run of {length}" if length > 1 else ""
        wanted = f"no free {proto} port{run} is"
        if count > 1:
            wanted = f"fewer than {count} free {proto} ports are"
        raise ExhaustedError(f"{wanted} left in {low}-{high}", "dnet port list")
    if among is None:
        state.cursors.put(bridge.name, {**cursor, proto: found[-1] + length - 1})
    return found


def _free_runs(
    low: int, high: int, last: int | None, length: int, is_free: Callable[[int], bool]
) -> Iterator[int]:
    """The first ports of free runs, none of which meet, from `last` + 1 on and circular."""
    start = last + 1 if last is not None and low <= last < high else low
    taken: set[int] = set()
    for first, final in ((start, high), (low, min(start + length - 2, high))):
        begin = first
        for port in range(first, final + 1):
            if port in taken or not is_free(port):
                begin = port + 1
            elif port - begin + 1 == length:
                taken.update(range(begin, port + 1))
                yield begin
                begin = port + 1


def _named(endpoint: Endpoint) -> str:
    return f"port{'s' if endpoint.is_range else ''} {endpoint.ports} on {endpoint.host_ip}"


def _verb(endpoint: Endpoint, one: str, many: str) -> str:
    return many if endpoint.is_range else one


def _belongs(state: State, endpoint: Endpoint, holder: Holder) -> tuple[str, str]:
    """The message for a port that is taken, and where to look."""
    belongs = _verb(endpoint, "belongs", "belong")
    if holder.kind == "mapping":
        mapping = state.mappings[holder.key]
        interface = state.holder(mapping.container_ip)
        last = f"-{mapping.container_end}" if mapping.endpoint.is_range else ""
        ip = address.bracketed(mapping.container_ip)
        target = f"{ip}:{mapping.container_port}{last}"
        whom = f"{interface.id} ({target})" if interface else target
        return (
            f"{_named(endpoint)} {belongs} to {whom}",
            f"dnet map list {interface.id if interface else mapping.container_ip}",
        )
    if holder.kind == "link":
        return f"{_named(endpoint)} {belongs} to the link {holder.key}", "dnet link list"
    owner = state.reservations[holder.key].owner
    by = f" for {owner}" if owner else ""
    return (
        f"{_named(endpoint)} {_verb(endpoint, 'is', 'are')} reserved{by}",
        f"choose another, or release it: dnet port release {holder.key}",
    )


def _not_reserved(state: State, query: EndpointQuery) -> NotFoundError:
    """For a port that is part of the reservation that of IPv4 the hint is the latter."""
    message = f"port {query} is not reserved"
    for key in kept_beside(state).keys(query.endpoint.ports):
        if state.reservations[key].host_ip6 == query.host_ip:
            message = f"port {query} is part of the reservation {key}"
            return NotFoundError(message, f"dnet port release {key}")
    suggest = partial(nearby.endpoints, query, state.reservations)
    return NotFoundError(message, "dnet port list", suggest)


def _refuse_held(state: State, query: EndpointQuery) -> None:
    """Raise ConflictError for a port that a mapping or a link holds."""
    for kind, key, other in chain(*(overlapping(state, one) for one in query.endpoints)):
        every = family.of(other.host_ip).any
        elsewhere = query.host_ip is not None and other.host_ip not in (every, query.host_ip)
        if kind == "reservation" or elsewhere:
            continue
        command = "link" if kind == "link" else "map"
        raise ConflictError(
            f"port {query} belongs to the {kind} {key}", f"dnet {command} remove {key}"
        )
