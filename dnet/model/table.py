"""One kind of thing in the store, by key: decoded when asked for, recorded when changed.

The rows are the store's own JSON objects, replaced and never changed in place. Ten thousand of
them are neither decoded nor copied because one is added: a command's work follows what it
changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, KeysView
from itertools import islice

from dnet.typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")
Raw = dict[str, Any]
ABSENT: Any = object()


class Derived(Protocol):
    """What is made from the rows of a table once, and told of each that comes or goes."""

    def add(self, key: str, row: Any) -> None:
        """Take up a row that has come."""

    def remove(self, key: str, row: Any) -> None:
        """Let go of a row that goes."""


D = TypeVar("D", bound=Derived)


class Index:
    """Keys grouped by what their rows say, kept up to date while rows come and go."""

    def __init__(self, groups_of: Callable[[str, Any], Iterable[Any]], rows: Raw) -> None:
        self._groups_of = groups_of
        self._keys: dict[Any, dict[str, None]] = {}
        for key, row in rows.items():
            self.add(key, row)

    def add(self, key: str, row: Any) -> None:
        """Take up a row that has come."""
        for group in self._groups_of(key, row):
            self._keys.setdefault(group, {})[key] = None

    def remove(self, key: str, row: Any) -> None:
        """Let go of a row that goes."""
        for group in self._groups_of(key, row):
            keys = self._keys[group]
            keys.pop(key, None)
            if not keys:
                del self._keys[group]

    def keys(self, group: Any) -> tuple[str, ...]:
        """The keys of a group, oldest first."""
        return tuple(self._keys.get(group, ()))

    def __contains__(self, group: Any) -> bool:
        return group in self._keys

    def count(self, group: Any) -> int:
        """How many keys a group has."""
        return len(self._keys.get(group, ()))

    def groups(self) -> KeysView[Any]:
        """Every group that has a key, now and as it changes."""
        return self._keys.keys()


class Table(Generic[T]):
    """The rows of one kind. `log` is shared by all tables of a state: see State.

    Without `decode` and `encode` the rows stand for themselves.
    """

    def __init__(
        self,
        name: str,
        rows: Raw,
        log: list[tuple[Table[Any], str, Any]],
        decode: Callable[[str, Any], T] | None = None,
        encode: Callable[[T], Any] | None = None,
    ) -> None:
        self.name = name
        self.rows = rows
        self._log = log
        self._decode = decode
        self._encode = encode
        self._count_at_first = len(rows)
        self._only_grew = True
        self._decoded: dict[str, tuple[Any, T]] = {}
        self._derived: dict[str, Any] = {}

    def __contains__(self, key: str) -> bool:
        return key in self.rows

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __getitem__(self, key: str) -> T:
        return self.decode(key, self.rows[key])

    def get(self, key: str) -> T | None:
        """The thing of that key, or None."""
        row = self.rows.get(key, ABSENT)
        return None if row is ABSENT else self.decode(key, row)

    def values(self) -> Iterator[T]:
        """Every thing, oldest first."""
        return (self.decode(key, row) for key, row in self.rows.items())

    def decode(self, key: str, row: Any) -> T:
        """The thing a row stands for, whether or not the row is in the table now."""
        if self._decode is None:
            thing: T = row
            return thing
        known = self._decoded.get(key)
        if known is None or known[0] is not row:
            known = self._decoded[key] = row, self._decode(key, row)
        return known[1]

    def put(self, key: str, thing: T) -> None:
        """Add, or replace in its place."""
        self._log.append((self, key, self.rows.get(key, ABSENT)))
        if self._encode is None:
            self.write(key, thing)
            return
        row = self._encode(thing)
        self._decoded[key] = row, thing
        self.write(key, row)

    def drop(self, key: str) -> None:
        """Remove what is there."""
        self._log.append((self, key, self.rows[key]))
        self.write(key, ABSENT)

    def write(self, key: str, row: Any) -> None:
        """Set or, with ABSENT, delete a row without recording it: for undoing."""
        old = self.rows.get(key, ABSENT)
        self._only_grew = self._only_grew and old is ABSENT
        for derived in self._derived.values():
            if old is not ABSENT:
                derived.remove(key, old)
            if row is not ABSENT:
                derived.add(key, row)
        if row is ABSENT:
            self.rows.pop(key, None)
        else:
            self.rows[key] = row

    def appended(self) -> Raw | None:
        """The rows behind those that it began with; None where any of these went or was changed."""
        if not self._only_grew:
            return None
        return dict(islice(self.rows.items(), self._count_at_first, None))

    def index(self, name: str, groups_of: Callable[[str, Any], Iterable[Any]]) -> Index:
        """The index of that name, built when first asked for."""
        found: Index | None = self._derived.get(name)
        return found or self.derive(name, lambda rows: Index(groups_of, rows))

    def derive(self, name: str, make: Callable[[Raw], D]) -> D:
        """What `make` makes of the rows, when first asked for under that name."""
        if name not in self._derived:
            self._derived[name] = make(self.rows)
        found: D = self._derived[name]
        return found
