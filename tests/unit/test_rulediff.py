"""From whatever is in the tables to what should be, others' rules untouched."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnet.firewall.door import Chain
from dnet.firewall.iptables import rules
from dnet.firewall.iptables.diff import difference
from dnet.firewall.iptables.listing import Tables
from dnet.firewall.iptables.rules import (
    DNET_USER,
    EVERY_SHARED,
    ORDERED,
    Layout,
    Rule,
    is_user,
    plain,
)
from dnet.firewall.iptables.ruletext import canonical
from dnet.model.state import State
from dnet.network import interface, link, portmapper
from dnet.values.family import FAMILIES, Family
from tests.unit import restore
from tests.unit.facts import FACTS, STABLE, make_bridge, specs

FOREIGN = (
    "-s 10.0.0.0/8 -j DROP",
    "-j FOREIGN",
    "-i eth7 -m comment --comment theirs -j ACCEPT",
    "-j DNET-USER",
    "-i dnet0 -o eth0 -j ACCEPT",
)
BRIDGES = ("dnet0", "br1", "br2")


@st.composite
def states(draw: st.DrawFn) -> State:
    """Up to three bridges with some mappings and links, and some of them with IPv6."""
    state = State()
    count = draw(st.integers(0, len(BRIDGES)))
    for number, name in enumerate(BRIDGES[:count]):
        options: dict[str, Any] = {
            one: draw(st.booleans()) for one in ("icc", "masquerade", "isolate")
        }
        chain = draw(st.sampled_from(["DNET", "DOCKER"]))
        if draw(st.booleans()):
            options["address6"] = f"fd00:{number}::1/64"
            options["masquerade6"] = draw(st.booleans())
        make_bridge(state, name, f"172.{17 + number}.42.1/16", chain=chain, **options)
        for half in ("a", "b"):
            interface.allocate(
                state,
                FACTS,
                interface_id=f"{name}{half}",
                bridge=name,
                expose=["80/tcp", "53/udp"],
            )
        for port in draw(st.sets(st.integers(1, 4), max_size=3)):
            spec = specs(f"{port + 10 * number}:80")
            portmapper.add(state, FACTS, target=f"{name}a", specs=spec)
        if draw(st.booleans()):
            link.add(state, FACTS, parent=f"{name}a", child=f"{name}b")
        if draw(st.booleans()) and not state.links_by_member.keys("host"):
            link.add(state, FACTS, parent="host", child=f"{name}b")
    return state


def known(*states: State) -> tuple[set[Rule], set[Chain]]:
    """The rules and chains that are dnet's in the tables of these states."""
    bridges = [bridge for state in states for bridge in state.bridges.values()]
    chains = {chain for state in states for chain in rules.layout(state).chains()}
    return rules.shared_variants(bridges), chains


@st.composite
def disorder(draw: st.DrawFn, start: Layout) -> Tables:
    """Tables in which a layout once stood: rules lost, doubled, out of order, others' between."""
    tables = restore.standing(start)
    tables.chains[Chain("filter", "FOREIGN")] = ["-p udp -j DROP"]
    tables.chains[Chain("nat", "FOREIGN")] = []
    for chain in list(tables.chains):
        there = tables.chains[chain]
        if chain in start.chains() and chain not in restore.BUILT_IN and draw(rarely()):
            _lose(tables, chain)
        elif chain in EVERY_SHARED or draw(rarely()):
            tables.chains[chain] = draw(_mixed(there, chain))
    return tables


def rarely() -> st.SearchStrategy[bool]:
    return st.integers(0, 3).map(lambda number: number == 3)


def _lose(tables: Tables, chain: Chain) -> None:
    """Flush and delete a chain with every jump to it, as an administrator would have to."""
    del tables.chains[chain]
    for other, rules_there in tables.chains.items():
        if other.table == chain.table:
            rules_there[:] = [one for one in rules_there if not one.endswith(f"-j {chain.name}")]


