"""Command lines in a batch: from a line to a request, thousands of times.

Click takes longer to read a line than dnet to carry it out. A line that names its command's
options and arguments in the plain way is read by what Click's own parameters say of
themselves; every other one, and every mistake, is left to Click, whose word counts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import click

from dnet.cli.options import Checked
from dnet.cli.session import Request, Session
from dnet.cli.tree import CONTEXT
from dnet.errors import UsageError
from dnet.values.names import for_shell

_SPECIAL = frozenset("'\"\\#")
EXCLUDED = frozenset({"batch", "reset", "restore", "gc", "check", "completion"})


def words_of(line: str) -> list[str]:
    """A line's words as the shell would split them, without its comment. Raises UsageError."""
    if _SPECIAL.isdisjoint(line):
        return line.split()
    import shlex

    try:
        return shlex.split(line.removesuffix("\n"), comments=True)
    except ValueError as error:
        if line.rstrip("\n").endswith("\\"):
            raise UsageError(
                "the line ends in a backslash", "a command stands on one line"
            ) from None
        raise UsageError(str(error).lower(), "quotes are as in the shell") from None


class Reader:
    """Reads lines against the command tree below `root`, each for itself or all for a batch."""

    def __init__(self, root: click.Group, session: Session, *, each: bool = False) -> None:
        self._root = root
        self._session = session
        self._each = each
        self._plain: dict[tuple[str, ...], PlainParser | None] = {}

    def read(self, words: list[str]) -> Request:
        """The request a line stands for. Raises UsageError, and what its values raise."""
        if words[0] in EXCLUDED:
            raise UsageError(f"{words[0]} cannot be part of a batch", _alone(words))
        if words[0] == "dnet":
            raise UsageError("a line of a batch begins with the command", "leave out the word dnet")
        parser, rest = self._parser(words)
        request = parser.read(rest) if parser else None
        if request is None:
            request = self._read_by_click(words)
        if request.dry_run and self._each:
            raise UsageError("--dry-run goes with no line of batch --each", _alone(words))
        if request.dry_run:
            raise UsageError("--dry-run is for the whole batch", "dnet batch --dry-run")
        return request

    def _parser(self, words: list[str]) -> tuple[PlainParser | None, list[str]]:
        for depth in (1, 2):
            path = tuple(words[:depth])
            if path not in self._plain:
                self._plain[path] = self._find(path)
            if parser := self._plain[path]:
                return parser, words[depth:]
        return None, []

    def _find(self, path: tuple[str, ...]) -> PlainParser | None:
        """The parser of the command of that path, which may be a group: then None."""
        found: click.Command | None = self._root
        with click.Context(self._root, info_name="dnet", obj=self._session) as context:
            for word in path:
                found = found.get_command(context, word) if isinstance(found, click.Group) else None
        if found is None or isinstance(found, click.Group):
            return None
        return PlainParser.of(found)

    def _read_by_click(self, words: list[str]) -> Request:
        try:
            with redirect_stdout(StringIO()):  # No help between the answers of a batch.
                found = self._root.main(
                    words, prog_name="dnet", standalone_mode=False, obj=self._session
                )
        except click.UsageError as error:
            from dnet.cli.usage import as_usage

            raise as_usage(error, self._root, words) from None
        if not isinstance(found, Request):
            from dnet.cli.usage import path

            raise UsageError(
                f"{' '.join(words)} is not a whole command", f"{path(self._root, words)} --help"
            )
        return found


def _alone(words: list[str]) -> str:
    return f"run it by itself: dnet {' '.join(map(for_shell, words))}"


class PlainParser:
    """A command's own parser for lines in the plain form."""

    def __init__(self, command: click.Command) -> None:
        self._callback: Callable[..., Any] = command.callback or (lambda: None)
        self._options: dict[str, click.Option] = {}
        self._arguments: list[click.Argument] = []
        for parameter in command.params:
            if isinstance(parameter, click.Argument):
                self._arguments.append(parameter)
            elif isinstance(parameter, click.Option) and _is_plain(parameter):
                self._options.update(dict.fromkeys(parameter.opts, parameter))
        self._defaults = _defaults(command)
        self._wanted = {str(one.name) for one in self._options.values() if _is_wanted(one)}

    @classmethod
    def of(cls, command: click.Command) -> PlainParser | None:
        """The parser of a command, or None where only Click can read its lines."""
        ends = [one.nargs == -1 for one in command.params if isinstance(one, click.Argument)]
        return None if True in ends[:-1] else cls(command)

    def read(self, words: list[str]) -> Request | None:
        """The request of a line, or None where the line is to be read by Click."""
        try:
            given = self._given(words)
        except UsageError:
            return None
        if given is None or not self._wanted <= given.keys():
            return None
        found = self._callback(**(self._defaults | given))
        assert isinstance(found, Request)
        return found

    def _given(self, words: list[str]) -> dict[str, Any] | None:
        """The values of a line, None where it is not in the plain form. Raises UsageError."""
        given: dict[str, Any] = {}
        plain: list[str] = []
        rest = iter(words)
        for word in rest:
            if not word.startswith("-"):
                plain.append(word)
            elif not self._take_option(word, rest, given):
                return None
        return given if self._take_arguments(plain, given) else None

    def _take_option(self, word: str, rest: Iterator[str], given: dict[str, Any]) -> bool:
        option = self._options.get(word)
        if option is None:
            return False
        name = str(option.name)
        if option.is_flag:
            given[name] = True
            return True
        text = next(rest, None)
        if text is None or (name in given and not option.multiple):
            return False
        value = _converted(option, text)
        given[name] = (*given.get(name, ()), value) if option.multiple else value
        return True

    def _take_arguments(self, plain: list[str], given: dict[str, Any]) -> bool:
        at = 0
        for argument in self._arguments:
            name = str(argument.name)
            if at == len(plain):
                if argument.required:
                    return False
            elif argument.nargs == -1:
                given[name] = tuple(_converted(argument, text) for text in plain[at:])
                at = len(plain)
            else:
                given[name] = _converted(argument, plain[at])
                at += 1
        return at == len(plain)


def _is_plain(option: click.Option) -> bool:
    if option.callback is not None:
        return False
    if option.is_flag:
        return not option.secondary_opts
    return isinstance(option.type, Checked | click.types.StringParamType)


def _is_wanted(option: click.Option) -> bool:
    """Whether the line is Click's to read without it: its value is in the environment, or due."""
    return option.required or bool(option.envvar and os.environ.get(str(option.envvar)))


def _defaults(command: click.Command) -> dict[str, Any]:
    """The values of what is not given, by Click's own word."""
    with click.Context(command, info_name="dnet", resilient_parsing=True, **CONTEXT) as context:
        command.parse_args(context, [])
        return dict(context.params)


def _converted(parameter: click.Parameter, text: str) -> Any:
    return parameter.type.convert(text, parameter, None)
