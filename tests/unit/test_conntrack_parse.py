"""What is understood of a listing of the connection tracking table, and what is chosen from it."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnet.host.conntrack.entry import Entry, parse
from dnet.host.conntrack.messages import deletion, eviction, holding
from dnet.host.conntrack.table import delete, narrow, select
from dnet.host.fib import Prefix
from dnet.host.localaddr import LocalAddresses
from dnet.plan.flow import LOCAL, Flow
from tests.unit.facts import STABLE

# Printed by conntrack 1.4.7 with -o id.
LISTING = """\
udp      17 29 src=10.0.0.9 dst=10.0.0.1 sport=1000 dport=53 [UNREPLIED] src=172.17.0.2 \
dst=10.0.0.9 sport=5353 dport=1000 mark=0 zone=5 use=1 id=1833118012
udp      17 src=10.0.0.9 dst=10.0.0.1 sport=1001 dport=53 packets=1 bytes=29 src=10.0.0.1 \
dst=10.0.0.9 sport=53 dport=1001 packets=2 bytes=58 [OFFLOAD] mark=0 use=2 id=1900545601
udp      17 29 src=127.0.0.1 dst=127.0.0.1 sport=50620 dport=5353 zone-orig=7 [UNREPLIED] \
src=127.0.0.1 dst=127.0.0.1 sport=5353 dport=50620 zone-reply=8 mark=0 use=1 id=11
icmp     1 59 src=10.0.0.9 dst=10.0.0.1 type=8 code=0 id=77 [UNREPLIED] src=10.0.0.1 \
dst=10.0.0.9 type=0 code=0 id=77 mark=0 use=1 id=1291607345
sctp     132 59 ESTABLISHED src=10.0.0.9 dst=10.0.0.1 sport=1000 dport=53 [UNREPLIED] \
src=10.0.0.1 dst=10.0.0.9 sport=53 dport=1000 mark=0 use=1 id=3993151925
tcp      6 431999 ESTABLISHED src=10.0.0.9 dst=10.0.0.1 sport=1000 dport=53 src=10.0.0.1 \
dst=10.0.0.9 sport=53 dport=1000 [ASSURED] mark=0 secctx=a:b:c use=1 id=4137022412
gre      47 59 src=10.0.0.9 dst=10.0.0.1 srckey=0x1 dstkey=0x2 [UNREPLIED] src=10.0.0.1 \
dst=10.0.0.9 srckey=0x2 dstkey=0x1 mark=0 use=1 id=3930188558
unknown  89 59 src=10.0.0.9 dst=10.0.0.1 [UNREPLIED] src=10.0.0.1 dst=10.0.0.9 mark=0 use=1 id=1
udp      17 59 src=fe80::9 dst=fe80::1 sport=1 dport=2 [UNREPLIED] src=fe80::1 dst=fe80::9 \
sport=2 dport=1 mark=0 use=1 id=12
"""


class Here(LocalAddresses):
    """The host is 10.0.0.1 and its loopback."""

    def _read(self) -> Iterable[tuple[Prefix, str]]:
        return [((0x0A000001, 32), "eth0"), ((0x7F000001, 32), "lo")]


def entries() -> list[Entry]:
    return list(parse(LISTING))


def chosen(*flows: Flow, listing: str = LISTING) -> list[int | None]:
    return [entry.ident() for entry in select(parse(listing), flows, Here())]


def test_every_line_is_an_entry() -> None:
    assert [entry.proto for entry in entries()] == [
        *("udp", "udp", "udp", "icmp", "sctp", "tcp", "gre", "unknown", "udp")
    ]
    assert [entry.number for entry in entries()] == [17, 17, 17, 1, 132, 6, 47, 89, 17]


def test_a_translated_entry() -> None:
    entry = entries()[0]
    assert (entry.src, entry.dst, entry.dport) == ("10.0.0.9", "10.0.0.1", 53)
    assert (entry.reply_src, entry.reply_dst, entry.reply_sport) == ("172.17.0.2", "10.0.0.9", 5353)
    assert entry.reply_fields() == {"sport": 5353, "dport": 1000}
    assert (entry.zone(), entry.ident()) == ((5, None), 1833118012)
    assert str(entry) == "udp src=10.0.0.9 dst=10.0.0.1 sport=1000 dport=53, answered by 172.17.0.2"


def test_counters_do_not_identify_an_entry() -> None:
    assert entries()[1].reply_fields() == {"sport": 53, "dport": 1001}
    assert entries()[1].ident() == 1900545601


def test_a_zone_of_one_direction() -> None:
    assert entries()[2].zone() == (None, 8)


def test_an_echo_request_has_an_identifier_besides_the_entrys() -> None:
    entry = entries()[3]
    assert (entry.dport, entry.reply_sport) == (None, None)
    assert entry.reply_fields() == {"type": 0, "code": 0, "id": 77}
    assert entry.ident() == 1291607345


def test_keys_of_gre_are_hexadecimal() -> None:
    assert entries()[6].reply_fields() == {"srckey": 2, "dstkey": 1}


def test_a_protocol_without_a_name_has_a_number_and_addresses() -> None:
    assert (entries()[7].number, entries()[7].reply_fields()) == (89, {})


def test_without_an_identity_that_of_an_echo_request_is_not_taken_for_it() -> None:
    listing = LISTING.splitlines()[3].replace(" id=1291607345", "")
    assert next(parse(listing)).ident() is None


@pytest.mark.parametrize("junk", ["", "\n\n", "conntrack v1.4.7: 0 flow entries", "udp 17 29"])
def test_what_is_no_entry_is_passed_over(junk: str) -> None:
    assert list(parse(junk)) == []


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
    listing = LISTING.replace("dst=10.0.0.1 ", "dst=93.184.216.34 ")
    assert chosen(Flow("udp", LOCAL, (53, 53)), listing=listing) == []


FLOWS = st.builds(
    Flow,
    proto=st.sampled_from([None, "udp", "tcp", "icmp"]),
    orig_dst=st.sampled_from([None, LOCAL, "10.0.0.1", "10.0.0.2"]),
    orig_dports=st.sampled_from([None, (53, 53), (54, 54), (1, 1000), (1000, 6000)]),
    orig_src=st.sampled_from([None, "10.0.0.9", "127.0.0.1"]),
    reply_src=st.sampled_from([None, "172.17.0.2", "10.0.0.1"]),
    reply_sports=st.sampled_from([None, (53, 53), (5353, 5353)]),
    either=st.sampled_from([None, "172.17.0.2", "fe80::1"]),
)


@settings(STABLE)
@given(st.lists(FLOWS, max_size=6))
def test_many_flows_stand_for_what_each_stands_for(flows: list[Flow]) -> None:
    each = {ident for flow in flows for ident in chosen(flow)}
    together = chosen(*flows)
    assert set(together) == each
    assert len(together) == len(each)


@pytest.mark.parametrize(
    ("flows", "options"),
    [
        (
            [Flow("udp", LOCAL, (53, 53))],
            "-f ipv4 -p udp --orig-port-dst 53",
        ),
        (
            [Flow("udp", "10.0.0.1", (53, 54), "10.0.0.9", "172.17.0.2", (5353, 5353))],
            "-f ipv4 -p udp -s 10.0.0.9 -d 10.0.0.1 -r 172.17.0.2 --reply-port-src 5353",
        ),
        (
            [Flow("udp", LOCAL, (53, 53)), Flow("udp", LOCAL, (54, 54))],
            "-f ipv4 -p udp",
        ),
        (
            [Flow("udp", LOCAL, (53, 53)), Flow("sctp", LOCAL, (53, 53))],
            "-f ipv4",
        ),
        ([Flow(orig_dports=(53, 53))], "-f ipv4"),
        ([Flow(either="10.0.0.9")], "-f ipv4"),
        ([Flow(either="fd00::9")], "-f ipv6"),
        ([Flow(either="fd00::9"), Flow(either="10.0.0.9")], ""),
    ],
)
def test_the_listing_is_narrowed_to_what_all_flows_share(flows: list[Flow], options: str) -> None:
    assert narrow(flows) == options.split()


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
    for body, kind in ((deletion, 2), (eviction, 1), (holding, 1)):
        sent = body(entry)
        assert int.from_bytes(sent[6:8], sys.byteorder) == kind | 1 << 15
        assert len(sent) % 4 == 0


def test_all_of_the_loopback_network_is_local() -> None:
    local = LocalAddresses()
    assert "127.0.0.1" in local
    assert "127.255.1.2" in local
    assert "203.0.113.77" not in local
    assert "::1" not in local
