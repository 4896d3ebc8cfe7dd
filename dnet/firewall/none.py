"""No firewall: what a state has in which no bridge is filtered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from dnet.firewall.door import Change, Finding


class Unchanged(NamedTuple):
    """Nothing to do, and nothing that was seen."""

    findings: tuple[Finding, ...] = ()
    overruled: tuple[str, ...] = ()
    refusal: None = None

    def lines(self) -> Iterator[str]:
        """None."""
        yield from ()

    def parts(self) -> Iterator[Change]:
        """None."""
        yield from ()

    def foreseen(self) -> set[str]:
        """Nothing."""
        return set()

    def __bool__(self) -> bool:
        return False


UNCHANGED = Unchanged()
