"""What a runtime's document says, part by part, through the parsers of the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from dnet.errors import UsageError
from dnet.typing import Any, TypeVar
from dnet.values import names

T = TypeVar("T")

_FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class Fields:
    """The members of a JSON object, whose keys are in any case: Go writes and reads them so.

    `hostPort`, `HostPort` and `host_port` are one key. What is null or empty is not there.
    """

    def __init__(self, value: object, place: str) -> None:
        if value is not None and not isinstance(value, Mapping):
            raise UsageError(f"{place} is not a JSON object")
        self._place = place
        self._members = {_plain(str(key)): (str(key), one) for key, one in (value or {}).items()}

    def entries(self) -> Iterator[tuple[str, str]]:
        """Each key in plain letters, and as it stands there."""
        return ((plain, key) for plain, (key, _) in self._members.items())

    def has(self, key: str) -> bool:
        """Whether a key stands there, be it with null."""
        return _plain(key) in self._members

    def value(self, key: str) -> Any:
        """What stands under a key; None where nothing does."""
        return self._members.get(_plain(key), (key, None))[1]

    def parsed(self, key: str, parse: Callable[[str], T]) -> T | None:
        """A text, or a number, as a parser of the command line takes it. Raises UsageError."""
        value = self.value(key)
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise UsageError(f"{self.named(key)} is neither a text nor a number")
        try:
            return parse(str(value))
        except UsageError as error:
            raise error.with_message(f"{self.named(key)}: {error}") from None

    def text(self, key: str) -> str | None:
        """A text as it is."""
        return self.parsed(key, str)

    def needed(self, key: str) -> str:
        """A text that has to be there. Raises UsageError."""
        found = self.text(key)
        if found is None:
            raise UsageError(f"{self.named(key)} is missing")
        return found

    def flag(self, key: str) -> bool | None:
        """True or false, which may be written as a text. Raises UsageError."""
        value = self.value(key)
        if value is None or isinstance(value, bool):
            return value
        found = _FLAGS.get(str(value).lower())
        if found is None:
            raise UsageError(f"{self.named(key)} is neither true nor false")
        return found

    def many(self, key: str) -> list[Any]:
        """A list, which is empty where there is none. Raises UsageError."""
        value = self.value(key)
        if value is not None and not isinstance(value, list):
            raise UsageError(f"{self.named(key)} is not a list")
        return value or []

    def part(self, key: str) -> Fields:
        """An object inside of this one, empty where there is none. Raises UsageError."""
        return Fields(self.value(key), self.named(key))

    def parts(self, key: str) -> list[Fields]:
        """The objects of a list inside of this one. Raises UsageError."""
        return [Fields(one, f"an entry of {self.named(key)}") for one in self.many(key)]

    def named(self, key: str) -> str:
        """A key as an error names it."""
        shown = names.quoted(self._members.get(_plain(key), (key,))[0])
        return f"{shown} of {self._place}" if self._place else shown


def _plain(key: str) -> str:
    return key.lower().replace("_", "").replace("-", "")
