"""Bridges: setting one up, changing its options, removing it.

The source's InitDriver (daemon/networkdriver/bridge/driver.go), as a decision: which address,
which options, and what stands in the way. The kernel side follows from the state.
"""

from __future__ import annotations

from collections.abc import Mapping as Options
from collections.abc import Sequence
from itertools import product

from dnet.errors import ConflictError, UsageError
from dnet.model import find
from dnet.model.entities import DEFAULT_BRIDGE, IPTABLES, NFTABLES, Bridge
from dnet.model.state import State
from dnet.network import adoption, firewalls, interface, ipallocator, portmapper, subnets
from dnet.typing import TYPE_CHECKING, Any
from dnet.values import address
from dnet.values.family import FAMILIES, V4, V6, Family
from dnet.values.names import for_shell

if TYPE_CHECKING:
    from dnet.network.facts import Device, Facts


def init(
    state: State, facts: Facts, *, name: str = DEFAULT_BRIDGE, options: Options[str, Any]
) -> Bridge:
    """Set a bridge up, or change exactly the given options of one that is there.

    `options` holds what was given, by the names of Bridge's fields; `firewall`, which the first
    bridge of a store decides; and `ipv6`, whether it serves that. One that a container runtime had
    made, and a person asks for, is that person's: it stays. Raises ConflictError,
    ExhaustedError where no subnet is free, KernelError where no firewall, or no IPv6, is on this
    machine, UsageError.
    """
    existing = state.bridges.get(name)
    given = {"origin": None, **options}
    chooses6 = "address6" not in given
    has_rules = given.get("iptables", existing.iptables if existing else True)
    firewalls.choose(state, facts, given.pop("firewall", None), is_needed=has_rules)
    if "chain" in given and state.firewall == NFTABLES:
        state.remark("--chain has no effect with nftables: all rules are in the table inet dnet")
    if existing is None:
        made = _create(state, facts, name, given)
    else:
        made = _change(state, facts, existing, given)
    if made == existing:
        state.confirm(bridge=name)
        return made
    state.bridges.put(name, made)
    if chooses6 and made.address6 is not None and not made.adopted:
        from dnet.network import ipv6

        ipv6.note_site(state, made)
    former = existing.subnets if existing else ()
    asked = options.get("address"), options.get("address6")
    new = [one for one in made.subnets if one.address in asked and one not in former]
    for line in subnets.overlapped(state, facts, made, () if made.adopted else new):
        state.remark(line)
    return made


def remove(
    state: State, _facts: Facts, *, name: str, force: bool = False, if_exists: bool = False
) -> None:
    """Remove a bridge; with `force` also everything that is allocated on it.

    Raises ConflictError while anything is, NotFoundError.
    """
    if if_exists and name not in state.bridges:
        return
    bridge = find.bridge(state, name, to_remove=True)
    _refuse_pooled(state, name)
    if not force and (found := held(state, bridge)):
        raise ConflictError(f"{name} still has {found}", f"{_removal(bridge)} --force")
    for one in [one for one in state.interfaces.values() if one.bridge == name]:
        interface.drop(state, one)
    for of in FAMILIES:
        leases, released = state.leases(name, of), state.released(name, of)
        for ip in list(leases):
            portmapper.drop_of(state, ip)
            leases.drop(ip)
        for ip in list(released):
            released.drop(ip)
    for reservation in list(state.reservations.values()):
        if reservation.bridge == name:
            state.reservations.drop(reservation.key)
    if name in state.cursors:
        state.cursors.drop(name)
    state.bridges.drop(name)


def remove_unused(state: State, facts: Facts) -> None:
    """Remove the bridges that were made for container runtimes, and on which nothing is left."""
    for one in find.deserted(state):
        if not held(state, one):
            remove(state, facts, name=one.name)


def unenforced(state: State) -> list[str]:
    """What a bridge was set up to be and cannot be without any rule, in words."""
    return [
        f"{one.name} has no rules (--no-iptables), so --no-icc has no effect"
        for one in state.bridges.values()
        if not one.iptables and not one.icc
    ]


