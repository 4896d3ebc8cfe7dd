"""From the rules that are to those that should be: the smallest change, as data.

Pure. A change is lines for iptables-restore, each an iptables command without `iptables -t
TABLE`, grouped by table; and in words what was found to differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import takewhile

from dnet.firewall.door import Chain, Finding
from dnet.firewall.iptables import guard
from dnet.firewall.iptables.listing import Tables
from dnet.firewall.iptables.rules import (
    EVERY_SHARED,
    ORDERED,
    RAW,
    Commands,
    Layout,
    Rule,
    is_user,
    plain,
)
from dnet.firewall.iptables.ruletext import Canonical, canonical

Rules = list[tuple[str, Canonical]]


class Difference:
    """What is to be done, by table, and why, in words.

    `references` are rules of others that lead to a chain which is to go, and do not let it;
    `shared` are the built-in chains as they will be.
    """

    def __init__(self) -> None:
        self.commands: Commands = {}
        self.references: list[Rule] = []
        self.findings: list[Finding] = []
        self.shared: dict[Chain, list[str]] = {}

    def do(self, table: str, command: str) -> None:
        """Add a command."""
        self.commands.setdefault(table, []).append(command)

    def found(self, chain: Chain, what: str, rule: str | None = None) -> None:
        """Add a finding."""
        self.findings.append(Finding(chain, what, rule))


def difference(
    actual: Tables, desired: Layout, known_rules: Iterable[Rule], known_chains: Iterable[Chain]
) -> Difference:
    """How to get from what is there to what should be.

    `known_rules` are rules of dnet's in built-in chains, `known_chains` chains of dnet's own,
    that have to go where they are not desired.
    """
    result = Difference()
    mine = desired.chains() | set(known_chains)
    leaving = sorted((mine - desired.chains()) & set(actual.chains))
    _create(result, actual, desired)
    for chain, rules in desired.own.items():
        _own(result, chain, actual.chains.get(chain), rules)
    jumps = {(chain.table, f"-j {chain.name}") for chain in mine if not is_user(chain)}
    for chain in EVERY_SHARED:
        found, wanted = actual.chains.get(chain, []), desired.shared.get(chain, [])
        ours = {canonical(rule.text) for rule in known_rules if rule.chain == chain}
        ours |= {canonical(text) for text in wanted}
        ours |= {canonical(text) for text in found if (chain.table, _target(text)) in jumps}
        exposed = _exposed(actual, chain, wanted) if plain(chain) == RAW else None
        result.shared[chain] = _shared(result, chain, found, wanted, ours, exposed)
    _delete(result, actual, leaving)
    bearing = [chain for chain in leaving if not is_user(chain)]
    staying = _leading(actual, bearing, {*desired.own, *leaving})
    # A jump in a shared chain is taken for dnet's own, and goes.
    result.references = [
        one
        for one in staying
        if one.chain not in EVERY_SHARED or (one.chain.table, _target(one.text)) not in jumps
    ]
    return result


def _target(text: str) -> str:
    """`-j CHAIN`, or `-g CHAIN`, at the end of a rule."""
    return " ".join(text.rsplit(" ", 2)[-2:])


def _create(result: Difference, actual: Tables, desired: Layout) -> None:
    for chain in sorted(desired.chains()):
        if chain not in actual.chains:
            result.do(chain.table, f"-N {chain.name}")
            result.found(chain, "the chain is missing")


def _own(result: Difference, chain: Chain, actual: list[str] | None, desired: list[str]) -> None:
    """Rules of a chain that is dnet's alone: the few that differ, or the whole chain."""
    there = actual or []
    if there == desired:
        return
    if not there:  # Nothing to compare with ten thousand rules.
        result.commands.setdefault(chain.table, []).extend(f"-A {chain.name} {t}" for t in desired)
        if actual is not None:
            for text in desired:
                result.found(chain, "missing", text)
        return
    found = [(text, canonical(text)) for text in there]
    wanted = [(text, canonical(text)) for text in desired]
    has, wants = Counter(shown for _, shown in found), Counter(shown for _, shown in wanted)
    missing, extra = wants - has, has - wants
    _tell(result, chain, wanted, "missing", missing)
    _tell(result, chain, found, "not dnet's", extra)
    if plain(chain) in ORDERED and not _is_beginning(found, wanted, extra):
        if not missing and not extra:
            result.found(chain, "the rules are in the wrong order")
        result.do(chain.table, f"-F {chain.name}")
        missing, extra = wants, Counter()
    for text in _concerned(found, extra):
        result.do(chain.table, f"-D {chain.name} {text}")
    for text in _concerned(wanted, missing):
        result.do(chain.table, f"-A {chain.name} {text}")


