"""What is done to the ruleset, as one transaction: commands for nft(8), and elements."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from dnet.errors import DnetError
from dnet.firewall.door import Chain, Finding
from dnet.firewall.nftables.elements import NONE, Elements, text
from dnet.firewall.nftables.layout import TABLE, WHOLE, objects
from dnet.typing import NamedTuple
from dnet.values.names import for_shell

MISSING, FOREIGN = "missing", "not dnet's"
# So that a line stays far below what one argument may have: MAX_ARG_STRLEN, 128 KiB.
_TOGETHER = 100


class Command(NamedTuple):
    """A command for nft: its words, and the rest in one piece, such as a rule."""

    words: str
    what: str = ""

    def __str__(self) -> str:
        return f"{self.words} {self.what}".rstrip()

    @property
    def shown(self) -> str:
        """As it is typed in a shell."""
        return f"nft {self.words} {for_shell(self.what)}" if self.what else f"nft {self.words}"


class Change(NamedTuple):
    """Commands ahead of the elements and behind them; of the elements, those that go go first.

    `beside` are commands about what is not in dnet's own table.
    """

    ahead: tuple[Command, ...] = ()
    going: Elements = NONE
    coming: Elements = NONE
    behind: tuple[Command, ...] = ()
    beside: tuple[Command, ...] = ()
    findings: tuple[Finding, ...] = ()
    overruled: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    refusal: DnetError | None = None

    def __bool__(self) -> bool:
        return any(self[:5]) or self.refusal is not None

    def commands(self, together: int | None = None) -> Iterator[Command]:
        """All of them in their order, with so many elements in one."""
        yield from self.ahead
        yield from _of_elements("delete", self.going, together)
        yield from _of_elements("add", self.coming, together)
        yield from self.behind
        yield from self.beside

    def lines(self) -> Iterator[str]:
        """The command lines that would do the same, for the shell."""
        return (one.shown for one in self.commands(_TOGETHER))

    def parts(self) -> Iterator[Change]:
        """Dnet's own table, and what is outside of it."""
        own = self._replace(beside=())
        if own:
            yield own
        if self.beside:
            yield Change(beside=self.beside)

    def foreseen(self) -> set[str]:
        """What `compare` finds, in words, where this is still to be carried out."""
        return set(
            map(str, (*of_elements(self.going, FOREIGN), *of_elements(self.coming, MISSING)))
        )


def of_elements(elements: Elements, what: str) -> Iterator[Finding]:
    """A finding for each of some elements."""
    kinds = {one.name: one.kind for one in objects(WHOLE)}
    for holder, found in elements.items():
        chain = Chain(TABLE, holder, kinds[holder])
        yield from (Finding(chain, what, text(key, data)) for key, data in found.items())


def _of_elements(verb: str, elements: Elements, together: int | None) -> Iterator[Command]:
    for holder, found in elements.items():
        # A key is enough to delete by; with the data newer versions of nft do as well.
        shown = iter(found if verb == "delete" else map(text, found, found.values()))
        while some := list(islice(shown, together)):
            yield Command(f"{verb} element {TABLE} {holder}", f"{{ {', '.join(some)} }}")
