"""How what is said becomes letters: widths of columns, and letters that an encoding lacks."""

from __future__ import annotations

import io
import json
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnet.cli.batch import progress
from dnet.cli.output.render import as_json, lines, write
from dnet.cli.output.terminal import fitted
from tests.unit.facts import STABLE


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


@settings(STABLE, max_examples=300)
@given(st.text() | st.text("\x1b\x7f\x9b\n\u2028\u202e\U000e0001 a'\"\\"))
def test_json_reads_back_and_moves_no_terminal(text: str) -> None:
    written = as_json({"a": text, text: [text]})
    assert json.loads(written) == {"a": text, text: [text]}
    assert written.isprintable()


@settings(STABLE, max_examples=300)
@given(st.text())
def test_a_line_is_one_line(text: str) -> None:
    """Whatever is in it, but for bytes that are no text, which come out as they went in."""
    (line, end) = lines([text]).split("\n")
    assert (line.isprintable(), end) == (True, "")
    assert lines([line]) == f"{line}\n"
    assert lines(["a\udcffb"]) == "a\udcffb\n"


def test_a_drawing_of_progress_that_fails_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_draw", lambda *_: 1 / 0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress.shown() as meter:
        assert meter.begin("reading").done == 0
    assert capfd.readouterr() == ("", "")
