"""What is understood of the connection tracking table, and what is chosen from it."""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnet.host.conntrack.entry import Entry, read
from dnet.host.conntrack.messages import deletion, eviction, holding
from dnet.host.conntrack.table import delete, narrow, select
from dnet.host.fib import Prefix
from dnet.host.localaddr import LocalAddresses
from dnet.host.nlsocket import NESTED, attribute, attributes
from dnet.plan.flow import LOCAL, Flow
from dnet.values.family import V6
from tests.unit.facts import STABLE

FIELDS = {
    "proto": (1, "!B"),
    "sport": (2, "!H"),
    "dport": (3, "!H"),
    "id": (4, "!H"),
    "type": (5, "!B"),
    "code": (6, "!B"),
    "id6": (7, "!H"),
    "type6": (8, "!B"),
    "code6": (9, "!B"),
}


def one_way(kind: int, src: str, dst: str, zone: int | None = None, **fields: int) -> bytes:
    """The tuple of a direction, as the kernel tells it (ctnetlink_dump_tuples)."""
    ip = attribute(1, packed(src)) + attribute(2, packed(dst))
    if ":" in src:
        ip = attribute(3, packed(src)) + attribute(4, packed(dst))
    proto = b"".join(
        attribute(FIELDS[name][0], struct.pack(FIELDS[name][1], value))
        for name, value in fields.items()
    )
    parts = attribute(1 | NESTED, ip) + attribute(2 | NESTED, proto)
    parts += b"" if zone is None else attribute(3, struct.pack("!H", zone))
    return attribute(kind | NESTED, parts)


def packed(ip: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in ip else socket.AF_INET, ip)


def told(
    asks: dict[str, Any],
    answers: dict[str, Any],
    ident: int,
    timeout: int | None = 29,
    zone: int | None = None,
) -> bytes:
    """The attributes of an entry, in the order of ctnetlink_fill_info."""
    answers = {"src": asks["dst"], "dst": asks["src"]} | answers
    # The protocol comes first.
    asks, answers = (
        {"src": way["src"], "dst": way["dst"], "proto": asks["proto"]} | way
        for way in (asks, answers)
    )
    found = one_way(1, **asks) + one_way(2, **answers)
    found += b"" if zone is None else attribute(18, struct.pack("!H", zone))
    found += attribute(3, bytes(4))
    found += b"" if timeout is None else attribute(7, struct.pack("!I", timeout))
    return found + attribute(12, struct.pack("!I", ident)) + attribute(11, bytes(4))


def asked(
    proto: int, src: str = "10.0.0.9", dst: str = "10.0.0.1", **fields: int
) -> dict[str, Any]:
    return {"src": src, "dst": dst, "proto": proto, **fields}


ENTRIES = [
    told(
        asked(17, sport=1000, dport=53),
        {"src": "172.17.0.2", "sport": 5353, "dport": 1000},
        1833118012,
        zone=5,
    ),
    told(asked(17, sport=1001, dport=53), {"sport": 53, "dport": 1001}, 1900545601, timeout=None),
    told(
        asked(17, "127.0.0.1", "127.0.0.1", sport=50620, dport=5353, zone=7),
        {"sport": 5353, "dport": 50620, "zone": 8},
        11,
    ),
    told(asked(1, id=77, type=8, code=0), {"id": 77, "type": 0, "code": 0}, 1291607345),
    told(asked(132, sport=1000, dport=53), {"sport": 53, "dport": 1000}, 3993151925),
    told(asked(6, sport=1000, dport=53), {"sport": 53, "dport": 1000}, 4137022412, 431999),
    told(asked(47, sport=1, dport=0x20), {"sport": 0x20, "dport": 1}, 3930188558),
    told(asked(89), {}, 1),
    told(asked(17, "fe80::9", "fe80::1", sport=1, dport=2), {"sport": 2, "dport": 1}, 12),
    told(asked(58, "fe80::9", "fe80::7", id6=7, type6=128, code6=0), {"id6": 7}, 13),
]


class Here(LocalAddresses):
    """The host is 10.0.0.1 and its loopback."""

    def _read(self) -> Iterable[tuple[Prefix, str]]:
        return [((0x0A000001, 32), "eth0"), ((0x7F000001, 32), "lo")]


