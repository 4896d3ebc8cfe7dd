"""Bridges: setting one up, changing its options, removing it.

The source's InitDriver (daemon/networkdriver/bridge/driver.go), as a decision: which address,
which options, and what stands in the way. The kernel side follows from the state.
"""

from __future__ import annotations

from collections.abc import Mapping as Options
from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from dnet.errors import ConflictError, UsageError
from dnet.model import find
from dnet.model.entities import DEFAULT_BRIDGE, Bridge
from dnet.model.state import State
from dnet.network import adoption, firewalls, interface, ipallocator, portmapper, subnets
from dnet.values import address, names
from dnet.values.names import for_shell

if TYPE_CHECKING:
    from dnet.network.facts import Facts


def init(
    state: State, facts: Facts, *, name: str = DEFAULT_BRIDGE, options: Options[str, Any]
) -> Bridge:
    """Set a bridge up, or change exactly the given options of one that is there.

    `options` holds what was given, by the names of Bridge's fields, and `firewall`, which the first
    bridge of a store decides. Raises ConflictError, ExhaustedError where no subnet is free,
    KernelError where no firewall is on this machine, UsageError.
    """
    existing = state.bridges.get(name)
    given = dict(options)
    has_rules = given.get("iptables", existing.iptables if existing else True)
    firewalls.choose(state, facts, given.pop("firewall", None), is_needed=has_rules)
    if existing is None:
        made = _create(state, facts, name, given)
    else:
        made = _change(state, facts, existing, given)
    if made == existing:
        state.confirm(bridge=name)
        return made
    state.bridges.put(name, made)
    is_given = options.get("address") is not None and not made.adopted
    if is_given and (existing is None or existing.address != made.address):
        for line in subnets.overlapped(state, facts, made):
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
    if not force and (held := _held(state, bridge)):
        raise ConflictError(f"{name} still has {held}", f"{_removal(bridge)} --force")
    for one in [one for one in state.interfaces.values() if one.bridge == name]:
        interface.drop(state, one)
    for ip in list(state.leases(name)):
        portmapper.drop_of(state, ip)
        state.leases(name).drop(ip)
    for ip in list(state.released(name)):
        state.released(name).drop(ip)
    for reservation in list(state.reservations.values()):
        if reservation.bridge == name:
            state.reservations.drop(reservation.key)
    if name in state.cursors:
        state.cursors.drop(name)
    state.bridges.drop(name)


def unenforced(state: State) -> list[str]:
    """What a bridge was set up to be and cannot be without any rule, in words."""
    return [
        f"{one.name} has no rule with --no-iptables, so --no-icc keeps no containers apart"
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
    made = Bridge(name=name, created=facts.now(), adopted=device is not None, **given)
    for objection in facts.objections(state, made):
        raise objection
    return _checked(state, adoption.without_others(made, device) if device else made)


def _change(state: State, facts: Facts, existing: Bridge, given: dict[str, Any]) -> Bridge:
    made = existing._replace(**given)
    if made.chain != existing.chain:
        raise ConflictError(
            f"{existing.name} has the chain {existing.chain}, which cannot be changed",
            f"remove it first: {_removal(existing)}",
        )
    if made.address != existing.address:
        if held := _held(state, existing):
            raise ConflictError(
                f"{existing.name} has {existing.address} and still {held}",
                f"release them first, or all at once: {_removal(existing)} --force",
            )
        device = facts.device(existing.name)
        if existing.adopted and device is not None:
            adoption.address_of(device, made.address)
            made = adoption.without_others(made, device)
    if existing.iptables and not made.iptables and _has_rules(state, existing):
        raise ConflictError(
            f"{existing.name} has mappings or links, which need iptables",
            f"remove what is listed: dnet map list --bridge {for_shell(existing.name)}; "
            f"dnet link list --bridge {for_shell(existing.name)}",
        )
    made = _checked(state, made)
    if (made.address, made.allocation) != (existing.address, existing.allocation):
        _start_order_anew(state, made)
    return made


def _checked(state: State, bridge: Bridge) -> Bridge:
    """The bridge, with its range in place, once nothing is overlapped."""
    if bridge.range is not None:
        try:
            part = address.parse_range(bridge.range, bridge.address)
        except UsageError as error:
            raise error.saying(f"--range: {error}") from None
        bridge = bridge._replace(range=None if part == bridge.subnet else part)
    for other in state.bridges.values():
        for own, its in product(bridge.subnets, other.subnets):
            if other.name != bridge.name and address.overlap(own.address, its.address):
                raise ConflictError(
                    f"{own.network} overlaps the subnet {its.network} of {other.name}",
                    "choose another with --address",
                )
    return bridge


def _held(state: State, bridge: Bridge) -> str:
    """What is allocated on a bridge, in words; empty where nothing is."""
    ports = sum(1 for one in state.reservations.values() if one.bridge == bridge.name)
    counts = {
        "address": len(state.leases(bridge.name)),
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


def _start_order_anew(state: State, bridge: Bridge) -> None:
    """Let another policy, or the policy in another subnet, begin where those in use end."""
    for ip in list(state.released(bridge.name)):
        state.released(bridge.name).drop(ip)
    ports = {k: v for k, v in state.cursor(bridge.name).items() if k in names.PROTOCOLS}
    taken = list(state.leases(bridge.name))
    if taken:
        ports[ipallocator.cursor_key(bridge)] = max(taken, key=address.to_int)
    state.cursors.put(bridge.name, ports)
