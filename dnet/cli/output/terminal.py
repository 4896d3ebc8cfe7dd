"""Text as it is drawn on a terminal, by rich. Loaded only where stdout is one.

Nothing is ever cut off: what is too wide is folded.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from dnet.cli.output.document import Branch, Column, Item, plain
from dnet.errors import displayed
from dnet.typing import Any

_GAP = 2
_LEAST = 12
"""A column of names is not folded to less, as long as there are others to fold."""

_HEADING, _WRONG = "bold", "red"


def table(columns: Sequence[Column], items: Sequence[Item]) -> str:
    """A list: bold headings over columns as wide as the terminal allows."""
    rows = [[_cell(column, item) for column in columns] for item in items]
    headings = [Text(column.heading) for column in columns]
    return _aligned(headings, rows, [column.folds for column in columns])


def pairs(item: Item) -> str:
    """One thing: a bold name and its value on each line."""
    rows = [[Text(key.replace("_", " "), _HEADING), _lines(value)] for key, value in item.items()]
    return _aligned([], rows, [False, True])


def tree(branches: Sequence[Branch]) -> str:
    """A picture of what hangs on what."""
    root = Tree("", hide_root=True)
    for branch in branches:
        _grow(root, branch)
    return _printed(Console(), root)


def fitted(widths: Sequence[int], folds: Sequence[bool], room: int) -> list[int]:
    """The widths of columns that together fit into `room`, as far as they can.

    Those that fold well give way first, and always the widest.
    """
    found = list(widths)
    willing = [at for at, gives_way in enumerate(folds) if gives_way]
    for columns, least in ((willing, _LEAST), (range(len(found)), 1)):
        while sum(found) > room:
            widest = max(columns, key=found.__getitem__, default=None)
            if widest is None or found[widest] <= least:
                break
            found[widest] -= 1
    return found


def _aligned(headings: list[Text], rows: list[list[Text]], folds: Sequence[bool]) -> str:
    console = Console()
    gaps = _GAP * (len(folds) - 1)
    natural = [
        max(width for cell in column for width in map(len, cell.plain.split("\n")))
        for column in zip(*([headings] if headings else []), *rows, strict=True)
    ]
    widths = fitted(natural, folds, console.width - gaps)
    # A terminal that is too narrow for anything wraps by itself; rich would cut.
    console.width = max(console.width, sum(widths) + gaps)
    drawn = Table(box=None, show_header=bool(headings), padding=0)
    for width in _spaced(widths, _GAP):
        drawn.add_column(width=width, overflow="fold")
    for column, heading in zip(drawn.columns, _spaced(headings, ""), strict=False):
        column.header = heading
    for row in rows:
        drawn.add_row(*_spaced(row, ""))
    return _printed(console, drawn)


def _spaced(cells: Sequence[Any], gap: Any) -> list[Any]:
    """The cells of a row with a column between any two: rich's padding differs by version."""
    return [one for cell in cells for one in (gap, cell)][1:]


def _cell(column: Column, item: Item) -> Text:
    text = _lines(column.cell(item))
    fault = column.problem(item)
    return Text(f"{text.plain} {fault}", _WRONG) if fault else text


def _lines(value: Any) -> Text:
    """A value, of several things one on each line."""
    several = isinstance(value, list) and value
    shown = [displayed(plain(one)) for one in (value if several else [value])]
    return Text("\n".join(shown))


def _grow(parent: Tree, branch: Branch) -> None:
    label = Text(overflow="fold")
    for text, style in ((branch.name, _HEADING), (branch.text, ""), (branch.problem, _WRONG)):
        if text:
            label.append("  " if label else "").append(displayed(text), style)
    grown = parent.add(label)
    for one in branch.branches:
        _grow(grown, one)


def _printed(console: Console, drawn: Table | Tree) -> str:
    with console.capture() as captured:
        console.print(drawn)
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())
