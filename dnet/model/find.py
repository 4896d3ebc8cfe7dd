"""Which bridge or interface a command means."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from dnet.errors import ConflictError, NotFoundError, UsageError
from dnet.model.entities import DEFAULT_BRIDGE, Bridge, Interface
from dnet.model.state import State
from dnet.values import family, names, nearby


def bridge(state: State, name: str | None, *, to_remove: bool = False) -> Bridge:
    """The bridge of that name; without a name the only one there is, else dnet0.

    Raises NotFoundError, whose hint makes none `to_remove`.
    """
    if name is None:
        return _unnamed(state)
    found = state.bridges.get(name)
    if found is None:
        make = None if to_remove else f"dnet bridge init {names.for_shell(name)}"
        hint = "dnet bridge list" if state.bridges else make
        suggest = partial(nearby.names, name, state.bridges)
        raise NotFoundError(f"there is no bridge {name}", hint, suggest)
    return found


def bridge_for_address(state: State, ip: str, name: str | None) -> Bridge:
    """The bridge whose subnet has the address; one asked for by name must be that one.

    Raises UsageError where no subnet has it, NotFoundError.
    """
    if name is not None:
        asked = bridge(state, name)
        if asked.contains(ip):
            return asked
        raise _not_in_subnet(asked, ip)
    found = state.bridge_of(ip)
    if found is not None:
        return found
    only = _unnamed(state)
    if len(state.bridges) == 1:
        raise _not_in_subnet(only, ip)
    raise UsageError(f"{ip} is in no bridge's subnet", "dnet bridge list")


def deserted(state: State) -> list[Bridge]:
    """The bridges that were made for container runtimes, and on which no address is taken."""
    return [one for one in state.bridges.values() if one.origin and not state.leases(one.name)]


def filtered(state: State, name: str, what: str) -> Bridge:
    """The bridge of that name, for something of it that needs rules, such as a mapping.

    Raises ConflictError for one that has none.
    """
    found = state.bridges[name]
    if not found.iptables:
        raise ConflictError(
            f"{name} was set up with --no-iptables, so it can have no {what}",
            f"dnet bridge init {names.for_shell(name)} --iptables",
        )
    return found


def interface(state: State, interface_id: str) -> Interface:
    """The interface of that id. Raises NotFoundError, UsageError for what is no id."""
    found = state.interfaces.get(names.interface_id(interface_id))
    if found is None:
        raise no_interface(state, interface_id)
    return found


def no_interface(state: State, name: str) -> NotFoundError:
    """The error for an id that is nobody's, with a hint for what may have been meant."""
    hint = "dnet interface list"
    if name in state.bridges:
        hint = f"that is a bridge: dnet bridge show {names.for_shell(name)}"
    elif name.isascii() and name.isdecimal():
        hint = f"if that is a port of the host: dnet port list {name}"
    elif name == "localhost":
        hint = "that is the host itself, and no container: dnet interface list"
    suggest = partial(nearby.names, name, () if name in state.bridges else state.interfaces)
    return NotFoundError(f"there is no interface {name}", hint, suggest)


def by_origin(state: State, origin: Sequence[str]) -> list[Interface]:
    """The interfaces whose origin's key begins so, oldest first."""
    return [state.interfaces[key] for key in state.interfaces_by_origin.keys(tuple(origin))]


def _unnamed(state: State) -> Bridge:
    if len(state.bridges) == 1:
        return next(state.bridges.values())
    if state.bridges and DEFAULT_BRIDGE not in state.bridges:
        raise NotFoundError(
            f"there is no bridge {DEFAULT_BRIDGE}", f"name one of these: {', '.join(state.bridges)}"
        )
    return bridge(state, DEFAULT_BRIDGE)


def _not_in_subnet(home: Bridge, ip: str) -> UsageError:
    """The error for an address that is not in a bridge's subnet."""
    subnet = home.subnet_of(family.of(ip))
    if subnet is None:
        return without_ipv6(home, ip)
    return UsageError(
        f"{ip} is not in {home.name}'s subnet {subnet.network}",
        f"dnet ip list --available --bridge {names.for_shell(home.name)}",
    )


def without_ipv6(home: Bridge, what: str) -> UsageError:
    """The error for what a bridge that serves IPv4 alone cannot have."""
    return UsageError(
        f"{home.name} has no IPv6, so it can have no {what}",
        f"dnet bridge init {names.for_shell(home.name)} --ipv6",
    )
