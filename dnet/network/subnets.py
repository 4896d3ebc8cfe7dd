"""Which subnet a bridge gets, and which of the host's networks a given one overlaps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from dnet.errors import ExhaustedError
from dnet.model.entities import Bridge, Subnet
from dnet.model.state import State
from dnet.model.table import ABSENT
from dnet.network.facts import DEFAULT, LOCAL, MAIN, REFUSING
from dnet.typing import TYPE_CHECKING
from dnet.values import address, family
from dnet.values.family import V4, V6

if TYPE_CHECKING:
    from dnet.network.facts import Facts, Route

CANDIDATES = (
    "172.17.42.1/16",
    "10.0.42.1/16",
    "10.1.42.1/16",
    "10.42.42.1/16",
    "172.16.42.1/24",
    "172.16.43.1/24",
    "172.16.44.1/24",
    "10.0.42.1/24",
    "10.0.43.1/24",
    "192.168.42.1/24",
    "192.168.43.1/24",
    "192.168.44.1/24",
)
_MOST_NAMED = 3
_SHORTEST = {V4: address.SHORTEST_PREFIX, V6: 48}


def choose(state: State, facts: Facts, candidates: Sequence[str] = CANDIDATES) -> str:
    """The first candidate, as a rule of the source's twelve, that nothing of the host overlaps.

    In the way are a nameserver, another bridge's subnet, and a route to a network. Raises
    ExhaustedError, whose hint names what is in the way.
    """
    leaving, obstacles = _leaving(state), dict[str, str]()
    there = [
        (one.network, f"the bridge {bridge.name}")
        for bridge in state.bridges.values()
        for one in bridge.subnets
    ]
    if (overlay := state.overlay) and overlay.pool:
        there.append((overlay.pool, f"the pool {overlay.pool} of several hosts"))
    for subnet, why in [*_nameservers(facts), *there]:
        for candidate in candidates:
            if address.overlap(candidate, subnet):
                obstacles.setdefault(candidate, why)
    for route in facts.routes(candidates):
        left = [one for one in candidates if one not in obstacles]
        if not left:
            break
        if route.device not in leaving:
            hidden = (one for one in left if _hides(route, one))
            obstacles |= dict.fromkeys(hidden, described(route))
    free = next((one for one in candidates if one not in obstacles), None)
    if free is not None:
        return free
    listed = ", ".join(dict.fromkeys(obstacles[one] for one in candidates))
    raise ExhaustedError(
        "no subnet is free for the bridge", f"in the way: {listed}; choose one with --address"
    )


def is_in_the_way(state: State, route: Route, subnet: str) -> bool:
    """Whether a route leads somewhere else than a bridge with that subnet would."""
    return route.device not in _leaving(state) and _hides(route, subnet)


def overlapped(state: State, facts: Facts, bridge: Bridge, of: Iterable[Subnet]) -> Iterator[str]:
    """Which of the host's networks some subnets of a bridge overlap, in words for each.

    Left out are the host's own addresses, which no container gets.
    """
    leaving = _leaving(state) | {bridge.name}
    for one in of:
        found = list(islice(_obstacles(facts, one, leaving), _MOST_NAMED + 1))
        if found:
            named = found if len(found) <= _MOST_NAMED else [*found[:_MOST_NAMED], "others"]
            yield (
                f"{one.network} of {bridge.name} overlaps {', '.join(named)}: "
                "an address in both leads to only one of them"
            )


def _obstacles(facts: Facts, subnet: Subnet, leaving: set[str]) -> Iterator[str]:
    """What a subnet overlaps, but for routes by devices that are leaving."""
    own = f"{subnet.gateway}/{subnet.family.bits}"
    for nameserver, why in _nameservers(facts):
        if nameserver != own and address.overlap(nameserver, subnet.network):
            yield why
    for route in facts.routes([subnet.network]):
        counts = route.device not in leaving and not _is_own_address(route)
        if counts and _hides(route, subnet.network):
            yield described(route)


def _nameservers(facts: Facts) -> list[tuple[str, str]]:
    return [(f"{ip}/{family.of(ip).bits}", f"the nameserver {ip}") for ip in facts.nameservers()]


def _hides(route: Route, subnet: str) -> bool:
    """Whether a bridge with that subnet would hide what a route leads to, or be hidden by it.

    No network has a prefix shorter than /8, or /48 with IPv6: what is routed by one goes the way of
    the default route, of which 0.0.0.0/1 and 128.0.0.0/1 are halves. What is refused is no network
    either, as on a router that lets no packet to a private address out: a bridge has the more
    specific route, unless its subnet is as wide, or the other's table is asked before the main one.
    """
    length = address.prefix_len(route.subnet)
    if length < _SHORTEST[family.of(route.subnet)] or not address.overlap(route.subnet, subnet):
        return False
    is_overruled = route.table in (MAIN, DEFAULT) and length < address.prefix_len(subnet)
    return not (route.kind in REFUSING and is_overruled)


def described(route: Route) -> str:
    """What a route is, in words."""
    if _is_own_address(route):
        return f"the address {address.host(route.subnet)} of {route.device}"
    if route.table is None:
        return f"the rule to {route.subnet} {route.kind}"
    kind = "" if route.kind == "unicast" else f"{route.kind} "
    by = f" dev {route.device}" if route.device else ""
    table = "" if route.table in (MAIN, LOCAL) else f" table {route.table}"
    return f"the route {kind}{route.subnet}{by}{table}"


def _is_own_address(route: Route) -> bool:
    length, own = address.prefix_len(route.subnet), family.of(route.subnet)
    return route.kind == "local" and length == own.bits


def _leaving(state: State) -> set[str]:
    """The devices that dnet made and takes away, or gives another address, in this change."""
    return {
        key
        for table, key, old, new in state.changes()
        if table is state.bridges
        and old is not ABSENT
        and not old.get("adopted")
        and (new is ABSENT or any(new.get(key) != old.get(key) for key in ("address", "address6")))
    }
