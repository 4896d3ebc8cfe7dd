"""What of a state is there in the kernel, as far as a list can tell without the time it takes.

By the names of the devices alone: `dnet check` looks closer.
"""

from __future__ import annotations

import _socket  # Under `socket`, and loaded in a thirtieth of its time.
from functools import cached_property

from dnet.host import system
from dnet.model.entities import Bridge, Interface
from dnet.model.state import State
from dnet.model.table import Table
from dnet.typing import TYPE_CHECKING, Any
from dnet.values.veth import veth_name

if TYPE_CHECKING:
    from dnet.host.machine import Machine


def machine() -> Machine:
    """The facts that lists depend on, for which nobody is warned."""
    from dnet.host.machine import Machine, Parts

    return Machine(Parts(lambda _: None))


class Presence:
    """The devices of the network namespace the process is in, where that is the store's."""

    def __init__(self, state: State) -> None:
        self._state = state

    def of_bridge(self, bridge: Bridge) -> bool | None:
        """Whether its device is there; None in another network namespace than the store's."""
        if not self._is_known:
            return None
        made = self._state.confirmed_bridges | self._changed(self._state.bridges)
        return bridge.name in made or bridge.name in self._devices

    def of_interface(self, interface: Interface) -> bool | None:
        """Whether it is plugged in; None for one that is attached to no namespace, and as above.

        Of its veth pair neither end is there once the other one's namespace is gone. A process
        may keep that, while another one has its name.
        """
        if interface.netns is None or not self._is_known:
            return None
        if interface.id in self._state.replug or interface.id in self._changed(
            self._state.interfaces
        ):
            return True
        return veth_name(interface.id) in self._devices and not self._is_another(interface)

    def _is_another(self, interface: Interface) -> bool:
        from dnet.host import netns

        return netns.is_another(str(interface.netns), interface.cookie)

    @cached_property
    def _is_known(self) -> bool:
        cookie = system.netns_cookie()
        if None in (self._state.netns, cookie) or self._state.netns == cookie:
            return True
        return self._state.boot_id != _boot_id()  # Then nothing of it is anywhere.

    def _changed(self, table: Table[Any]) -> set[str]:
        """What the command itself makes: it is there once the command has ended well."""
        return {key for changed, key, _, _ in self._state.changes() if changed is table}

    @cached_property
    def _devices(self) -> set[str]:
        return {name for _, name in _socket.if_nameindex()}


def _boot_id() -> str | None:
    try:
        return system.boot_id()
    except OSError:
        return None
