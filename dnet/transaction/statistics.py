"""How much passes through a store's mappings: without a lock, and without a change."""

from __future__ import annotations

from dnet.errors import KernelError
from dnet.host import privilege
from dnet.host.conntrack import table
from dnet.host.firewall import counters
from dnet.host.firewall.counters import Passed
from dnet.model.entities import Mapping
from dnet.model.state import State
from dnet.network import portmapper
from dnet.plan import flows
from dnet.transaction.recovery import Recovery
from dnet.typing import NamedTuple


class Figures(NamedTuple):
    """What there is of a mapping; `passed` is None where it is not counted."""

    mapping: Mapping
    connections: int
    passed: Passed | None


class Statistics(Recovery):
    """What passes through the mappings of a store."""

    def read(self, target: str | None) -> tuple[State, list[Figures]]:
        """The figures of all mappings, or of those of a target, as they are now.

        Raises NotFoundError, PermissionDeniedError, KernelError.
        """
        state = self._store.load()
        self._bring_here(state)
        keys = list(state.mappings)
        if target is not None:
            whom, targets = portmapper.resolve(state, target), state.mappings_by_target
            keys = [key for ip in whom.addresses for key in targets.keys(ip)]
        mappings = [state.mappings[key] for key in keys]
        if not privilege.has(privilege.NET_ADMIN):
            raise privilege.denied("counting connections and packets", privilege.NET_ADMIN)
        try:
            connections = table.count([flows.translated(one) for one in mappings])
            passed: list[Passed | None] = [None] * len(mappings)
            if state.counts:
                passed = counters.read(one.endpoint for one in mappings)
        except OSError as error:
            raise KernelError(f"cannot read the counters: {error.strerror}") from None
        return state, list(map(Figures, mappings, connections, passed))
