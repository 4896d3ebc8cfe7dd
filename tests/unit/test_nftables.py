"""nftables: elements of a state, what a change does to them, and what a dump of them says."""

from __future__ import annotations

import shlex
import struct
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnet.errors import ConflictError, DnetError
from dnet.firewall.door import Former
from dnet.firewall.nftables import diff, elements, forward, layout, wire
from dnet.firewall.nftables.backend import Nftables
from dnet.firewall.nftables.change import Change, Command
from dnet.firewall.nftables.elements import Elements, Raw
from dnet.firewall.nftables.layout import MARK, TRACE, Form, Object
from dnet.firewall.nftables.listing import Forward, Rule, Seen, Table, tables
from dnet.firewall.nftables.listing import forward as listed_forward
from dnet.firewall.nftables.wire import CATCH_ALL, END
from dnet.model.entities import Bridge, Link, Mapping
from dnet.model.state import State
from dnet.network import bridge, interface, link, portmapper
from dnet.values.endpoint import Endpoint
from dnet.values.family import FAMILIES, V4, V6, Family
from tests.unit.facts import FACTS, STABLE, make_bridge, snapshot, specs

FIREWALL = Nftables()
IDS = ("web", "db", "far")
SPECS = (
    *("8080:80", "127.0.0.1:8081:80", "53:53/udp", "9000-9009:9000-9009", "9005:5"),
    *("9100-9104:100-104", "9102:7", "172.17.42.1:7000-7003:7000-7003/sctp"),
)


def town() -> State:
    state = State()
    make_bridge(state, "dnet0", "172.17.42.1/16", icc=False)
    make_bridge(state, "dnet1", "172.18.42.1/16")
    for name, home in zip(IDS, ("dnet0", "dnet0", "dnet1"), strict=True):
        interface.allocate(state, FACTS, interface_id=name, bridge=home, expose=["5432/tcp"])
    return state


def everything(state: State) -> Elements:
    return elements.everything(state, ())


def applied(there: Elements, change: Change) -> Elements:
    """What is there after a change, as the kernel would have it or refuse it."""
    found = {holder: dict(rows) for holder, rows in there.items()}
    for holder, rows in change.going.items():
        for key in rows:
            del found[holder][key]
    for holder, rows in change.coming.items():
        for key, data in rows.items():
            assert found.setdefault(holder, {}).get(key, data) == data
            found[holder][key] = data
    return {holder: rows for holder, rows in found.items() if rows}


# Who is asked for, and what: each as an attempt, which may be refused.
ENDS = ("host", *IDS)
STEPS = st.one_of(
    st.tuples(st.just("map"), st.sampled_from(IDS), st.sampled_from(SPECS)),
    st.tuples(st.just("unmap"), st.sampled_from(IDS), st.just("")),
    st.tuples(st.just("link"), st.sampled_from(ENDS), st.sampled_from(IDS)),
    st.tuples(st.just("unlink"), st.sampled_from(ENDS), st.sampled_from(IDS)),
)
Steps = list[tuple[str, str, str]]


def attempt(state: State, step: tuple[str, str, str]) -> None:
    verb, one, other = step
    with suppress(DnetError):
        if verb == "map":
            portmapper.add(state, FACTS, target=one, specs=specs(other))
        elif verb == "unmap":
            portmapper.remove_all(state, FACTS, target=one)
        elif verb == "link":
            link.add(state, FACTS, parent=one, child=other)
        else:
            link.remove(state, FACTS, parent=one, child=other)


@settings(STABLE, max_examples=200)
@given(st.lists(STEPS, max_size=8), st.lists(STEPS, max_size=8))
def test_what_changes_is_changed_and_nothing_else(first: Steps, then: Steps) -> None:
    state = town()
    for step in first:
        attempt(state, step)
    state = State(snapshot(state))
    before = everything(state)
    for step in then:
        attempt(state, step)
    change = FIREWALL.delta(state, state.changes())
    after = everything(state)
    assert applied(before, change) == after
    for holder, rows in change.coming.items():
        assert rows.items() <= after[holder].items()
    # What is foretold is what a look would find.
    seen = Seen(Table((MARK,), layout.objects()), before)
    compared = compare(seen, state)
    assert {str(one) for one in compared.findings} <= change.foreseen()
    assert applied(before, compared) == after


