"""What was found to differ, in as many lines as somebody reads."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

from dnet.firewall.door import Finding
from dnet.model.entities import Bridge, Interface
from dnet.model.state import State
from dnet.plan.steps import Plan, Step
from dnet.values.names import OWN_CHAINS
from dnet.values.veth import veth_name

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
    alike: dict[tuple[str, str, str], list[Finding]] = {}
    for one in findings:
        alike.setdefault((one.chain.table, one.what, one.chain.what), []).append(one)
    for (table, what, kind), group in alike.items():
        of_chain: dict[str, list[Finding]] = {}
        for one in group:
            of_chain.setdefault(one.chain.name, []).append(one)
        if len(of_chain) <= _HANDFUL:
            yield from (_counted(table, what, name, found) for name, found in of_chain.items())
        elif group[0].rule is None:
            yield f"{table}: {what}: {len(of_chain)} {kind}s"
        else:
            yield f"{table}: {what}: {_members(group)} in {len(of_chain)} {kind}s"


def _counted(table: str, what: str, chain: str, found: Sequence[Finding]) -> str:
    return str(found[0]) if len(found) == 1 else f"{table} {chain}: {what}: {_members(found)}"


def _members(found: Sequence[Finding]) -> str:
    return f"{len(found)} {'elements' if found[0].chain.what in ('set', 'map') else 'rules'}"


def of_interface(plan: Plan, state: State, interface_id: str) -> Iterator[str]:
    """What a plan mends that keeps one interface from its network, in words.

    With another MAC or MTU than it was given it is on it all the same.
    """
    from dnet.plan.devicesteps import SetMacInside, SetMtuInside  # No part of most commands.

    one = state.interfaces[interface_id]
    home = state.bridges[one.bridge]
    devices = {home.name, veth_name(one.id)}
    yield from (str(error) for name, error in plan.failed.items() if name in devices)
    ports = [step for port in plan.ports if port.device in devices for step in port.steps]
    steps = (
        step
        for step in (*plan.before, *ports)
        if not isinstance(step, (SetMacInside, SetMtuInside))
    )
    yield from (step.why for step in steps if step.why and _of(step) in devices)
    yield from (line for line in plan.unplugged if line.startswith(f"{one.id} "))
    yield from (str(found) for found in plan.findings if _concerns(found, home, one))


def _of(step: Step) -> str | None:
    """The device that a step is about; that of a setting is not to be told from its name."""
    return getattr(step, "device", None)


def _concerns(found: Finding, home: Bridge, interface: Interface) -> bool:
    """Whether it is a rule with an address of an interface, or a chain that its bridge needs."""
    if found.rule is None:
        return found.chain.name == home.chain or found.chain.name in OWN_CHAINS
    import re

    words = re.findall(r"[0-9a-fA-F.:]+", found.rule)
    return any(
        ip in (word, word.rpartition(":")[0]) for word in words for ip in interface.addresses
    )
