"""Writes every generated file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from generate import completion, manual, rules, terminal, ways

HOME = Path(__file__).parent.parent

MAKERS: list[Callable[[], dict[str, str]]] = [
    completion.completions,
    manual.make,
    rules.make,
    terminal.make,
    ways.make,
]
"""Each gives the files it makes: their text by their path in the checkout."""


def files() -> dict[str, str]:
    """Every generated file with what should be in it."""
    return {path: text for make in MAKERS for path, text in make().items()}


def main() -> None:
    """Write what differs, and say so."""
    for path, text in files().items():
        file = HOME / path
        if file.is_file() and file.read_text() == text:
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        print(f"written: {path}")


if __name__ == "__main__":
    main()
