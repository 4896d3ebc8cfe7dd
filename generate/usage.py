"""What a command's own parameters say of it, as mdoc(7): a line of the synopsis, a list."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import click

from dnet.errors import DnetError
from generate import mdoc
from generate.tree import ROOT, Node

_DEFAULT = re.compile(r"\s*\[default: ([^]]+)\]\Z")


def synopsis(node: Node) -> Iterator[str]:
    """How a command is called."""
    yield ".Nm dnet"
    if node.path:
        yield f".Cm {' '.join(node.path)}"
    yield from map(_call, node.options)
    if node.children:
        yield ".Ar COMMAND"
        yield ".Op Ar ARGUMENT ..."
    for argument in node.arguments:
        call = _argument(argument)
        yield f".{call}" if argument.required else f".Op {call}"


def summary(node: Node) -> str:
    """The first sentence of a command's help."""
    return (node.command.help or "").strip().partition("\n\n")[0].replace("\n", " ")


def help_of(node: Node) -> Iterator[str]:
    """A command's help."""
    return mdoc.prose(node.command.help or "", names_of(node))


def names_of(node: Node) -> set[str]:
    """What the arguments of a command, and of its options, are called."""
    texts = [name_of(one) for one in node.arguments]
    texts += [one.metavar or "" for one in node.options]
    found = {name for text in texts for name in re.findall(r"[A-Z_]+", text)}
    # The parts of an endpoint or a publish spec, which the help spells out.
    return found | {"HOST_IP", "PROTO"} if found & {"SPEC", "ENDPOINT"} else found


def name_of(argument: click.Argument) -> str:
    """An argument's name, without the marks of how often it stands."""
    return (argument.metavar or argument.name or "").strip("[].").upper()


def items(node: Node, options: Iterable[click.Option]) -> Iterator[str]:
    """The options as items of a list, each with its help."""
    for option in options:
        yield from item(node, option)


def item(node: Node, option: click.Option) -> Iterator[str]:
    """An option with its help, its default and its variable, as an item of a list."""
    words = [f"Fl {name[1:]}" for name in (*option.opts, *option.secondary_opts)]
    yield f".It {' , '.join(words)}{_value(option)}"
    text, default = _split_default(option)
    yield from mdoc.prose(_sentence(text), names_of(node))
    if default is not None:
        name = f"-{default}"
        is_flag = f"-{name}" in (*option.opts, *option.secondary_opts)
        yield f"The default is {mdoc.escaped(default)}." if not is_flag else "The default is"
        if is_flag:
            yield f".Fl {name} ."
    if option.envvar:
        yield f"The environment variable is\n.Ev {option.envvar} ."


def commands() -> Iterator[str]:
    """All commands, each with the page that it is in."""
    for node in ROOT.children:
        yield f".It Xr dnet-{node.path[0]} 8"
        yield from mdoc.prose(summary(node))
        if node.children:
            yield "Its commands are"
            names = [one.path[-1] for one in node.children]
            yield from (f".Cm {name} ," for name in names[:-2])
            yield f".Cm {names[-2]}\nand\n.Cm {names[-1]} ."


def statuses() -> Iterator[str]:
    """The exit statuses of errors, with the codes that tell more, from the errors themselves."""
    classes: dict[int, dict[str, str]] = {}
    every: list[type[DnetError]] = [DnetError, *_below(DnetError)]
    for one in every:
        meaning = "Anything not below." if one is DnetError else (one.__doc__ or "")
        classes.setdefault(one.status, {}).setdefault(one.code, meaning)
    for status, codes in sorted(classes.items()):
        yield f".It {status}"
        for code, meaning in codes.items():
            yield f".Ql {code} :"
            yield from mdoc.prose(meaning)


def _below(one: type[DnetError]) -> Iterator[type[DnetError]]:
    child: type[DnetError]
    for child in one.__subclasses__():
        yield child
        yield from _below(child)


def _call(option: click.Option) -> str:
    """An option's place in the synopsis."""
    names = [option.opts[0], *option.secondary_opts]
    words = " | ".join(f"Fl {name[1:]}" for name in names) + _value(option)
    if option.multiple:
        return f".Oo {words} Oc Ns ..."
    return f".{words}" if option.required else f".Op {words}"


def _value(option: click.Option) -> str:
    if option.is_flag:
        return ""
    if isinstance(option.type, click.Choice):
        return f" Cm {' | '.join(option.type.choices)}"
    return f" Ar {(option.metavar or option.type.name).upper().replace('|', ' | ')}"


def _argument(argument: click.Argument) -> str:
    if isinstance(argument.type, click.Choice):
        return f"Cm {' | '.join(argument.type.choices)}"
    return f"Ar {name_of(argument)}{' ...' if argument.nargs == -1 else ''}"


def _split_default(option: click.Option) -> tuple[str, str | None]:
    """An option's help, and its default where the help tells it."""
    text = option.help or ""
    found = _DEFAULT.search(text)
    if found:
        return text[: found.start()], found[1]
    return text, str(option.default) if option.show_default else None


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."