def compare(seen: Seen, state: State, *, goes_on: bool = False) -> Change:
    bridges = tuple(state.bridges.values())
    return FIREWALL.compare(seen, state, Former(bridges, frozenset({TRACE}), goes_on))


def test_what_a_mapping_is() -> None:
    state = town()
    for spec in SPECS[:4]:
        portmapper.add(state, FACTS, target="web", specs=specs(spec))
    portmapper.add(state, FACTS, target="far", specs=specs("9100-9101:100-101"))
    link.add(state, FACTS, parent="host", child="db")
    found = everything(state)
    assert found["port4"] == {
        "tcp . 8080": "172.17.0.2 . 80",
        "udp . 53": "172.17.0.2 . 53",
        "tcp . 9100": "172.18.0.2 . 100",
        "tcp . 9101": "172.18.0.2 . 101",
    }
    assert found["port4at"] == {
        "127.0.0.1 . tcp . 8081": "172.17.0.2 . 80",
        "127.0.0.1 . tcp . 5432": "172.17.0.3 . 5432",
    }
    assert found["range4"] == {"tcp . 9000-9009": "172.17.0.2"}


def test_what_bridges_are() -> None:
    state = town()
    make_bridge(state, "loud", "10.5.0.1/24", iptables=False)
    make_bridge(state, "open*", "10.6.0.1/24", isolate=False, masquerade=False, direct_access=False)
    found = everything(state)
    assert list(found["inside"]) == ['"dnet0"', '"dnet1"', '"loud"', '"open\\*"']
    assert list(found["bridges"]) == ['"dnet0"', '"dnet1"', '"open\\*"']
    assert list(found["isolated"]) == ['"dnet0"', '"dnet1"']
    assert list(found["noicc"]) == ['"dnet0"']
    assert list(found["masq4"]) == ["172.17.0.0/16", "172.18.0.0/16"]
    assert list(found["home4"])[2] == '10.6.0.0/24 . "open\\*"'


def test_without_a_bridge_with_rules_nothing_is_needed() -> None:
    state = State()
    assert not FIREWALL.shape(state)
    make_bridge(state, "loud", "10.5.0.1/24", iptables=False)
    assert not FIREWALL.shape(state)
    assert everything(state) == {}
    assert not compare(Seen(), state)


def test_whether_a_bridge_is_open_by_name_is_part_of_the_shape() -> None:
    """For a FORWARD that drops closes the others."""
    state = town()
    before = FIREWALL.shape(state)
    bridge.init(state, FACTS, name="dnet0", options={"direct_access": True})
    assert FIREWALL.shape(state) != before


def test_the_text_reads_back() -> None:
    lines = [f"table {layout.TABLE} {{", f"\t{MARK}"]
    for one, held in layout.objects().items():
        lines += ["", f"\t{one.kind} {one.name} {{", *(f"\t\t{line}" for line in held), "\t}"]
    assert tables("\n".join([*lines, "}"])) == {layout.TABLE: Table((MARK,), layout.objects())}


def test_what_a_rule_or_chain_needs_is_made_ahead_of_it() -> None:
    known: set[str] = set()
    for one, lines in layout.objects().items():
        for line in lines:
            words = line.replace("@", "jump ").replace("goto ", "jump ").split("jump ")[1:]
            assert {word.split()[0] for word in words} <= known, line
        known.add(one.name)


def keyed(*ports: int) -> list[Raw]:
    return [
        Raw(struct.pack("!B3xH2x", 6, port), bytes((10, 0, 0, 2, 0, 80, 0, 0))) for port in ports
    ]


PORTS = ("type inet_proto . inet_service : ipv4_addr . inet_service",)
NETWORKS = ("type ipv4_addr", "flags interval")


