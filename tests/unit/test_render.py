"""How what is said becomes letters: widths of columns, and letters that an encoding lacks."""

from __future__ import annotations

import io
import sys

import pytest

from dnet.cli.render import write
from dnet.cli.terminal import fitted


def test_what_fits_is_as_wide_as_it_is() -> None:
    assert fitted([5, 10], [True, False], 15) == [5, 10]


def test_names_give_way_first_and_the_widest_of_them() -> None:
    assert fitted([128, 20, 15], [True, False, True], 80) == [45, 20, 15]
    assert fitted([128, 60, 128], [True, False, True], 80) == [12, 56, 12]


def test_in_the_end_all_of_them_do_but_none_is_lost() -> None:
    assert fitted([30, 30], [False, False], 20) == [10, 10]
    assert fitted([30, 30], [True, False], 1) == [1, 1]


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("utf-8", b"a\xffb \xe2\x82\xac"),
        ("latin-1", b"a\\udcffb \\u20ac"),
        ("ascii", b"a\\udcffb \\u20ac"),
    ],
)
def test_what_an_encoding_lacks_is_written_all_the_same(
    monkeypatch: pytest.MonkeyPatch, encoding: str, written: bytes
) -> None:
    """A path may be bytes that are no text, and a terminal may have no euro sign."""
    stdout = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(stdout, encoding, "strict"))
    write("a\udcffb €")
    sys.stdout.flush()
    assert stdout.getvalue() == written
