"""IPv6 of a bridge: whether it has any, of which subnet, and what stands in the way.

Loaded where a bridge has IPv6, or is to have it, alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from dnet.errors import ConflictError, ExhaustedError, KernelError, UsageError
from dnet.model import find
from dnet.model.entities import Bridge
from dnet.model.state import State
from dnet.network import adoption, ipallocator, subnets
from dnet.typing import TYPE_CHECKING, Any
from dnet.values import address6, family
from dnet.values.family import V6
from dnet.values.names import for_shell

if TYPE_CHECKING:
    from dnet.network.facts import Device, Facts

ASKED = {
    "address6": "--address6",
    "range6": "--range6",
    "masquerade6": "--masquerade6",
    "binding_ip6": "an IPv6 --binding-ip",
}
"""The options that are about it, but for the one whether it has any."""


def settle(
    state: State,
    facts: Facts,
    name: str,
    existing: Bridge | None,
    device: Device | None,
    given: dict[str, Any],
) -> None:
    """Let the options of a bridge say which IPv6 address it has, in place of whether it has any.

    `device` is that of one that is adopted. Raises UsageError, ConflictError, ExhaustedError, and
    KernelError where there is no IPv6.
    """
    wanted, has = given.pop("ipv6", None), existing.address6 if existing else None
    asked = [what for key, what in ASKED.items() if key in given]
    if wanted is False:
        if asked:
            raise UsageError(f"--no-ipv6 and {asked[0]} exclude each other", "leave one out")
        given |= dict.fromkeys(("address6", "range6", "masquerade6"))
        given["binding_ip6"] = V6.any
    elif not wanted and not has and "address6" not in given:
        if asked:
            raise UsageError(f"{name} has no IPv6, which {asked[0]} needs", "add --ipv6")
    elif not has or given.get("address6", has) != has:
        given["address6"] = _address(state, facts, name, device, given.get("address6"))
    if existing and has and given.get("address6", has) != has:
        _refuse_in_use(state, existing)
        if wanted is False:
            _let_go_of_ports(state, existing)


def _address(
    state: State, facts: Facts, name: str, device: Device | None, wanted: str | None
) -> str:
    """The address of a bridge that comes to have one."""
    if missing := facts.missing_ipv6():
        raise KernelError(f"{name} cannot have IPv6: {missing[0]}", missing[1])
    if device is not None:
        return adoption.address6_of(device, facts.ipv6_addresses(device.name), wanted)
    return wanted or _choose(state, facts)


def note_site(state: State, bridge: Bridge) -> None:
    """Keep the /48 that a subnet was chosen of, for all that are chosen later."""
    if state.site6 is None and bridge.address6 is not None:
        state.settings.put("site6", address6.site_of(bridge.address6))


def refuse_small_mtu(bridge: Bridge) -> None:
    """Raises UsageError for an MTU with which the kernel would take IPv6 away."""
    least = address6.LEAST_MTU
    if bridge.address6 is not None and bridge.mtu < least:
        raise UsageError(
            f"IPv6 needs an MTU of at least {least} (RFC 8200), and {bridge.name} would have "
            f"{bridge.mtu}",
            f"add --mtu {least}, or --no-ipv6",
        )


def held(state: State, bridge: Bridge) -> list[str]:
    """The IPv6 addresses of a bridge that are taken, and the keys of mappings that are of IPv6."""
    keys = state.mappings_by_bridge.keys(bridge.name)
    return [*state.leases(bridge.name, V6), *(key for key in keys if _is_of_ipv6(state, key))]


def _is_of_ipv6(state: State, key: str) -> bool:
    mapping = state.mappings[key]
    return V6 in map(family.of, (mapping.endpoint.host_ip, mapping.container_ip))


def _refuse_in_use(state: State, bridge: Bridge) -> None:
    if found := held(state, bridge):
        more = f" and {len(found) - 1} more" if found[1:] else ""
        name = for_shell(bridge.name)
        raise ConflictError(
            f"cannot change the address {bridge.address6} of {bridge.name}: it still has "
            f"{found[0]}{more}",
            f"list and release them: dnet ip list --bridge {name}; dnet map list --bridge {name}",
        )


def _let_go_of_ports(state: State, bridge: Bridge) -> None:
    """Keep reserved ports of IPv4 alone. Raises ConflictError for one that is of IPv6 alone."""
    for one in list(state.reservations.values()):
        if one.bridge != bridge.name:
            continue
        if family.of(one.endpoint.host_ip) is V6:
            raise ConflictError(
                f"cannot change the address {bridge.address6} of {bridge.name}: it still has the "
                f"reserved port {one.key}",
                f"dnet port release {one.key}",
            )
        if one.host_ip6 is not None:
            state.reservations.put(one.key, one._replace(host_ip6=None))


def _choose(state: State, facts: Facts) -> str:
    """The first /64 of the store's own /48 that no other bridge has, and no route leads to.

    The /48 is a new one where there is none yet (RFC 4193, 3.2.1). Raises ExhaustedError.
    """
    site = state.site6 or address6.site(facts.random_bits(address6.GLOBAL_ID_BITS))
    taken = set[int]()
    for numbers in _taken(state, facts, site):
        taken.update(numbers)
    free = next((one for one in range(address6.SUBNETS) if one not in taken), None)
    if free is None:
        raise ExhaustedError(
            f"no IPv6 subnet is free for the bridge in {site}",
            f"see: ip -6 route show root {site} table all; choose one with --address6",
        )
    return address6.gateway(site, free)


def _taken(state: State, facts: Facts, site: str) -> Iterable[range]:
    for bridge in state.bridges.values():
        for subnet in bridge.subnets:
            yield address6.numbers(site, subnet.address)
    for route in facts.routes([site]):
        numbers = address6.numbers(site, route.subnet)
        if numbers and subnets.is_in_the_way(state, route, address6.gateway(site, numbers[0])):
            yield numbers


def take(
    state: State, facts: Facts, bridge: Bridge, ip: str, wanted: str | None, owner: str
) -> str | None:
    """The IPv6 address of an interface that has one of IPv4: `wanted`, or that which goes with it.

    None where the bridge has no IPv6. Raises UsageError for an address that is not in the
    bridge's subnet, and what the allocator raises.
    """
    if wanted is not None:
        home = find.bridge_for_address(state, wanted, bridge.name)
        return ipallocator.take(state, facts, home, wanted, owner)
    if bridge.address6 is None:
        return None
    return ipallocator.take_beside(state, facts, bridge, ip, owner)