def _mixed(rules_there: list[str], chain: Chain) -> st.SearchStrategy[list[str]]:
    """Some of the rules, some twice, with others' between them."""
    kept = st.lists(st.sampled_from(rules_there), max_size=len(rules_there) + 2)
    usual = st.just(rules_there)
    mine = st.one_of(usual, kept) if rules_there else usual
    allowed = [one for one in FOREIGN if "DNET-USER" not in one and _may_hold(chain, one)]
    theirs = st.lists(st.sampled_from(allowed), max_size=3)
    return st.tuples(mine, theirs).flatmap(
        lambda both: st.permutations([*both[0], *both[1]]) if both[1] else st.just(both[0])
    )


def _may_hold(chain: Chain, rule: str) -> bool:
    return rule != "-j FOREIGN" or chain.table in ("filter", "nat")


def foreign(tables: Tables, desired: Layout, mine: set[Rule], chains: set[Chain]) -> list[str]:
    """What is not dnet's, in its order: rules of built-in chains, and whole chains."""
    ours = {(rule.chain, canonical(rule.text)) for rule in mine}
    ours |= {(chain, canonical(text)) for chain, texts in desired.shared.items() for text in texts}
    jumps = {f"-j {chain.name}" for chain in chains | desired.chains()} - {"-j DNET-USER"}
    found = []
    for chain, there in sorted(tables.chains.items()):
        if chain in restore.BUILT_IN:
            found += [
                f"{chain} {text}"
                for text in there
                if (chain, canonical(text)) not in ours and text[text.rfind("-j ") :] not in jumps
            ]
        elif chain not in chains | desired.chains() or is_user(chain):
            found += [f"{chain} {text}" for text in (f"-N {chain.name}", *there)]
    return found


def assert_as_desired(tables: Tables, desired: Layout) -> None:
    """Dnet's rules in built-in chains in their order, and its own chains as they should be."""
    for chain in EVERY_SHARED:
        wanted = [canonical(text) for text in desired.shared.get(chain, [])]
        assert [
            shown for text in tables.chains[chain] if (shown := canonical(text)) in wanted
        ] == wanted
    for chain, wanted_rules in desired.own.items():
        there = tables.chains[chain]
        if plain(chain) in ORDERED:
            assert there == wanted_rules
        else:
            assert Counter(there) == Counter(wanted_rules)


@settings(STABLE, max_examples=100)
@given(st.data(), states(), states())
def test_every_disorder_becomes_what_should_be(
    data: st.DataObject, before: State, after: State
) -> None:
    desired = rules.layout(after)
    mine, chains = known(before, after)
    actual = data.draw(disorder(rules.layout(before)))
    change = difference(actual, desired, mine, chains)
    result = restore.applied(actual, change.commands)
    assert_as_desired(result, desired)
    left = set(result.chains) & (chains - desired.chains())
    assert all(map(is_user, left))
    theirs = [one for one in foreign(actual, desired, mine, chains) if "DNET-USER" not in one]
    assert theirs == [
        one for one in foreign(result, desired, mine, chains) if "DNET-USER" not in one
    ]
    # And then there is nothing more to do, nor to say.
    again = difference(result, desired, mine, chains)
    assert (again.commands, again.findings) == ({}, [])


@settings(STABLE, max_examples=60)
@given(states())
def test_what_is_as_it_should_be_is_left_alone(state: State) -> None:
    desired = rules.layout(state)
    found = difference(restore.standing(desired), desired, *known(state))
    assert (found.commands, found.findings) == ({}, [])


@settings(STABLE, max_examples=60)
@given(states())
def test_what_is_removed_leaves_nothing(state: State) -> None:
    nothing = rules.layout(State())
    standing = restore.standing(rules.layout(state))
    result = restore.applied(standing, difference(standing, nothing, *known(state)).commands)
    assert result.chains == {chain: [] for chain in EVERY_SHARED}


