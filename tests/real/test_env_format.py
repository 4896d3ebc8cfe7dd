"""Shell variables hold one thing: a list is refused before anything is done."""

from __future__ import annotations

import pytest

from tests.lab import Lab


@pytest.mark.parametrize(
    "words",
    [
        ("ip", "request", "--count", "2"),
        ("port", "allocate", "--count", "2"),
        ("map", "add", "web", "81", "82"),
        ("gc",),
    ],
    ids=" ".join,
)
def test_a_list_as_variables_changes_nothing(lab: Lab, words: tuple[str, ...]) -> None:
    host = lab.host()
    host.ok("bridge", "init")
    host.ok("interface", "allocate", "web")
    before = host.everything()
    host.fails(2, *words, "--format", "env")
    assert host.everything() == before
