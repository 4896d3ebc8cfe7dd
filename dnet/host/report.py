"""What was found to differ, in as many lines as somebody reads."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

from dnet.host.rules import Finding
from dnet.host.steps import Plan

_HANDFUL = 5


def repaired(plan: Plan, asked: Container[str] = ()) -> list[str]:
    """What a plan repairs, but for what was `asked` for: beyond a handful by chain, or counted."""
    steps = [one for one in plan.repairs() if one not in asked]
    findings = [one for one in plan.findings if str(one) not in asked]
    return [*few(steps, "devices and settings"), *_rules(findings)]


def few(lines: Sequence[str], what: str) -> list[str]:
    """A handful of lines, and how many more there are of what."""
    if len(lines) <= 2 * _HANDFUL:
        return list(lines)
    return [*lines[:_HANDFUL], f"{len(lines) - _HANDFUL} more {what}"]


def _rules(findings: Sequence[Finding]) -> Iterator[str]:
    alike: dict[tuple[str, str, bool], list[Finding]] = {}
    for one in findings:
        alike.setdefault((one.chain.table, one.what, one.rule is None), []).append(one)
    for (table, what, of_chains), group in alike.items():
        chains = dict.fromkeys(one.chain.name for one in group)
        if len(group) <= _HANDFUL:
            yield from map(str, group)
        elif of_chains:
            yield f"{table}: {what}: {len(chains)} chains"
        elif len(chains) > _HANDFUL:
            yield f"{table}: {what}: {len(group)} rules in {len(chains)} chains"
        else:
            yield from _by_chain(group)


def _by_chain(group: Sequence[Finding]) -> Iterator[str]:
    of_chain: dict[str, list[Finding]] = {}
    for one in group:
        of_chain.setdefault(one.chain.name, []).append(one)
    for name, found in of_chain.items():
        if len(found) <= _HANDFUL:
            yield from map(str, found)
        else:
            yield f"{found[0].chain.table} {name}: {found[0].what}: {len(found)} rules"
