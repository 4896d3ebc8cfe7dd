"""The examples of the manual pages, as their sources have them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from generate.manual import SOURCES
from tests.session import commands, hidden, type_in

FILES = sorted(SOURCES.glob("*.[1-9]"))

_PART = re.compile(
    r"^\.\\\" \$ (?P<hidden>[^\n]*)$|^\.Bd -literal[^\n]*\n(?P<shown>.*?)^\.Ed$",
    re.MULTILINE | re.DOTALL,
)


class Example(NamedTuple):
    """A session of a page: what is shown, and what is run before it without being shown."""

    shown: str
    prepared: tuple[str, ...]

    @property
    def code(self) -> str:
        """Shell code that prints it anew."""
        return "".join(map(hidden, self.prepared)) + type_in(self.shown)


def examples(file: Path) -> list[Example]:
    """The examples of a page, in order."""
    found: list[Example] = []
    prepared: list[str] = []
    for part in _PART.finditer(file.read_text()):
        if part["hidden"] is not None:
            prepared.append(part["hidden"])
            continue
        assert part["shown"].startswith("$ "), f"{file}: a display that is no session:\n{part[0]}"
        found.append(Example(part["shown"], tuple(prepared)))
        prepared = []
    assert not prepared, f"{file}: {prepared[0]} prepares nothing"
    return found


def shown_calls(file: Path) -> Iterator[list[str]]:
    """The words after each `dnet` in the command lines that a page shows."""
    for example in examples(file):
        for line in commands(example.shown):
            for call in re.findall(r"\bdnet ([^|;&)]+)", line):
                yield shlex.split(call.replace('"', ""))


def update(file: Path, printed: list[str]) -> None:
    """Write what the examples print into the source of a page."""
    text = file.read_text()
    for example, new in zip(examples(file), printed, strict=True):
        text = text.replace(example.shown, new, 1)
    file.write_text(text)
