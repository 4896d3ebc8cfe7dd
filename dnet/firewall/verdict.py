"""What becomes of a described packet in chains of rules, as far as that is certain.

Pure, and for the rules of iptables and of nft alike. A description leaves much open, so a rule
can match it or not, or match some of what it describes, or nobody can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from dnet.typing import Generic, NamedTuple, TypeVar

NO, SOME, UNKNOWN, YES = range(4)
"""How a rule meets a description. The least of several is that of all of them together: one that
some packets do not match, such as a rule about a port, is certainly not about all."""

ACCEPT, DROP, RETURN, JUMP, GOTO, OTHER = "accept", "drop", "return", "jump", "goto", "other"

R = TypeVar("R")


class Action(NamedTuple):
    """What a rule does with what matches it: `chain` is where a jump goes.

    OTHER ends the way through the chain as well, nobody knows how.
    """

    kind: str
    chain: str = ""


Steps = Iterable[tuple[int, Action]]
"""What a rule does in turn, and how each of that meets the packet."""


class Found(NamedTuple, Generic[R]):
    """What decides about the packet: the rule itself is last, those that led to it before."""

    kind: str
    path: tuple[tuple[str, R], ...]


def opposite(truth: int) -> int:
    """How a rule meets a description if it asks for the contrary."""
    return {YES: NO, NO: YES}.get(truth, UNKNOWN)


class Walk(Generic[R]):
    """A packet's way through the chains of a table.

    `rules` gives those of a chain, `judge` what each does with the packet.
    Where it is `lenient`, what may accept some of the packets counts as accepting them.
    """

    def __init__(
        self,
        rules: Callable[[str], Iterable[R]],
        judge: Callable[[R], Steps],
        *,
        lenient: bool = False,
    ) -> None:
        self._rules = rules
        self._judge = judge
        self._accepting = (ACCEPT, OTHER) if lenient else ()
        self._known: dict[str, Found[R] | None] = {}

    def from_base(self, chain: str, rules: Iterable[R], policy: str) -> Found[R] | None:
        """What decides in some rules of a base chain, where to return is its policy.

        None where the packet gets past them.
        """
        return self._through(chain, rules, policy)

    def _in(self, chain: str) -> Found[R] | None:
        if chain not in self._known:
            self._known[chain] = None  # For chains that lead to each other.
            self._known[chain] = self._through(chain, self._rules(chain), "")
        return self._known[chain]

    def _through(self, chain: str, rules: Iterable[R], policy: str) -> Found[R] | None:
        certain = True
        for rule, truth, action in self._steps(rules):
            here = (chain, rule)
            sure = certain and truth == YES
            if action.chain and (sure or self._accepting):
                found = self._in(action.chain)
                if found and (sure or found.kind in self._accepting):
                    return Found(found.kind, (here, *found.path))
            if action.kind == JUMP:
                continue
            kind = policy if action.kind in (RETURN, GOTO) else action.kind
            if kind and (sure or kind in self._accepting):
                return Found(kind, (here,))
            if not kind and sure:
                return None
            # From here on a packet may have gone back already, unless it is one of some.
            certain = certain and bool(kind or truth == SOME)
        return None

    def _steps(self, rules: Iterable[R]) -> Iterator[tuple[R, int, Action]]:
        for rule in rules:
            for truth, action in self._judge(rule):
                if truth != NO:
                    yield rule, truth, action
