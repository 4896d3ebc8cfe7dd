r"""The manual pages: prose in mdoc(7) from man/src, and what the commands say of themselves.

A page's source is a page itself. Comments of the form `.\" @word` stand for what is put there:

    @synopsis           how the commands of this page are called
    @command map add    the help of a command, under a heading where there are several
    @option --all       one option of the command above, so that prose can follow it
    @options            all its other options
    @common             those that several commands of this page have
    @commands           all commands of dnet, with their pages
    @exit-status        the exit statuses of errors

What stands in a literal display is shown as it is. A comment `.\" $ …` is a command that the
test of the examples runs there, without the page showing it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from dnet import __version__
from generate import mdoc, usage
from generate.tree import ROOT, Node, walk

SOURCES = Path(__file__).parent.parent / "man" / "src"

_INSTRUCTION = re.compile(r'\.\\" @(?P<word>[a-z-]+) ?(?P<rest>.*)')
_NODES = {" ".join(node.path): node for node in walk(ROOT)}


class SourceError(Exception):
    """A page's source that asks for what there is not, or leaves out what there is."""


class Source:
    """The source of a page: its file, and the commands it tells of."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.lines = file.read_text().splitlines()
        found = list(filter(None, map(_INSTRUCTION.fullmatch, self.lines)))
        names = [one["rest"] for one in found if one["word"] == "command"]
        if unknown := [name for name in names if name not in _NODES]:
            raise SourceError(f"{file}: there is no command dnet {unknown[0]}")
        self.nodes = [_NODES[name] for name in names]

    @property
    def other_names(self) -> list[str]:
        """The other pages' names under which this one is found, too: dnet-detach."""
        names = dict.fromkeys(f"dnet-{node.path[0]}" for node in self.nodes if node.path)
        return [name for name in names if name != self.file.stem]

    def common(self) -> dict[str, click.Option]:
        """The options that several commands of the page have alike, by what they are and say."""
        seen: dict[str, list[click.Option]] = {}
        for node in self.nodes:
            for option in node.options:
                seen.setdefault(_alike(option), []).append(option)
        return {key: found[0] for key, found in seen.items() if len(found) > 1}

    def page(self) -> str:
        """The page."""
        head = f'.\\" Written by scripts/generate from man/src/{self.file.name} and the help.'
        lines = _without_empty_lists(_Writer(self).written())
        return "".join(f"{line}\n" for line in (head, *lines))


class _Writer:
    """Writes one page from its source, line by line."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._common = source.common() if len(source.nodes) > 1 else {}
        self._node = ROOT
        self._left: list[click.Option] = []

    def written(self) -> Iterator[str]:
        """The lines of the page. Raises SourceError."""
        lines = iter(self._source.lines)
        for line in lines:
            found = _INSTRUCTION.fullmatch(line)
            if found:
                yield from self._put(found["word"], found["rest"])
            elif line == ".Os":
                yield f".Os dnet {__version__}"
            elif not line.startswith('.\\"'):
                yield line
            if line.startswith(".Bd -literal"):
                yield from mdoc.literal("\n".join(iter(lines.__next__, ".Ed")))
                yield ".Ed"
        self._finish()

    def _put(self, word: str, rest: str) -> Iterator[str]:
        match word:
            case "synopsis":
                for node in self._source.nodes:
                    yield from usage.synopsis(node)
            case "command":
                yield from self._begin(_NODES[rest])
            case "option":
                yield from usage.item(self._node, self._take(rest))
            case "options":
                yield from usage.items(self._node, self._left)
                self._left = []
            case "common":
                yield from usage.items(self._node, self._common.values())
            case "commands":
                yield from usage.commands()
            case "exit-status":
                yield from usage.statuses()
            case _:
                raise SourceError(f"{self._source.file}: nothing is known of @{word}")

    def _begin(self, node: Node) -> Iterator[str]:
        self._finish()
        self._node = node
        self._left = [one for one in node.options if _alike(one) not in self._common]
        if len(self._source.nodes) > 1:
            yield f".Ss dnet {' '.join(node.path)}"
        yield from usage.help_of(node)

    def _take(self, name: str) -> click.Option:
        for option in self._left:
            if name in option.opts:
                self._left.remove(option)
                return option
        raise SourceError(f"{self._source.file}: {name} is no option of {self._node.path} left")

    def _finish(self) -> None:
        if self._left:
            called = " ".join(("dnet", *self._node.path))
            raise SourceError(f"{self._source.file}: say @options for {called}")


def _without_empty_lists(lines: Iterator[str]) -> list[str]:
    """The lines, but for lists of what a command has no more of."""
    found: list[str] = []
    for line in lines:
        if line == ".El" and found[-1].startswith(".Bl"):
            found.pop()
        else:
            found.append(line)
    return found


def sources() -> list[Source]:
    """The sources of all pages."""
    return [Source(file) for file in sorted(SOURCES.glob("*.[1-9]"))]


def make() -> dict[str, str]:
    """Every page, and for each of its other names one that leads there."""
    pages = {}
    for source in sources():
        pages[f"man/{source.file.name}"] = source.page()
        section = source.file.suffix
        for name in source.other_names:
            pages[f"man/{name}{section}"] = f".so man{section[1:]}/{source.file.name}\n"
    return pages


def _alike(option: click.Option) -> str:
    return f"{option.opts} {option.help}"
