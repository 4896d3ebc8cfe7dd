"""The addresses of a bridge: which are free, whose turn it is, who has one.

The source's ipallocator (daemon/networkdriver/ipallocator/allocator.go), with what was asked
for by name recorded as well, and never an address that is not a container's to have.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from dnet.errors import AddressInUseError, ConflictError, ExhaustedError, NotFoundError, UsageError
from dnet.model import find
from dnet.model.entities import REUSE, Bridge
from dnet.model.state import State
from dnet.model.table import Table
from dnet.values import address, family
from dnet.values.family import V4
from dnet.values.names import for_shell

if TYPE_CHECKING:
    from dnet.network.facts import Facts


def request(
    state: State,
    facts: Facts,
    *,
    bridge: str | None = None,
    ip: str | None = None,
    owner: str | None = None,
    count: int = 1,
) -> list[str]:
    """Take `count` addresses, or the one asked for by name.

    Raises AddressInUseError, ExhaustedError (then none is taken), UsageError for an address
    outside the bridge's subnet.
    """
    if ip is not None:
        if count != 1:
            raise UsageError(
                "an address asked for by name is one: --ip and --count exclude each other",
                "leave one out",
            )
        return [take(state, facts, find.bridge_for_address(state, ip, bridge), ip, owner)]
    return take_next(state, facts, find.bridge(state, bridge), owner, count)


def take(state: State, facts: Facts, bridge: Bridge, ip: str, owner: str | None) -> str:
    """Take one address of a bridge's subnet by name. Raises AddressInUseError."""
    if ip in state.leases(bridge.name):
        raise AddressInUseError(f"{ip} is taken{whose(state, bridge.name, ip)}", "dnet ip list")
    never = _never(facts, bridge)
    if ip in never:
        raise AddressInUseError(
            f"{ip} is {never[ip]}, which is never handed out",
            f"dnet ip list --available --bridge {for_shell(bridge.name)}",
        )
    state.leases(bridge.name).put(ip, owner)
    _note_use(state, bridge, ip)
    return ip


def take_next(
    state: State, facts: Facts, bridge: Bridge, owner: str | None, count: int = 1
) -> list[str]:
    """Take the next free addresses in the order of the bridge's policy, all or none."""
    leases, kept = state.leases(bridge.name), _kept(state, facts, bridge)
    free = (ip for ip in _candidates(state, bridge) if ip not in leases.rows and ip not in kept)
    found = list(islice(free, count))
    if len(found) < count:
        pool = bridge.range or bridge.subnet
        wanted = "no address is" if count == 1 else f"fewer than {count} addresses are"
        raise ExhaustedError(
            f"{wanted} left on {bridge.name} ({pool})",
            f"dnet ip list --bridge {for_shell(bridge.name)}",
        )
    for ip in found:
        leases.put(ip, owner)
    _advance(state, bridge, found)
    return found


def release(state: State, _facts: Facts, *, ips: Sequence[str], if_exists: bool = False) -> None:
    """Give addresses back, all or none.

    Raises NotFoundError for one that is not taken, ConflictError for one that an interface or
    a mapping holds.
    """
    held: list[tuple[str, str]] = []
    for ip in dict.fromkeys(ips):
        bridge = state.bridge_of(ip)
        if bridge is None or ip not in state.leases(bridge.name):
            if if_exists:
                continue
            raise NotFoundError(f"{ip} is not taken", "dnet ip list")
        _refuse_in_use(state, ip)
        held.append((bridge.name, ip))
    for name, ip in held:
        give_back(state, name, ip)


def give_back(state: State, bridge: str, ip: str) -> None:
    """Give back an address that is taken."""
    state.leases(bridge).drop(ip)
    if state.bridges[bridge].allocation == REUSE:
        state.released(bridge).put(ip, None)


def available(state: State, facts: Facts, bridge: Bridge) -> Iterator[str]:
    """The addresses that can still be had without asking by name, lowest first."""
    taken, kept = state.leases(bridge.name), _kept(state, facts, bridge)
    pool = address.ascending(*_bounds(bridge))
    return (ip for ip in pool if ip not in taken and ip not in kept)


def taken(state: State, bridge: Bridge) -> list[tuple[str, str | None]]:
    """The addresses that are taken, lowest first, each with its owner."""
    leases = state.leases(bridge.name).rows
    return sorted(leases.items(), key=lambda lease: address.to_int(lease[0]))


def whose(state: State, bridge: str, ip: str) -> str:
    """` by OWNER` where a taken address has one, for a message."""
    owner = state.leases(bridge).get(ip)
    return f" by {owner}" if owner else ""


def count_free(state: State, facts: Facts, bridge: Bridge) -> int:
    """How many addresses `available` gives, without making each of them."""
    low, high = _bounds(bridge)
    gone = set(map(address.to_int, [*state.leases(bridge.name), *_kept(state, facts, bridge)]))
    return high - low + 1 - sum(low <= number <= high for number in gone)


