"""The addresses of a bridge: which are free, whose turn it is, who has one.

The source's ipallocator (daemon/networkdriver/ipallocator/allocator.go), with what was asked
for by name recorded as well, and never an address that is not a container's to have.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice

from dnet.errors import AddressInUseError, ConflictError, ExhaustedError, NotFoundError, UsageError
from dnet.model import find
from dnet.model.entities import REUSE, Bridge, Subnet
from dnet.model.state import State
from dnet.model.table import Table
from dnet.typing import TYPE_CHECKING
from dnet.values import address, family
from dnet.values.family import V4, V6, Family
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
    ipv6: bool = False,
) -> list[str]:
    """Take `count` addresses, or the one asked for by name.

    Raises AddressInUseError, ExhaustedError (then none is taken), UsageError for an address
    outside the bridge's subnets, and for one of IPv6 where it serves IPv4 alone.
    """
    if ip is not None:
        if count != 1:
            raise UsageError(
                "--ip and --count exclude each other",
                "leave one out",
            )
        if ipv6 and family.of(ip) is V4:
            raise UsageError(f"{ip} is an IPv4 address", "leave out --ipv6")
        return [take(state, facts, find.bridge_for_address(state, ip, bridge), ip, owner)]
    home, of = find.bridge(state, bridge), V6 if ipv6 else V4
    if home.subnet_of(of) is None:
        raise find.without_ipv6(home, "address of it")
    return take_next(state, facts, home, owner, count, of)


def take(state: State, facts: Facts, bridge: Bridge, ip: str, owner: str | None) -> str:
    """Take one address of a bridge's subnet by name. Raises AddressInUseError."""
    leases = state.leases_with(bridge.name, ip)
    if ip in leases:
        raise AddressInUseError(f"{ip} is taken{whose(state, bridge.name, ip)}", "dnet ip list")
    _refuse_expelled(state, bridge)
    never = _never(facts, bridge, _subnet(bridge, family.of(ip)))
    if ip in never:
        raise AddressInUseError(
            f"{ip} is {never[ip]}, which cannot be allocated",
            f"dnet ip list --available --bridge {for_shell(bridge.name)}",
        )
    leases.put(ip, owner)
    _note_use(state, bridge, ip)
    return ip


def take_beside(state: State, facts: Facts, bridge: Bridge, ip: str, owner: str | None) -> str:
    """Take the IPv6 address that goes with one of IPv4: at the same offset, else the next free.

    The policy goes on after it, as after any that was not asked for by name. Raises
    ExhaustedError.
    """
    subnet = _subnet(bridge, V6)
    low, high = _bounds(subnet)
    first = int(address.network(subnet.address)[0])
    number = first + address.to_int(ip) - int(address.network(bridge.address)[0])
    beside = address.from_int(number, V6)
    leases = state.leases(bridge.name, V6)
    if not low <= number <= high or beside in leases or beside in _never(facts, bridge, subnet):
        return take_next(state, facts, bridge, owner, of=V6)[0]
    leases.put(beside, owner)
    _advance(state, bridge, [beside])
    return beside


def take_next(
    state: State,
    facts: Facts,
    bridge: Bridge,
    owner: str | None,
    count: int = 1,
    of: Family = V4,
) -> list[str]:
    """Take the next free addresses of a family in the order of the bridge's policy, all or none."""
    _refuse_expelled(state, bridge)
    subnet = _subnet(bridge, of)
    leases, kept = state.leases(bridge.name, of), _kept(state, facts, bridge, subnet)
    free = (
        ip for ip in _candidates(state, bridge, subnet) if ip not in leases.rows and ip not in kept
    )
    found = list(islice(free, count))
    if len(found) < count:
        pool = address.network(subnet.pool)
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
        if bridge is None or ip not in state.leases_with(bridge.name, ip):
            if if_exists:
                continue
            raise NotFoundError(f"{ip} is not taken", "dnet ip list")
        _refuse_in_use(state, ip)
        held.append((bridge.name, ip))
    for name, ip in held:
        give_back(state, name, ip)


def give_back(state: State, bridge: str, ip: str) -> None:
    """Give back an address that is taken."""
    state.leases_with(bridge, ip).drop(ip)
    if state.bridges[bridge].allocation == REUSE:
        state.released(bridge, family.of(ip)).put(ip, None)


def available(
    state: State, facts: Facts, bridge: Bridge, of: Family | None = None
) -> Iterator[str]:
    """The addresses that can still be had without asking by name, lowest first.

    Of a family, or of each that the bridge serves.
    """
    for subnet in bridge.subnets:
        if of in (None, subnet.family):
            taken = state.leases(bridge.name, subnet.family)
            kept = _kept(state, facts, bridge, subnet)
            pool = address.between(*_bounds(subnet), subnet.family)
            yield from (ip for ip in pool if ip not in taken and ip not in kept)


def taken(state: State, bridge: Bridge) -> list[tuple[str, str | None]]:
    """The addresses that are taken, those of IPv4 first, lowest first, each with its owner."""
    leases = (state.leases(bridge.name, one.family).rows.items() for one in bridge.subnets)
    return [one for rows in leases for one in sorted(rows, key=lambda one: address.to_int(one[0]))]


def whose(state: State, bridge: str, ip: str) -> str:
    """` by OWNER` where a taken address has one, for a message."""
    owner = state.leases_with(bridge, ip).get(ip)
    return f" by {owner}" if owner else ""


def count_free(state: State, facts: Facts, bridge: Bridge, of: Family = V4) -> int:
    """How many addresses `available` gives of a family, without making each of them."""
    subnet = _subnet(bridge, of)
    low, high = _bounds(subnet)
    leases, kept = state.leases(bridge.name, of), _kept(state, facts, bridge, subnet)
    gone = set(map(address.to_int, [*leases, *kept]))
    return high - low + 1 - sum(low <= number <= high for number in gone)


