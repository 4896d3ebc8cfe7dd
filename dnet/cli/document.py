"""What a command has to say, before it is text, JSON or shell variables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

Item = dict[str, Any]
Cell = Callable[[Item], Any]


class Column(NamedTuple):
    """A column of a table: its heading, and what stands in it for an item."""

    heading: str
    cell: Cell


class Document(NamedTuple):
    """One thing, a list of things, or nothing.

    Attributes:
        data: the JSON document, or a function that makes it; None says nothing.
        values: what is printed in text instead of a table: the bare values, one a line.
        columns: the table of a list.
        key: an item's key, for --quiet.
        drawing: the lines of the picture in Graphviz' language.
        status: the exit status, where all went well but is not well.
    """

    data: Any = None
    values: tuple[str, ...] | None = None
    columns: tuple[Column, ...] = ()
    key: Callable[[Item], str] | None = None
    drawing: tuple[str, ...] = ()
    status: int = 0

    def content(self) -> Any:
        """The JSON document: made only where it is asked for."""
        return self.data() if callable(self.data) else self.data


NOTHING = Document()


def column(name: str, heading: str | None = None) -> Column:
    """The column of one JSON key."""
    return Column(heading or name.replace("_", " ").upper(), lambda item: item[name])


def ports_text(item: Item, side: str) -> str:
    """`8080` or `8000-8009` of an item's `host_port` or `container_port`."""
    first, last = item[side], item.get(f"{side}_end")
    return f"{first}-{last}" if last else f"{first}"


def endpoint_text(item: Item) -> str:
    """`0.0.0.0:8080/tcp` of a mapping's item."""
    return f"{item['host_ip']}:{ports_text(item, 'host_port')}/{item['proto']}"


def published_text(item: Item) -> str:
    """A port of an interface as it is published: `0.0.0.0:8080:80/tcp`."""
    inside = ports_text(item, "container_port")
    return f"{item['host_ip']}:{ports_text(item, 'host_port')}:{inside}/{item['proto']}"
