"""Chains by port: what a change of many mappings does to them, without a look at what is there."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dnet.firewall.door import Chain
from dnet.firewall.iptables import delta, rules
from dnet.firewall.iptables.blocks import THRESHOLD, Block, block_of, is_block_chain
from dnet.firewall.iptables.diff import difference
from dnet.firewall.iptables.listing import Tables
from dnet.model.state import State
from dnet.model.table import ABSENT
from dnet.network import interface, ipallocator, link, portmapper
from dnet.values.endpoint import Endpoint
from tests.unit import restore
from tests.unit.facts import FACTS, STABLE, make_bridge, snapshot, specs

# Some in one block, some over the edges of blocks, and the last block of all.
SPECS = [
    *(f"{port}:80/{proto}" for port in (9000, 9001, 9215, 9216, 65535) for proto in ("tcp", "udp")),
    *("127.0.0.1:9300:80", "172.17.42.1:9300:81", "9400-9410:80-90", "9470-9480:80-90"),
    *("10000-11000:1000-2000/udp", "65280-65535:100-355/sctp"),
]


@cache
def _many(count: int) -> str:
    """A store with two bridges of different chains and `count` mappings of low ports."""
    state = State()
    make_bridge(state, "dnet0", "172.17.42.1/16")
    make_bridge(state, "br1", "172.18.42.1/16", chain="DOCKER")
    for name, home in (("web", "dnet0"), ("far", "br1")):
        interface.allocate(state, FACTS, interface_id=name, bridge=home, expose=["5432/tcp"])
    for port in range(1, count + 1):
        portmapper.add(state, FACTS, target="web", specs=specs(f"{port}:80"))
    return json.dumps(state.document())


def with_mappings(count: int) -> State:
    return State(json.loads(_many(count)))


def change(state: State, wanted: set[tuple[str, str]]) -> None:
    """Let exactly these (target, spec) be in force beside the mappings of low ports."""
    by_key = {spec_key(spec): (target, spec) for target, spec in wanted}
    for key in [key for key in state.mappings if Endpoint.from_key(key).port > 1000]:
        state.mappings.drop(key)
    for target, spec in by_key.values():
        portmapper.add(state, FACTS, target=target, specs=specs(spec))


def spec_key(spec: str) -> str:
    """What tells mappings apart that cannot both be."""
    host, _, proto = spec.partition("/")
    return f"{host.rpartition(':')[0]}/{proto or 'tcp'}"


def standing(state: State) -> Tables:
    return restore.standing(rules.layout(state))


def same(one: Tables, other: Tables) -> None:
    """The same chains with the same rules; in dnet's own ones they may be in any order."""
    assert one.chains.keys() == other.chains.keys()
    for chain, there in one.chains.items():
        assert Counter(there) == Counter(other.chains[chain])


MAPPINGS = st.sets(st.tuples(st.sampled_from(["web", "far"]), st.sampled_from(SPECS)), max_size=8)


@settings(STABLE, max_examples=100)
@given(MAPPINGS, MAPPINGS)
@example({("web", "9000:80/tcp")}, {("far", "9000:80/tcp")})
def test_what_changes_is_changed_and_nothing_else(
    first: set[tuple[str, str]], then: set[tuple[str, str]]
) -> None:
    state = with_mappings(THRESHOLD + 1)
    change(state, first)
    state = State(snapshot(state))
    before = standing(state)
    change(state, then)
    changes = state.changes()
    result = restore.applied(before, delta.commands(state, changes))
    same(result, standing(state))
    # A mapping that comes is a rule, at most with a chain and the jump to it; one that goes is
    # its rule, or the jump, the contents and the chain. One that moves does both.
    rows = [row for table, _, *both in changes if table is state.mappings for row in both]
    bound = 3 * sum(row is not ABSENT for row in rows)
    assert len(delta.commands(state, changes).get("nat", [])) <= bound