def address(*parts: int) -> bytes:
    return bytes(parts)


@pytest.mark.parametrize(
    ("declaration", "found", "told"),
    [
        (PORTS, keyed(80, 65535), {"tcp . 80": "10.0.0.2 . 80", "tcp . 65535": "10.0.0.2 . 80"}),
        (PORTS, [Raw(b"", keyed(1)[0].data, flags=CATCH_ALL)], {"*": "10.0.0.2 . 80"}),
        (
            ("type inet_proto . inet_service : ipv4_addr", "flags interval"),
            [
                Raw(
                    bytes((17, 0, 0, 0, 1, 0, 0, 0)),
                    address(10, 0, 0, 2),
                    bytes((17, 0, 0, 0, 1, 9, 0, 0)),
                ),
                Raw(
                    bytes((99, 0, 0, 0, 1, 0, 0, 0)),
                    address(10, 0, 0, 3),
                    bytes((99, 0, 0, 0, 1, 0, 0, 0)),
                ),
            ],
            {"udp . 256-265": "10.0.0.2", "99 . 256": "10.0.0.3"},
        ),
        (
            ("type ipv4_addr . ifname", "flags interval"),
            [
                Raw(
                    address(10, 5, 0, 0) + b"x*".ljust(16, b"\0"),
                    end=address(10, 5, 0, 255) + b"x*".ljust(16, b"\0"),
                )
            ],
            {'10.5.0.0/24 . "x\\*"': ""},
        ),
        # As the kernel tells of networks side by side: the last one first, and the first of all.
        (
            NETWORKS,
            [
                Raw(address(172, 19, 0, 0), flags=END),
                Raw(address(172, 18, 0, 0)),
                Raw(address(172, 18, 0, 0), flags=END),
                Raw(address(172, 17, 0, 0)),
                Raw(address(10, 0, 0, 8), flags=END),
                Raw(address(10, 0, 0, 1)),
                Raw(bytes(4), flags=END),
            ],
            {"172.17.0.0/16": "", "172.18.0.0/16": "", "10.0.0.1-10.0.0.7": ""},
        ),
        (NETWORKS, [Raw(address(240, 0, 0, 0))], {"240.0.0.0/4": ""}),
        (
            ("type ipv6_addr . inet_proto",),
            [Raw(bytes(15) + b"\1" + b"\x84\0\0\0")],
            {"::1 . sctp": ""},
        ),
    ],
)
def test_what_a_dump_says(
    declaration: tuple[str, ...], found: list[Raw], told: dict[str, str]
) -> None:
    assert dict(wire.texts(declaration, found)) == told


def test_lines_can_be_typed() -> None:
    many = {f"tcp . {port}": "10.0.0.2 . 80" for port in range(250)}
    change = Change(
        ahead=(Command("add chain inet dnet x", "{ type filter hook input priority 0; }"),),
        coming={"port4": many, "bridges": {'"it\'s"': ""}},
    )
    lines = list(change.lines())
    assert len(lines) == 1 + 3 + 1
    typed = [" ".join(shlex.split(line)[1:]) for line in lines]
    assert "\n".join(typed).count("tcp . ") == 250
    assert typed[0] == str(change.ahead[0])
    assert typed[-1] == 'add element inet dnet bridges { "it\'s" }'
    assert len(list(change.commands())) == 3


FORWARDS = """\
table ip filter {
	chain FORWARD { # handle 2
		type filter hook forward priority 0; policy drop;
		iifname "dnet0" counter accept comment "dnet" # handle 7
		tcp dport { 22, 80 } counter accept # handle 8
		counter reject # handle 9
	}
}
"""
OURS = tuple(
    Rule(f'{side} "{name}" counter accept comment "dnet"', str(number))
    for number, (name, side) in enumerate(
        (name, side) for name in ("dnet1", "dnet0") for side in ("iifname", "oifname")
    )
)


def test_the_chain_of_iptables_is_read_with_handles() -> None:
    found = listed_forward(FORWARDS)
    assert found.drops
    assert [one.handle for one in found.rules] == ["7", "8", "9"]
    assert found.rules[0].text == OURS[2].text


