"""What the rest of dnet knows of a firewall: none of its tables, chains and rules by their names.

A firewall has two sides. This one decides: values in, values out. The other one, of the shape of
host/firewall/door.py, reads what is there and carries a change out. What it has read is a value
that only the two of them understand.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from dnet.typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from dnet.values.family import V4, V6, Families, Family

if TYPE_CHECKING:
    from dnet.errors import DnetError
    from dnet.model.entities import Bridge
    from dnet.model.state import Change as Changed
    from dnet.model.state import State


class Chain(NamedTuple):
    """A chain in its table, or `what` else of it a firewall makes by a name.

    The table of a chain that is about IPv6 alone has `ip6` ahead of its name.
    """

    table: str
    name: str
    what: str = "chain"

    @property
    def family(self) -> Family:
        """Which version of IP it is about; of one that is about both, IPv4."""
        return V6 if self.table.startswith(f"{V6.nft} ") else V4


class Trace(NamedTuple):
    """What a firewall, by its name, may have made."""

    firewall: str
    chain: Chain


class Finding(NamedTuple):
    """What was found to differ in a chain: the chain as such, or a rule of it."""

    chain: Chain
    what: str
    rule: str | None = None

    def __str__(self) -> str:
        rule = f": {self.rule}" if self.rule is not None else ""
        return f"{self.chain.table} {self.chain.name}: {self.what}{rule}"


class Shape(Protocol):
    """What a state needs of a firewall but for single mappings and links.

    Two that are equal need the same. One is true if it needs anything.
    """

    @property
    def traces(self) -> frozenset[Chain]:
        """What it leaves behind, where it has been active."""

    @property
    def translating(self) -> frozenset[str]:
        """The bridges to which 127.0.0.1 is translated, so that their devices have to let it."""

    def __bool__(self) -> bool:
        """Whether it needs anything."""


class Change(Protocol):
    """What is done to the rules, and what was seen. One is true if there is anything to do."""

    @property
    def findings(self) -> Sequence[Finding]:
        """What was found to differ, where it was looked at."""

    @property
    def overruled(self) -> Sequence[str]:
        """What others have set that keeps traffic away from dnet's rules, in words."""

    @property
    def notes(self) -> Sequence[str]:
        """What is as it should be and worth to be told, in words."""

    @property
    def left(self) -> Sequence[str]:
        """What stays of the administrator's where dnet's rules go, in words."""

    @property
    def refusal(self) -> DnetError | None:
        """Why it cannot be carried out, if that is known beforehand."""

    def lines(self) -> Iterator[str]:
        """The command lines that would do the same, for the shell."""

    def parts(self) -> Iterator[Change]:
        """Changes that can each be carried out though another cannot, in their order."""

    def foreseen(self) -> set[str]:
        """What `compare` finds, in words, where this is still to be carried out."""

    def __bool__(self) -> bool:
        """Whether there is anything to do."""


class Firewall(Protocol):
    """How a state becomes rules, and how they are told from those that are there."""

    @property
    def needs_br_netfilter(self) -> bool:
        """Whether siblings are kept apart by rules alone, which they meet with br_netfilter.

        Otherwise it is never loaded: ports are isolated, but where it is in use already.
        """

    def shape(self, state: State) -> Shape:
        """What a state needs but for single mappings and links."""

    def delta(self, state: State, changes: Iterable[Changed]) -> Change:
        """The fast way, without a look: right where the shape of the state stays as it was."""

    def compare(
        self,
        seen: Any,
        state: State,
        former: Former,
        *,
        expected: Any = None,
        reserved: Collection[Chain] = (),
    ) -> Change:
        """The careful way, from what was seen to what a state needs.

        `former` is what may have been made before; all of it that is not needed goes. With the
        `expected` shape, what is neither of it nor of those has been made by somebody else.
        Raises ConflictError for that where it is needed, or is one of `reserved`.
        """

    def own(self, of: Families, /) -> frozenset[Chain]:
        """What only one store in a network namespace can have, since its name is fixed.

        As far as rules are of some families.
        """

    def unknown(self, seen: Any, owned: Collection[Chain]) -> list[Chain]:
        """What bears dnet's names and is not `owned`, also where a store is lost."""

    def objections(self, state: State, bridge: Bridge) -> Iterator[DnetError]:
        """Why a bridge cannot be made next to those of a state, if it cannot."""


class Former(NamedTuple):
    """What may have been made before: for bridges, and by names.

    `goes_on` is whether another firewall has the rules now, for bridges that stay.
    """

    bridges: tuple[Bridge, ...] = ()
    traces: frozenset[Chain] = frozenset()
    goes_on: bool = False


class Unchanged(NamedTuple):
    """No change: there is nothing to do, and nothing was looked at."""

    findings: tuple[Finding, ...] = ()
    overruled: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
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
