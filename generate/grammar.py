"""What can be completed where: the command tree as far as it matters to a shell.

A word to complete is given by words of a few alternatives: each stands for itself, or in <> for
whatever is of that kind.

<bridge>, <id>, <address>, <mapping>, <port>, <link>   the lines of `names` (dnet/store/nametext.py)
<parent>, <child>    of links; a child of the parent that is the word before
<netns>              a namespace's name, or a path
<file>, <folder>     by their paths
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import click

from dnet.cli.define import COMMANDS
from generate.tree import Node, walk


class Option(NamedTuple):
    """An option under each of its names, of which one is enough.

    `value` is None for a flag, else what its value is called; `words` complete it. One that `ends`
    the command line stands alone.
    """

    names: tuple[str, ...]
    help: str
    value: str | None = None
    words: tuple[str, ...] = ()
    repeats: bool = False
    ends: bool = False


class Argument(NamedTuple):
    """What stands at a place by itself, or at all that follow."""

    value: str
    words: tuple[str, ...]
    repeats: bool


class Command(NamedTuple):
    """A command with the words that call it, or a group with its `commands` and their help."""

    path: tuple[str, ...]
    commands: dict[str, str]
    options: list[Option]
    arguments: list[Argument]


HELP = Option(("-h", "--help"), "Show this message and exit", ends=True)


def commands() -> Iterator[Command]:
    """The whole tree, `dnet` itself first."""
    return map(_command, walk())


def _command(node: Node) -> Command:
    return Command(
        node.path,
        {child.path[-1]: _about(child) for child in node.children},
        [*map(_option, node.options), HELP],
        list(map(_argument, node.arguments)),
    )


def _about(node: Node) -> str:
    if len(node.path) == 1:
        return _first_sentence(COMMANDS[node.path[0]][1])
    return _first_sentence(node.command.get_short_help_str(1000))


def _option(option: click.Option) -> Option:
    names = (*option.opts, *option.secondary_opts)
    given = Option(names, _first_sentence(option.help or ""), ends="--version" in names)
    if option.is_flag or option.count:
        return given
    value = option.metavar or names[-1].lstrip("-").upper()
    return given._replace(value=value, words=_words(option), repeats=option.multiple)


def _argument(argument: click.Argument) -> Argument:
    value = argument.metavar or str(argument.name).upper()
    return Argument(value.strip("[]."), _words(argument), argument.nargs == -1)


def _words(parameter: click.Parameter) -> tuple[str, ...]:
    if isinstance(parameter.type, click.Choice):
        return tuple(map(str, parameter.type.choices))
    if parameter.metavar == "DIR":
        # A global option: the module of dnet's own types is not loaded at start.
        return ("<folder>",)
    return tuple(getattr(parameter.type, "completes", ()))


def _first_sentence(text: str) -> str:
    return text.split(";")[0].split("  [")[0].rstrip(".")
