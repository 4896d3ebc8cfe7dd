"""What iptables-restore makes of the lines dnet gives it, without a kernel."""

from __future__ import annotations

from collections.abc import Iterable

from dnet.firewall.door import Chain
from dnet.firewall.iptables.listing import Tables
from dnet.firewall.iptables.rules import EVERY_SHARED, TABLES, Commands, Layout
from dnet.firewall.iptables.ruletext import canonical

BUILT_IN = frozenset(EVERY_SHARED)
_TARGETS = frozenset({"ACCEPT", "DROP", "DNAT", "MASQUERADE"})


class Refused(Exception):  # noqa: N818 - as iptables says it
    """What iptables-restore would end with."""


def applied(actual: Tables, commands: Commands) -> Tables:
    """The tables after the commands, table by table. Raises Refused where iptables would."""
    result = copied(actual.chains)
    for table in (*TABLES, *(f"ip6 {one}" for one in TABLES)):
        for command in commands.get(table, ()):
            _apply(result.chains, table, command)
    return result


def copied(chains: dict[Chain, list[str]]) -> Tables:
    """Tables with these chains, and every built-in one."""
    result = Tables()
    result.chains = {chain: [] for chain in EVERY_SHARED}
    result.chains.update({chain: list(rules) for chain, rules in chains.items()})
    return result


def standing(layout: Layout) -> Tables:
    """The tables that a layout describes, with nothing else in them."""
    chains = {**layout.shared, **{chain: [] for chain in layout.chains()}, **layout.own}
    return copied(chains)


def _apply(chains: dict[Chain, list[str]], table: str, command: str) -> None:
    option, name, *rest = command.split(" ", 2)
    chain, text = Chain(table, name), rest[0] if rest else ""
    if option == "-N":
        _need(chain not in chains, command)
        chains[chain] = []
        return
    _need(chain in chains, command)
    rules = chains[chain]
    if option == "-F":
        rules.clear()
    elif option == "-X":
        _need(not rules and chain not in BUILT_IN, command)
        _need(not any(_jumps(chains, table, chain.name)), command)
        del chains[chain]
    elif option == "-D":
        found = [index for index, rule in enumerate(rules) if canonical(rule) == canonical(text)]
        _need(bool(found), command)
        del rules[found[0]]
    else:
        text = text.removeprefix("1 ") if option == "-I" else text
        target = text.rpartition("-j ")[2].split()[0]
        _need(target in _TARGETS or Chain(table, target) in chains, command)
        rules.insert(0 if option == "-I" else len(rules), text)


def _jumps(chains: dict[Chain, list[str]], table: str, name: str) -> Iterable[bool]:
    return (
        rule.endswith(f"-j {name}")
        for chain, rules in chains.items()
        if chain.table == table
        for rule in rules
    )


def _need(holds: bool, command: str) -> None:
    if not holds:
        raise Refused(command)