def entries() -> list[Entry]:
    return list(map(read, ENTRIES))


def ident(entry: Entry) -> int:
    return int.from_bytes(attributes(entry.told)[12], "big")


def chosen(*flows: Flow, there: Iterable[bytes] = ENTRIES) -> list[int]:
    return [ident(entry) for entry in select(map(read, there), flows, Here())]


def test_the_protocols_of_entries() -> None:
    assert [entry.proto for entry in entries()] == [
        *("udp", "udp", "udp", "icmp", "sctp", "tcp", "gre", "unknown", "udp", "icmpv6")
    ]
    assert [entry.number for entry in entries()] == [17, 17, 17, 1, 132, 6, 47, 89, 17, 58]


def test_a_translated_entry() -> None:
    entry = entries()[0]
    assert (entry.src, entry.dst, entry.dport) == ("10.0.0.9", "10.0.0.1", 53)
    assert (entry.reply_src, entry.reply_dst, entry.reply_sport) == ("172.17.0.2", "10.0.0.9", 5353)


def test_protocols_without_ports_have_none() -> None:
    for number in (3, 6, 7, 9):
        assert (entries()[number].dport, entries()[number].reply_sport) == (None, None)


@pytest.mark.parametrize(("number", "port"), [(2, 5353), (8, 2)])
def test_a_zone_of_one_direction_and_ipv6_are_of_another_length(number: int, port: int) -> None:
    assert (entries()[number].dport, entries()[number].reply_sport) == (port, port)


def test_entries_as_text() -> None:
    assert [str(entry) for entry in entries()] == [
        "udp src=10.0.0.9 dst=10.0.0.1 sport=1000 dport=53, answered by 172.17.0.2",
        "udp src=10.0.0.9 dst=10.0.0.1 sport=1001 dport=53, answered by 10.0.0.1",
        "udp src=127.0.0.1 dst=127.0.0.1 sport=50620 dport=5353, answered by 127.0.0.1",
        "icmp src=10.0.0.9 dst=10.0.0.1 type=8 code=0 id=77, answered by 10.0.0.1",
        "sctp src=10.0.0.9 dst=10.0.0.1 sport=1000 dport=53, answered by 10.0.0.1",
        "tcp src=10.0.0.9 dst=10.0.0.1 sport=1000 dport=53, answered by 10.0.0.1",
        "gre src=10.0.0.9 dst=10.0.0.1 srckey=0x1 dstkey=0x20, answered by 10.0.0.1",
        "unknown src=10.0.0.9 dst=10.0.0.1, answered by 10.0.0.1",
        "udp src=fe80::9 dst=fe80::1 sport=1 dport=2, answered by fe80::1",
        "icmpv6 src=fe80::9 dst=fe80::7 type=128 code=0 id=7, answered by fe80::7",
    ]


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        (Flow("udp", LOCAL, (53, 53)), [1833118012, 1900545601]),
        (Flow("udp", "10.0.0.1", (53, 53)), [1833118012, 1900545601]),
        (Flow("udp", "10.0.0.2", (53, 53)), []),
        (Flow("udp", LOCAL, (54, 5353)), [11]),
        (Flow("udp", LOCAL, (1, 65535)), [1833118012, 1900545601, 11]),
        (Flow("sctp", LOCAL, (53, 53)), [3993151925]),
        (Flow("udp", None, (53, 53), None, "172.17.0.2", (5353, 5353)), [1833118012]),
        (Flow("udp", None, (53, 53), None, "172.17.0.2", (53, 53)), []),
        (Flow("udp", reply_src="10.0.0.1", reply_sports=(50, 60)), [1900545601]),
        (Flow("udp", orig_src="10.0.0.9", orig_dst="10.0.0.1"), [1833118012, 1900545601]),
        (Flow(either="172.17.0.2"), [1833118012]),
        (Flow(either="127.0.0.1"), [11]),
        (Flow(either="fe80::1"), [12]),
        (Flow(either="172.17.0.20"), []),
        (Flow(either="72.17.0.2"), []),
        (Flow("icmp", either="10.0.0.9"), [1291607345]),
        (Flow("icmp", "10.0.0.1", (1, 65535)), []),
    ],
)
def test_what_a_flow_stands_for(flow: Flow, expected: list[int]) -> None:
    assert chosen(flow) == expected


