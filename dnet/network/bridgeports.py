"""The ports of a bridge: the kernel gives it only so many."""

from __future__ import annotations

from dnet.errors import ExhaustedError
from dnet.model.state import State
from dnet.model.table import Raw
from dnet.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dnet.network.facts import Facts

# BR_MAX_PORTS, net/bridge/br_private.h, less the number 0, which the kernel gives to no port.
MOST = 1023


class BridgePorts:
    """How many ports a bridge comes to have, while attachments come and go.

    A lookup of the table of interfaces. Not counted are attachments that were unplugged when it
    was made, unless they change: their devices are gone, as a rule with the namespace.
    """

    def __init__(self, bridge: str, others: int, unplugged: Raw) -> None:
        self._bridge = bridge
        self._unplugged = unplugged
        self._count = others

    def add(self, key: str, row: Any) -> None:
        """Take up an attachment that has come."""
        self._count += self._has_port(key, row)

    def remove(self, key: str, row: Any) -> None:
        """Let go of an attachment that goes."""
        self._count -= self._has_port(key, row)

    def _has_port(self, key: str, row: Any) -> bool:
        return _is_attached(row, self._bridge) and self._unplugged.get(key) is not row

    def refuse_too_many(self) -> None:
        """Raises ExhaustedError."""
        if self._count > MOST:
            raise too_many(self._bridge)


def of_bridge(state: State, facts: Facts, bridge: str) -> BridgePorts:
    """The ports of a bridge, looked up when first asked for."""

    def make(rows: Raw) -> BridgePorts:
        there = set(facts.port_names(bridge))
        # Also those that go with this change: they are there until it is carried out.
        known = {key for table, key, *_ in state.changes() if table is state.interfaces}
        names = {key: facts.port_name(key) for key in known.union(rows)}
        attached = {key: row for key, row in rows.items() if _is_attached(row, bridge)}
        unplugged = {key: row for key, row in attached.items() if names[key] not in there}
        ports = BridgePorts(bridge, len(there.difference(names.values())), unplugged)
        for key, row in attached.items():
            ports.add(key, row)
        return ports

    return state.interfaces.derive(f"ports of {bridge}", make)


def _is_attached(row: Any, bridge: str) -> bool:
    return bool(row["bridge"] == bridge and row.get("netns"))


def too_many(bridge: str) -> ExhaustedError:
    """The error for one port too many."""
    return ExhaustedError(
        f"{bridge} has {MOST:,} ports, the most the kernel allows for a bridge",
        "attach to another bridge, or release unused interfaces: bridge link show; dnet gc",
    )
