"""The one renderer: a document as text, JSON or shell variables."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence, Sized

from dnet.cli.output.document import Branch, Column, Document, Item, plain
from dnet.errors import UsageError, displayed
from dnet.typing import Any

MOST_DRAWN = 1000


def render(document: Document, form: str, *, quiet: bool = False) -> str:
    """What goes to stdout, with its last newline, or nothing.

    `form` is text, json, env, or one of the document's own. Raises UsageError for a list as shell
    variables.
    """
    if form == "text" and not quiet and document.values is not None:
        return lines(document.values)
    if form in document.forms:
        return "".join(f"{line}\n" for line in document.forms[form]())
    if form == "env" and document.variables is not None:
        return _variables(document.variables())
    data = document.content()
    if quiet and isinstance(data, list) and document.key is not None:
        return lines(document.key(item) for item in data)
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
        return " ".join(map(displayed, document.values))
    data = document.content()
    if isinstance(data, list) and document.key is not None:
        return " ".join(map(document.key, data))
    return "" if data is None else as_json(data)


def as_json(data: Any) -> str:
    """One line of JSON, in which nothing moves a terminal that it is printed on."""
    from dnet.values import jsontext

    text = jsontext.dumps_as_is(data)
    if text.isprintable():
        return text
    return "".join(one if displayed(one) == one else _in_json(one) for one in text)


def _in_json(one: str) -> str:
    """A character within a string of JSON, by the code units that it has there (RFC 8259, 7)."""
    units = one.encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def _variables(data: Any) -> str:
    if isinstance(data, list):
        raise UsageError("--format env shows one thing, not a list", "use --format json")
    from dnet.values.names import for_shell

    return lines(
        f"DNET_{key.upper()}={for_shell(plain(value, '', 'true', 'false'))}"
        for key, value in (data or {}).items()
    )


def _text(document: Document, data: Any) -> str:
    if document.values is not None:
        return lines(document.values)
    if document.picture is not None:
        return _picture(document.picture())
    if not data:
        return ""
    if isinstance(data, list):
        return table(document.columns, data)
    data = {key: value for key, value in data.items() if value or key not in document.brief}
    if _is_drawn(data):
        from dnet.cli.output import terminal

        return terminal.pairs(data)
    cells = _pairs(data)
    return aligned(cells, widths(cells))


def table(columns: Sequence[Column], items: Sequence[Item]) -> str:
    """A list: drawn on a terminal, unless it is so long that it takes seconds."""
    if _is_drawn(items):
        from dnet.cli.output import terminal

        return terminal.table(columns, items)
    cells = rows(columns, items)
    return aligned(cells, widths(cells))


def rows(
    columns: Sequence[Column], items: Sequence[Item], *, headed: bool = True
) -> list[list[str]]:
    """The cells of a list, under its headings; last, where it moves no column, what is wrong."""
    found = [[*(one.heading for one in columns), ""]] if headed else []
    for item in items:
        cells = [displayed(plain(one.cell(item))) for one in columns]
        faults = " ".join(one.problem(item) for one in columns)
        found.append([*cells, faults.strip()])
    return found


def _picture(branches: Sequence[Branch]) -> str:
    texts = [line for branch in branches for line in _indented(branch, "")]
    if _is_drawn(texts):
        from dnet.cli.output import terminal

        return terminal.tree(branches)
    return lines(texts)


def _indented(branch: Branch, margin: str) -> Iterator[str]:
    yield margin + "  ".join(filter(None, (branch.name, branch.text, branch.problem)))
    for one in branch.branches:
        yield from _indented(one, f"{margin}  ")


def _is_drawn(things: Sized) -> bool:
    """Whether rich draws them."""
    return sys.stdout.isatty() and len(things) <= MOST_DRAWN


def _pairs(item: Item) -> list[list[str]]:
    return [line for key, value in item.items() for line in _pair(key.replace("_", " "), value)]


def _pair(key: str, value: Any) -> list[list[str]]:
    """A key and its value; of several sentences each on a line of its own."""
    if isinstance(value, list) and any(isinstance(one, str) and " " in one for one in value):
        first, *rest = map(displayed, value)
        return [[key, first], *(["", one] for one in rest)]
    return [[key, displayed(plain(value))]]


def widths(cells: Sequence[Sequence[str]], least: Sequence[int] = ()) -> list[int]:
    """How wide the columns of these cells are, if not `least` is more."""
    found = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return list(map(max, found, least)) if least else found


def aligned(cells: Sequence[Sequence[str]], widths: Sequence[int]) -> str:
    """Columns two blanks apart, never truncated."""
    return lines(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def lines(texts: Iterable[str]) -> str:
    """Texts that each are one line, whatever is in them."""
    return "".join(f"{displayed(text)}\n" for text in texts)
