"""The quick reader of batch lines against Click, whose word counts."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from functools import cache
from typing import Any

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnet.cli import plain
from dnet.cli.batch.lines import EXCLUDED, Reader, words_of
from dnet.cli.define import COMMANDS, Command, Group, Parameter, top
from dnet.cli.session import Request, Session
from dnet.cli.tree import CONTEXT, made
from dnet.errors import DnetError, UsageError
from tests.unit.facts import STABLE

# What is typed for a value of any type, right for some and wrong for others.
TEXTS = ("web", "db", "80", "8080:80", "8000-8009:80-89/udp", "127.0.0.1:53:53/udp", "5432/tcp")
MORE = ("172.17.0.2", "10.0.0.1/24", "02:42:ac:11:00:02", "3", "udp", "0", "nope/", "a b", "", "-x")
VALUES = st.sampled_from(TEXTS + MORE)


@cache
def commands() -> dict[str, Command]:
    """Every command, by its name, but for the one that asks and the one that reads others."""
    found: dict[str, Command] = {}
    for name in COMMANDS:
        one = top(name)
        if isinstance(one, Group):
            found |= {f"{name} {rest}": below for rest, below in one.commands.items()}
        elif one is not None:
            found[name] = one
    return found


def session() -> Session:
    return Session("/nowhere", 1)


def noted(begun: Session) -> tuple[object, ...]:
    return begun.form, begun.is_form_known, begun.quiet


def by_click(command: Command, words: list[str]) -> object:
    """The values Click finds in a line, and what the session is told; None where it refuses it."""
    begun = session()
    try:
        with made(command).make_context("dnet", list(words), obj=begun, **CONTEXT) as context:
            return dict(context.params), noted(begun)
    except (click.UsageError, click.exceptions.Exit, DnetError):
        return None


def plainly(command: Command, words: list[str]) -> object:
    """The values the quick reader finds, and what the session is told, or "declined"."""
    begun, values = session(), list[dict[str, Any]]()

    def note(**given: Any) -> Request:
        values.append(given)
        return Request()

    double = Command(command.name, note, command.parameters, command.settings)
    if plain.request(double, plain.Parser(command.parameters), words, begun) is None:
        return "declined"
    return values[0], noted(begun)


@st.composite
def lines(draw: st.DrawFn, command: Command) -> list[str]:
    """The words after a command's name: some of its options and arguments, in any order."""
    parts: list[list[str]] = []
    parameters = made(command).params
    options = [one for one in parameters if isinstance(one, click.Option)]
    for option in draw(st.lists(st.sampled_from(options), max_size=4)) if options else ():
        name = draw(st.sampled_from([*option.opts, *option.secondary_opts]))
        if option.is_flag:
            parts.append([name])
            continue
        value = draw(VALUES)
        forms = [[name, value], [name, value], [f"{name}={value}"], [f"{name}{value}"], [name]]
        parts.append(draw(st.sampled_from(forms)))
    plain = draw(st.lists(VALUES, max_size=len(parameters) + 1))
    parts += [[text] for text in plain]
    if draw(st.integers(0, 9)) == 0:
        parts.append([draw(st.sampled_from(["--", "-", "--nope", "-h", "--help=1"]))])
    return [word for part in draw(st.permutations(parts)) for word in part]


@pytest.mark.parametrize("name", sorted(commands()))
@settings(STABLE, max_examples=60)
@given(data=st.data())
def test_a_line_means_what_click_makes_of_it(name: str, data: st.DataObject) -> None:
    command = commands()[name]
    words = data.draw(lines(command))
    found = plainly(command, words)
    if found != "declined":
        assert found == by_click(command, words)


