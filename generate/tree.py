"""The whole command tree, loaded: what completions and manual pages are made from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import click

from dnet.cli.tree import root


class Node(NamedTuple):
    """A command or a group with the words that call it: none for `dnet` itself."""

    path: tuple[str, ...]
    command: click.Command

    @property
    def children(self) -> list[Node]:
        """Its sub-commands, in the order of its help."""
        if not isinstance(self.command, click.Group):
            return []
        with click.Context(self.command, info_name=self.path[-1] if self.path else "dnet") as ctx:
            names = self.command.list_commands(ctx)
            found = [(name, self.command.get_command(ctx, name)) for name in names]
        return [Node((*self.path, name), one) for name, one in found if one is not None]

    @property
    def options(self) -> list[click.Option]:
        """Its own options; --help, which all have, is not among them."""
        return [one for one in self.command.params if isinstance(one, click.Option)]

    @property
    def arguments(self) -> list[click.Argument]:
        """Its arguments, in order."""
        return [one for one in self.command.params if isinstance(one, click.Argument)]


ROOT = Node((), root())


def walk(node: Node = ROOT) -> Iterator[Node]:
    """A node and all below it, in the order of the help."""
    yield node
    for child in node.children:
        yield from walk(child)