def _is_beginning(found: Rules, wanted: Rules, extra: Counter[Canonical]) -> bool:
    """Whether what may stay is the beginning of what is wanted, so that the rest can follow."""
    left, kept = extra.copy(), []
    for _, shown in found:
        if left[shown] > 0:  # iptables deletes the first of several
            left[shown] -= 1
        else:
            kept.append(shown)
    return kept == [shown for _, shown in wanted[: len(kept)]]


def _concerned(rules: Rules, counts: Counter[Canonical]) -> Iterator[str]:
    """The rules that are counted, each as often as that, the first ones of several."""
    left = counts.copy()
    for text, shown in rules:
        if left[shown] > 0:
            left[shown] -= 1
            yield text


def _tell(
    result: Difference, chain: Chain, rules: Rules, what: str, counts: Counter[Canonical]
) -> None:
    for text in _concerned(rules, counts):
        result.found(chain, what, text)


def _shared(
    result: Difference,
    chain: Chain,
    actual: list[str],
    desired: list[str],
    ours: set[Canonical],
    exposed: str | None,
) -> list[str]:
    """Dnet's rules in a built-in chain, in order among themselves; others' stay where they are.

    What stands at the end of the desired rules stays; what has to come before it is inserted
    at the head, where the source inserted it. All of them are where one of others' ahead of them
    leaves something `exposed`.
    """
    present = [(text, shown) for text in actual if (shown := canonical(text)) in ours]
    wanted = [canonical(text) for text in desired]
    found = [shown for _, shown in present]
    if found == wanted and exposed is None:
        return actual
    if found == wanted:
        result.found(chain, f"ahead of the guard of {chain.family.local}", exposed)
    else:
        _explain(result, chain, list(zip(desired, wanted, strict=True)), present)
    standing = _standing(found, wanted) if exposed is None else 0
    keep = set(wanted[len(wanted) - standing :])
    for text, shown in present:
        if shown not in keep:
            result.do(chain.table, f"-D {chain.name} {text}")
    inserted = desired[: len(desired) - standing]
    for text in reversed(inserted):
        result.do(chain.table, f"-I {chain.name} 1 {text}")
    staying = (text for text in actual if (shown := canonical(text)) not in ours or shown in keep)
    return [*inserted, *staying]


def _exposed(actual: Tables, chain: Chain, wanted: list[str]) -> str | None:
    """The rule of others ahead of the guard that may let past it what it is there to stop."""
    mine = set(map(canonical, wanted))
    found = actual.chains.get(chain, [])
    ahead = list(takewhile(lambda text: canonical(text) not in mine, found))
    if len(ahead) == len(found):  # It is not there.
        return None
    chains = {one.name: rules for one, rules in actual.chains.items() if one.table == chain.table}
    return guard.exposing(ahead, chains, chain.family)


def _standing(found: list[Canonical], wanted: list[Canonical]) -> int:
    """How many rules at the end of the wanted ones are there already, once each, in order."""
    counts = Counter(found)
    once = [rule for rule in found if counts[rule] == 1 and rule in wanted]
    standing = 0
    for has, want in zip(reversed(once), reversed(wanted), strict=False):
        if has != want:
            break
        standing += 1
    return standing


def _explain(result: Difference, chain: Chain, desired: Rules, present: Rules) -> None:
    """In words: the order only where the rules are all there, and no others of dnet's."""
    found, wanted = Counter(one for _, one in present), Counter(one for _, one in desired)
    missing, extra = wanted - found, found - wanted
    _tell(result, chain, desired, "missing", missing)
    _tell(result, chain, present, "left over", extra)
    if not missing and not extra:
        result.found(chain, "the rules are in the wrong order")


def _delete(result: Difference, actual: Tables, leaving: list[Chain]) -> None:
    """Empty every chain first: they may jump to one another. The administrator's rules stay."""
    mine = [chain for chain in leaving if not is_user(chain)]
    for chain in mine:
        result.found(chain, "the chain is left over")
        result.do(chain.table, f"-F {chain.name}")
    for chain in mine:
        result.do(chain.table, f"-X {chain.name}")
    for chain in filter(is_user, leaving):
        # Unless somebody else's rule jumps there.
        if not actual.chains[chain] and not any(_leading(actual, [chain], mine)):
            result.do(chain.table, f"-X {chain.name}")


def _leading(actual: Tables, chains: Iterable[Chain], but: Collection[Chain]) -> Iterator[Rule]:
    """The rules that lead to one of the chains, in any chain but some."""
    targets = {(one.table, f"{option} {one.name}") for one in chains for option in ("-j", "-g")}
    tables = {table for table, _ in targets}
    for chain, rules in actual.chains.items():
        if chain.table in tables and chain not in but:
            for text in rules:
                if (chain.table, _target(text)) in targets:
                    yield Rule(chain, text)
