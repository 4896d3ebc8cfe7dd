"""Command lines in a batch: from a line to a request, thousands of times.

Click takes longer to read a line than dnet to carry it out. A line that names its command's
options and arguments in the plain way is read by what Click's own parameters say of
themselves; every other one, and every mistake, is left to Click, whose word counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

import click

from dnet.cli.options import Checked
from dnet.cli.session import Request, Session
from dnet.errors import UsageError

_SPECIAL = frozenset("'\"\\#")
EXCLUDED = frozenset({"batch", "reset", "restore", "gc", "check", "completion"})


def words_of(line: str) -> list[str]:
    """A line's words as the shell would split them, without its comment. Raises UsageError."""
    if _SPECIAL.isdisjoint(line):
        return line.split()
    import shlex

    try:
        return shlex.split(line, comments=True)
    except ValueError as error:
        raise UsageError(f"{str(error).lower()}") from None


class Reader:
    """Reads lines against the command tree below `root`."""

    def __init__(self, root: click.Group, session: Session) -> None:
        self._root = root
        self._session = session
        self._plain: dict[tuple[str, ...], PlainParser | None] = {}

    def read(self, words: list[str]) -> Request:
        """The request a line stands for. Raises UsageError, and what its values raise."""
        if words[0] in EXCLUDED:
            raise UsageError(f"{words[0]} cannot be part of a batch")
        parser, rest = self._parser(words)
        request = parser.read(rest) if parser else None
        if request is None:
            request = self._read_by_click(words)
        if request.dry_run:
            raise UsageError("--dry-run is for the whole batch: dnet batch --dry-run")
        return request

    def _parser(self, words: list[str]) -> tuple[PlainParser | None, list[str]]:
        path = (words[0], words[1] if len(words) > 1 else "")
        if path not in self._plain:
            self._plain[path] = self._find(path)
        parser = self._plain[path]
        return parser, words[parser.depth :] if parser else []

    def _find(self, path: tuple[str, ...]) -> PlainParser | None:
        with click.Context(self._root, info_name="dnet", obj=self._session) as context:
            found: click.Command | None = self._root.get_command(context, path[0])
            if isinstance(found, click.Group):
                found = found.get_command(context, path[1])
                return PlainParser.of(found, 2) if found else None
            return PlainParser.of(found, 1) if found else None

    def _read_by_click(self, words: list[str]) -> Request:
        found = self._root.main(words, prog_name="dnet", standalone_mode=False, obj=self._session)
        if not isinstance(found, Request):
            raise UsageError(f"{' '.join(words)} is not a whole command")
        return found


class PlainParser:
    """A command's own parser for lines in the plain form.

    `depth` is how many words name the command.
    """

    def __init__(self, command: click.Command, depth: int) -> None:
        self.depth = depth
        self._callback: Callable[..., Any] = command.callback or (lambda: None)
        self._options: dict[str, click.Option] = {}
        self._arguments: list[click.Argument] = []
        self._defaults: dict[str, Any] = {}
        for parameter in command.params:
            if isinstance(parameter, click.Argument):
                self._arguments.append(parameter)
            elif isinstance(parameter, click.Option) and parameter.callback is None:
                self._learn(parameter)

    @classmethod
    def of(cls, command: click.Command, depth: int) -> PlainParser | None:
        """The parser of a command, or None where only Click can read its lines."""
        ends = [one.nargs == -1 for one in command.params if isinstance(one, click.Argument)]
        return None if True in ends[:-1] else cls(command, depth)

    def _learn(self, option: click.Option) -> None:
        self._defaults[str(option.name)] = () if option.multiple else _default(option)
        if _is_plain(option):
            self._options.update(dict.fromkeys(option.opts, option))

    def read(self, words: list[str]) -> Request | None:
        """The request of a line, or None where the line is to be read by Click."""
        given = dict(self._defaults)
        plain: list[str] = []
        rest = iter(words)
        for word in rest:
            if not word.startswith("-"):
                plain.append(word)
            elif not self._take_option(word, rest, given):
                return None
        if not self._take_arguments(plain, given) or self._needs_click(given):
            return None
        found = self._callback(**given)
        assert isinstance(found, Request)
        return found

    def _take_option(self, word: str, rest: Iterator[str], given: dict[str, Any]) -> bool:
        option = self._options.get(word)
        if option is None:
            return False
        name = str(option.name)
        if option.is_flag:
            given[name] = True
            return True
        text = next(rest, None)
        if text is None:
            return False
        value = _converted(option, text)
        given[name] = (*given[name], value) if option.multiple else value
        return True

    def _take_arguments(self, plain: list[str], given: dict[str, Any]) -> bool:
        at = 0
        for argument in self._arguments:
            name = str(argument.name)
            if argument.nargs == -1:
                given[name] = tuple(_converted(argument, text) for text in plain[at:])
                at = len(plain)
                if argument.required and not given[name]:
                    return False
            elif at < len(plain):
                given[name] = _converted(argument, plain[at])
                at += 1
            elif argument.required:
                return False
            else:
                given[name] = _default(argument)
        return at == len(plain)

    def _needs_click(self, given: dict[str, Any]) -> bool:
        """Whether a value comes from the environment, or a required one is missing."""
        import os

        return any(
            given[str(option.name)] in (None, ())
            and (option.required or (option.envvar and os.environ.get(str(option.envvar))))
            for option in self._options.values()
        )


def _is_plain(option: click.Option) -> bool:
    if option.is_flag:
        return not option.secondary_opts
    return isinstance(option.type, Checked | click.types.StringParamType)


def _default(parameter: click.Parameter) -> Any:
    """The value of what is not given; from 8.3 on Click has an enumeration for "none"."""
    value = parameter.default
    if isinstance(value, str):
        return _converted(parameter, value)
    return None if isinstance(value, Enum) else value


def _converted(parameter: click.Parameter, text: str) -> Any:
    return parameter.type.convert(text, parameter, None)