@pytest.mark.parametrize(("start", "more"), [(THRESHOLD, 1), (THRESHOLD - 1, 3), (1, THRESHOLD)])
def test_the_chains_by_port_come_and_go_with_many_mappings(start: int, more: int) -> None:
    state = with_mappings(start)
    before, desired = standing(state), rules.layout(state)
    names = {chain.name for chain in before.chains}
    assert not any(is_block_chain(name, ["DNET", "DOCKER"]) for name in names)
    for port in range(2000, 2000 + more):
        portmapper.add(state, FACTS, target="web", specs=specs(f"{port}:80"))
    after = rules.layout(state)
    assert after.dispatched
    assert rules.skeleton(state) != rules.skeleton(with_mappings(start))
    known = rules.shared_variants(state.bridges.values()), set(before.chains) - restore.BUILT_IN
    there = restore.applied(before, difference(before, after, *known).commands)
    same(there, restore.standing(after))
    blocks = {chain for chain in there.chains if is_block_chain(chain.name, ["DNET", "DOCKER"])}
    assert blocks
    known = known[0], known[1] | blocks
    back = restore.applied(there, difference(there, desired, *known).commands)
    same(back, before)


def test_few_mappings_read_as_the_source_s_do() -> None:
    state = with_mappings(THRESHOLD)
    assert len(rules.layout(state).own[Chain("nat", "DNET")]) == THRESHOLD


def test_with_many_no_chain_is_long() -> None:
    state = with_mappings(THRESHOLD)
    for port in range(1024, 1024 + 4096):
        portmapper.add(state, FACTS, target="web", specs=specs(f"{port}:80"))
    own = rules.layout(state).own
    assert max(map(len, own.values())) <= 256


def test_links_from_the_host_stay_in_the_bridge_s_own_chain() -> None:
    state = with_mappings(THRESHOLD + 1)
    link.add(state, FACTS, parent="host", child="far")
    match, target = "-p tcp -m tcp --dport 5432", "172.18.0.2:5432"
    at = f"-d 127.0.0.1/32 {match} -j DNAT --to-destination {target}"
    assert at in rules.layout(state).own[Chain("nat", "DOCKER")]
    changes = [change for change in state.changes() if change[0] is state.links]
    assert delta.commands(state, changes) == {"nat": [f"-A DOCKER {at}"]}


def test_only_the_store_changes_where_no_rule_does() -> None:
    state = with_mappings(THRESHOLD + 1)
    ipallocator.request(state, FACTS, bridge="dnet0")
    assert delta.commands(state, state.changes()) == {}


@pytest.mark.parametrize(
    ("endpoint", "first"),
    [
        (Endpoint.single("0.0.0.0", 9000, "tcp"), 8960),
        (Endpoint.single("0.0.0.0", 9215, "tcp"), 8960),
        (Endpoint.single("0.0.0.0", 9216, "tcp"), 9216),
        (Endpoint.single("127.0.0.1", 65535, "sctp"), 65280),
        (Endpoint("0.0.0.0", 9216, "udp", 9471), 9216),
        (Endpoint("0.0.0.0", 9215, "udp", 9216), None),
        (Endpoint("0.0.0.0", 1, "udp", 65535), None),
    ],
)
def test_a_block_is_256_ports_and_a_range_over_its_edge_in_none(
    endpoint: Endpoint, first: int | None
) -> None:
    found = block_of(endpoint, "DNET")
    assert (found.first if found else None) == first


NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,28}", fullmatch=True)
PROTOS = st.sampled_from(["tcp", "udp", "sctp"])
FIRSTS = st.integers(0, 255).map(lambda number: number * 256)


@settings(STABLE)
@given(NAMES, NAMES, PROTOS, FIRSTS)
def test_a_block_s_chain_is_known_by_its_name(
    chain: str, other: str, proto: str, first: int
) -> None:
    block = Block(chain, proto, first)
    assert len(block.name) <= 28
    assert is_block_chain(block.name, [chain])
    assert f"--dport {first}:{first + 255} -j {block.name}" in block.jump
    if other != chain:
        assert Block(other, proto, first).name != block.name


@pytest.mark.parametrize("name", ["DNET", "DNET-tcp", "DNET-tcp-x", "DNET-tcp-", "OTHER-tcp-256"])
def test_other_chains_are_not_dnet_s(name: str) -> None:
    assert not is_block_chain(name, ["DNET"])
