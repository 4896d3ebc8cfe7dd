"""How much may pass in a second, as tc(8) writes it: `8Mbit`, `1500Kbit`."""

from __future__ import annotations

from dnet.errors import UsageError
from dnet.values.names import is_number, quoted

NONE = "none"
LEAST, MOST = 8_000, 1_000_000_000_000  # In bits a second.
_DIGITS = 15
_UNITS = {"bit": 1, "bps": 8, "": 1}  # A `p` in it stands for bytes, as in tc.
_PREFIXES = {
    **{f"{letter}i": 1024**power for power, letter in enumerate("kmgt", 1)},
    **{letter: 1000**power for power, letter in enumerate("kmgt", 1)},
    "": 1,
}
_SHOWN = ("", "K", "M", "G", "T")


def parse(text: str) -> str:
    """A rate in its canonical form: in whole bits a second with the largest prefix that fits.

    Without a unit it is in bits. Raises UsageError.
    """
    unit = next(one for one in _UNITS if text.lower().endswith(one))
    rest = text.lower().removesuffix(unit)
    prefix = next(one for one in _PREFIXES if rest.endswith(one)) if unit else ""
    whole, point, fraction = rest.removesuffix(prefix).partition(".")
    if not is_number(whole + fraction) or bool(point) != bool(fraction) or not whole:
        raise UsageError(f"{quoted(text)} is not a rate", "a rate looks like 8mbit or 500kbit")
    bits = int(f"{whole}{fraction}"[: 2 * _DIGITS]) * _PREFIXES[prefix] * _UNITS[unit]
    bits //= 10 ** len(fraction)
    if max(len(whole), len(fraction)) > _DIGITS or not LEAST <= bits <= MOST:
        raise UsageError(f"{quoted(text)} is out of range", f"give {shown(LEAST)} to {shown(MOST)}")
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
