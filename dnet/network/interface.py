"""Interfaces: the source's allocate_interface and release_interface.

An interface is an address on a bridge under an id, with all that hangs on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dnet.errors import ConflictError
from dnet.model import find
from dnet.model.entities import Interface
from dnet.model.state import State
from dnet.network import ipallocator, link, portmapper
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
    expose: Sequence[str] = (),
) -> Interface:
    """Give an id an address. Again with the same arguments it is the same interface.

    Raises ConflictError where the id is there with another address, bridge or other exposed
    ports, and what the address allocator raises.
    """
    ports = names.sort_ports(tuple(expose))
    existing = state.interfaces.get(interface_id)
    if existing is not None:
        _refuse_different(existing, bridge, ip, ports)
        return existing
    home = find.bridge_for_address(state, ip, bridge) if ip else find.bridge(state, bridge)
    if ip is not None:
        taken = ipallocator.take(state, facts, home, ip, interface_id)
    else:
        taken = ipallocator.take_next(state, facts, home, interface_id)[0]
    made = Interface(interface_id, home.name, taken, ports)
    state.interfaces.put(made.id, made)
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
    existing: Interface, bridge: str | None, ip: str | None, expose: tuple[str, ...]
) -> None:
    has = {
        f"on {existing.bridge}": bridge not in (None, existing.bridge),
        f"with {existing.ip}": ip not in (None, existing.ip),
        f"exposing {' '.join(existing.expose) or 'nothing'}": expose not in ((), existing.expose),
    }
    for what, differs in has.items():
        if differs:
            raise ConflictError(
                f"{existing.id} is there already, {what}",
                f"release it with all that it has: dnet interface release {existing.id}",
            )