def _create(state: State, facts: Facts, name: str, given: dict[str, Any]) -> Bridge:
    former = state.loaded(state.bridges, name)
    # What bears the name of one removed in the same batch is dnet's own device, on its way out.
    device = facts.device(name) if former is None or former.adopted else None
    if device is not None and device.name != name:
        # Rules match the device's own name, and no other.
        raise ConflictError(
            f"{name} is another name of the device {device.name}",
            f"dnet bridge init {for_shell(device.name)}, or choose another name for the bridge",
        )
    if device is not None:
        given["address"] = adoption.address_of(device, given.get("address"))
    elif given.get("address") is None:
        given["address"] = subnets.choose(state, facts)
    given.setdefault("mtu", device.mtu if device else facts.default_mtu())
    if device is not None and facts.has_zone(name):
        given.setdefault("firewalld", False)
    _settle_ipv6(state, facts, name, None, device, given)
    made = Bridge(name=name, created=facts.now(), adopted=device is not None, **given)
    for objection in facts.objections(state, made):
        raise objection
    return _checked(state, _without_others(facts, made, device) if device else made)


def _settle_ipv6(
    state: State,
    facts: Facts,
    name: str,
    existing: Bridge | None,
    device: Device | None,
    given: dict[str, Any],
) -> None:
    """Let the options say which IPv6 address it has, if they are about IPv6 at all."""
    if any(key.startswith("ipv6") or key.endswith("6") for key in given):
        from dnet.network import ipv6

        ipv6.settle(state, facts, name, existing, device, given)


def _without_others(facts: Facts, bridge: Bridge, device: Device) -> Bridge:
    known = facts.ipv6_addresses(device.name) if bridge.address6 else ()
    return adoption.without_others(bridge, device, known)


def _change(state: State, facts: Facts, existing: Bridge, given: dict[str, Any]) -> Bridge:
    device = facts.device(existing.name) if existing.adopted else None
    _settle_ipv6(state, facts, existing.name, existing, device, given)
    made = existing._replace(**given)
    if made.chain != existing.chain and state.firewall == IPTABLES:
        raise ConflictError(
            f"{existing.name} has the chain {existing.chain}, which cannot be changed",
            f"remove it first: {_removal(existing)}",
        )
    if made.address != existing.address:
        if found := held(state, existing, V4):
            raise ConflictError(
                f"cannot change the address {existing.address} of {existing.name}: it still has "
                f"{found}",
                f"release them first, or all at once: {_removal(existing)} --force",
            )
        if device is not None:
            adoption.address_of(device, made.address)
    if device is not None and made.subnets != existing.subnets:
        made = _without_others(facts, made, device)
    if existing.iptables and not made.iptables and _has_rules(state, existing):
        raise ConflictError(
            f"{existing.name} has mappings or links, which need iptables",
            f"list and remove them: dnet map list --bridge {for_shell(existing.name)}; "
            f"dnet link list --bridge {for_shell(existing.name)}",
        )
    made = _checked(state, made)
    for of in FAMILIES:
        if _order(made, of) != _order(existing, of):
            _start_order_anew(state, made, of)
    return made


def _checked(state: State, bridge: Bridge) -> Bridge:
    """The bridge, with its range in place, once nothing is overlapped."""
    if bridge.range is not None:
        try:
            part = address.parse_range(bridge.range, bridge.address)
        except UsageError as error:
            raise error.with_message(f"--range: {error}") from None
        bridge = bridge._replace(range=None if part == bridge.subnet else part)
    if bridge.address6 is not None:
        bridge = _checked6(bridge, bridge.address6)
    _refuse_in_pool(state, bridge)
    for other in state.bridges.values():
        for own, its in product(bridge.subnets, other.subnets):
            if other.name != bridge.name and address.overlap(own.address, its.address):
                raise ConflictError(
                    f"{own.network} overlaps the subnet {its.network} of {other.name}",
                    f"choose another with --address{'6' if own.family is V6 else ''}",
                )
    return bridge


