"""What a repair says: every difference while they are few, and how many once they are not."""

from __future__ import annotations

from dnet.firewall.door import Chain, Finding
from dnet.firewall.iptables.backend import Change
from dnet.plan.devicesteps import SetLink
from dnet.plan.report import few, repaired
from dnet.plan.steps import Plan

CHAIN, FORWARD = Chain("nat", "DNET"), Chain("filter", "FORWARD")


def plan(*findings: Finding, steps: int = 0) -> Plan:
    made = Plan(Change({}, findings))
    made.before = [SetLink(f"br{number}", f"br{number} is down") for number in range(steps)]
    return made


def missing(chain: Chain, number: int) -> list[Finding]:
    return [Finding(chain, "missing", f"-s 10.0.0.{one} -j ACCEPT") for one in range(number)]


def test_a_handful_is_told_line_by_line() -> None:
    told = plan(*missing(FORWARD, 3), Finding(CHAIN, "the chain is missing"), steps=1)
    assert repaired(told) == told.differences()
    assert repaired(told)[-2:] == [
        "filter FORWARD: missing: -s 10.0.0.2 -j ACCEPT",
        "nat DNET: the chain is missing",
    ]


def test_many_are_counted_by_chain() -> None:
    told = plan(*missing(CHAIN, 10_000), *missing(FORWARD, 1))
    assert repaired(told) == [
        "nat DNET: missing: 10000 rules",
        "filter FORWARD: missing: -s 10.0.0.0 -j ACCEPT",
    ]


def test_many_chains_are_counted_by_table() -> None:
    chains = [Chain("nat", f"DNET-tcp-{256 * number}") for number in range(40)]
    gone = [Finding(chain, "the chain is missing") for chain in chains]
    rules = [one for chain in chains for one in missing(chain, 256)]
    assert repaired(plan(*gone, *rules)) == [
        "nat: the chain is missing: 40 chains",
        "nat: missing: 10240 rules in 40 chains",
    ]


def test_many_devices_are_counted() -> None:
    lines = repaired(plan(steps=300))
    assert lines[:2] == ["br0 is down", "br1 is down"]
    assert lines[5:] == ["295 more devices and settings"]
    assert few(["one"], "things") == ["one"]


def test_what_was_asked_for_was_not_repaired() -> None:
    told = plan(*missing(FORWARD, 2), steps=1)
    asked = {"br0 is down", "filter FORWARD: missing: -s 10.0.0.0 -j ACCEPT"}
    assert repaired(told, asked) == ["filter FORWARD: missing: -s 10.0.0.1 -j ACCEPT"]
