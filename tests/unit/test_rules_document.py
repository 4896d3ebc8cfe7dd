from __future__ import annotations

import pytest

from generate import rules
from generate.__main__ import HOME


def test_the_document_is_as_the_listings_are() -> None:
    for path, text in rules.make().items():
        assert (HOME / path).read_text() == text, "scripts/generate"


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (("map", "add", "web", "8080:80"), "$ dnet map add web 8080:80"),
        (("map", "add", "web", *map(str, range(90))), "$ dnet map add web 0 … 89"),
    ],
)
def test_a_command_is_shown_as_it_was_given(command: tuple[str, ...], shown: str) -> None:
    assert rules._typed(command) == shown


def test_what_differs_is_marked_and_other_chains_are_left_out() -> None:
    old = {"# t": ["-N A", "-A A -j B", "-A C -j D"]}
    new = {"# t": ["-N A", "-A A -j X", "-A A -j B", "-A C -j D"], "# u": ["-N U"]}
    assert list(rules._difference(old, new)) == [
        *("# t", "+ -A A -j X", "  -A A -j B"),
        *("# u", "+ -N U"),
    ]


def test_many_rules_alike_are_shortened() -> None:
    lines = [
        f"+ -A DNET -p tcp --dport {port} -j DNAT --to-destination 10.0.0.2:80"
        for port in range(20)
    ]
    assert list(rules._shortened(lines)) == [lines[0], "  … 18 more", lines[-1]]
    assert list(rules._shortened(lines[:7])) == lines[:7]