@pytest.mark.parametrize(
    "line",
    [
        "ip request",
        "ip request --count 3 --owner web",
        "ip release 172.17.0.2 172.17.0.3 --if-exists",
        "interface allocate web --expose 80/tcp --expose 81/udp",
        "port allocate --proto udp --port 8000-8009 --count 2",
        "map add web 8080:80 81",
        "map remove 8080 8081/udp",
        "map remove --all web",
        "link add web db -p 80/tcp",
        "link remove web db",
        "attach web --netns web -p 8080:80 --link db:sql",
        "detach web --if-exists",
    ],
)
def test_what_a_batch_is_made_of_is_read_without_click(line: str) -> None:
    name = next(name for name in commands() if f"{line} ".startswith(f"{name} "))
    command, words = commands()[name], line.removeprefix(name).split()
    found = plainly(command, words)
    assert found != "declined"
    assert found == by_click(command, words)


def test_a_command_is_taken_apart_once_for_all_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[object] = []
    real = plain.Parser.__init__

    def counted(self: plain.Parser, parameters: Sequence[Parameter]) -> None:
        taken.append(parameters)
        real(self, parameters)

    monkeypatch.setattr(plain.Parser, "__init__", counted)
    reader = Reader(session())
    for line in ("detach web", "detach db", "map add web 80", "map add db 81", "map remove 82"):
        reader.read(line.split())
    assert taken == [commands()[name].parameters for name in ("detach", "map add", "map remove")]


@pytest.mark.parametrize("words", [[], ["--bridge", "br8"], ["--count", "2"]])
@pytest.mark.parametrize("value", ["br7", "", "no/bridge"])
def test_the_environment_gives_values(
    monkeypatch: pytest.MonkeyPatch, value: str, words: list[str]
) -> None:
    command = commands()["ip request"]
    monkeypatch.setenv("DNET_BRIDGE", value)
    found = plainly(command, words)
    assert found == (
        "declined" if value == "no/bridge" and "br8" not in words else by_click(command, words)
    )


@settings(STABLE)
@given(st.lists(st.text(st.sampled_from("ab '\"\\#"), max_size=6)))
def test_words_are_split_as_the_shell_does(words: list[str]) -> None:
    assert words_of(shlex.join(words)) == words
    assert words_of(f"{shlex.join(words)} # and a comment") == words


@pytest.mark.parametrize("line", ["", "   ", "\t", "# map add web 80", "  #"])
def test_a_line_without_a_word_is_empty(line: str) -> None:
    assert words_of(line) == []


def test_a_quote_that_does_not_end_is_refused() -> None:
    with pytest.raises(UsageError):
        words_of("map add 'web 80")


@pytest.mark.parametrize("name", sorted(EXCLUDED))
def test_what_is_no_part_of_a_transaction_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=name):
        Reader(session()).read([name])


@pytest.mark.parametrize("words", [["map"], ["map", "nope"], ["nope"], ["map", "add"]])
def test_what_click_refuses_is_refused(words: list[str]) -> None:
    with pytest.raises((UsageError, click.UsageError)):
        Reader(session()).read(words)


@pytest.mark.parametrize(
    "line",
    ["map", "map --help", "map -h", "map add -h", "ip list -qh", "-h", "bridge remove --help"],
)
def test_what_would_print_help_is_not_a_whole_command(
    line: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each answer of a batch is one line."""
    with pytest.raises(UsageError, match=f"^{line} is not a complete command$"):
        Reader(session()).read(line.split())
    assert capfd.readouterr() == ("", "")


def test_the_version_is_no_line_of_a_batch(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="--version"):
        Reader(session()).read(["--version"])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("completion zsh", "run it by itself: dnet completion zsh"),
        ("gc --owner a;b", "run it by itself: dnet gc --owner 'a;b'"),
        ("ip", "dnet ip --help"),
        ("ip request --help", "dnet ip request --help"),
        ("detach -h", "dnet detach --help"),
    ],
)
def test_what_is_no_line_hints_what_can_be_typed(line: str, hint: str) -> None:
    reader = Reader(session())
    with pytest.raises(UsageError) as error:
        reader.read(line.split())
    assert error.value.hint == hint
