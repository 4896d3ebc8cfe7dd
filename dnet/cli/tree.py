"""The command tree: which module a command is in, so that only the one that runs is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import Any, NoReturn

import click

from dnet.errors import UsageError

COMMANDS = {
    "bridge": ("dnet.cli.commands.bridge", "Set up, show and remove bridges."),
    "ip": ("dnet.cli.commands.ip", "Take addresses and give them back."),
    "interface": ("dnet.cli.commands.interface", "Give ids an address, and forget them."),
    "port": ("dnet.cli.commands.port", "Reserve ports of the host."),
    "map": ("dnet.cli.commands.map", "Publish ports of containers on the host."),
    "link": ("dnet.cli.commands.link", "Open ports of one container to another."),
    "attach": ("dnet.cli.commands.attach", "Plug a network namespace into a bridge."),
    "detach": ("dnet.cli.commands.attach", "Unplug interfaces, and release all they had."),
    "batch": ("dnet.cli.commands.batch", "Carry out many commands at once: all, or none."),
    "show": ("dnet.cli.commands.show", "Show the whole picture."),
    "check": ("dnet.cli.commands.maintain", "Compare the kernel with the store."),
    "restore": ("dnet.cli.commands.maintain", "Make the kernel match the store."),
    "gc": ("dnet.cli.commands.maintain", "Release what belongs to namespaces that are gone."),
    "reset": ("dnet.cli.commands.maintain", "Remove everything dnet made, then the store."),
    "completion": ("dnet.cli.commands.completion", "Print the completion script of a shell."),
}
"""Every command and group of the top, with the module that has it, and what it is for."""

CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Command(click.Command):
    """A command whose help ends with where there is more to read.

    `instead` is what a word too many was perhaps meant for: an option, if it can be its value, or a
    command line with the word in place of {}.
    """

    allow_extra_args = True

    def __init__(self, *args: Any, instead: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._instead = instead

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line. Raises UsageError for a word too many, as Click would."""
        rest = super().parse_args(ctx, args)
        if rest and not ctx.resilient_parsing:
            self._refuse(rest[0], ctx.command_path)
        return rest

    def _refuse(self, word: str, path: str) -> NoReturn:
        from dnet.values import names

        message = f"{names.quoted(word)} is one argument too many"
        raise UsageError(message, f"{path} --help", partial(self._meant, word))

    def _meant(self, word: str) -> list[str]:
        """Where the word would have been right."""
        from dnet.values import names

        shown = names.for_shell(word)
        lines = [one.format(shown) for one in self._instead if "{}" in one]
        if word.startswith("-"):
            return []
        # A number or an address is looked for in a list: it is hardly the name of a bridge.
        options = () if lines and names.is_number(word[:1]) else self._instead
        return [*(f"{one} {shown}" for one in options if self._takes(one, word)), *lines]

    def _takes(self, name: str, word: str) -> bool:
        """Whether there is that option, and the word could be its value."""
        option = next((one for one in self.params if name in one.opts), None)
        if option is None:
            return False
        try:
            option.type.convert(word, option, None)
        except UsageError:
            return False
        return True

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, and the name of the manual page."""
        _write_end(self, ctx, formatter)


class Group(click.Group):
    """A command that is nothing without a sub-command: alone it prints its help and exits 2.

    `unsaid` is what was perhaps left out ahead of words that begin with none: sub-commands, with an
    option as the case may be.
    """

    command_class = Command

    def __init__(self, *args: Any, unsaid: Sequence[str] = (), **kwargs: Any) -> None:
        self._unsaid = unsaid
        kwargs.setdefault("context_settings", CONTEXT)
        kwargs.setdefault("subcommand_metavar", "COMMAND [ARGS]...")
        kwargs["invoke_without_command"] = True
        kwargs["no_args_is_help"] = False
        super().__init__(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order in which they are defined: the one they are used in."""
        return list(self.commands)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, and the name of the manual page."""
        _write_end(self, ctx, formatter)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the sub-command, or show what there is."""
        if not _words(ctx):
            click.echo(ctx.get_help())
            ctx.exit(2)
        return super().invoke(ctx)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The sub-command that is named. Raises UsageError with those that are written alike."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            if isinstance(error, click.NoSuchOption):
                raise
            from dnet.values import names

            raise UsageError(
                f"there is no command {names.quoted(args[0])}",
                f"{ctx.command_path} --help",
                partial(self._meant, ctx, args),
            ) from None

    def _meant(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The sub-commands that are called or written alike, else those that the words fit."""
        from dnet.values import names, nearby

        if alike := nearby.commands(args[0], self.list_commands(ctx)):
            return alike
        typed = " ".join(map(names.for_shell, args))
        fitting = (one for one in self._unsaid if self._fits(ctx, [*one.split(), *args]))
        return [f"{ctx.command_path} {one} {typed}" for one in fitting]

    def _fits(self, ctx: click.Context, words: list[str]) -> bool:
        """Whether words are a whole command line of a sub-command."""
        command = self.get_command(ctx, words[0])
        if command is None or not set(words).isdisjoint(CONTEXT["help_option_names"]):
            return False
        try:
            with command.make_context(words[0], words[1:], parent=ctx):
                return True
        except (UsageError, click.UsageError):
            return False


def _write_end(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """The examples, which are the epilog's lines as they stand, and where there is more to read."""
    if command.epilog:
        with formatter.section("Examples"):
            for line in command.epilog.splitlines():
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")
    formatter.write_paragraph()
    formatter.write_text(f"See {'-'.join(ctx.command_path.split()[:2])}(8).")


def _words(ctx: click.Context) -> list[str]:
    """The sub-command's name, if there is one; Click 8.2 has renamed where it is, and warns."""
    known = vars(ctx)
    words: list[str] = known["_protected_args" if "_protected_args" in known else "protected_args"]
    return words


class LazyGroup(Group):
    """A group whose commands are imported when they are asked for.

    `lazy` names the module of each, which has it under the command's own name, and the line
    that the help shows for it.
    """

    def __init__(self, *args: Any, lazy: dict[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the table."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in self._lazy:
            return None
        module = import_module(self._lazy[cmd_name][0])
        found: click.Command = getattr(module, cmd_name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table, without importing a command for its first line."""
        rows = [(name, line) for name, (_, line) in self._lazy.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
