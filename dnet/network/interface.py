"""Interfaces: the source's allocate_interface and release_interface.

An interface is an address on a bridge under an id, with all that hangs on it.
"""

from __future__ import annotations

from collections.abc import Sequence

from dnet.errors import ConflictError
from dnet.model import find
from dnet.model.entities import Bridge, Interface
from dnet.model.state import State
from dnet.network import ipallocator, link, portmapper
from dnet.typing import TYPE_CHECKING
from dnet.values import names

if TYPE_CHECKING:
    from dnet.network.facts import Facts


def allocate(
    state: State,
    facts: Facts,
    *,
    interface_id: str,
    bridge: str | None = None,
    ip: str | None = None,
    ip6: str | None = None,
    expose: Sequence[str] = (),
) -> Interface:
    """Give an id an address, and one of IPv6 where the bridge has that.

    Again with the same arguments it is the same interface, which is given the address of IPv6 that
    it lacks. Raises ConflictError where the id is there with another address, bridge or other
    exposed ports, and what the address allocator raises.
    """
    ports = names.sort_ports(tuple(expose))
    existing = state.interfaces.get(interface_id)
    if existing is not None:
        _refuse_different(existing, bridge, ip, ip6, ports)
        return _with_ipv6(state, facts, existing, ip6)
    home = _home(state, bridge, ip, ip6)
    if ip is not None:
        taken = ipallocator.take(state, facts, home, ip, interface_id)
    else:
        taken = ipallocator.take_next(state, facts, home, interface_id)[0]
    made = Interface(interface_id, home.name, taken, ports)
    state.interfaces.put(made.id, made)
    return _with_ipv6(state, facts, made, ip6)


def _home(state: State, bridge: str | None, ip: str | None, ip6: str | None) -> Bridge:
    """The bridge that is named, or has the first address that is."""
    named = ip or ip6
    return find.bridge_for_address(state, named, bridge) if named else find.bridge(state, bridge)


def _with_ipv6(state: State, facts: Facts, interface: Interface, ip6: str | None) -> Interface:
    """An interface with the address of IPv6 that it can have."""
    home = state.bridges[interface.bridge]
    if interface.ip6 is not None or (home.address6 is None and ip6 is None):
        return interface
    from dnet.network import ipv6

    made = interface._replace(ip6=ipv6.take(state, facts, home, interface.ip, ip6, interface.id))
    state.interfaces.put(made.id, made)
    link.extend(state, facts, made.id)
    return made


def release(state: State, _facts: Facts, *, ids: Sequence[str], if_exists: bool = False) -> None:
    """Forget ids with their mappings, reserved ports, links and addresses: all, or none.

    Raises NotFoundError.
    """
    for one in dict.fromkeys(ids):
        if one in state.interfaces or not if_exists:
            drop(state, find.interface(state, one))


def drop(state: State, interface: Interface) -> None:
    """Drop an interface and everything that hangs on it."""
    for ip in interface.addresses:
        portmapper.drop_of(state, ip)
    for key in state.reservations_by_owner.keys(interface.id):
        state.reservations.drop(key)
    link.drop_of(state, interface.id)
    state.interfaces.drop(interface.id)
    for ip in interface.addresses:
        ipallocator.give_back(state, interface.bridge, ip)


def _refuse_different(
    existing: Interface,
    bridge: str | None,
    ip: str | None,
    ip6: str | None,
    expose: tuple[str, ...],
) -> None:
    has = {
        f"on {existing.bridge}": bridge not in (None, existing.bridge),
        f"with {existing.ip}": ip not in (None, existing.ip),
        f"with {existing.ip6}": existing.ip6 is not None and ip6 not in (None, existing.ip6),
        f"exposing {' '.join(existing.expose) or 'nothing'}": expose not in ((), existing.expose),
    }
    for what, differs in has.items():
        if differs:
            raise ConflictError(
                f"{existing.id} already exists, {what}",
                f"to release it with everything it has: dnet interface release {existing.id}",
            )
