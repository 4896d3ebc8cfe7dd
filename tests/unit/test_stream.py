"""A list that goes as it is made: the same as one that was whole before, and never whole."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator

import pytest

from dnet.cli.output.document import Document, Item, column
from dnet.cli.output.render import MOST_DRAWN, render
from dnet.cli.stream import one_line, pieces
from dnet.errors import UsageError

COLUMNS = (column("ip", "ADDRESS"), column("owner"))
FORMS = [("text", False), ("text", True), ("json", False), ("json", True)]


def items(numbers: Iterable[int]) -> Iterator[Item]:
    return ({"ip": f"10.0.0.{number}", "owner": None} for number in numbers)


def document(length: int | None) -> Document:
    """A list of that length, or without an end."""
    numbers = itertools.count() if length is None else range(length)
    return Document(items=lambda: items(numbers), columns=COLUMNS, key=lambda item: str(item["ip"]))


@pytest.mark.parametrize("length", [0, 1, 499, 500, 501, MOST_DRAWN])
@pytest.mark.parametrize(("form", "quiet"), FORMS)
def test_a_list_is_as_if_it_had_been_whole(length: int, form: str, quiet: bool) -> None:
    whole = Document(list(items(range(length))), columns=COLUMNS, key=lambda item: str(item["ip"]))
    assert "".join(pieces(document(length), form, quiet=quiet)) == render(whole, form, quiet=quiet)


def test_no_line_of_a_long_table_waits_for_a_later_one() -> None:
    length = 3 * MOST_DRAWN
    lines = "".join(pieces(document(length), "text")).splitlines()
    assert [line.split() for line in lines] == [
        ["ADDRESS", "OWNER"],
        *([f"10.0.0.{number}", "-"] for number in range(length)),
    ]
    # Each line is as wide as the widest so far.
    assert [line.index(" -") for line in (lines[1], lines[-1])] == [11, 12]


@pytest.mark.parametrize(("form", "quiet"), FORMS)
def test_a_list_without_an_end_begins(form: str, quiet: bool) -> None:
    for begun in (
        itertools.islice(pieces(document(None), form, quiet=quiet), 5),
        itertools.islice(one_line(document(None), form, quiet=quiet), 5),
    ):
        assert "10.0.0.499" in "".join(begun)


def test_the_forms_of_one_line() -> None:
    assert "".join(one_line(document(3), "text", quiet=False)) == "10.0.0.0 10.0.0.1 10.0.0.2"
    assert json.loads("".join(one_line(document(3), "json", quiet=False))) == list(items(range(3)))
    assert "".join(one_line(document(0), "json", quiet=False)) == "[]"


@pytest.mark.parametrize("length", [0, None])
def test_a_list_is_refused_as_shell_variables_before_it_is_made(length: int | None) -> None:
    for say in (pieces, one_line):
        with pytest.raises(UsageError):
            say(document(length), "env", quiet=False)
