"""A list that may be too long to hold, said as it goes, in the letters that `render` has for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from dnet.cli.output.document import Column, Document, Item
from dnet.cli.output.render import MOST_DRAWN, aligned, as_json, lines, rows, table, widths
from dnet.errors import UsageError
from dnet.typing import TypeVar

T = TypeVar("T")

_AT_ONCE = 500


def pieces(document: Document, form: str, *, quiet: bool = False) -> Iterable[str]:
    """What goes to stdout, each piece as soon as it is known; `form` is as in `render`.

    Raises UsageError for a list as shell variables.
    """
    if quiet and document.key is not None:
        return map(lines, _blocks(map(document.key, _items(document))))
    if form == "text":
        return _table(document.columns, _items(document))
    return chain(_json(_items(document), form), "\n")


def one_line(document: Document, form: str, *, quiet: bool) -> Iterable[str]:
    """The items of a document on one line, without its end: in text their bare keys."""
    if document.key is not None and (quiet or form == "text"):
        return _joined(map(document.key, _items(document)), " ")
    return _json(_items(document), form)


def _items(document: Document) -> Iterator[Item]:
    return document.items() if document.items is not None else iter(())


def _table(columns: Sequence[Column], items: Iterator[Item]) -> Iterator[str]:
    """As `render` has it where it is short; else no line waits for the width of a later one."""
    first = list(islice(items, MOST_DRAWN))
    following = next(items, None)
    if following is None:
        yield table(columns, first) if first else ""
        return
    least: Sequence[int] = ()
    for block in chain([first], _blocks(chain([following], items))):
        cells = rows(columns, block, headed=not least)
        least = widths(cells, least)
        yield aligned(cells, least)


def _json(items: Iterator[Item], form: str) -> Iterable[str]:
    if form != "json":
        raise UsageError(f"--format {form} shows one thing, not a list", "use --format json")
    return chain("[", _joined(map(as_json, items), ", "), "]")


def _joined(texts: Iterator[str], between: str) -> Iterator[str]:
    before = ""
    for block in _blocks(texts):
        yield before + between.join(block)
        before = between


def _blocks(items: Iterator[T]) -> Iterator[list[T]]:
    while block := list(islice(items, _AT_ONCE)):
        yield block
