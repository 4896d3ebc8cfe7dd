"""Command lines in the plain way, read without Click.

A line that names its command's options and arguments plainly is read by how the command is
defined; every other one, and every mistake, is left to Click, whose word counts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from dnet.cli.define import Checked, Choice, Command, Group, Note, Parameter, top
from dnet.errors import UsageError
from dnet.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dnet.cli.session import Request, Session


class Option:
    """An option as a line names it; `is_on` is the value of a flag, None where a value follows."""

    __slots__ = ("convert", "is_on", "multiple", "name")

    def __init__(self, parameter: Parameter, *, is_on: bool | None) -> None:
        self.name = name_of(parameter)
        self.is_on = is_on
        self.convert = _convert(parameter)
        self.multiple = bool(parameter.settings.get("multiple"))


class Argument:
    """An argument at its place."""

    __slots__ = ("convert", "name", "required", "takes_rest")

    def __init__(self, parameter: Parameter) -> None:
        self.name = name_of(parameter)
        self.convert = _convert(parameter)
        self.takes_rest = parameter.settings.get("nargs") == -1
        needs = not self.takes_rest and "default" not in parameter.settings
        self.required = bool(parameter.settings.get("required", needs))


class Parser:
    """What lines with these parameters say, as far as they are in the plain way."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self._options = {
            word: option
            for one in parameters
            if not one.is_argument
            for word, option in _options(one)
        }
        self._arguments = [Argument(one) for one in parameters if one.is_argument]
        self._defaults = {name_of(one): _default(one) for one in parameters}
        self._environment = [one for one in parameters if "envvar" in one.settings]
        self._required = [
            name_of(one)
            for one in parameters
            if one.settings.get("required") and not one.is_argument
        ]
        self._notes = {name_of(one): one.note for one in parameters if one.note}

    def read(self, words: Sequence[str]) -> tuple[dict[str, Any], list[tuple[Note, Any]]] | None:
        """The values for the command, and what the session is to note with its values.

        None where the line is Click's to read.
        """
        try:
            given = self._given(words)
            values = {**self._defaults, **dict(self._of_environment(given)), **given}
        except UsageError:
            return None
        # Of two that say the form of the output, Click takes the last.
        forms = given.keys() & {"form", "json"}
        if len(forms) > 1 or any(values[name] is None for name in self._required):
            return None
        return values, [(note, values.pop(name)) for name, note in self._notes.items()]

    def _given(self, words: Sequence[str]) -> dict[str, Any]:
        """The values that stand in a line. Raises UsageError."""
        given: dict[str, Any] = {}
        plain: list[str] = []
        rest = iter(words)
        for word in rest:
            if word.startswith("-"):
                self._take(self._option(word), rest, given)
            else:
                plain.append(word)
        return given | self._in_place(plain)

    def leading(self, words: Sequence[str]) -> int:
        """How many words are options and their values, ahead of the first that is neither."""
        at = 0
        while at < len(words) and words[at] in self._options:
            at += 1 if self._options[words[at]].is_on is not None else 2
        return at

    def _option(self, word: str) -> Option:
        if word not in self._options:
            raise UsageError(f"not in the plain way: {word}")
        return self._options[word]

    @staticmethod
    def _take(option: Option, rest: Iterator[str], given: dict[str, Any]) -> None:
        name = option.name
        if option.is_on is not None:
            given[name] = option.is_on
            return
        text = next(rest, None)
        if text is None or (name in given and not option.multiple):
            raise UsageError(f"not in the plain way: {name}")
        value = option.convert(text)
        given[name] = (*given.get(name, ()), value) if option.multiple else value

    def _in_place(self, plain: list[str]) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for argument in self._arguments:
            if argument.takes_rest and plain:
                given[argument.name] = tuple(map(argument.convert, plain))
                plain = []
            elif plain:
                given[argument.name] = argument.convert(plain[0])
                plain = plain[1:]
            elif argument.required:
                raise UsageError(f"missing: {argument.name}")
        if plain:
            raise UsageError(f"too many: {plain[0]}")
        return given

    def _of_environment(self, given: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        for one in self._environment:
            text = os.environ.get(one.settings["envvar"])
            if text and name_of(one) not in given:
                yield name_of(one), _convert(one)(text)


def find(words: Sequence[str]) -> tuple[Command, Sequence[str]] | None:
    """The command that a line names, and what follows it."""
    found = top(words[0]) if words else None
    rest = words[1:]
    if isinstance(found, Group):
        found, rest = found.commands.get(rest[0]) if rest else None, rest[1:]
    return (found, rest) if isinstance(found, Command) else None


def request(
    command: Command, parser: Parser, words: Sequence[str], session: Session
) -> Request | None:
    """What a command is asked for; None where Click has to read it. Raises UsageError."""
    read = parser.read(words)
    if read is None:
        return None
    values, notes = read
    for note, value in notes:
        note(session, value)
    asked: Request = command.callback(**values)
    return asked


def name_of(parameter: Parameter) -> str:
    """The name of a value, by Click's rule: of the longest option, unless one is given."""
    plain = [name for name in parameter.names if not name.lstrip(" /").startswith("-")]
    name = plain[0] if plain else max(_words(parameter), key=lambda word: word.count("-", 0, 2))
    return name.lstrip("-").replace("-", "_").lower()


def _words(parameter: Parameter) -> list[str]:
    """The options that switch on, or that a value follows."""
    return [name.partition("/")[0] for name in parameter.names if name.startswith("-")]


def _options(parameter: Parameter) -> Iterator[tuple[str, Option]]:
    off = [word.partition("/")[2] for word in parameter.names if "/" in word]
    is_flag = bool(off) or bool(parameter.settings.get("is_flag"))
    on = Option(parameter, is_on=True if is_flag else None)
    yield from ((word, on) for word in _words(parameter))
    yield from ((word, Option(parameter, is_on=False)) for word in off)


def _convert(parameter: Parameter) -> Callable[[str], Any]:
    kind = parameter.settings.get("type")
    if isinstance(kind, Checked):
        return kind.check
    return str if kind is None else partial(_chosen, kind)


def _chosen(choice: Choice, text: str) -> str:
    if text not in choice.words:
        raise UsageError(f"none of the words: {text}")
    return text


def _default(parameter: Parameter) -> Any:
    settings = parameter.settings
    if settings.get("multiple") or settings.get("nargs") == -1:
        return ()
    default = settings.get("default", False if settings.get("is_flag") else None)
    return _convert(parameter)(default) if isinstance(default, str) else default
