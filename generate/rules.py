"""docs/rules.md: prose from rules.md beside this, and the golden listings of the tests.

In the prose, a line `{{NAME}}` stands for the commands of a listing and the listing itself, that
of another firewall in its folder; `{{NAME since BASE}}` for the chains, and in nftables the sets
and maps, that differ from those of another one, marked as diff(1) does.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from tests.lab import NFTABLES
from tests.listings import GOLDEN, LISTINGS, ONLY_OF_NFTABLES

SOURCE = Path(__file__).with_suffix(".md")

_INSTRUCTION = re.compile(r"^\{\{(\S+?)(?: since (\S+))?\}\}$", re.MULTILINE)
_COMMANDS = LISTINGS | ONLY_OF_NFTABLES
_LONG = 8
"""So many rules of a chain that look alike are shortened to the first and the last."""


def make() -> dict[str, str]:
    """The document. Raises KeyError for a listing that there is not."""
    note = f"<!-- Written by scripts/generate from generate/{SOURCE.name} and tests/golden. -->\n\n"
    shown = _INSTRUCTION.sub(lambda found: _shown(found[1], found[2]), SOURCE.read_text())
    return {"docs/rules.md": note + shown}


def _shown(name: str, base: str | None) -> str:
    commands, listing = _COMMANDS[name.rpartition("/")[2]], _golden(name)
    if base is None:
        return _fenced("console", map(_typed, commands)) + "\n\n" + _fenced("text", listing)
    before = _COMMANDS[base.rpartition("/")[2]]
    if commands[: len(before)] == before:
        commands = commands[len(before) :]
    if name.startswith(f"{NFTABLES}/"):
        marked = _changed(_objects(_golden(base)), _objects(listing))
    else:
        marked = _shortened(_difference(_tables(_golden(base)), _tables(listing)))
    return _fenced("console", map(_typed, commands)) + "\n\n" + _fenced("diff", marked)


def _golden(name: str) -> list[str]:
    return (GOLDEN / f"{name}.txt").read_text().splitlines()


def _typed(command: Sequence[str]) -> str:
    words = command if len(command) < _LONG * 2 else (*command[:4], "…", command[-1])
    return f"$ dnet {shlex.join(words).replace(shlex.quote('…'), '…')}"


def _fenced(language: str, lines: Iterable[str]) -> str:
    return "\n".join((f"```{language}", *lines, "```"))


def _tables(listing: list[str]) -> dict[str, list[str]]:
    """The rules of each table, without the policies, under the command that lists them."""
    tables: dict[str, list[str]] = {}
    for line in listing:
        if line.startswith("# "):
            rules = tables.setdefault(line, [])
        elif not line.startswith("-P "):
            rules.append(line)
    return tables


def _difference(old: dict[str, list[str]], new: dict[str, list[str]]) -> Iterator[str]:
    for command, rules in new.items():
        before = old.get(command, [])
        if before != rules:
            yield command
            marked = [line for line in difflib.ndiff(before, rules) if line[0] != "?"]
            touched = {_chain(line) for line in marked if line[0] != " "}
            yield from (line for line in marked if line[0] != " " or _chain(line) in touched)


def _objects(listing: list[str]) -> list[list[str]]:
    """What is in a table of nftables, each with its lines."""
    found: list[list[str]] = []
    for line in listing:
        if re.match(r"\t\w+ \w+ \{$", line):
            found.append([])
        if found and line.startswith("\t"):
            found[-1].append(_few(line[1:].expandtabs()))
    return found


def _few(line: str) -> str:
    """A line with elements, of which many are shortened to the first and the last."""
    elements = line.split(", ")
    if len(elements) < _LONG:
        return line
    return f"{elements[0]}, … {len(elements) - 2} more, {elements[-1]}"


def _changed(old: list[list[str]], new: list[list[str]]) -> Iterator[str]:
    known = {before[0]: before for before in old}
    for after in new:
        before = known.get(after[0], [])
        if before != after:
            yield from (line for line in difflib.ndiff(before, after) if line[0] != "?")


def _chain(line: str) -> str:
    """`-A CHAIN` or `-N CHAIN` of a marked rule."""
    return " ".join(line[2:].split()[:2])


def _shortened(lines: Iterable[str]) -> Iterator[str]:
    for _, alike in groupby(lines, lambda line: re.sub(r"\d+ -j DNAT.*", "", line)):
        rules = list(alike)
        if len(rules) < _LONG:
            yield from rules
        else:
            yield from (rules[0], f"  … {len(rules) - 2} more", rules[-1])