def of_ipv4(chain: Forward | None) -> dict[Family, Forward]:
    return {V4: chain} if chain else {}


@pytest.mark.parametrize("gap", ["  ", ' xt match "comment" '])
def test_a_comment_that_nft_does_not_print_is_one(gap: str) -> None:
    text = OURS[2].text.replace(" counter", f"{gap}counter").removesuffix(' comment "dnet"')
    chain = f"table ip filter {{\n\tchain FORWARD {{ # handle 1\n\t\t{text} # handle 7\n\t}}\n}}\n"
    assert listed_forward(chain, {"7": "dnet"}).rules == (Rule(OURS[2].text, "7"),)
    assert listed_forward(chain).rules != (Rule(OURS[2].text, "7"),)


def bridges(*access: bool | None) -> list[Bridge]:
    state = State()
    for number, one in enumerate(access):
        make_bridge(state, f"dnet{number}", f"10.{number}.0.1/24", direct_access=one)
    return list(state.bridges.values())


@pytest.mark.parametrize(
    ("chain", "closes"),
    [
        (None, False),
        (Forward(drops=False), False),
        (Forward(drops=True), True),
        (Forward(False, OURS), False),
        (Forward(False, (*OURS, Rule("counter drop", "9"))), True),
        (Forward(False, (Rule("counter reject with icmp type host-unreachable", "9"),)), True),
        (Forward(False, (Rule('counter xt target "REJECT"', "9"),)), True),
        (Forward(False, (Rule('iifname "dnet0" oifname "dnet0" counter drop', "9"),)), False),
        (Forward(False, (Rule("counter drop", "8"), Rule("counter accept", "9"))), True),
        (Forward(True, (Rule("counter accept", "8"), Rule("counter drop", "9"))), False),
        (Forward(False, (Rule("counter drop", "8"), Rule("counter", "9"))), True),
        *(
            (Forward(False, (Rule(rule, "8"), Rule("ip saddr 192.0.2.1 counter", "9"))), closes)
            for rule, closes in (
                ("ip saddr 192.0.2.0/24 counter drop", True),
                ('iifname "eth*" counter reject', True),
                ("ct state invalid counter drop", False),
                ("ct state new,untracked counter drop", True),
                ("ip daddr 10.0.0.0/30 tcp dport 22 counter drop", True),
                ("ip daddr 10.9.0.1 counter drop", False),
                ('oifname "docker0" counter drop', False),
                ('oifname != "docker0" counter drop', True),
                ('oifname != "dnet0" counter drop', False),
                ('oifname "dn*" counter drop', True),
                ('oifname "dn\\*" counter drop', False),
                ('iifname "dnet1" counter drop comment "of mine"', False),
                ('counter jump drop comment "drop"', False),
            )
        ),
    ],
)
def test_what_a_forward_has_stopped_stays_so_unless_by_name(
    chain: Forward | None, closes: bool
) -> None:
    opened = ["dnet0"] if closes else []
    assert forward.opened(of_ipv4(chain), bridges(None, True, False)) == opened


def test_what_is_put_into_a_forward_is_all_of_it_or_nothing() -> None:
    two = bridges(None, None)
    assert forward.difference(of_ipv4(Forward(False, OURS)), two, ()) == ([], [])
    assert forward.difference({}, two, ()) == ([], [])
    commands, findings = forward.difference(of_ipv4(Forward(False, OURS[1:])), two, ())
    assert [one.rule for one in findings] == [OURS[0].text]
    assert sum(one.words.startswith("delete") for one in commands) == 3
    assert [one.what for one in commands[3:]] == [one.text for one in reversed(OURS)]
    commands, findings = forward.difference(of_ipv4(Forward(False, OURS)), [], two)
    assert len(commands) == len(findings) == 4
    assert forward.difference(of_ipv4(Forward(False, OURS)), [], ()) == ([], [])


