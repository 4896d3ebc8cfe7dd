"""What Click says of a command line, as dnet's own error. Loaded only where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import click

from dnet.errors import UsageError
from dnet.values import nearby

_OF_COMMANDS = frozenset({"-j", "--json", "--format", "-q", "--quiet", "--dry-run", "--bridge"})
# What stands without its option in that command, and is an option of others.
_BARE = dict.fromkeys(
    (("dnet map add", "-p"), ("dnet map add", "--publish")),
    "give SPEC without an option: dnet map add TARGET SPEC...",
)
_TRUTH = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}


def as_usage(error: click.UsageError, root: click.Group, words: Sequence[str]) -> UsageError:
    """The error on one line, with what was perhaps meant in its hint.

    `root` is the command that `words` were given to.
    """
    named, command = _found(root, words)
    where = error.ctx.command_path if error.ctx else named
    of_group = error.ctx is not None and isinstance(error.ctx.command, click.Group)
    if not isinstance(error, click.NoSuchOption):
        meant = partial(_switches, error, command, words)
        return UsageError(_one_line(error.format_message()), f"{where} --help", meant)
    message = f"no such option '{error.option_name}'"
    if error.option_name in _global(root):
        return UsageError(message, f"put it before the command: dnet {error.option_name} …")
    if of_group and error.option_name in _OF_COMMANDS:
        return UsageError(message, f"put it after the command: {where} … {error.option_name}")
    if advice := _BARE.get((where, error.option_name)):
        return UsageError(message, advice)
    known = _options(error.ctx) if error.ctx else ()
    suggest = partial(nearby.options, error.option_name, known)
    return UsageError(message, f"{where} --help", suggest)


def _one_line(message: str) -> str:
    """Click's sentences begin with a capital letter and end with a full stop."""
    text = " ".join(message.split()).rstrip(".")
    return text[:1].lower() + text[1:]


def _options(ctx: click.Context) -> list[str]:
    options = (one for one in ctx.command.get_params(ctx) if isinstance(one, click.Option))
    return [name for one in options for name in (*one.opts, *one.secondary_opts)]


def _global(root: click.Group) -> set[str]:
    return {name for parameter in root.params for name in parameter.opts} - {"-h", "--help"}


def _switches(
    error: click.UsageError, command: click.Command, words: Sequence[str]
) -> Sequence[str]:
    """What says --icc=false: one of --icc and --no-icc, or both where the value tells nothing."""
    name = error.option_name if isinstance(error, click.BadOptionUsage) else None
    for option in command.params:
        if option.secondary_opts and name in (*option.opts, *option.secondary_opts):
            on, off = option.opts[0], option.secondary_opts[0]
            values = [word.partition("=")[2] for word in words if word.startswith(f"{name}=")]
            says = _TRUTH.get(values[0].lower()) if values else None
            return [on, off] if says is None else [on if says == (name == on) else off]
    return ()


def path(root: click.Group, words: Sequence[str]) -> str:
    """The command that a line names, where Click does not tell."""
    return _found(root, words)[0]


def _found(root: click.Group, words: Sequence[str]) -> tuple[str, click.Command]:
    """The command that a line names, with its path."""
    names, command = ["dnet"], root
    with click.Context(root, info_name="dnet") as context:
        for word in words:
            found = command.get_command(context, word)
            if found is None:
                continue
            names.append(word)
            if not isinstance(found, click.Group):
                return " ".join(names), found
            command = found
    return " ".join(names), command
