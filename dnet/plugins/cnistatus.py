"""Whether an ADD can be done, read without the store's lock."""

from __future__ import annotations

from collections.abc import Callable

from dnet.errors import DnetError
from dnet.host import privilege, system
from dnet.model.entities import Bridge
from dnet.model.state import State
from dnet.store.folder import Store
from dnet.typing import TYPE_CHECKING
from dnet.values import address

if TYPE_CHECKING:
    from dnet.plugins.cniconfig import Config
    from dnet.transaction.recovery import Settings

# More free ones than the host keeps of a subnet: then nothing needs to be counted.
_PLENTY = 128


def unavailable(config: Config, settings: Callable[[], Settings]) -> tuple[str, str | None] | None:
    """Why nothing can be attached, and what to do about it; None where it can.

    Raises UsageError for a configuration that says what cannot be, StateUnreadableError.
    """
    name, _ = config.bridge
    if not privilege.has(privilege.NET_ADMIN):
        return f"{privilege.NET_ADMIN} is missing", privilege.advice(privilege.NET_ADMIN)
    state = Store(config.place.state_dir).load()
    if not state.bridges:
        return _lost(settings())
    if state.boot_id == system.boot_id() and state.netns not in (None, system.netns_cookie()):
        return f"the store in {config.place.state_dir} is of another network namespace", None
    bridge = state.bridges.get(name)
    if bridge is not None and not _has_room(state, bridge):
        return f"no address is left on {bridge.name}", f"dnet ip list --bridge {bridge.name}"
    return None


def _lost(settings: Settings) -> tuple[str, str | None] | None:
    """Whether there is something of a store that is not there any more."""
    from dnet.transaction.maintenance import Maintenance

    try:
        found = Maintenance(settings).unowned()
    except DnetError as error:
        return str(error), error.hint
    return (
        (f"unknown to the store in {settings.state_dir}: {found}", "dnet reset --unowned")
        if found
        else None
    )


def _has_room(state: State, bridge: Bridge) -> bool:
    pool = address.network(bridge.range or bridge.address).num_addresses
    if pool - len(state.leases(bridge.name)) > _PLENTY:
        return True
    from dnet.network import ipallocator
    from dnet.transaction.presence import machine

    return ipallocator.count_free(state, machine(), bridge) > 0