def table(**changed: tuple[str, ...]) -> Table:
    held = layout.objects()
    for name, lines in changed.items():
        (one,) = [one for one in held if one.name == name] or [Object("chain", name)]
        held[one] = lines
    return Table((MARK,), held)


def test_the_table_goes_whole_unless_something_is_the_administrator_s() -> None:
    nothing = State()
    former = Former(traces=frozenset({TRACE}))
    assert list(FIREWALL.compare(Seen(table()), nothing, former).lines()) == [
        "nft delete table inet dnet"
    ]
    mine = table(user=("ip saddr @port4 drop",))
    change = FIREWALL.compare(Seen(mine), nothing, former)
    gone = [one.words for one in change.ahead if one.words.startswith("delete")]
    assert "delete chain inet dnet forward" in gone
    assert not {word for one in gone for word in one.split()} & {"user", "port4", "table"}
    assert change.left
    remains = Table(
        (MARK,),
        {one: lines for one, lines in mine.objects.items() if one.name in ("user", "port4")},
    )
    assert not FIREWALL.compare(Seen(remains), nothing, former)
    assert FIREWALL.unknown(Seen(remains), ()) == []
    assert FIREWALL.unknown(Seen(mine), ()) == [TRACE]


def test_what_is_dropped_goes_on_to_be_where_another_firewall_goes_on() -> None:
    former = Former(traces=frozenset({TRACE}), goes_on=True)
    change = FIREWALL.compare(Seen(table(user=("drop",))), State(), former)
    assert [str(one) for one in change.behind] == ["add rule inet dnet forward jump user"]
    assert not [one for one in change.ahead if one.words == "delete chain inet dnet forward"]
    assert diff.is_remainder(
        Table(
            (MARK,),
            {
                Object("chain", "user"): ("drop",),
                Object("chain", "forward"): ("type filter …", "jump user"),
            },
        )
    )


def test_a_table_of_somebody_else_s_is_refused() -> None:
    state, foreign = town(), Seen(table()._replace(about=()))
    nowhere = FIREWALL.shape(State())
    reserved = FIREWALL.own(FAMILIES)
    for seen in (foreign, Seen(table())):
        with pytest.raises(ConflictError):
            FIREWALL.compare(seen, state, Former(), expected=nowhere, reserved=reserved)
    change = compare(foreign, state)
    assert isinstance(change.refusal, ConflictError)
    assert change
    assert not FIREWALL.compare(foreign, State(), Former(traces=frozenset({TRACE})))


def test_the_chain_of_each_family_has_the_bridges_that_are_of_it() -> None:
    state = State()
    make_bridge(state, "dnet0", "10.0.0.1/24", address6="fd00::1/64")
    make_bridge(state, "dnet1", "10.1.0.1/24")
    both = list(state.bridges.values())
    chains = {V4: Forward(drops=False), V6: Forward(drops=True)}
    assert forward.opened(chains, both) == ["dnet0"]
    commands, findings = forward.difference(chains, both, ())
    assert [one.rule for one in findings if one.chain.family is V4] == [one.text for one in OURS]
    assert [one.rule for one in findings if one.chain.family is V6] == [
        one.text for one in OURS if "dnet0" in one.text
    ]
    assert sum("ip6 filter FORWARD" in one.words for one in commands) == 2


# --- IPv6 ----------------------------------------------------------------------------------------


def dual() -> State:
    """The town with IPv6 on one of its bridges, and something of each kind in it."""
    state = State()
    make_bridge(state, "dnet0", "172.17.42.1/16", icc=False, address6="fd00:17::1/64")
    make_bridge(state, "dnet1", "172.18.42.1/16")
    for key, ip, port in (
        ("[::]:8080/tcp", "fd00:17::2", 80),
        ("[::1]:8081/tcp", "fd00:17::2", 80),
        ("[::]:7000-7009/udp", "fd00:17::2", 7000),
        ("[2001:db8::1]:9000-9001/tcp", "fd00:17::2", 90),
        ("0.0.0.0:8080/tcp", "172.17.0.2", 80),
    ):
        state.mappings.put(key, Mapping(Endpoint.from_key(key), ip, port, "dnet0"))
    ends = ("172.17.0.2", "dnet0", "172.17.0.3", "dnet0", ("5432/tcp",), "db")
    state.links.put("web:db", Link("web", "db", *ends, "fd00:17::2", "fd00:17::3"))
    ends = ("127.0.0.1", None, "172.17.0.3", "dnet0", ("5432/tcp",), "db")  # type: ignore[assignment]
    state.links.put("host:db", Link("host", "db", *ends, "::1", "fd00:17::3"))
    return state


