"""What a command has to say, before it is text, JSON or shell variables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from dnet.typing import Any, NamedTuple

Item = dict[str, Any]
Cell = Callable[[Item], Any]


class Column(NamedTuple):
    """A column of a table: its heading, and what is in it for an item.

    Attributes:
        heading: what stands above it.
        cell: what is in it for an item.
        folds: whether it is the first to be folded where a terminal is narrow.
        problem_of: what is not as it should be with an item, to be shown behind it.
    """

    heading: str
    cell: Cell
    folds: bool = False
    problem_of: Callable[[Item], str] | None = None

    def problem(self, item: Item) -> str:
        """What is wrong with an item, or nothing."""
        return self.problem_of(item) if self.problem_of else ""


class Branch(NamedTuple):
    """A line of a picture, and what hangs on it: a name, what is said of it, and what is wrong."""

    name: str = ""
    text: str = ""
    problem: str = ""
    branches: tuple[Branch, ...] = ()


class Document(NamedTuple):
    """One thing, a list of things, or nothing.

    Attributes:
        data: the JSON document, or a function that makes it; None says nothing.
        variables: in place of it, makes what shell variables tell.
        values: what is printed in text instead of a table: the bare values, one a line.
        columns: the table of a list.
        key: an item's key, for --quiet.
        picture: makes what is printed in text instead of a table, for what hangs together.
        forms: makes the lines of what the same is in other programs' languages, as they stand.
        items: in place of the data, makes the items of a list that may be too long to hold.
        notes: what is said besides on stderr, where the output is text.
        last: the same, behind the output.
        brief: the keys of one thing that text leaves out while they say nothing.
        status: the exit status, where all went well but is not well.
    """

    data: Any = None
    values: tuple[str, ...] | None = None
    columns: tuple[Column, ...] = ()
    key: Callable[[Item], str] | None = None
    picture: Callable[[], Sequence[Branch]] | None = None
    forms: Mapping[str, Callable[[], Iterable[str]]] = MappingProxyType({})
    items: Callable[[], Iterator[Item]] | None = None
    notes: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    brief: frozenset[str] = frozenset()
    status: int = 0
    variables: Callable[[], Item] | None = None

    def content(self) -> Any:
        """The JSON document: made only where it is asked for."""
        if self.items is not None:
            return list(self.items())
        return self.data() if callable(self.data) else self.data


NOTHING = Document()


def column(name: str, heading: str | None = None, *, folds: bool = False) -> Column:
    """The column of one JSON key."""
    return Column(heading or name.replace("_", " ").upper(), lambda item: item[name], folds)


def ports_text(item: Item, side: str) -> str:
    """`8080` or `8000-8009` of an item's `host_port` or `container_port`."""
    first, last = item[side], item.get(f"{side}_end")
    return f"{first}-{last}" if last else f"{first}"


def endpoint_text(item: Item) -> str:
    """`0.0.0.0:8080/tcp` of a mapping's item."""
    return f"{_bracketed(item['host_ip'])}:{ports_text(item, 'host_port')}/{item['proto']}"


def container_text(item: Item) -> str:
    """`172.17.0.2:80` of a mapping's item."""
    return f"{_bracketed(item['container_ip'])}:{ports_text(item, 'container_port')}"


def published_text(item: Item) -> str:
    """A port of an interface as it is published: `0.0.0.0:8080:80/tcp`."""
    inside = ports_text(item, "container_port")
    at = _bracketed(item["host_ip"])
    return f"{at}:{ports_text(item, 'host_port')}:{inside}/{item['proto']}"


def _bracketed(ip: str) -> str:
    from dnet.values.address import bracketed

    return bracketed(ip)


def origin_text(item: Item) -> str:
    """What a container runtime asked for, as --origin takes it: `cni:lab/0a1b2c/eth0`."""
    return f"{item['by']}:{item['network']}/{item['container']}/{item['ifname']}"


def missing(item: Item) -> str:
    """What is wrong with a bridge whose device is not there."""
    return "missing" if item["present"] is False else ""


def unplugged(item: Item) -> str:
    """What is wrong with an interface that was plugged in and is not."""
    return "unplugged" if item["plugged"] is False else ""


def plain(value: Any, none: str = "-", yes: str = "yes", no: str = "no") -> str:
    """A value of a JSON document in a table or a variable."""
    if value is None:
        return none
    if isinstance(value, bool):
        return yes if value else no
    if isinstance(value, dict):
        return origin_text(value) if "by" in value else published_text(value)
    if isinstance(value, list):
        return " ".join(plain(one) for one in value) or none
    return str(value)
