"""A picture of the ways that packets take to a container, from one description of them.

tests/real/test_ways.py sends a packet along each.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import NamedTuple

PICTURE = "docs/pictures/ways.svg"

GUARD, TRANSLATION, FORWARDING, SOURCE = "guard", "translation", "forwarding", "source"


class Way(NamedTuple):
    """A packet's way.

    Attributes:
        origin: who sends it: `outside`, `host`, `sibling`, `itself`, or `other`, a container of
            another bridge.
        target: where to: `published`, the host's address and a published port; `loopback`, the
            same at 127.0.0.1; `container`, the container's own address.
        stations: what it passes, and what happens there.
        stopped: whether it ends at the last of them.
        seen: as whom the container sees it come: `client`, or `bridge`, which is its gateway.
    """

    origin: str
    target: str
    stations: dict[str, str]
    stopped: bool = False
    seen: str | None = None


_TRANSLATED = "to 172.17.0.2:80"
_LET_IN = "translated, so yes"
_MASQUERADED = "to the bridge's"
_FROM_OUTSIDE = {GUARD: "", TRANSLATION: _TRANSLATED, FORWARDING: _LET_IN}
_FROM_CONTAINERS = {**_FROM_OUTSIDE, SOURCE: _MASQUERADED}
WAYS = (
    Way("outside", "published", _FROM_OUTSIDE, seen="client"),
    Way("host", "loopback", {TRANSLATION: _TRANSLATED, SOURCE: _MASQUERADED}, seen="bridge"),
    Way("sibling", "published", _FROM_CONTAINERS, seen="bridge"),
    Way("itself", "published", _FROM_CONTAINERS, seen="bridge"),
    Way("other", "published", _FROM_CONTAINERS, seen="bridge"),
    Way("other", "container", {GUARD: "", FORWARDING: "bridges are apart"}, stopped=True),
    Way("outside", "loopback", {GUARD: "not by lo"}, stopped=True),
    Way("sibling", "loopback", {GUARD: "not by lo"}, stopped=True),
)

_ORIGINS = {
    "outside": ("outside", "198.51.100.7"),
    "host": ("the host", "127.0.0.1"),
    "sibling": ("db, a sibling", "172.17.0.3"),
    "itself": ("web itself", "172.17.0.2"),
    "other": ("another bridge", "172.18.0.2"),
}
_TARGETS = {
    "published": "192.0.2.1:8080",
    "loopback": "127.0.0.1:8080",
    "container": "172.17.0.2:80",
}
_HEADS = {
    GUARD: ("the guard", "of 127.0.0.0/8"),
    TRANSLATION: ("translation", "by the mapping"),
    FORWARDING: ("forwarding", "who may pass"),
    SOURCE: ("source", "who is seen"),
}
_GATEWAY = "172.17.42.1"

# In units of the picture, which are pixels at its own size.
_LANE = 54
_TOP = 92
_WIDTH = 960
_START, _LINE, _END = 16, 236, 800
_COLUMNS = {GUARD: 290, TRANSLATION: 418, FORWARDING: 556, SOURCE: 694}

_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: var(--ink); }
  .small { font-size: 11px; fill: var(--soft); }
  .head { font-weight: 600; }
  .mono { font-family: ui-monospace, monospace; font-size: 12px; }
  .way { stroke: var(--way); stroke-width: 2; fill: none; }
  .dot { fill: var(--way); }
  .stop { stroke: var(--stop); stroke-width: 3; }
  .stopped { stroke: var(--stop); stroke-dasharray: 5 4; }
  .box { fill: var(--box); stroke: var(--soft); }
  .guide { stroke: var(--faint); stroke-dasharray: 2 4; }
  svg { --ink: #1f2328; --soft: #59636e; --faint: #d1d9e0; --way: #0969da; --stop: #cf222e;
        --box: #f6f8fa; }
  @media (prefers-color-scheme: dark) {
    svg { --ink: #f0f6fc; --soft: #9198a1; --faint: #3d444d; --way: #4493f8; --stop: #f85149;
          --box: #151b23; }
  }
"""


def make() -> dict[str, str]:
    """The picture by its path."""
    return {PICTURE: "\n".join(_drawn()) + "\n"}


def _drawn() -> Iterator[str]:
    height = _TOP + _LANE * len(WAYS) + 8
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img" aria-labelledby="title">'
    )
    yield f'<title id="title">{escape(_told())}</title>'
    yield f"<style>{_STYLE}</style>"
    yield from _heads(height)
    arriving = [at for at, way in enumerate(WAYS) if not way.stopped]
    yield from _container(_TOP + _LANE * arriving[0], _TOP + _LANE * (arriving[-1] + 1))
    for at, way in enumerate(WAYS):
        yield from _lane(way, _TOP + _LANE * at + _LANE // 2)
    yield "</svg>"


def _told() -> str:
    return "The ways of packets to the container web, published as 0.0.0.0:8080:80/tcp"


def _heads(height: int) -> Iterator[str]:
    yield _text(_START, 26, "web is published: 0.0.0.0:8080:80/tcp", "head")
    yield _text(_START, 66, "who asks, and whom", "head")
    for name, x in _COLUMNS.items():
        first, second = _HEADS[name]
        yield _text(x, 58, first, "head", "middle")
        yield _text(x, 74, second, "small", "middle")
        yield f'<path class="guide" d="M{x} {_TOP - 8}V{height - 8}"/>'
    yield _text((_END + _WIDTH) // 2, 58, "the container", "head", "middle")
    yield _text((_END + _WIDTH) // 2, 74, "sees it come from", "small", "middle")


def _container(top: int, bottom: int) -> Iterator[str]:
    width = _WIDTH - _END - 8
    yield (
        f'<rect class="box" x="{_END}" y="{top}" width="{width}" height="{bottom - top}" rx="8"/>'
    )


def _lane(way: Way, y: int) -> Iterator[str]:
    who, address = _ORIGINS[way.origin]
    yield _text(_START, y - 4, who)
    yield _text(_START, y + 13, f"{address} → {_TARGETS[way.target]}", "small mono")
    end = _COLUMNS[list(way.stations)[-1]] if way.stopped else _END
    kind = "way stopped" if way.stopped else "way"
    yield f'<path class="{kind}" d="M{_LINE} {y - 8}H{end}"/>'
    for name, what in way.stations.items():
        x = _COLUMNS[name]
        if way.stopped and name == list(way.stations)[-1]:
            yield f'<path class="stop" d="M{x - 6} {y - 14}l12 12m0 -12l-12 12"/>'
        else:
            yield f'<circle class="dot" cx="{x}" cy="{y - 8}" r="4"/>'
        if what:
            yield _text(x, y + 13, what, "small", "middle")
    if way.seen:
        seen = _GATEWAY if way.seen == "bridge" else address
        yield f'<path class="way" d="M{_END - 8} {y - 13}l8 5l-8 5"/>'
        yield _text((_END + _WIDTH) // 2, y - 3, seen, "mono", "middle")


def _text(x: int, y: int, text: str, kind: str = "", anchor: str = "start") -> str:
    marks = f' class="{kind}"' if kind else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{marks}>{escape(text)}</text>'
