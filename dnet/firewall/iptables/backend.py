"""iptables behind the firewall's door: rules are text, as iptables-save prints it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial

from dnet.errors import ConflictError, DnetError, KernelError
from dnet.firewall.door import Chain, Finding, Former
from dnet.firewall.iptables import rules
from dnet.firewall.iptables.blocks import is_block_chain
from dnet.firewall.iptables.rules import (
    DNET_FORWARD,
    DNET_PREROUTING,
    DNET_USER,
    FORWARD,
    KEPT,
    Commands,
    Layout,
    Rule,
    in_order,
    is_user,
    of_family,
    plain,
)
from dnet.firewall.traffic import families, filtered
from dnet.model.entities import DEFAULT_CHAIN, Bridge
from dnet.model.state import Change as Changed
from dnet.model.state import State
from dnet.typing import TYPE_CHECKING, NamedTuple
from dnet.values.family import FAMILIES, V4, Families, Family
from dnet.values.names import for_shell

if TYPE_CHECKING:
    from dnet.firewall.iptables.listing import Tables

Shared = Mapping[Chain, list[str]]
"""The rules of the chains that are not dnet's own."""

_SAID = {
    "-N": "the chain is missing",
    "-X": "the chain is left over",
    "-A": "missing",
    "-D": "not dnet's",
}


class Skeleton(NamedTuple):
    """The shape of a state, as chains and rules; see rules.skeleton."""

    layout: Layout
    bridges: frozenset[str]

    @property
    def traces(self) -> frozenset[Chain]:
        """Its chains, but for DNET-USER, which is the administrator's."""
        return frozenset(one for one in self.layout.chains() if not is_user(one))

    @property
    def translating(self) -> frozenset[str]:
        """The bridges that 127.0.0.1 is translated to."""
        return self.bridges if DNET_PREROUTING in self.layout.own else frozenset()

    def __bool__(self) -> bool:
        return bool(self.layout.own) or any(self.layout.shared.values())


class Change(NamedTuple):
    """Commands by table; `references` are rules of others that keep a chain which is to go."""

    commands: Commands
    findings: tuple[Finding, ...] = ()
    overruled: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    references: tuple[Rule, ...] = ()
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.commands)

    def lines(self) -> Iterator[str]:
        """The command lines that would do the same, for the shell."""
        for table, commands in in_order(self.commands):
            yield from (_shown(table, command) for command in commands)

    def parts(self) -> Iterator[Change]:
        """A table each: iptables-restore changes one as a whole, and then the next."""
        for table, commands in in_order(self.commands):
            yield Change({table: commands}, references=self.references)

    @property
    def refusal(self) -> DnetError | None:
        """What iptables would say only with the words that a resource is busy."""
        rule = next((one for one in self.references if one.chain.table in self.commands), None)
        if rule is None:
            return None
        (table, chain, _), text = rule
        return KernelError(
            f"{table} {chain}: a rule dnet did not make refers to the chain "
            f"{text.rpartition(' ')[2]}: {text}",
            f"remove it: {_shown(table, f'-D {chain} {text}')}",
        )

    def foreseen(self) -> set[str]:
        """What `compare` finds, in words, where this is still to be carried out."""
        split = (
            (table, command.split(" ", 2))
            for table, commands in self.commands.items()
            for command in commands
        )
        return {
            str(Finding(Chain(table, name), _SAID[verb], *rule))
            for table, (verb, name, *rule) in split
            if verb in _SAID
        }


