"""Which interface a command means."""

from __future__ import annotations

from functools import partial

from dnet.errors import NotFoundError
from dnet.model.entities import Interface
from dnet.model.state import State
from dnet.values import names, nearby


def named(state: State, interface_id: str) -> Interface:
    """The interface of that id. Raises NotFoundError, UsageError for what is no id."""
    found = state.interfaces.get(names.interface_id(interface_id))
    if found is None:
        raise NotFoundError(
            f"there is no interface {interface_id}",
            "dnet interface list",
            partial(nearby.names, interface_id, state.interfaces),
        )
    return found