def test_elements_of_ipv6() -> None:
    found = everything(dual())
    assert found["home6"] == {'fd00:17::/64 . "dnet0"': ""}
    assert found["masq6"] == {"fd00:17::/64": ""}
    assert found["inside6"] == {"fd00:17::/64 . fd00:17::/64": ""}
    assert found["port6"] == {"tcp . 8080": "fd00:17::2 . 80"}
    assert found["port6at"] == {
        "::1 . tcp . 8081": "fd00:17::2 . 80",
        "2001:db8::1 . tcp . 9000": "fd00:17::2 . 90",
        "2001:db8::1 . tcp . 9001": "fd00:17::2 . 91",
        "::1 . tcp . 5432": "fd00:17::3 . 5432",
    }
    assert found["range6"] == {"udp . 7000-7009": "fd00:17::2"}
    assert found["parent6"] == {'"dnet0" . fd00:17::2': ""}
    assert found["link6"] == {"fd00:17::2 . fd00:17::3 . tcp . 5432": ""}
    assert found["port4"] == {"tcp . 8080": "172.17.0.2 . 80"}


def test_an_address_that_is_routed_is_not_masqueraded() -> None:
    state = State()
    make_bridge(state, "dnet0", "172.17.42.1/16", address6="2001:db8::1/64")
    assert "home6" in everything(state)
    assert "masq6" not in everything(state)


def test_the_half_of_ipv6_comes_and_goes_with_the_bridges_that_have_it() -> None:
    four, six = layout.objects(), layout.objects(Form(FAMILIES))
    assert four.keys() < six.keys()
    assert not [line for lines in four.values() for line in lines if "6" in line.split(" ")[0]]
    there = Table((MARK,), dict(four))
    to_both = diff.difference(Seen(there), there, {}, Form(FAMILIES))
    added = {one.chain.name for one in to_both.findings if "is missing" in one.what}
    assert added == {one.name for one in six.keys() - four.keys()}
    there = Table((MARK,), dict(six))
    back = diff.difference(Seen(there, {"port6": {"tcp . 1": "fd00::2 . 1"}}), there, {}, Form())
    words = [one.words for one in back.commands()]
    assert "delete map inet dnet port6" in words
    assert not [one for one in words if one.startswith("delete element")]
    assert {one.what for one in back.findings if one.chain.name == "port6"} == {
        "the map is left over"
    }


def test_a_set_of_ipv6_that_the_administrator_uses_stays_empty() -> None:
    user = Object("chain", "user")
    there = Table((MARK,), {**layout.objects(Form(FAMILIES)), user: ("ip6 saddr @masq6 drop",)})
    found = {"masq6": {"fd00:17::/64": ""}, "home6": {'fd00:17::/64 . "dnet0"': ""}}
    change = diff.difference(Seen(there, found), there, {}, Form())
    assert change.refusal is None
    assert change.going == {"masq6": {"fd00:17::/64": ""}}
    assert "delete set inet dnet masq6" not in [one.words for one in change.commands()]
    assert "delete set inet dnet home6" in [one.words for one in change.commands()]


def test_no_name_is_a_word_of_a_newer_nft() -> None:
    """What older versions take for a name; 1.0.8 has words for what is in a tunnel."""
    known = {"geneve", "gre", "gretap", "tunnel", "vxlan", "netmap", "reset", "destroy", "string"}
    for form in layout.forms({}):
        assert known.isdisjoint(one.name for one in layout.objects(form))
