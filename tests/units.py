"""The units for systemd, read."""

from __future__ import annotations

import shlex
from pathlib import Path

_FOLDER = Path(__file__).parents[1] / "systemd"

ALL = sorted(_FOLDER.glob("*"))


def value(unit: str, key: str) -> str:
    """The value of a key that a unit sets once."""
    (found,) = _values(unit, key)
    return found


def commands(unit: str, key: str) -> list[list[str]]:
    """The words of each command line of a key, without what says how failures are taken."""
    lines = _values(unit, key)
    return [shlex.split(line.removeprefix("-").replace("$$", "$")) for line in lines]


def _values(unit: str, key: str) -> list[str]:
    lines = (_FOLDER / unit).read_text().splitlines()
    return [line.partition("=")[2] for line in lines if line.startswith(f"{key}=")]
