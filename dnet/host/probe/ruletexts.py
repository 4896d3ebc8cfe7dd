"""The text of rules that the kernel names by their handles, as nft(8) lists them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from dnet.host import process, system
from dnet.probe.evidence import Hop

_HANDLE = re.compile(r"\s*(.*?) # handle (\d+)")
_LONGEST = 160

Place = tuple[str, str, str]


class Texts:
    """Each chain is listed once, when it is first asked for, where there is an nft to tell it."""

    def __init__(self) -> None:
        self._known: dict[Place, dict[int, str]] = {}

    def of_all(self, hops: Iterable[Hop]) -> dict[tuple[Place, int], str]:
        """The texts of rules that decided of a packet, or changed something, as far as known."""
        rules = ((hop.place, hop.rule) for hop in hops if not hop.mark and _decides(hop))
        return {
            (place, rule): text
            for place, rule in rules
            if rule is not None and (text := self._of(place, rule))
        }

    def _of(self, place: Place, handle: int) -> str | None:
        if place not in self._known:
            self._known[place] = dict(_listed(place))
        return self._known[place].get(handle)


def _decides(hop: Hop) -> bool:
    """Whether it ended there or was changed; dnet's own rules change nothing on its way on."""
    _, table, chain = hop.place
    is_own = table == "dnet" or chain.startswith("DNET")
    return hop.verdict not in ("jump", "goto", "return", "continue" if is_own else "")


def _listed(place: Place) -> list[tuple[int, str]]:
    program = system.find_program("nft")
    if program is None:
        return []
    try:
        done = process.run([program, "-a", "-s", "list", "chain", *place])
    except OSError:
        return []
    found = filter(None, map(_HANDLE.fullmatch, done.output.splitlines()))
    return [(int(one[2]), _short(one[1])) for one in found]


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
