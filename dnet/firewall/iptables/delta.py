"""The rules of changed mappings and links, without a look at what is there.

Right as long as the skeleton of the rules stays as it is and the kernel has what the store says;
where it has not, iptables refuses, and the rules are compared instead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from dnet.firewall.iptables import blocks, rules
from dnet.firewall.iptables.blocks import Block
from dnet.firewall.iptables.rules import Commands, Rule
from dnet.model.entities import Link, Mapping
from dnet.model.state import Change, State
from dnet.model.table import ABSENT
from dnet.typing import Any


def commands(state: State, changes: Iterable[Change]) -> Commands:
    """What has to be deleted and added, in an order in which every jump has its chain."""
    touched = [change for change in changes if change[0] in (state.mappings, state.links)]
    opened, closed = _blocks(state, touched)
    found: Commands = {}
    for block in opened:
        found.setdefault(block.own.table, []).append(f"-N {block.name}")
    gone = {block.own for block in closed}
    for rule, command in _rules(state, touched):
        if rule.chain not in gone:
            found.setdefault(rule.chain.table, []).append(
                f"{command} {rule.chain.name} {rule.text}"
            )
    for block in opened:
        found[block.own.table].append(f"-A {block.chain} {block.jump}")
    for block in closed:
        found.setdefault(block.own.table, []).extend(
            (f"-D {block.chain} {block.jump}", f"-F {block.name}", f"-X {block.name}")
        )
    return found


def _rules(state: State, changes: list[Change]) -> Iterator[tuple[Rule, str]]:
    chains = {bridge.name: bridge.chain for bridge in state.bridges.values()}
    dispatched = blocks.is_dispatched(state)
    for table, key, old, new in changes:
        for row, command in ((old, "-D"), (new, "-A")):
            if row is ABSENT:
                continue
            thing: Any = table.decode(key, row)
            if isinstance(thing, Mapping):
                chain = chains[thing.bridge]
                for rule in rules.mapping_rules(thing, chain, dispatched=dispatched):
                    yield rule, command
            elif isinstance(thing, Link):
                for rule in rules.link_rules(thing, chains.get(thing.child_bridge, "")):
                    yield rule, command


def _blocks(state: State, changes: list[Change]) -> tuple[list[Block], list[Block]]:
    """The blocks that get their first mapping, and those that lose their last."""
    if not blocks.is_dispatched(state):
        return [], []
    chains = {bridge.name: bridge.chain for bridge in state.bridges.values()}
    more: Counter[Block] = Counter()
    for table, key, old, new in changes:
        for row, step in ((old, -1), (new, 1)):
            if table is state.mappings and row is not ABSENT:
                mapping = Mapping.from_row(key, row)
                block = blocks.block_of(mapping.endpoint, chains[mapping.bridge])
                if block is not None:
                    more[block] += step
    now = {block: blocks.members(state, block) for block in more}
    opened = [block for block in more if now[block] and now[block] == more[block]]
    closed = [block for block in more if not now[block] and more[block] < 0]
    return opened, closed
