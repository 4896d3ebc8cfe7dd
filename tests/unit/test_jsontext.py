"""JSON that is read and written without `json`, beside what `json` makes of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnet.values.jsontext import dumps, dumps_as_is, loads

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10
)
TEXTS = [
    *("", " ", "{}", " {} ", "{}\n", "{}\x0b", "\ufeff{}", "[1, 2", '{"a": 1} x', "nul", "NaN"),
    *('{"a": 1, "a": 2}', "[1, 2.5e3, -0, -0.0, 1E400]", '"\t"', '"\\ud800"', "[Infinity]", "01"),
    *("9" * 5000, "[" * 100000, '{"a" 1}', "\x00", "'a'", "[1,]"),
]


@given(VALUES)
def test_it_is_written_as_json_writes_it(value: Any) -> None:
    assert dumps(value) == json.dumps(value)
    assert dumps_as_is(value) == json.dumps(value, ensure_ascii=False)
    assert loads(dumps(value)) == value == loads(dumps_as_is(value))


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: repr(text[:20]))
def test_it_is_read_as_json_reads_it(text: str) -> None:
    assert outcome(loads, text) == outcome(json.loads, text)


def test_a_process_that_has_not_loaded_json_reads_the_same() -> None:
    code = """
import sys
from dnet.values.jsontext import loads
for text in sys.argv[1:]:
    for name in [name for name in sys.modules if name.partition(".")[0] == "json"]:
        del sys.modules[name]
    try:
        sys.exit(f"{text} is {loads(text)}")
    except ValueError:
        pass
"""
    texts = ["{", '{"a": ', '{"a" 1}', '["', "[1,", "{'a'}", '"\\q"', '{"a": 1,}', "", "nul"]
    subprocess.run([sys.executable, "-c", code, *texts], check=True)


def outcome(read: Callable[[str], Any], text: str) -> str:
    try:
        return repr(read(text))
    except (ValueError, RecursionError) as error:
        return f"{type(error).__name__}: {error}"


def test_what_json_has_no_type_for_is_refused() -> None:
    with pytest.raises(TypeError):
        dumps({"a": object()})


def test_without_the_parts_that_json_calls_it_asks_json() -> None:
    code = """
import sys
sys.modules["_json"] = None
import dnet.values.jsontext as text
assert text.loads('{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}
assert text.dumps({"a": "\\u00e9"}) == '{"a": "\\\\u00e9"}'
assert text.dumps_as_is({"a": "\\u00e9"}) == '{"a": "\\u00e9"}'
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
