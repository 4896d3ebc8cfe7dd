"""A firewall of a few lines, whose rules are the lines of a file: what the door has to be for any.

Every line begins with a name: its bridge's, which is the trace that it leaves. A process uses it
in place of the real one where DNET_TOY names the file.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from dnet.errors import ConflictError, DnetError, RulesRefusedError
from dnet.firewall.door import Chain, Finding, Former
from dnet.firewall.traffic import filtered, kept_apart
from dnet.host.machine import Parts
from dnet.model.entities import IPTABLES, Bridge
from dnet.model.state import Change as Changed
from dnet.model.state import State
from dnet.model.table import ABSENT, Table
from dnet.values.family import V4, Families

VARIABLE = "DNET_TOY"
LOST = Chain("toy", "dnet0")


class Shape(NamedTuple):
    """The lines of bridges."""

    lines: tuple[str, ...]
    translating: frozenset[str]

    @property
    def traces(self) -> frozenset[Chain]:
        return frozenset(map(_trace, self.lines))

    def __bool__(self) -> bool:
        return bool(self.lines)


class Change(NamedTuple):
    """Lines that go, and lines that come."""

    going: tuple[str, ...] = ()
    coming: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    overruled: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    refusal: None = None

    def lines(self) -> Iterator[str]:
        yield from (f"toy delete {line}" for line in self.going)
        yield from (f"toy add {line}" for line in self.coming)

    def parts(self) -> Iterator[Change]:
        yield from (Change(going=(line,)) for line in self.going)
        yield from (Change(coming=(line,)) for line in self.coming)

    def foreseen(self) -> set[str]:
        return set(map(str, _findings(self.going, self.coming)))

    def __bool__(self) -> bool:
        return bool(self.going or self.coming)


class Toy:
    """The side that decides."""

    needs_br_netfilter = False

    def shape(self, state: State) -> Shape:
        bridges = filtered(state.bridges.values())
        lines = [f"{one.name} forwards {one.subnet}" for one in bridges]
        lines += [f"{one.name} keeps apart {other.name}" for one, other in kept_apart(bridges)]
        translates = bool(state.mappings) or any(state.link_endpoints())
        names = frozenset(one.name for one in bridges) if translates else frozenset[str]()
        return Shape((*lines, *(f"{name} guards 127.0.0.0/8" for name in sorted(names))), names)

    def delta(self, state: State, changes: Iterable[Changed]) -> Change:
        going: list[str] = []
        coming: list[str] = []
        for table, key, old, new in changes:
            for row, lines in ((old, going), (new, coming)):
                if table is state.mappings and row is not ABSENT:
                    lines.append(f"{row['bridge']} publishes {key} of {row['container_ip']}")
                elif table is state.links and row is not ABSENT:
                    lines.append(f"{row['child_bridge']} links {key} {' '.join(row['ports'])}")
        return Change(tuple(going), tuple(coming))

    def compare(
        self,
        seen: list[str],
        state: State,
        former: Former,
        *,
        expected: Shape | None = None,
        reserved: Collection[Chain] = (),
    ) -> Change:
        tables: tuple[Table[Any], ...] = (state.mappings, state.links)
        rows = [(one, key, ABSENT, row) for one in tables for key, row in one.rows.items()]
        desired = [*self.shape(state).lines, *self.delta(state, rows).coming]
        known = former.traces | set(map(_trace, desired))
        if expected is not None:
            made = (known | set(reserved)) - expected.traces - former.traces
            for line in seen:
                if _trace(line) in made:
                    raise ConflictError(
                        f"there is a rule of somebody else's: {line}", "take it away"
                    )
        mine = Counter(line for line in seen if _trace(line) in known)
        going, coming = mine - Counter(desired), Counter(desired) - mine
        there = tuple(going.elements()), tuple(coming.elements())
        return Change(*there, findings=tuple(_findings(*there)))

    def own(self, _of: Families, /) -> frozenset[Chain]:
        return frozenset()

    def unknown(self, seen: list[str], owned: Collection[Chain]) -> list[Chain]:
        return [LOST] if LOST in map(_trace, seen) and LOST not in owned else []

    def objections(self, state: State, bridge: Bridge) -> Iterator[DnetError]:
        if len(state.bridges) > 3:
            yield ConflictError(f"there are too many bridges for {bridge.name}", "remove one")


class Rules:
    """The side that acts, on a file."""

    variant = None
    is_there = True
    may_be_in_force = False
    generation = None

    def trust(self, _generation: int, /) -> None:
        """There is nothing to trust."""

    def __init__(self, file: Path) -> None:
        self._file = file

    families = (V4,)

    def read(self, _families: Families = (V4,), /) -> list[str]:
        return self._file.read_text().splitlines() if self._file.exists() else []

    def apply(self, change: Change, /) -> None:
        lines = self.read()
        for line in change.going:
            if line not in lines:
                raise RulesRefusedError(f"toy: there is no line {line}")
            lines.remove(line)
        new = self._file.with_suffix(".new")
        new.write_text("".join(f"{line}\n" for line in [*lines, *change.coming]))
        new.rename(self._file)

    def refuse_another(self, _noted: str | None, /) -> None:
        """There is only this one."""

    def foreign(self, _state: State, _outward: object, /) -> Iterator[str]:
        yield from ()


def install() -> None:
    """Put it in the place of the real one, in this process."""
    file = Path(os.environ[VARIABLE])
    for name, toy in (("firewall", Toy()), ("rules", Rules(file))):
        setattr(Parts, name, _instead_of_iptables(toy, getattr(Parts, name)))


def _instead_of_iptables(
    toy: object, real: Callable[[Parts, str], object]
) -> Callable[[Parts, str], object]:
    return lambda parts, name: toy if name == IPTABLES else real(parts, name)


def _trace(line: str) -> Chain:
    return Chain("toy", line.partition(" ")[0])


def _findings(going: Iterable[str], coming: Iterable[str]) -> Iterator[Finding]:
    for what, lines in (("not dnet's", going), ("missing", coming)):
        yield from (Finding(_trace(line), what, line) for line in lines)
