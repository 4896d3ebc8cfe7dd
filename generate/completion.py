"""The completion scripts of bash, zsh and fish.

What is the same whatever the commands are stands in generate/shells/, in each shell's own words;
here the command tree is put into it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from dnet.cli.commands.completion import SCRIPTS
from generate.grammar import Command, Option, commands

_SHELLS = Path(__file__).parent / "shells"
_PLACE = "@GRAMMAR@\n"


def completions() -> dict[str, str]:
    """The scripts, by their paths in the checkout."""
    tree = list(commands())
    return {
        f"completions/{name}": _filled((_SHELLS / name).read_text(), _GRAMMARS[shell](tree))
        for shell, name in SCRIPTS.items()
    }


def _filled(template: str, grammar: Iterable[str]) -> str:
    before, after = template.split(_PLACE)
    return before + "".join(f"{line}\n" for line in grammar) + after


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


# bash


def _bash(tree: Iterable[Command]) -> Iterator[str]:
    for one in tree:
        yield f"        {_quoted(' '.join(one.path))})"
        parts = {
            "commands": "|".join(one.commands),
            "options": "\n                ".join(map(_compact_option, one.options)),
            "arguments": " ".join(_compact_arguments(one)),
        }
        for name, text in parts.items():
            if text:
                yield f"            {name}={_quoted(text)}"
        yield "            ;;"


def _compact_option(option: Option) -> str:
    value = "" if option.value is None else "=" + "|".join(option.words)
    return ",".join(option.names) + value + "+" * option.repeats


def _compact_arguments(command: Command) -> Iterator[str]:
    for one in command.arguments:
        yield ("|".join(one.words) or "-") + "+" * one.repeats


# zsh


def _zsh(tree: Iterable[Command]) -> Iterator[str]:
    for one in tree:
        yield f"_dnet-{'-'.join(one.path)}() {{"
        if one.commands:
            yield "  local -a commands=("
            for name, about in one.commands.items():
                yield f"    {_quoted(f'{name}:{about}')}"
            yield "  )"
        specs = [*_option_specs(one), *_argument_specs(one)]
        helper = "_dnet_group" if one.commands else "_dnet_command"
        yield " \\\n    ".join((f"  {helper}", *map(_quoted, specs)))
        yield "}\n"


def _option_specs(command: Command) -> Iterator[str]:
    for option in command.options:
        others = f"({' '.join(option.names)})" if len(option.names) > 1 else ""
        if option.ends:
            others = "(- *)"
        for name in option.names:
            sign = "" if option.value is None else "=" if name.startswith("--") else "+"
            head = "*" if option.repeats else others
            value = "" if option.value is None else _zsh_value(option.value, option.words)
            yield f"{head}{name}{sign}[{_escaped(option.help, '[]')}]{value}"


def _argument_specs(command: Command) -> Iterator[str]:
    for place, one in enumerate(command.arguments, 1):
        where = "*" if one.repeats else str(place)
        yield where + _zsh_value(one.value, one.words)


def _zsh_value(name: str, words: tuple[str, ...]) -> str:
    offered = f"_dnet_offer {' '.join(map(_quoted, words))}" if words else ""
    return f":{_escaped(name, ':')}: {offered}"


def _escaped(text: str, characters: str) -> str:
    return "".join(f"\\{one}" if one in characters else one for one in text)


# fish


def _fish(tree: Iterable[Command]) -> Iterator[str]:
    for one in tree:
        yield f"        case {_quoted(' '.join(one.path))}"
        for name, about in one.commands.items():
            yield f"            set -a commands {_quoted(name)}\\t{_quoted(about)}"
        for option in one.options:
            entry = _quoted(_compact_option(option))
            yield f"            set -a options {entry}\\t{_quoted(option.help)}"
        if one.arguments:
            arguments = " ".join(map(_quoted, _compact_arguments(one)))
            yield f"            set arguments {arguments}"


_GRAMMARS: dict[str, Callable[[Iterable[Command]], Iterator[str]]] = {
    "bash": _bash,
    "zsh": _zsh,
    "fish": _fish,
}