def test_an_address_stands_for_every_protocol() -> None:
    assert len(chosen(Flow(either="10.0.0.9"))) == 7


def test_a_destination_elsewhere_is_not_local() -> None:
    there = told(asked(17, dst="93.184.216.34", sport=1, dport=53), {"sport": 53, "dport": 1}, 1)
    assert chosen(Flow("udp", None, (53, 53)), there=[there]) == [1]
    assert chosen(Flow("udp", LOCAL, (53, 53)), there=[there]) == []


CHOICES: dict[str, list[Any]] = {
    "proto": [None, "udp", "tcp", "icmp"],
    "orig_dst": [None, LOCAL, "10.0.0.1", "10.0.0.2"],
    "orig_dports": [None, (53, 53), (54, 54), (1, 1000), (1000, 6000)],
    "orig_src": [None, "10.0.0.9", "127.0.0.1"],
    "reply_src": [None, "172.17.0.2", "10.0.0.1"],
    "reply_sports": [None, (53, 53), (5353, 5353)],
    "either": [None, "172.17.0.2", "fe80::1"],
    "direct": [False, True],
    "spared": [(), (Flow("udp", orig_dst="10.0.0.1", orig_dports=(53, 53)),)],
}
# Not st.builds, which would make what is spared as well, each with more to be spared.
FLOWS = st.fixed_dictionaries({name: st.sampled_from(some) for name, some in CHOICES.items()}).map(
    lambda given: Flow(**given)
)


@settings(STABLE)
@given(st.lists(FLOWS, max_size=6))
def test_many_flows_stand_for_what_each_stands_for(flows: list[Flow]) -> None:
    each = {ident for flow in flows for ident in chosen(flow)}
    together = chosen(*flows)
    assert set(together) == each
    assert len(together) == len(each)


UDP = {"proto": 17}


@pytest.mark.parametrize(
    ("flows", "family", "asks", "answers"),
    [
        ([Flow("udp", LOCAL, (53, 53))], 2, UDP | {"dport": 53}, UDP),
        (
            [Flow("udp", "10.0.0.1", (53, 54), "10.0.0.9", "172.17.0.2", (5353, 5353))],
            2,
            {"src": "10.0.0.9", "dst": "10.0.0.1"} | UDP,
            {"src": "172.17.0.2"} | UDP | {"sport": 5353},
        ),
        ([Flow("udp", LOCAL, (53, 53)), Flow("udp", LOCAL, (54, 54))], 2, UDP, UDP),
        ([Flow("udp", LOCAL, (53, 53)), Flow("sctp", LOCAL, (53, 53))], 2, {}, {}),
        ([Flow(orig_src="172.17.0.0/16", orig_dst="172.18.0.0/16")], 2, {}, {}),
        ([Flow(orig_dports=(53, 53))], 2, {}, {}),
        ([Flow(either="10.0.0.9")], 2, {}, {}),
        ([Flow(either="fd00::9")], 10, {}, {}),
        ([Flow(orig_src="fd00::9", orig_dst="fd00::1", reply_src="fd00::7")], 10, {}, {}),
        ([Flow("udp", LOCAL, (53, 53), of=V6)], 10, UDP | {"dport": 53}, UDP),
        ([Flow(either="fd00::9"), Flow(either="10.0.0.9")], 0, {}, {}),
    ],
)
def test_the_question_is_narrowed_to_what_all_flows_share(
    flows: list[Flow], family: int, asks: dict[str, Any], answers: dict[str, Any]
) -> None:
    question = narrow(flows)
    assert struct.unpack_from("!BBH", question) == (family, 0, 0)
    has = attributes(question, 4)
    assert [terms(has.get(way, b"")) for way in (1, 2)] == [asks, answers]
    flags = attributes(has.get(25, b""))
    wanted = [sum(FLAGS[name] for name in way) for way in (asks, answers)]
    assert [int.from_bytes(flags.get(way, b""), sys.byteorder) for way in (1, 2)] == wanted