@settings(STABLE, max_examples=100)
@given(states(), states())
def test_nothing_is_translated_without_the_guard_at_any_moment(before: State, after: State) -> None:
    """Table by table, as they are changed."""
    tables = restore.standing(rules.layout(before))
    change = difference(tables, rules.layout(after), *known(before, after))
    assert is_guarded(tables)
    for table, lines in rules.in_order(change.commands):
        tables = restore.applied(tables, {table: lines})
        assert is_guarded(tables)


def is_guarded(tables: Tables) -> bool:
    return all(_is_guarded(tables, of) for of in FAMILIES)


def _is_guarded(tables: Tables, of: Family) -> bool:
    raw, own = rules.of_family(rules.RAW, of), rules.of_family(rules.DNET_PREROUTING, of)
    nat = rules.of_family(Chain("nat", ""), of).table
    texts = [one for chain, there in tables.chains.items() for one in there if chain.table == nat]
    return not any("DNAT" in text and "--ctstate" not in text for text in texts) or (
        tables.chains[raw] == ["-j DNET-PREROUTING"] and len(tables.chains[own]) == 2
    )


def test_the_administrator_s_chain_stays_as_long_as_anything_is_in_it() -> None:
    state = State()
    make_bridge(state, "dnet0", "172.17.42.1/16")
    interface.allocate(state, FACTS, interface_id="web")
    portmapper.add(state, FACTS, target="web", specs=specs("8080:80"))
    actual = restore.standing(rules.layout(state))
    actual.chains[DNET_USER] = ["-s 10.0.0.0/8 -j DROP"]
    nothing = rules.layout(State())
    result = restore.applied(actual, difference(actual, nothing, *known(state)).commands)
    assert result.chains[DNET_USER] == ["-s 10.0.0.0/8 -j DROP"]
    assert set(result.chains) == {*EVERY_SHARED, DNET_USER}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("-p tcp -m tcp --dport 80 -j ACCEPT", "-p tcp --dport 80 -j ACCEPT"),
        ("-i a -o b -j DROP", "-o b -i a -j DROP"),
        ("-d 10.0.0.1/32 ! -i lo -j DROP", "! -i lo -d 10.0.0.1/32 -j DROP"),
    ],
)
def test_what_versions_print_differently_is_the_same_rule(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)


def test_a_rule_that_is_left_over_is_not_in_the_wrong_order_besides() -> None:
    state = State()
    make_bridge(state, "dnet0", "172.17.42.1/16")
    desired = rules.layout(state)
    actual = restore.standing(desired)
    forward = Chain("filter", "FORWARD")
    rule = "-i dnet0 ! -o dnet0 -j ACCEPT"
    actual.chains[forward].append(rule)
    change = difference(actual, desired, *known(state))
    assert list(map(str, change.findings)) == [f"filter FORWARD: left over: {rule}"]
    actual.chains[forward] = desired.shared[forward][::-1]
    change = difference(actual, desired, *known(state))
    assert list(map(str, change.findings)) == ["filter FORWARD: the rules are in the wrong order"]


def test_a_negation_is_not_lost() -> None:
    assert canonical("! -i lo -j DROP") != canonical("-i lo -j DROP")
    assert canonical("-s 10.0.0.0/8 ! -d 10.0.0.0/8 -j DROP") != canonical(
        "! -s 10.0.0.0/8 -d 10.0.0.0/8 -j DROP"
    )


def test_a_listing_is_read_back() -> None:
    saved = "*nat\n:PREROUTING ACCEPT [0:0]\n:DNET - [0:0]\n-A DNET -p tcp -j ACCEPT\nCOMMIT\n"
    chains = Tables.parse(saved).chains
    assert chains == {Chain("nat", "PREROUTING"): [], Chain("nat", "DNET"): ["-p tcp -j ACCEPT"]}
