"""Click's commands, made of how they are defined: for help, completion, mistakes and odd lines.

Only the module of the command that is asked for is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import click
from click.core import ParameterSource

from dnet import __version__
from dnet.cli import define
from dnet.errors import UsageError
from dnet.typing import TYPE_CHECKING, Any, NoReturn

_NAMES: dict[ParameterSource | None, str] = {
    ParameterSource.COMMANDLINE: define.STATE_DIR_OPTION,
    ParameterSource.ENVIRONMENT: define.STATE_DIR_VARIABLE,
}

if TYPE_CHECKING:
    from dnet.cli.session import Session

    _ParamType = click.ParamType[Any]
else:  # click 8.1 has no type parameter here
    _ParamType = click.ParamType

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

        message = f"unexpected argument {names.quoted(word)}"
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
    """All of dnet's commands, each made when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the table."""
        return list(define.COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Make and return one command."""
        found = define.top(cmd_name)
        return made(found) if found else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table, without importing a command for its first line."""
        rows = [(name, line) for name, (_, line) in define.COMMANDS.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class CheckedType(_ParamType):
    """Click's type of what is checked by a function."""

    def __init__(self, checked: define.Checked) -> None:
        self.name = checked.name
        self.check = checked.check
        self.completes = checked.completes

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The canonical value. Raises UsageError that names the option."""
        if not isinstance(value, str):
            return value
        try:
            return self.check(value)
        except UsageError as error:
            if isinstance(param, click.Option):
                name = max(param.opts, key=len)
                raise UsageError(f"{name}: {error}", error.hint) from None
            raise


def made(found: define.Command | define.Group) -> click.Command:
    """A command as Click has it."""
    if isinstance(found, define.Group):
        commands = {name: made(one) for name, one in found.commands.items()}
        return Group(found.name, commands=commands, help=found.callback.__doc__, **found.settings)
    return Command(
        found.name,
        callback=found.callback,
        params=[*map(_parameter, found.parameters)],
        help=found.callback.__doc__,
        **found.settings,
    )


def root() -> LazyGroup:
    """`dnet` itself; its context's object is a list that the session goes into."""
    version = click.version_option(__version__, prog_name="dnet", message="%(prog)s %(version)s")
    return version(
        LazyGroup(
            "dnet",
            params=[*map(_parameter, define.GLOBAL)],
            callback=_begin,
            help=define.ABOUT,
            epilog=define.EXAMPLES,
        )
    )


@click.pass_context
def _begin(ctx: click.Context, /, **values: Any) -> None:
    """Take the global options; what follows is the command's own."""
    from dnet.cli.session import Session

    begun: list[Session] = ctx.obj
    source = ctx.get_parameter_source("state_dir")
    ctx.obj = Session.of(values, _NAMES.get(source))
    begun.append(ctx.obj)


def _parameter(one: define.Parameter) -> click.Parameter:
    settings, note = dict(one.settings), one.note
    kind = settings.get("type")
    if isinstance(kind, define.Checked):
        settings["type"] = CheckedType(kind)
    elif isinstance(kind, define.Choice):
        from dnet.cli.choice import ChoiceType

        settings["type"] = ChoiceType(kind.words)
    if note is not None:
        settings |= {"expose_value": False, "is_eager": True, "callback": partial(_note, note)}
    return (click.Argument if one.is_argument else click.Option)(one.names, **settings)


def _note(note: define.Note, ctx: click.Context, _: click.Parameter, value: Any) -> None:
    note(ctx.obj, value)
