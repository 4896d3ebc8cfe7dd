"""A file of command lines: what is in it, and what each line asks for."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from dnet.cli.session import Request, Session
from dnet.errors import DnetError, UsageError
from dnet.typing import IO, TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from dnet.cli.batch.lines import Reader


_ENCODING = "utf-8-sig"


class Line(NamedTuple):
    """A command of a batch: its number in the file, its text, its words or why it has none."""

    number: int
    text: str
    words: list[str]
    fault: UsageError | None = None

    def request(self, reader: Reader) -> Request:
        """What it asks for. Raises DnetError."""
        if self.fault is not None:
            raise self.fault
        return reader.read(self.words)

    def blame(self, error: DnetError) -> DnetError:
        """The same error, with the line named."""
        shown = self.text if len(self.text) <= 60 else f"{self.text[:59]}…"
        return error.with_message(f"line {self.number}: {shown}: {error}")


def opened(file: str) -> Any:
    """A file to read in a with statement, - for standard input. Raises DnetError.

    A byte order mark at its beginning, as some editors write it, is passed over.
    """
    from contextlib import nullcontext

    if file == "-":
        sys.stdin.reconfigure(encoding=_ENCODING, errors="surrogateescape")  # type: ignore[union-attr]
        return nullcontext(sys.stdin)
    try:
        return open(file, encoding=_ENCODING, errors="surrogateescape")
    except OSError as error:
        raise DnetError(
            f"{file}: {error.strerror}", "name a file of commands, or - for standard input"
        ) from None


def lines(stream: IO[str]) -> Iterator[Line]:
    """The lines that are neither blank nor comments, each as soon as it is there."""
    from dnet.cli.batch.lines import words_of

    for number, text in enumerate(iter(stream.readline, ""), 1):
        try:
            words = words_of(text)
        except UsageError as error:
            yield Line(number, text.strip(), [], error)
            continue
        if words:
            yield Line(number, " ".join(words), words)


def reader_of(session: Session, *, each: bool = False) -> Reader:
    """Who reads lines against the whole command tree, each for itself or all for a batch."""
    from dnet.cli.batch.lines import Reader

    return Reader(session, each=each)
