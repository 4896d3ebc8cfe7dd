"""The one renderer: a document as text, JSON or shell variables."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any

from dnet.cli.document import Branch, Document, Item, published_text
from dnet.errors import UsageError

_MOST_DRAWN = 1000


def render(document: Document, form: str, *, quiet: bool = False) -> str:
    """What goes to stdout, with its last newline, or nothing.

    `form` is text, json, env or dot. Raises UsageError for a list as shell variables.
    """
    if form == "text" and not quiet and document.values is not None:
        return _lines(document.values)
    if form == "dot":
        return _lines(document.drawing() if document.drawing else ())
    data = document.content()
    if quiet and isinstance(data, list) and document.key is not None:
        return _lines(document.key(item) for item in data)
    if form == "json":
        return "" if data is None else as_json(data) + "\n"
    if form == "env":
        return _variables(data)
    return _text(document, data)


def write(text: str) -> None:
    """Write to stdout, also what its encoding has no letters for.

    The path of a namespace may be bytes that are no text: they are written as they were given.
    """
    for errors in ("surrogateescape", "backslashreplace"):
        try:
            sys.stdout.write(text)
            return
        except UnicodeEncodeError:
            sys.stdout.reconfigure(errors=errors)  # type: ignore[union-attr]
    sys.stdout.write(text)


def bare(document: Document) -> Document:
    """A list as its bare keys; anything else as it is."""
    data = document.content()
    if document.key is None or not isinstance(data, list):
        return document
    return Document(values=tuple(map(document.key, data)))


def one_line(document: Document) -> str:
    """What a document says as one line of text: its values, or its keys."""
    if document.values is not None:
        return " ".join(document.values)
    data = document.content()
    if isinstance(data, list) and document.key is not None:
        return " ".join(map(document.key, data))
    return "" if data is None else as_json(data)


def as_json(data: Any) -> str:
    """One line of JSON."""
    import json

    return json.dumps(data, ensure_ascii=False)


def quote(text: str) -> str:
    """A word as the shell reads it back."""
    import shlex

    return shlex.quote(text)


def _variables(data: Any) -> str:
    if isinstance(data, list):
        raise UsageError("--format env shows one thing, not a list", "use --format json")
    return _lines(
        f"DNET_{key.upper()}={quote(plain(value, '', 'true', 'false'))}"
        for key, value in (data or {}).items()
    )


def _text(document: Document, data: Any) -> str:
    if document.values is not None:
        return _lines(document.values)
    if document.picture is not None:
        return _picture(document.picture())
    if not data:
        return ""
    if _is_drawn(data):
        from dnet.cli import terminal

        listed = isinstance(data, list)
        return terminal.table(document.columns, data) if listed else terminal.pairs(data)
    if isinstance(data, list):
        headings = [column.heading for column in document.columns]
        rows = [[plain(one.cell(item)) for one in document.columns] for item in data]
        faults = [" ".join(one.fault(item) for one in document.columns).strip() for item in data]
        # Last, where it moves no other column.
        return _aligned(
            [[*headings, ""], *([*row, f] for row, f in zip(rows, faults, strict=True))]
        )
    return _aligned(_pairs(data))


def _picture(branches: Sequence[Branch]) -> str:
    lines = [line for branch in branches for line in _indented(branch, "")]
    if _is_drawn(lines):
        from dnet.cli import terminal

        return terminal.tree(branches)
    return _lines(lines)


def _indented(branch: Branch, margin: str) -> Iterator[str]:
    yield margin + "  ".join(filter(None, (branch.name, branch.text, branch.wrong)))
    for one in branch.branches:
        yield from _indented(one, f"{margin}  ")


def _is_drawn(things: Sized) -> bool:
    """Whether rich draws them: on a terminal, unless there are so many that it takes seconds."""
    return sys.stdout.isatty() and len(things) <= _MOST_DRAWN


def _pairs(item: Item) -> list[list[str]]:
    return [[key.replace("_", " "), plain(value)] for key, value in item.items()]


def plain(value: Any, none: str = "-", yes: str = "yes", no: str = "no") -> str:
    """A value of a JSON document in a table or a variable."""
    if value is None:
        return none
    if isinstance(value, bool):
        return yes if value else no
    if isinstance(value, dict):
        return published_text(value)
    if isinstance(value, list):
        return " ".join(plain(one) for one in value) or none
    return str(value)


def _aligned(lines: list[list[str]]) -> str:
    """Columns two blanks apart, never truncated."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return _lines(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _lines(texts: Iterable[str]) -> str:
    return "".join(f"{text}\n" for text in texts)
