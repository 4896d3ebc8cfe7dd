"""What modules ask of `typing` while they are loaded, without the time that loading it takes.

`typing`, and the regular expressions that it loads, are a third of a bare interpreter's start, and
its named tuples take ten times as long to define as these, because they compile their annotations.
A type checker reads `typing` itself.
"""

from __future__ import annotations

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import (
        IO,
        Any,
        Final,
        Generic,
        Literal,
        NamedTuple,
        NoReturn,
        Protocol,
        Self,
        TypeAlias,
        TypeGuard,
        TypeVar,
    )
else:
    try:
        from _collections import _tuplegetter  # What collections.namedtuple has for a field.
    except ImportError:
        from operator import itemgetter

        def _tuplegetter(place: int, _: str) -> property:
            return property(itemgetter(place))

    class _Form:
        """What a type checker alone understands, in a list of bases or with a [type] behind it."""

        __slots__ = ()

        def __class_getitem__(cls, _: object) -> type:
            return cls

    IO = Any = Final = Generic = Literal = NoReturn = _Form
    Protocol = Self = TypeAlias = TypeGuard = _Form

    def TypeVar(name: str, *_: object, bound: object = None) -> str:  # noqa: ARG001, N802
        """What a type checker alone understands."""
        return name

    class _Fields(type):
        """Makes the annotations of a class the fields of a tuple, unless it inherits some."""

        def __new__(
            cls, name: str, bases: tuple[type, ...], content: dict[str, object]
        ) -> type[NamedTuple]:
            if not any(getattr(base, "_fields", ()) for base in bases):
                fields = tuple(content.get("__annotations__", ()))
                content["_field_defaults"] = {one: content[one] for one in fields if one in content}
                content |= {one: _tuplegetter(place, "") for place, one in enumerate(fields)}
                content["_fields"] = content["__match_args__"] = fields
                content["__slots__"] = ()
            return super().__new__(cls, name, bases, content)

    class NamedTuple(tuple, metaclass=_Fields):
        """As typing.NamedTuple."""

        def __new__(cls, *values: object, **named: object) -> NamedTuple:
            """Make the first one of a class, and of its fields a function that makes the others."""
            names = ", ".join(cls._fields)
            make = eval(f"lambda cls, {names}: new(cls, ({names},))", {"new": tuple.__new__})
            make.__defaults__ = tuple(cls._field_defaults.values())
            cls.__new__ = make
            return make(cls, *values, **named)

        def __repr__(self) -> str:
            fields = (f"{name}={value!r}" for name, value in self._asdict().items())
            return f"{type(self).__name__}({', '.join(fields)})"

        def __getnewargs__(self) -> tuple[object, ...]:
            return tuple(self)

        def _asdict(self) -> dict[str, object]:
            return dict(zip(self._fields, self, strict=True))

        def _replace(self, **changed: object) -> NamedTuple:
            return type(self)(**self._asdict() | changed)


__all__ = [
    "IO",
    "TYPE_CHECKING",
    "Any",
    "Final",
    "Generic",
    "Literal",
    "NamedTuple",
    "NoReturn",
    "Protocol",
    "Self",
    "TypeAlias",
    "TypeGuard",
    "TypeVar",
]
