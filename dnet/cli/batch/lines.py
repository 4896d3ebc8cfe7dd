"""Command lines in a batch: from a line to a request, thousands of times.

Click takes longer to read a line than dnet to carry it out: lines in the plain way are read
without it (dnet.cli.plain).
"""

from __future__ import annotations

from contextlib import redirect_stdout
from functools import cached_property
from io import StringIO

from dnet.cli import plain
from dnet.cli.session import Request, Session
from dnet.errors import UsageError
from dnet.typing import TYPE_CHECKING
from dnet.values.names import for_shell

if TYPE_CHECKING:
    import click

_SPECIAL = frozenset("'\"\\#")
EXCLUDED = frozenset({"batch", "reset", "restore", "gc", "check", "completion", "host"})


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
                "the line ends in a backslash", "write each command on one line"
            ) from None
        raise UsageError(str(error).lower(), "quotes are as in the shell") from None


class Reader:
    """Reads lines, each for itself or all for a batch."""

    def __init__(self, session: Session, *, each: bool = False) -> None:
        self._session = session
        self._each = each
        self._parsers: dict[int, plain.Parser] = {}

    def read(self, words: list[str]) -> Request:
        """The request a line stands for. Raises UsageError, and what its values raise."""
        if words[0] in EXCLUDED:
            raise UsageError(f"{words[0]} cannot be part of a batch", _alone(words))
        if words[0] == "dnet":
            raise UsageError("a line of a batch begins with the command", "leave out the word dnet")
        request = self._read_plainly(words) or self._read_by_click(words)
        if request.dry_run and self._each:
            raise UsageError("batch --each does not support --dry-run", _alone(words))
        if request.dry_run:
            raise UsageError("--dry-run is for the whole batch", "dnet batch --dry-run")
        return request

    def _read_plainly(self, words: list[str]) -> Request | None:
        found = plain.find(words)
        if found is None:
            return None
        command, rest = found
        parser = self._parsers.get(id(command))
        if parser is None:
            parser = self._parsers[id(command)] = plain.Parser(command.parameters)
        return plain.request(command, parser, rest, self._session)

    @cached_property
    def _root(self) -> click.Group:
        from dnet.cli.tree import LazyGroup

        return LazyGroup("dnet")

    def _read_by_click(self, words: list[str]) -> Request:
        import click

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
                f"{' '.join(words)} is not a complete command", f"{path(self._root, words)} --help"
            )
        return found


def _alone(words: list[str]) -> str:
    return f"run it by itself: dnet {' '.join(map(for_shell, words))}"
