"""The one renderer: a document as text, JSON or shell variables."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from dnet.cli.document import Document, Item, published_text
from dnet.errors import UsageError


def render(document: Document, form: str, *, quiet: bool = False) -> str:
    """What goes to stdout, with its last newline, or nothing.

    `form` is text, json, env or dot. Raises UsageError for a list as shell variables.
    """
    if form == "text" and not quiet and document.values is not None:
        return _lines(document.values)
    if form == "dot":
        return _lines(document.drawing)
    data = document.content()
    if quiet and isinstance(data, list) and document.key is not None:
        return _lines(document.key(item) for item in data)
    if form == "json":
        return "" if data is None else as_json(data) + "\n"
    if form == "env":
        return _variables(data)
    return _text(document, data)


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
    if not data:
        return ""
    if isinstance(data, list):
        headings = [column.heading for column in document.columns]
        return table(
            headings, [[plain(one.cell(item)) for one in document.columns] for item in data]
        )
    return table([], _pairs(data))


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


def table(headings: list[str], rows: list[list[str]]) -> str:
    """Aligned columns; on a terminal drawn by rich, else plain and never truncated."""
    if sys.stdout.isatty():
        return _drawn(headings, rows)
    lines = [headings, *rows] if headings else rows
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return _lines(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _drawn(headings: list[str], rows: list[list[str]]) -> str:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=SIMPLE_HEAD if headings else None, show_header=bool(headings), pad_edge=False)
    for index in range(len(rows[0])):
        style = None if headings or index else "bold"
        drawn.add_column(headings[index] if headings else "", style=style, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    console = Console()
    with console.capture() as captured:
        console.print(drawn)
    return captured.get().strip("\n") + "\n"


def _lines(texts: Iterator[str] | tuple[str, ...]) -> str:
    return "".join(f"{text}\n" for text in texts)
