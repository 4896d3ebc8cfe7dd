"""What Click says of a command line, as dnet's own error. Loaded only where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import click

from dnet import nearby
from dnet.errors import UsageError

_OF_COMMANDS = frozenset({"-j", "--json", "--format", "-q", "--quiet", "--dry-run", "--bridge"})


def as_usage(error: click.UsageError, root: click.Group, words: Sequence[str]) -> UsageError:
    """The error on one line, with what was perhaps meant in its hint.

    `root` is the command that `words` were given to.
    """
    where = error.ctx.command_path if error.ctx else path(root, words)
    of_group = error.ctx is not None and isinstance(error.ctx.command, click.Group)
    if not isinstance(error, click.NoSuchOption):
        return UsageError(_one_line(error.format_message()), f"{where} --help")
    message = f"no such option '{error.option_name}'"
    if error.option_name in _global(root):
        return UsageError(message, f"it stands before the command: dnet {error.option_name} …")
    if of_group and error.option_name in _OF_COMMANDS:
        return UsageError(message, f"it stands behind the command: {where} … {error.option_name}")
    known = _options(error.ctx) if error.ctx else ()
    near = partial(nearby.options, error.option_name, known)
    return UsageError(message, f"{where} --help", near)


def _one_line(message: str) -> str:
    """Click's sentences begin with a capital letter and end with a full stop."""
    text = " ".join(message.split()).rstrip(".")
    return text[:1].lower() + text[1:]


def _options(ctx: click.Context) -> list[str]:
    options = (one for one in ctx.command.get_params(ctx) if isinstance(one, click.Option))
    return [name for one in options for name in (*one.opts, *one.secondary_opts)]


def _global(root: click.Group) -> set[str]:
    return {name for parameter in root.params for name in parameter.opts} - {"-h", "--help"}


def path(root: click.Group, words: Sequence[str]) -> str:
    """The command that a line names, where Click does not tell."""
    names, command = ["dnet"], root
    with click.Context(root, info_name="dnet") as context:
        for word in words:
            found = command.get_command(context, word)
            if found is None:
                continue
            names.append(word)
            if not isinstance(found, click.Group):
                break
            command = found
    return " ".join(names)
