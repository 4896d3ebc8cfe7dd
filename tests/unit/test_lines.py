"""The quick reader of batch lines against Click, whose word counts."""

from __future__ import annotations

import copy
import shlex
from collections.abc import Iterator
from functools import cache
from typing import Any

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnet.cli.batch.lines import EXCLUDED, PlainParser, Reader, words_of
from dnet.cli.main import cli
from dnet.cli.session import Request, Session
from dnet.cli.tree import COMMANDS, CONTEXT, LazyGroup
from dnet.errors import DnetError, UsageError
from tests.unit.facts import STABLE

# What is typed for a value of any type, right for some and wrong for others.
TEXTS = ("web", "db", "80", "8080:80", "8000-8009:80-89/udp", "127.0.0.1:53:53/udp", "5432/tcp")
MORE = ("172.17.0.2", "10.0.0.1/24", "02:42:ac:11:00:02", "3", "udp", "0", "nope/", "a b", "", "-x")
VALUES = st.sampled_from(TEXTS + MORE)


@cache
def commands() -> dict[str, click.Command]:
    """Every command that a batch may hold, by its name."""

    def below(group: click.Group) -> Iterator[tuple[str, click.Command]]:
        context = click.Context(group, **CONTEXT)
        for name in group.list_commands(context):
            found = group.get_command(context, name)
            if isinstance(found, click.Group):
                yield from ((f"{name} {rest}", one) for rest, one in below(found))
            elif found is not None and name not in EXCLUDED:
                yield name, found

    return dict(below(cli))


def noting(command: click.Command) -> tuple[click.Command, list[dict[str, Any]]]:
    """A command that does nothing but note the values it was called with."""
    noted: list[dict[str, Any]] = []

    def note(**values: Any) -> Request:
        noted.append(values)
        return Request()

    double = copy.copy(command)
    double.callback = note
    return double, noted


def session() -> Session:
    return Session("/nowhere", 1)


def by_click(command: click.Command, words: list[str]) -> dict[str, Any] | None:
    """The values Click finds in a line; None where it refuses it."""
    try:
        with command.make_context("dnet", list(words), obj=session(), **CONTEXT) as context:
            return dict(context.params)
    except (click.UsageError, DnetError):
        return None


def plainly(command: click.Command, words: list[str]) -> dict[str, Any] | str:
    """The values the quick reader finds, or "declined"."""
    double, noted = noting(command)
    parser = PlainParser.of(double)
    if parser is None:
        return "declined"
    request = parser.read(list(words))
    return "declined" if request is None else noted[0]


@st.composite
def lines(draw: st.DrawFn, command: click.Command) -> list[str]:
    """The words after a command's name: some of its options and arguments, in any order."""
    parts: list[list[str]] = []
    options = [one for one in command.params if isinstance(one, click.Option)]
    for option in draw(st.lists(st.sampled_from(options), max_size=4)) if options else ():
        name = draw(st.sampled_from([*option.opts, *option.secondary_opts]))
        if option.is_flag:
            parts.append([name])
            continue
        value = draw(VALUES)
        forms = [[name, value], [name, value], [f"{name}={value}"], [f"{name}{value}"], [name]]
        parts.append(draw(st.sampled_from(forms)))
    plain = draw(st.lists(VALUES, max_size=len(command.params) + 1))
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
    assert isinstance(found, dict), found
    assert found == by_click(command, words)


def test_a_command_is_taken_apart_once_for_all_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[click.Command] = []
    monkeypatch.setattr(PlainParser, "of", taken.append)
    reader = Reader(LazyGroup("dnet", lazy=COMMANDS), session())
    for line in ("detach web", "detach db", "map add web 80", "map add db 81", "map remove 82"):
        reader.read(line.split())
    assert taken == [commands()[name] for name in ("detach", "map add", "map remove")]


def test_a_value_that_the_environment_may_give_is_left_to_click(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = commands()["ip request"]
    monkeypatch.setenv("DNET_BRIDGE", "br7")
    assert plainly(command, []) == "declined"
    given_one = plainly(command, ["--bridge", "br8"])
    assert given_one == by_click(command, ["--bridge", "br8"])


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
        Reader(LazyGroup("dnet", lazy=COMMANDS), session()).read([name])


@pytest.mark.parametrize("words", [["map"], ["map", "nope"], ["nope"], ["map", "add"]])
def test_what_click_refuses_is_refused(words: list[str]) -> None:
    with pytest.raises((UsageError, click.UsageError)):
        Reader(LazyGroup("dnet", lazy=COMMANDS), session()).read(words)


@pytest.mark.parametrize(
    "line",
    ["map", "map --help", "map -h", "map add -h", "ip list -qh", "-h", "bridge remove --help"],
)
def test_what_would_print_help_is_not_a_whole_command(
    line: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each answer of a batch is one line."""
    with pytest.raises(UsageError, match=f"^{line} is not a whole command$"):
        Reader(LazyGroup("dnet", lazy=COMMANDS), session()).read(line.split())
    assert capfd.readouterr() == ("", "")


def test_the_version_is_no_line_of_a_batch(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="--version"):
        Reader(LazyGroup("dnet", lazy=COMMANDS), session()).read(["--version"])
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
    reader = Reader(LazyGroup("dnet", lazy=COMMANDS), session())
    with pytest.raises(UsageError) as error:
        reader.read(line.split())
    assert error.value.hint == hint