class Iptables:
    """How a state becomes rules of iptables; see dnet.firewall.door.Firewall."""

    needs_br_netfilter = True

    # What looks at others' rules, or at mappings, is loaded when it is needed.

    def shape(self, state: State) -> Skeleton:
        """What a state needs but for single mappings and links."""
        names = frozenset(one.name for one in filtered(state.bridges.values()))
        return Skeleton(rules.skeleton(state), names)

    def delta(self, state: State, changes: Iterable[Changed]) -> Change:
        """The rules of changed mappings and links, without a look."""
        from dnet.firewall.iptables import delta

        return Change(delta.commands(state, changes))

    def compare(
        self,
        seen: Tables,
        state: State,
        former: Former,
        *,
        expected: Skeleton | None = None,
        reserved: Collection[Chain] = (),
    ) -> Change:
        """The smallest change from what was seen to what a state needs; see the door.

        Raises ConflictError.
        """
        from dnet.firewall.iptables import diff

        restricted = [one for one in FAMILIES if seen.chains.get(of_family(DNET_USER, one))]
        desired = rules.layout(state, restricted=restricted)
        kept = former.traces
        for one in restricted:
            if former.goes_on:
                desired.shared.setdefault(of_family(FORWARD, one), []).append(KEPT)
            if filtered(former.bridges):
                kept |= {of_family(DNET_FORWARD, one)}
        if expected is not None:
            _refuse_foreign(seen, expected.layout, (desired.chains() - kept).union(reserved))
        chains = kept | _block_chains(seen, former, state)
        forwards = (one for one in chains if plain(one) == DNET_FORWARD)
        chains |= {of_family(DNET_USER, one.family) for one in forwards}
        bridges = filtered(state.bridges.values())
        known = rules.shared_variants([*filtered(former.bridges), *bridges])
        found = diff.difference(seen, desired, known, chains)
        overruled = tuple(_overruled(seen, state, bridges, found.shared, desired.shared))
        left = () if bridges else tuple(told for one in restricted for told in _left(former, one))
        return Change(
            found.commands, tuple(found.findings), overruled, left, tuple(found.references)
        )

    def own(self, of: Families) -> frozenset[Chain]:
        """The chains whose names nobody chooses."""
        return frozenset(of_family(chain, one) for one in of for chain in rules.OWN)

    def unknown(self, seen: Tables, owned: Collection[Chain]) -> list[Chain]:
        """The chains with dnet's names that are there and not owned."""
        names = (*rules.OWN, Chain("nat", DEFAULT_CHAIN))
        every = (of_family(chain, one) for one in FAMILIES for chain in names)
        return [one for one in every if one in seen.chains and one not in owned]

    def objections(self, state: State, bridge: Bridge) -> Iterator[ConflictError]:
        """Where one bridge's chain is what a chain by port of another is called.

        With many mappings it would be both, and the rules of one bridge would be lost.
        """
        for other in state.bridges.values():
            if is_block_chain(bridge.chain, [other.chain]) or is_block_chain(
                other.chain, [bridge.chain]
            ):
                yield ConflictError(
                    f"the chain {bridge.chain} conflicts with the chains of {other.name}, which "
                    f"has the chain {other.chain}",
                    "choose another with --chain",
                )


def _block_chains(actual: Tables, former: Former, state: State) -> set[Chain]:
    """The chains by port that belong to a bridge's chain, of now or before."""
    known = {bridge.chain for bridge in (*former.bridges, *state.bridges.values())}
    known |= {chain.name for chain in former.traces if _translates(chain)}
    return {
        chain for chain in actual.chains if _translates(chain) and is_block_chain(chain.name, known)
    }


def _translates(chain: Chain) -> bool:
    """Whether it is a chain of the table nat."""
    return plain(chain).table == "nat"


def _overruled(
    seen: Tables, state: State, bridges: list[Bridge], found: Shared, wanted: Shared
) -> Iterator[str]:
    """What rules of others ahead of dnet's do to what those promise, in words."""
    from dnet.firewall.iptables import promises
    from dnet.firewall.packet import published

    for one in families(bridges):
        at = of_family(FORWARD, one)
        forward = promises.Forward(one, found[at], wanted[at], seen)
        yield from forward.stopped(bridges, partial(published, state, one))
        yield from forward.opened(bridges)


def _left(former: Former, of: Family) -> Iterator[str]:
    """What is said of DNET-USER where it has rules and dnet has none."""
    if former.goes_on:
        yield (
            "rules in DNET-USER still drop packets, but no longer accept them; to accept packets: "
            "nft add rule inet dnet user …"
        )
    elif filtered(former.bridges):
        yield (
            f"the chain DNET-USER{'' if of is V4 else ' of ip6tables'} is kept, because it has "
            f"rules of yours: {of.xtables} -F DNET-USER && {of.xtables} -X DNET-USER"
        )


def _is_block_of(layout: Layout, chain: Chain) -> bool:
    """Whether a chain by port is dnet's: which of them are there, a skeleton does not say."""
    own = (one.name for one in layout.own if _translates(one))
    return layout.dispatched and is_block_chain(chain.name, own)


def _refuse_foreign(actual: Tables, before: Layout, desired: set[Chain]) -> None:
    """Raises ConflictError for a chain that is to be made and is there already."""
    for chain in sorted(desired - before.chains()):
        if is_user(chain) or chain not in actual.chains or _is_block_of(before, chain):
            continue
        if chain.name.startswith("DNET"):
            raise ConflictError(
                f"the {chain.table} table has a chain {chain.name}, unknown to this store",
                "if it belongs to another store: --state-dir; if that store is lost: dnet reset "
                "--unowned",
            )
        raise ConflictError(
            f"the {chain.table} table has a chain {chain.name}, which dnet did not make",
            "choose another with --chain",
        )


def _shown(table: str, command: str) -> str:
    """The command line that changes a table, for the shell."""
    of, name = Chain(table, "").family, plain(Chain(table, "")).table
    option = "" if name == "filter" else f"-t {name} "
    return f"{of.xtables} {option}{_quoted(command)}"


def _quoted(command: str) -> str:
    """A rule as iptables-save prints it, for the shell: what may need quotes are devices' names."""
    return " ".join(word if word == "!" else for_shell(word) for word in command.split(" "))
