"""What nft(8) lists, taken apart: tables with what they hold, and the rules of one chain."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from dnet.firewall.nftables.elements import NONE, Elements
from dnet.firewall.nftables.layout import Form, Object, Objects, objects
from dnet.typing import NamedTuple
from dnet.values.family import Family

# What the elements of a map may lead to by name, as an address is not.
_LEADING = re.compile(r"type(?:of)? .* : (?:verdict|counter|quota|limit|synproxy|secmark|ct \w+)")
_MATCH = re.compile(r'xt match "?comment"?')
_HANDLE = re.compile(r" # handle (\d+)\Z")


class Table(NamedTuple):
    """A table: what is said of it as a whole, such as a comment, and what it holds."""

    about: tuple[str, ...]
    objects: Objects

    def leading(self) -> list[Object]:
        """The maps of the administrator's whose elements lead to chains and more, by name."""
        return [
            one
            for one, lines in self.objects.items()
            if one.is_administrators and any(map(_LEADING.fullmatch, lines))
        ]


class Rule(NamedTuple):
    """A rule, and the number by which it can be deleted."""

    text: str
    handle: str


class Forward(NamedTuple):
    """The chain FORWARD of iptables-nft."""

    drops: bool
    rules: tuple[Rule, ...] = ()


class Seen(NamedTuple):
    """What was found in the kernel.

    `table` is `inet dnet`, if it is there, with the elements of what it holds; `spelled` is how
    the same nft prints what dnet declares; `forward` are the chains of iptables-nft that are there.
    """

    table: Table | None = None
    elements: Elements | None = NONE
    spelled: Callable[[Form], Objects] = objects
    forward: Mapping[Family, Forward] = {}


def tables(listing: str) -> dict[str, Table]:
    """The tables of a listing, each by its family and name."""
    found: dict[str, Table] = {}
    lines = iter(listing.splitlines())
    for line in lines:
        if line.startswith("table "):
            found[line.removeprefix("table ").removesuffix(" {")] = _table(lines)
    return found


def _table(lines: Iterator[str]) -> Table:
    about, holds = [], {}
    for line in lines:
        if line == "}":
            break
        if line.endswith(" {"):
            kind, _, name = line.strip().removesuffix(" {").rpartition(" ")
            holds[Object(kind, name)] = tuple(_block(lines))
        elif line.strip():
            about.append(line.strip())
    return Table(tuple(about), holds)


def _block(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if line == "\t}":
            return
        if line.strip():
            yield line.strip()


def forward(listing: str, comments: Mapping[str, str] = MappingProxyType({})) -> Forward:
    """The chain of a listing that has it alone, with handles.

    `comments` are those that iptables-restore has made a match of, by handles: nft prints a gap
    for them, or the name of the match.
    """
    rules, drops = [], False
    for line in map(str.strip, listing.splitlines()):
        if line.startswith("type "):
            drops = "policy drop;" in line
        elif (handle := _HANDLE.search(line)) and not line.startswith("chain "):
            text = line[: handle.start()]
            if comment := comments.get(handle[1]):
                text = f'{" ".join(_MATCH.sub("", text).split())} comment "{comment}"'
            rules.append(Rule(text, handle[1]))
    return Forward(drops, tuple(rules))
