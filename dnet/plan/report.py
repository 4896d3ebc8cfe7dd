"""What was found to differ, in as many lines as somebody reads."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

from dnet.firewall.door import Finding
from dnet.plan.steps import Plan

_HANDFUL, _MANY = 5, 10


def repaired(plan: Plan, asked: Container[str] = ()) -> list[str]:
    """What a plan repairs, but for what was `asked` for: beyond a handful by chain, or counted."""
    steps = [one for one in plan.repairs() if one not in asked]
    findings = [one for one in plan.findings if str(one) not in asked]
    return [*few(steps, "devices and settings"), *by_chain(findings)]


def few(lines: Sequence[str], what: str) -> list[str]:
    """A handful of lines, and how many more there are of what."""
    if len(lines) <= _MANY:
        return list(lines)
    return [*lines[:_HANDFUL], f"{len(lines) - _HANDFUL} more {what}"]


def by_chain(findings: Sequence[Finding]) -> Iterator[str]:
    """What was found to differ in rules: beyond a handful by chain, or counted."""
    if len(findings) <= _MANY:
        yield from map(str, findings)
        return
    alike: dict[tuple[str, str], list[Finding]] = {}
    for one in findings:
        alike.setdefault((one.chain.table, one.what), []).append(one)
    for (table, what), group in alike.items():
        of_chain: dict[str, list[Finding]] = {}
        for one in group:
            of_chain.setdefault(one.chain.name, []).append(one)
        if len(of_chain) <= _HANDFUL:
            yield from (_counted(table, what, name, found) for name, found in of_chain.items())
        elif group[0].rule is None:
            yield f"{table}: {what}: {len(of_chain)} chains"
        else:
            yield f"{table}: {what}: {len(group)} rules in {len(of_chain)} chains"


def _counted(table: str, what: str, chain: str, found: Sequence[Finding]) -> str:
    return str(found[0]) if len(found) == 1 else f"{table} {chain}: {what}: {len(found)} rules"
