"""Rates, as tc writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnet.errors import UsageError
from dnet.values import rates
from tests.unit.facts import STABLE

RATES = {
    "8mbit": "8Mbit",
    "8Mbit": "8Mbit",
    "8000kbit": "8Mbit",
    "1500kbit": "1500Kbit",
    "1.5Mbit": "1500Kbit",
    "1mbps": "8Mbit",
    "1mibit": "1048576bit",
    "1kibps": "8192bit",
    "10gbit": "10Gbit",
    "1tbit": "1Tbit",
    "8000": "8Kbit",
    "8001": "8Kbit",
    "12345678bit": "12345672bit",
}


@pytest.mark.parametrize("text", RATES)
def test_a_rate_in_its_canonical_form(text: str) -> None:
    assert rates.parse(text) == RATES[text]


WRONG = ["", "mbit", "8 mbit", "-8mbit", "8mb", "8pbit", "8,5mbit", "none", "50%", "1e6", "٨mbit"]
WRONG += ["0", "7kbit", "2tbit", "9" * 40, "8mbit\n", "infinity"]


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        rates.parse(text)


@STABLE
@given(st.integers(rates.LEAST // 8, rates.MOST // 8))
def test_what_is_shown_is_read_back(eighth: int) -> None:
    shown = rates.shown(eighth * 8)
    assert rates.bits_of(shown) == eighth * 8
    assert rates.parse(shown) == shown
