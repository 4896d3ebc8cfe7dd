"""The units for systemd, read."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parents[1] / "systemd"

ALL = sorted(_FOLDER.glob("*.service"))


def value(unit: str, key: str) -> str:
    """The value of a key that a unit sets once."""
    lines = (_FOLDER / unit).read_text().splitlines()
    (found,) = [line for line in lines if line.startswith(f"{key}=")]
    return found.partition("=")[2]
