"""How much may pass in a second, as tc(8) writes it: `8Mbit`, `1500Kbit`."""

from __future__ import annotations

import re
from decimal import Decimal

from dnet.errors import UsageError
from dnet.values.names import quoted

NONE = "none"
LEAST, MOST = 8_000, 1_000_000_000_000  # In bits a second.
_UNITS = {"bit": 1, "bps": 8}  # A `p` in it stands for bytes, as in tc.
_PREFIXES = {
    "": 1,
    **{letter: 1000**power for power, letter in enumerate("kmgt", 1)},
    **{f"{letter}i": 1024**power for power, letter in enumerate("kmgt", 1)},
}
_RATE = r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(?:((?:[kmgt]i?)?)(bit|bps))?\Z"
_SHOWN = ("", "K", "M", "G", "T")


def parse(text: str) -> str:
    """A rate in its canonical form: in whole bits a second with the largest prefix that fits.

    Without a unit it is in bits. Raises UsageError.
    """
    found = re.match(_RATE, text.lower())
    if not found:
        raise UsageError(f"{quoted(text)} is no rate", "a rate looks like 8mbit or 500kbit")
    number, prefix, unit = found.groups()
    bits = int(Decimal(number) * _PREFIXES[prefix or ""] * _UNITS[unit or "bit"])
    if not LEAST <= bits <= MOST:
        raise UsageError(
            f"{quoted(text)} is no rate that can be kept", f"give {shown(LEAST)} to {shown(MOST)}"
        )
    return shown(bits - bits % 8)


def shown(bits: int) -> str:
    """The canonical form of bits a second."""
    power = 0
    while bits % 1000 == 0 and power < len(_SHOWN) - 1:
        bits, power = bits // 1000, power + 1
    return f"{bits}{_SHOWN[power]}bit"


def bits_of(rate: str) -> int:
    """The bits a second of a canonical form."""
    number = rate.removesuffix("bit")
    prefix = number[-1] if number[-1] in _SHOWN else ""
    return int(number.removesuffix(prefix)) * int(1000 ** _SHOWN.index(prefix))


def parse_or_none(text: str) -> str:
    """The same, or `none`. Raises UsageError."""
    return text if text == NONE else parse(text)
