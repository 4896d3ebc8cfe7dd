"""dnet's named tuples beside those of `typing`, which they take the place of."""

from __future__ import annotations

import copy
import pickle
import typing
from collections.abc import Callable
from typing import Any

import pytest

from dnet import typing as own

T = typing.TypeVar("T")


class Theirs(typing.NamedTuple):
    """A named tuple of typing's."""

    name: str
    number: int = 7
    rest: tuple[str, ...] = ()

    @property
    def twice(self) -> int:
        """Twice the number."""
        return 2 * self.number


class Own(own.NamedTuple):
    """The same of dnet's."""

    name: str
    number: int = 7
    rest: tuple[str, ...] = ()

    @property
    def twice(self) -> int:
        """Twice the number."""
        return 2 * self.number


class TheirHeir(Theirs):
    """One that adds no field."""


class OwnHeir(Own):
    """One that adds no field."""


class Pair(own.NamedTuple, own.Generic[T]):
    """One with a type that is left open."""

    one: T
    other: T


def matched(thing: Any) -> Any:
    match thing:
        case Own(name, number) | Theirs(name, number):
            return name, number


USES: list[Callable[[Any], Any]] = [
    lambda kind: kind("a"),
    lambda kind: kind("a", 1, ("x",)),
    lambda kind: kind(rest=("x",), name="a"),
    lambda kind: kind("a", rest=("x",)),
    lambda kind: (kind._fields, kind._field_defaults, kind.__match_args__),
    lambda kind: hash(kind("a")),
    lambda kind: kind("a") == ("a", 7, ()),
    lambda kind: sorted([kind("b"), kind("a", 9), kind("a")]),
    lambda kind: kind("a")._asdict(),
    lambda kind: kind("a")._replace(number=3),
    lambda kind: (kind("a").name, kind("a").number, kind("a").twice),
    lambda kind: copy.copy(kind("a", 2)),
    lambda kind: pickle.loads(pickle.dumps(kind("a", 2))),
    lambda kind: [*kind("a"), kind("a")[1:]],
    lambda kind: matched(kind("a")),
    lambda kind: repr(kind("a")).replace(kind.__name__, ""),
    lambda kind: kind(),
    lambda kind: kind("a", 1, (), "more"),
    lambda kind: kind("a", other=1),
    lambda kind: kind("a", name="b"),
    lambda kind: setattr(kind("a"), "name", "b"),
]


@pytest.mark.parametrize("use", USES, ids=map(str, range(len(USES))))
@pytest.mark.parametrize(("kind", "theirs"), [(Own, Theirs), (OwnHeir, TheirHeir)])
def test_they_are_used_alike(kind: Any, theirs: Any, use: Callable[[Any], Any]) -> None:
    assert outcome(use, kind) == outcome(use, theirs)


def outcome(use: Callable[[Any], Any], kind: Any) -> Any:
    try:
        found = use(kind)
    except (TypeError, AttributeError) as error:
        return type(error)
    return tuple(found) if isinstance(found, kind) else found


def test_they_are_tuples_and_no_more() -> None:
    assert not hasattr(Own("a"), "__dict__")
    assert type(Own("a")) is Own
    assert type(OwnHeir("a")._replace(number=1)) is OwnHeir


def test_one_may_leave_a_type_open() -> None:
    assert Pair(1, 2) == Pair[int](one=1, other=2) == (1, 2)
