"""What a state, or a change of one, may have left in the kernel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dnet.firewall.door import Chain, Shape, Trace
from dnet.model.entities import Bridge, Interface
from dnet.model.state import Change, State
from dnet.model.table import ABSENT
from dnet.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from dnet.model.pool import Overlay


class Scope(NamedTuple):
    """What a change may have left in the kernel, on either of its sides.

    `traces` are of firewalls; `localnet` are the bridges that 127.0.0.1 was translated to;
    `attached` the interfaces that were plugged in; `overlays` what led to other hosts.
    """

    bridges: tuple[Bridge, ...] = ()
    traces: frozenset[Trace] = frozenset()
    localnet: frozenset[str] = frozenset()
    attached: tuple[Interface, ...] = ()
    overlays: tuple[Overlay, ...] = ()

    @classmethod
    def of(cls, state: State, shape: Shape) -> Scope:
        """Everything a state stands for, but what single mappings and links need."""
        traces = frozenset(Trace(state.firewall, one) for one in shape.traces)
        overlay = state.overlay
        own = (overlay,) if overlay else ()
        return cls(tuple(state.bridges.values()), traces, shape.translating, overlays=own)

    @property
    def firewalls(self) -> set[str]:
        """Those of which something may be there."""
        return {one.firewall for one in self.traces}

    def traces_of(self, firewall: str) -> frozenset[Chain]:
        """What one of them may have made."""
        return frozenset(one.chain for one in self.traces if one.firewall == firewall)

    def __or__(self, other: Scope) -> Scope:
        return Scope(
            self.bridges + other.bridges,
            self.traces | other.traces,
            self.localnet | other.localnet,
            self.attached + other.attached,
            self.overlays + other.overlays,
        )

    def with_attachments(self, state: State) -> Scope:
        """Also every interface that a state has plugged in."""
        return self | Scope(attached=tuple(one for one in state.interfaces.values() if one.netns))

    def with_changes(self, state: State) -> Scope:
        """Also the interfaces that are plugged in on either side of what was changed, or again."""
        again = (state.interfaces[one] for one in state.replug if one in state.interfaces)
        return self | Scope(attached=(*attached(state, state.changes()), *again))


EMPTY_SCOPE = Scope()


def attached(state: State, changes: Iterable[Change]) -> Iterator[Interface]:
    """The interfaces that are plugged in before or after the changes."""
    for table, key, old, new in changes:
        if table is state.interfaces:
            for row in (old, new):
                if row is not ABSENT and row.get("netns"):
                    yield Interface.from_row(key, row)
