"""The text of `names`: what a shell offers to complete, a line `KIND NAME` for each.

The lines of a kind stand together. A shell reads them with its own means, without a program.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, filterfalse

from dnet.model.state import Change, State
from dnet.model.table import ABSENT
from dnet.values.family import FAMILIES

_TABLES = frozenset({"bridges", "interfaces", "mappings", "reservations", "links"})
_TABLES |= {"leases", "leases6"}


def differ(changes: Iterable[Change]) -> bool:
    """Whether a name came or went: most other changes are of what lies behind one."""
    return any(table.name in _TABLES and ABSENT in (old, new) for table, _, old, new in changes)


def write(state: State) -> str:
    """The text of a state.

    An `address` is one that is taken without an interface: else the interface's id stands for it.
    """
    rows = state.interfaces.rows.values()
    held = {row["ip"] for row in rows}.union(row["ip6"] for row in rows if row.get("ip6"))
    leases = chain.from_iterable(
        state.leases(name, of).rows for name in state.bridges for of in FAMILIES
    )
    kinds: dict[str, Iterable[str]] = {
        "bridge": state.bridges,
        "id": state.interfaces,
        "address": filterfalse(held.__contains__, leases),
        "mapping": state.mappings,
        "port": state.reservations,
        "link": state.links,
    }
    return "".join(_lines(kind, names) for kind, names in kinds.items())


def _lines(kind: str, names: Iterable[str]) -> str:
    joined = f"\n{kind} ".join(names)
    return f"{kind} {joined}\n" if joined else ""