def _refuse_pooled(state: State, name: str) -> None:
    overlay = state.overlay
    if overlay is not None and overlay.block and overlay.bridge == name:
        raise ConflictError(f"{name} is this host's bridge in a pool of hosts", "dnet host leave")


def _refuse_in_pool(state: State, bridge: Bridge) -> None:
    """Raises ConflictError for a bridge in a pool that is not as it has to be, and one next to it.

    Addresses of a pool are handed out by the hosts whose blocks they are in.
    """
    overlay = state.overlay
    if overlay is None or overlay.block is None or overlay.pool is None:
        return
    if bridge.name != overlay.bridge:
        if address.overlap(bridge.address, overlay.pool):
            raise ConflictError(
                f"{bridge.subnet} overlaps the pool {overlay.pool} of several hosts",
                "choose another with --address",
            )
    elif bridge.subnet != overlay.block:
        raise ConflictError(
            f"{bridge.name} has {overlay.block}, this host's block of the pool {overlay.pool}",
            "dnet host leave",
        )
    elif not bridge.iptables and overlay.transport == "vxlan":
        raise ConflictError(
            f"{bridge.name} is in a pool and needs rules: without them, anybody could send into "
            "the pool",
            "dnet host leave",
        )


def _checked6(bridge: Bridge, own: str) -> Bridge:
    """The bridge, with its range of IPv6 in place."""
    from dnet.network import ipv6
    from dnet.values import address6

    ipv6.refuse_small_mtu(bridge)
    if bridge.range6 is None:
        return bridge
    try:
        part = address6.parse_range(bridge.range6, own)
    except UsageError as error:
        raise error.with_message(f"--range6: {error}") from None
    return bridge._replace(range6=None if part == str(address.network(own)) else part)


def held(state: State, bridge: Bridge, *families: Family) -> str:
    """What is allocated on a bridge of some families, or any, in words; empty where nothing is."""
    ports = sum(1 for one in state.reservations.values() if one.bridge == bridge.name)
    counts = {
        "address": sum(len(state.leases(bridge.name, of)) for of in families or FAMILIES),
        "mapping": len(state.mappings_by_bridge.keys(bridge.name)),
        "reserved port": ports,
    }
    return _listed([_counted(number, what) for what, number in counts.items() if number])


def _removal(bridge: Bridge) -> str:
    return f"dnet bridge remove {for_shell(bridge.name)}"


def _counted(number: int, what: str) -> str:
    plural = f"{what}es" if what.endswith("s") else f"{what}s"
    return f"{number} {what if number == 1 else plural}"


def _listed(texts: Sequence[str]) -> str:
    return " and ".join([", ".join(texts[:-1]), texts[-1]]) if len(texts) > 1 else "".join(texts)


def _has_rules(state: State, bridge: Bridge) -> bool:
    linked = any(
        bridge.name in (one.parent_bridge, one.child_bridge) for one in state.links.values()
    )
    return linked or bool(state.mappings_by_bridge.keys(bridge.name))


def _order(bridge: Bridge, of: Family) -> tuple[str, str | None]:
    """What the order in which addresses of a family are handed out depends on."""
    return bridge.allocation, bridge.address6 if of is V6 else bridge.address


def _start_order_anew(state: State, bridge: Bridge, of: Family) -> None:
    """Let another policy, or the policy in another subnet, begin where those in use end."""
    released, taken = state.released(bridge.name, of), state.leases(bridge.name, of)
    for ip in list(released):
        released.drop(ip)
    gone = ipallocator.cursor_keys(of)
    cursor = {key: value for key, value in state.cursor(bridge.name).items() if key not in gone}
    if len(taken):
        cursor[ipallocator.cursor_key(bridge, of)] = max(taken, key=address.to_int)
    if cursor != state.cursor(bridge.name) or of is V4:
        state.cursors.put(bridge.name, cursor)