# CTA_FILTER_F_CTA_IP_SRC, …, net/netfilter/nf_internals.h
FLAGS = {"src": 1 << 0, "dst": 1 << 1, "proto": 1 << 3, "sport": 1 << 4, "dport": 1 << 5}


def terms(way: bytes) -> dict[str, Any]:
    """What a direction has to have, by the names of `one_way`."""
    has = attributes(way)
    names = {number: name for name, (number, _) in FIELDS.items()}
    found: dict[str, Any] = {
        ("src", "dst")[1 - kind % 2]: socket.inet_ntop(
            socket.AF_INET if len(ip) == 4 else socket.AF_INET6, ip
        )
        for kind, ip in attributes(has.get(1, b"")).items()
    }
    proto = attributes(has.get(2, b""))
    return found | {names[kind]: int.from_bytes(value, "big") for kind, value in proto.items()}


@pytest.mark.parametrize("flow", [Flow(), Flow("udp")])
def test_a_flow_of_everybody_is_refused(flow: Flow) -> None:
    with pytest.raises(ValueError, match="needs an address or a port"):
        delete([Flow(either="10.0.0.9"), flow], pytest.fail)


def test_nothing_to_delete_asks_nobody() -> None:
    assert delete([], pytest.fail) == []


@pytest.mark.parametrize(
    ("flow", "line"),
    [
        (Flow("udp", LOCAL, (53, 53)), "conntrack -D -p udp -d LOCAL --orig-port-dst 53"),
        (
            Flow("sctp", "10.0.0.1", (8000, 8009), None, "172.17.0.2", (80, 89)),
            (
                "conntrack -D -p sctp -d 10.0.0.1 -r 172.17.0.2 "
                "--orig-port-dst 8000-8009 --reply-port-src 80-89"
            ),
        ),
        (
            Flow(orig_src="172.17.0.2", orig_dst="172.17.0.3"),
            "conntrack -D -s 172.17.0.2 -d 172.17.0.3",
        ),
        (
            Flow(either="172.17.0.2"),
            (
                "conntrack -D -s 172.17.0.2; conntrack -D -d 172.17.0.2; "
                "conntrack -D -r 172.17.0.2; conntrack -D -q 172.17.0.2"
            ),
        ),
    ],
)
def test_a_flow_as_commands(flow: Flow, line: str) -> None:
    assert flow.shown == line


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: f"{entry.proto}-{entry.src}")
def test_every_message_names_a_tuple(entry: Entry) -> None:
    # Without a tuple, nested, behind its header the kernel would flush the whole table.
    held = ((holding, 1),) if entry.proto in ("tcp", "udp") else ()
    for body, kind in ((deletion, 2), (eviction, 1), *held):
        sent = body(entry)
        assert int.from_bytes(sent[6:8], sys.byteorder) == kind | NESTED
        assert len(sent) % 4 == 0


def test_an_entry_is_deleted_by_what_was_told_of_it() -> None:
    entry = entries()[2]
    has, sent = attributes(entry.told), attributes(deletion(entry), 4)
    assert sent == {kind: has[kind] for kind in (2, 12)}
    assert attributes(deletion(entries()[0]), 4)[18] == struct.pack("!H", 5)


def test_a_place_is_held_without_a_translation_as_long_as_it_was_left() -> None:
    sent = attributes(holding(entries()[0]), 4)
    assert terms(sent[1]) == asked(17, sport=1000, dport=53)
    assert terms(sent[2]) == asked(17, "10.0.0.1", "10.0.0.9", sport=53, dport=1000)
    assert sent[7] == struct.pack("!I", 29)
    ends = told(asked(17, sport=1000, dport=53), {"sport": 53, "dport": 1000}, 14, timeout=0)
    for without in (entries()[1], read(ends)):
        assert attributes(holding(without), 4)[7] == struct.pack("!I", 30)
    assert 3 not in attributes(attributes(holding(entries()[2]), 4)[1])


def test_all_of_the_loopback_network_is_local() -> None:
    local = LocalAddresses()
    assert "127.0.0.1" in local
    assert "127.255.1.2" in local
    assert "203.0.113.77" not in local
    assert "::1" not in local