def reserved(bridge: Bridge) -> dict[str, str]:
    """The addresses of a subnet that no container ever gets, and what each is."""
    net = address.network(bridge.address)
    return {
        **dict.fromkeys(bridge.other_ips, f"another address of {bridge.name}"),
        str(net[1]): "the subnet's first address",
        str(net[0]): "the network's own address",
        str(net[-1]): "the broadcast address",
        bridge.gateway: f"the address of {bridge.name} itself",
    }


def bridge_mac(facts: Facts, bridge: Bridge) -> str:
    """The hardware address of a bridge: the one that belongs to its address, if dnet made it."""
    found = facts.mac(bridge.name) if bridge.adopted else None
    return found or address.mac(bridge.gateway)


def _never(facts: Facts, bridge: Bridge) -> Mapping[str, str]:
    """The addresses that no container gets, and what each is: see `reserved`, and of the host.

    Those are what the host has itself and, of the network that an adopted bridge was a part of
    before, what it reaches others through.
    """
    own = {
        ip: f"an address of this host, on {device}"
        for ip, device in facts.own_addresses(bridge.subnet).items()
    }
    around: dict[str, str] = {}
    if bridge.adopted:
        around = dict.fromkeys(facts.nameservers(), "a nameserver of this host")
        around |= dict.fromkeys(facts.gateways(bridge.subnet), "a gateway of this host")
        around = {ip: what for ip, what in around.items() if family.of(ip) is V4}
    return {**around, **own, **reserved(bridge)}


def _kept(state: State, facts: Facts, bridge: Bridge) -> Collection[str]:
    """The addresses that are not handed out without being asked for by name.

    Besides those that never are, they are the ones that would come with a hardware address which
    an interface was given, or the bridge has.
    """
    given = state.interfaces_by_mac.groups()
    macs = {mac for name, mac in given if name == bridge.name} | {bridge_mac(facts, bridge)}
    return {*_never(facts, bridge), *filter(None, map(address.of_mac, macs))}


def _refuse_in_use(state: State, ip: str) -> None:
    if interface := state.holder(ip):
        raise ConflictError(
            f"{ip} belongs to the interface {interface.id}",
            f"dnet interface release {interface.id}",
        )
    if mapped := state.mappings_by_target.keys(ip):
        raise ConflictError(f"{ip} is the target of {mapped[0]}", f"dnet map remove --all {ip}")


def _bounds(bridge: Bridge) -> tuple[int, int]:
    """The lowest and highest address that is handed out on its own accord, as numbers."""
    pool = address.network(bridge.range or bridge.address)
    return int(pool[0]), int(pool[-1])


def _candidates(state: State, bridge: Bridge) -> Iterator[str]:
    """The addresses of the pool in the order of the policy, each once, whoever has them."""
    low, high = _bounds(bridge)
    released = state.released(bridge.name)
    yield from (ip for ip in _ascending(released) if low <= address.to_int(ip) <= high)
    last = state.cursor(bridge.name).get(cursor_key(bridge))
    start = low if last is None else address.to_int(last) + 1
    if not low <= start <= high:
        start = low
    had = released.rows
    for span in ((start, high), (low, start - 1)):
        yield from (ip for ip in address.ascending(*span) if ip not in had)


def cursor_key(bridge: Bridge) -> str:
    """Under which key of the bridge's cursor stands the address that the policy goes on after."""
    return "highest" if bridge.allocation == REUSE else "last_ip"


def _ascending(table: Table[None]) -> Iterator[str]:
    """The addresses of a table, lowest first; to look at the first few, few are sorted."""
    blocks = table.index("block", lambda ip, _: (address.to_int(ip) >> 6,))
    for block in sorted(blocks.groups()):
        yield from sorted(blocks.keys(block), key=address.to_int)


def _advance(state: State, bridge: Bridge, found: list[str]) -> None:
    """Note what the policy handed out."""
    if bridge.allocation == REUSE:
        _note_use(state, bridge, *found)
    else:
        cursor = state.cursor(bridge.name)
        state.cursors.put(bridge.name, {**cursor, cursor_key(bridge): found[-1]})


def _note_use(state: State, bridge: Bridge, *ips: str) -> None:
    """For the reuse policy: no longer released, and possibly the highest ever used.

    While nothing lies released, all that were ever used are in use, so the highest ever used
    is the highest in use, which is where the source goes on.
    """
    if bridge.allocation != REUSE:
        return
    released = state.released(bridge.name)
    for ip in ips:
        if ip in released:
            released.drop(ip)
    cursor = state.cursor(bridge.name)
    known = (cursor["highest"],) if "highest" in cursor else ()
    highest = max((*known, *ips), key=address.to_int)
    if (highest,) != known:
        state.cursors.put(bridge.name, {**cursor, "highest": highest})
