"""A picture of a terminal, from a session of the tour: the tests type it into the real tool."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from pathlib import Path

PICTURE = "docs/pictures/session.svg"
_TOUR = Path(__file__).parent.parent / "docs" / "tutorial.md"
_SESSION = re.compile(r"^\*\*A container\*\*.*?^```console[^\n]*\n(.*?)^```$", re.M | re.S)

# In units of the picture, which are pixels at its own size.
_LINE, _CHARACTER, _MARGIN, _TOP = 19, 8.1, 18, 44

_STYLE = """
  rect { fill: #0d1117; stroke: #3d444d; }
  circle { fill: #3d444d; }
  text { font: 13.5px ui-monospace, "DejaVu Sans Mono", monospace; fill: #c9d1d9;
         white-space: pre; }
  .typed { fill: #f0f6fc; font-weight: 600; }
  .prompt { fill: #3fb950; font-weight: 600; }
"""


def make() -> dict[str, str]:
    """The picture by its path."""
    return {PICTURE: "\n".join(_drawn(_lines(_TOUR.read_text()))) + "\n"}


def _lines(tour: str) -> list[str]:
    """What the terminal shows, line by line."""
    session = _SESSION.search(tour)
    if session is None:
        raise LookupError("the tour has no session of a container")
    return session[1].splitlines()


def _drawn(lines: list[str]) -> Iterator[str]:
    width = round(max(map(len, lines)) * _CHARACTER) + 2 * _MARGIN
    height = _TOP + _LINE * len(lines) + _MARGIN // 2
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-labelledby="title">'
    )
    yield '<title id="title">A session: a port of the host is published, and answers</title>'
    yield f"<style>{_STYLE}</style>"
    yield f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>'
    yield from (f'<circle cx="{_MARGIN + 18 * at}" cy="18" r="5.5"/>' for at in range(3))
    for at, line in enumerate(lines):
        yield _line(line, _TOP + _LINE * at + _LINE // 2)
    yield "</svg>"


def _line(line: str, y: int) -> str:
    start = f'<text x="{_MARGIN}" y="{y}" xml:space="preserve">'
    if not line.startswith("$ "):
        return f"{start}{escape(line)}</text>"
    typed = f'<tspan class="typed">{escape(line[2:])}</tspan>'
    return f'{start}<tspan class="prompt">$ </tspan>{typed}</text>'
