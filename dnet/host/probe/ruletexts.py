"""The text of rules that the kernel names by their handles, as nft(8) lists them."""

from __future__ import annotations

import re

from dnet.host import process, system

_HANDLE = re.compile(r"\s*(.*?) # handle (\d+)")
_LONGEST = 160

Place = tuple[str, str, str]


class Texts:
    """Each chain is listed once, when it is first asked for."""

    def __init__(self) -> None:
        self._known: dict[Place, dict[int, str]] = {}

    def of(self, place: Place, handle: int) -> str | None:
        """The text of a rule; None where there is no nft to tell it."""
        if place not in self._known:
            self._known[place] = dict(_listed(place))
        return self._known[place].get(handle)


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