def reserved(bridge: Bridge, subnet: Subnet) -> dict[str, str]:
    """The addresses of a subnet that no container ever gets, and what each is.

    That of an IPv6 network itself is the address of each of its routers (RFC 4291, 2.6.1).
    """
    net = address.network(subnet.address)
    others = address.of_family(bridge.other_ips, subnet.family)
    return {
        **dict.fromkeys(others, f"another address of {bridge.name}"),
        str(net[1]): "the subnet's first address",
        str(net[0]): "the network's own address",
        **({str(net[-1]): "the broadcast address"} if subnet.family is V4 else {}),
        subnet.gateway: f"the address of {bridge.name} itself",
    }


def bridge_mac(facts: Facts, bridge: Bridge) -> str:
    """The hardware address of a bridge: the one that belongs to its address, if dnet made it."""
    found = facts.mac(bridge.name) if bridge.adopted else None
    return found or address.mac(bridge.gateway)


def _subnet(bridge: Bridge, of: Family) -> Subnet:
    """The subnet of a family that the bridge is known to serve."""
    return next(one for one in bridge.subnets if one.family is of)


def _never(facts: Facts, bridge: Bridge, subnet: Subnet) -> Mapping[str, str]:
    """The addresses that no container gets, and what each is: see `reserved`, and of the host.

    Those are what the host has itself and, of the network that an adopted bridge was a part of
    before, what it reaches others through.
    """
    own = {
        ip: f"an address of this host, on {device}"
        for ip, device in facts.own_addresses(subnet.network).items()
    }
    around: dict[str, str] = {}
    if bridge.adopted:
        around = dict.fromkeys(facts.nameservers(), "a nameserver of this host")
        around |= dict.fromkeys(facts.gateways(subnet.network), "a gateway of this host")
        around = {ip: what for ip, what in around.items() if family.of(ip) is subnet.family}
    return {**around, **own, **reserved(bridge, subnet)}


def _kept(state: State, facts: Facts, bridge: Bridge, subnet: Subnet) -> Collection[str]:
    """The addresses that are not handed out without being asked for by name.

    Besides those that never are, they are the ones that would come with a hardware address which
    an interface was given, or the bridge has: no hardware address comes with one of IPv6.
    """
    if subnet.family is V6:
        return _never(facts, bridge, subnet)
    given = state.interfaces_by_mac.groups()
    macs = {mac for name, mac in given if name == bridge.name} | {bridge_mac(facts, bridge)}
    return {*_never(facts, bridge, subnet), *filter(None, map(address.of_mac, macs))}


def _refuse_expelled(state: State, bridge: Bridge) -> None:
    """Raises ConflictError where the addresses of a bridge are another host's by now."""
    own = state.overlay
    if own is not None and own.bridge == bridge.name and own.expelled:
        raise ConflictError(
            f"{own.registry} no longer has this host as {own.name}, so the addresses of "
            f"{bridge.name} may belong to another host",
            "to see why: dnet host sync",
        )


def _refuse_in_use(state: State, ip: str) -> None:
    if interface := state.holder(ip):
        raise ConflictError(
            f"{ip} belongs to the interface {interface.id}",
            f"dnet interface release {interface.id}",
        )
    if mapped := state.mappings_by_target.keys(ip):
        raise ConflictError(f"{ip} is the target of {mapped[0]}", f"dnet map remove --all {ip}")


def _bounds(subnet: Subnet) -> tuple[int, int]:
    """The lowest and highest address that is handed out on its own accord, as numbers."""
    pool = address.network(subnet.pool)
    return int(pool[0]), int(pool[-1])


def _candidates(state: State, bridge: Bridge, subnet: Subnet) -> Iterator[str]:
    """The addresses of the pool in the order of the policy, each once, whoever has them."""
    low, high = _bounds(subnet)
    released = state.released(bridge.name, subnet.family)
    yield from (ip for ip in _ascending(released) if low <= address.to_int(ip) <= high)
    last = state.cursor(bridge.name).get(cursor_key(bridge, subnet.family))
    start = low if last is None else address.to_int(last) + 1
    if not low <= start <= high:
        start = low
    had = released.rows
    for span in ((start, high), (low, start - 1)):
        yield from (ip for ip in address.between(*span, subnet.family) if ip not in had)


def cursor_key(bridge: Bridge, of: Family = V4) -> str:
    """Under which key of the bridge's cursor stands the address that the policy goes on after."""
    highest, last = cursor_keys(of)
    return highest if bridge.allocation == REUSE else last


def cursor_keys(of: Family) -> tuple[str, str]:
    """The keys of a family in a bridge's cursor, those of either policy."""
    return ("highest6", "last_ip6") if of is V6 else ("highest", "last_ip")


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
        cursor, key = state.cursor(bridge.name), cursor_key(bridge, family.of(found[-1]))
        state.cursors.put(bridge.name, {**cursor, key: found[-1]})


def _note_use(state: State, bridge: Bridge, *ips: str) -> None:
    """For the reuse policy, of one family: no longer released, and possibly the highest ever used.

    While nothing lies released, all that were ever used are in use, so the highest ever used
    is the highest in use, which is where the source goes on.
    """
    if bridge.allocation != REUSE:
        return
    of = family.of(ips[0])
    released, key = state.released(bridge.name, of), cursor_key(bridge, of)
    for ip in ips:
        if ip in released:
            released.drop(ip)
    cursor = state.cursor(bridge.name)
    known = (cursor[key],) if key in cursor else ()
    highest = max((*known, *ips), key=address.to_int)
    if (highest,) != known:
        state.cursors.put(bridge.name, {**cursor, key: highest})
