"""The acting side of a firewall: it reads what is there, and carries a change out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from dnet.typing import TYPE_CHECKING, Any, Protocol
from dnet.values.family import V4

if TYPE_CHECKING:
    from dnet.firewall.door import Change
    from dnet.model.state import State
    from dnet.values.family import Families

Outward = Callable[[], Collection[str]]


class Rules(Protocol):
    """The rules in the kernel, by the programs of one firewall."""

    @property
    def variant(self) -> str | None:
        """Which of its forms is in use, where it has several and they do not know each other."""

    @property
    def is_there(self) -> bool:
        """Whether its programs are."""

    @property
    def families(self) -> Families:
        """Those of which there may be rules where no store tells."""

    @property
    def may_be_in_force(self) -> bool:
        """Whether anything bears dnet's names, as far as a quick look tells."""

    @property
    def generation(self) -> int | None:
        """A number that whoever changes a rule moves on; None where there is none."""

    def trust(self, generation: int, /) -> None:
        """Take it that what is there is what the state needs, as long as this is the number."""

    def read(self, families: Families, /) -> Any:
        """Everything that is there of some families. Raises KernelError, RulesUnreadableError."""

    def apply(self, change: Any, /) -> None:
        """Carry a change out: each of its parts, or nothing of it.

        Raises KernelError, and RulesRefusedError where the rules are not as it takes them to be.
        """

    def refuse_another(self, noted: str | None, /) -> None:
        """Raises ConflictError where the rules of a store are in another variant than this."""

    def foreign(self, state: State, outward: Outward, /) -> Iterator[str]:
        """What other firewalls do to traffic that a state lets through, in words.

        `outward` gives the devices by which any route leads.
        """


class NoRules:
    """No firewall; see dnet.firewall.door.Unchanged."""

    variant = None
    is_there = False
    families = (V4,)
    may_be_in_force = False
    generation = None

    def trust(self, _generation: int, /) -> None:
        """Nothing to trust."""

    def read(self, _families: Families, /) -> None:
        """Nothing."""

    def apply(self, _change: Change, /) -> None:
        """Nothing."""

    def refuse_another(self, _noted: str | None, /) -> None:
        """Nothing to refuse."""

    def foreign(self, _state: State, _outward: Outward, /) -> Iterator[str]:
        """Nothing that could be stopped."""
        yield from ()
