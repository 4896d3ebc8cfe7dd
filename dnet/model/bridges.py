"""Which bridge a command means."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from dnet.errors import NotFoundError, UsageError
from dnet.model.entities import DEFAULT_BRIDGE, Bridge
from dnet.model.state import State
from dnet.values import address, nearby
from dnet.values.names import for_shell

if TYPE_CHECKING:
    from dnet.network.facts import Facts


def named(state: State, name: str, *, to_remove: bool = False) -> Bridge:
    """The bridge of that name. Raises NotFoundError, whose hint makes none `to_remove`."""
    bridge = state.bridges.get(name)
    if bridge is None:
        make = None if to_remove else f"dnet bridge init {for_shell(name)}"
        hint = "dnet bridge list" if state.bridges else make
        near = partial(nearby.names, name, state.bridges)
        raise NotFoundError(f"there is no bridge {name}", hint, near)
    return bridge


def resolve(state: State, name: str | None) -> Bridge:
    """The bridge asked for; without a name the only one there is, else dnet0."""
    if name is not None:
        return named(state, name)
    if len(state.bridges) == 1:
        return next(state.bridges.values())
    if state.bridges and DEFAULT_BRIDGE not in state.bridges:
        raise NotFoundError(
            f"there is no bridge {DEFAULT_BRIDGE}", f"name one of these: {', '.join(state.bridges)}"
        )
    return named(state, DEFAULT_BRIDGE)


def unenforced(state: State) -> list[str]:
    """What a bridge was set up to be and cannot be without any rule, in words."""
    return [
        f"{one.name} has no rule with --no-iptables, so --no-icc keeps no containers apart"
        for one in state.bridges.values()
        if not one.iptables and not one.icc
    ]


def mac(facts: Facts, bridge: Bridge) -> str:
    """The hardware address of a bridge: the one that belongs to its address, if dnet made it."""
    found = facts.mac(bridge.name) if bridge.adopted else None
    return found or address.mac(bridge.gateway)


def for_address(state: State, ip: str, name: str | None) -> Bridge:
    """The bridge whose subnet has the address; one asked for by name must be that one.

    Raises UsageError where no subnet has it.
    """
    if name is not None:
        bridge = named(state, name)
        if address.contains(bridge.address, ip):
            return bridge
        raise elsewhere(bridge, ip)
    found = state.bridge_of(ip)
    if found is not None:
        return found
    only = resolve(state, None)
    if len(state.bridges) == 1:
        raise elsewhere(only, ip)
    raise UsageError(f"{ip} is in no bridge's subnet", "dnet bridge list")


def elsewhere(bridge: Bridge, ip: str) -> UsageError:
    """The error for an address that is not in a bridge's subnet."""
    return UsageError(
        f"{ip} is not in {bridge.name}'s subnet {bridge.subnet}",
        f"dnet ip list --available --bridge {for_shell(bridge.name)}",
    )
