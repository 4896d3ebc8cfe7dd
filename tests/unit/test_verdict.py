"""What becomes of a described packet in rules of others, as far as that is certain."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from dnet.firewall import nftrules
from dnet.firewall.iptables.ruletext import judge, parse
from dnet.firewall.packet import ANYWHERE, Device, Packet, port_span, span, within
from dnet.firewall.verdict import ACCEPT, DROP, NO, OTHER, SOME, UNKNOWN, YES, Walk

SUBNET = (172 << 24 | 17 << 16, 172 << 24 | 17 << 16 | 0xFFFF)
OUTSIDE = Device(None, frozenset({"dnet0"}))
OUTWARD = Packet(Device("dnet0"), OUTSIDE, source=SUBNET)
INWARD = Packet(
    OUTSIDE, Device("dnet0"), ANYWHERE, SUBNET, proto="tcp", ports=(80, 80), translated=True
)


@pytest.mark.parametrize(
    ("text", "outward", "inward"),
    [
        ("-j ACCEPT", YES, YES),
        ('-m comment --comment "-i eth9 -j DROP" -j ACCEPT', YES, YES),
        ("-m comment --comment -i -j ACCEPT", YES, YES),
        ("-i dnet0 -j ACCEPT", YES, NO),
        ("! -i dnet0 -j ACCEPT", NO, YES),
        ("-i dnet+ -j ACCEPT", YES, UNKNOWN),
        ("-i eth9 -j ACCEPT", NO, UNKNOWN),
        ("! -o eth9 -j ACCEPT", UNKNOWN, YES),
        ("-s 172.17.0.0/16 -j ACCEPT", YES, SOME),
        ("-s 172.17.0.2/32 -j ACCEPT", SOME, SOME),
        ("! -s 172.17.0.2/32 -j ACCEPT", UNKNOWN, UNKNOWN),
        ("! -s 10.0.0.0/8 -j ACCEPT", YES, UNKNOWN),
        ("-s 172.0.0.0/255.0.255.0 -j ACCEPT", UNKNOWN, UNKNOWN),
        ("-m iprange --src-range 172.16.0.0-172.18.0.0 -j ACCEPT", YES, SOME),
        ("-p tcp -m tcp --dport 80 -j ACCEPT", SOME, YES),
        ("-p tcp -m tcp --dport 25 -j ACCEPT", SOME, NO),
        ("-p tcp -m tcp ! --dport 25 -j ACCEPT", SOME, YES),
        ("-p tcp -m multiport --dports 25,79:81 -j ACCEPT", SOME, YES),
        ("-p udp -j ACCEPT", SOME, NO),
        ("! -p udp -j ACCEPT", UNKNOWN, YES),
        ("-p icmp -m icmp --icmp-type 8 -j ACCEPT", SOME, NO),
        ("-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", NO, NO),
        ("-m conntrack ! --ctstate RELATED,ESTABLISHED -j ACCEPT", YES, YES),
        ("-m conntrack --ctstate DNAT -j ACCEPT", NO, YES),
        ("-m conntrack --ctstatus DNAT -j ACCEPT", NO, YES),
        ("-m conntrack --ctdir REPLY -j ACCEPT", NO, NO),
        ("-m conntrack --ctorigdstport 80 -j ACCEPT", UNKNOWN, UNKNOWN),
        ("-m addrtype ! --dst-type LOCAL -j ACCEPT", YES, YES),
        ("-m physdev --physdev-is-bridged -j ACCEPT", NO, NO),
        ("-m mark ! --mark 0x7 -j ACCEPT", UNKNOWN, UNKNOWN),
        ("-m set --match-set some src -j ACCEPT", UNKNOWN, UNKNOWN),
        ("-m socket -j ACCEPT", UNKNOWN, UNKNOWN),
        ("-i dnet0 -m mark --mark 0x7 -j ACCEPT", UNKNOWN, NO),
        ("-m limit --limit 3/min -j ACCEPT", SOME, SOME),
    ],
)
def test_how_a_rule_meets_a_packet(text: str, outward: int, inward: int) -> None:
    for packet, expected in ((OUTWARD, outward), (INWARD, inward)):
        ((truth, action),) = judge(text, packet, lambda _: False)
        assert (truth, action.kind) == (expected, ACCEPT), packet


@pytest.mark.parametrize(
    "text",
    [
        "-i eth9",
        "",
        '-j LOG --log-prefix "-j ACCEPT "',
        "-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu",
        "-j CT --notrack",
    ],
)
def test_after_some_rules_the_next_one_follows(text: str) -> None:
    assert judge(text, OUTWARD, lambda _: False) == ()


def test_a_rule_is_about_a_device_that_it_names() -> None:
    assert parse("-i dnet0 -o eth0 -j DROP").names("eth0")
    assert not parse("! -i dnet0 -j DROP").names("dnet0")
    assert not parse('-m comment --comment "-i dnet0" -j DROP').names("dnet0")


CHAINS = {
    "ACCEPTING": ["-j ACCEPT"],
    "SOMETIMES": ["-m mark --mark 1 -j RETURN", "-j ACCEPT"],
    "PARTLY": ["-p udp -j RETURN", "-j ACCEPT"],
    "LOOP": ["-j LOOP"],
    "OVER": ["-g ACCEPTING", "-j DROP"],
}


@pytest.mark.parametrize(
    ("rules", "strict", "lenient"),
    [
        ([], None, None),
        (["-j ACCEPTING"], ACCEPT, ACCEPT),
        (["-j OVER"], ACCEPT, ACCEPT),
        (["-j SOMETIMES"], None, ACCEPT),
        (["-j PARTLY"], ACCEPT, ACCEPT),
        (["-j LOOP", "-j DROP"], DROP, DROP),
        (["-m mark --mark 1 -j ACCEPT", "-j DROP"], DROP, ACCEPT),
        (["-m mark --mark 1 -j DROP", "-j ACCEPT"], ACCEPT, ACCEPT),
        (["-m mark --mark 1 -j ACCEPTING", "-j DROP"], DROP, ACCEPT),
        (["-p udp -j ACCEPT", "-j DROP"], DROP, ACCEPT),
        (["-j RETURN", "-j DROP"], ACCEPT, ACCEPT),
        (["-j NFQUEUE --queue-num 1", "-j DROP"], OTHER, OTHER),
    ],
)
def test_the_first_certain_rule_decides(
    rules: list[str], strict: str | None, lenient: str | None
) -> None:
    judging = partial(judge, packet=OUTWARD, chains=CHAINS.__contains__)
    for is_lenient, expected in ((False, strict), (True, lenient)):
        walk = Walk[str](lambda name: CHAINS[name], judging, lenient=is_lenient)
        found = walk.from_base("FORWARD", rules, ACCEPT)
        assert (found and found.kind) == expected


def test_what_decides_is_told_with_the_way_there() -> None:
    judging = partial(judge, packet=OUTWARD, chains=CHAINS.__contains__)
    found = Walk[str](lambda name: CHAINS[name], judging).from_base("FORWARD", ["-j OVER"], DROP)
    assert found
    assert found.path == (
        ("FORWARD", "-j OVER"),
        ("OVER", "-g ACCEPTING"),
        ("ACCEPTING", "-j ACCEPT"),
    )


def match(left: Any, right: Any, op: str = "==") -> list[Any]:
    return [{"match": {"op": op, "left": left, "right": right}}, {"accept": None}]


IIF, SOURCE = {"meta": {"key": "iifname"}}, {"payload": {"protocol": "ip", "field": "saddr"}}
STATUS = {"ct": {"key": "status"}}
PORT = {"payload": {"protocol": "tcp", "field": "dport"}}


@pytest.mark.parametrize(
    ("rule", "outward", "inward"),
    [
        (match(IIF, "dnet0"), YES, NO),
        (match(IIF, "dnet*"), YES, UNKNOWN),
        (match(IIF, {"set": ["eth9", "dnet0"]}, "!="), NO, UNKNOWN),
        (match(IIF, "@devices"), YES, UNKNOWN),
        (match(IIF, "@unknown"), UNKNOWN, UNKNOWN),
        (match(SOURCE, {"prefix": {"addr": "172.16.0.0", "len": 12}}), YES, SOME),
        (match(SOURCE, {"range": ["172.17.0.2", "172.17.0.9"]}, "!="), UNKNOWN, UNKNOWN),
        (match(SOURCE, {"set": [{"elem": {"val": "10.0.0.1"}}]}), NO, SOME),
        (match(STATUS, "dnat", "in"), NO, YES),
        (match({"&": [STATUS, "dnat"]}, "dnat"), NO, YES),
        (match(STATUS, "dnat", "!="), YES, NO),
        (match(PORT, {"set": [25, {"range": [79, 81]}]}), SOME, YES),
        (match(PORT, 80, "!="), SOME, NO),
        (match({"payload": {"protocol": "ip6", "field": "daddr"}}, "::1", "!="), NO, NO),
        (match({"meta": {"key": "mark"}}, 7), UNKNOWN, UNKNOWN),
        (match({"ct": {"key": "mark"}}, 7, ">"), UNKNOWN, UNKNOWN),
        ([{"xt": None}, {"accept": None}], UNKNOWN, UNKNOWN),
        ([{"limit": {"rate": 1}}, {"counter": None}, {"accept": None}], SOME, SOME),
    ],
)
def test_how_a_rule_of_nft_meets_a_packet(rule: list[Any], outward: int, inward: int) -> None:
    elements = {"devices": ["eth9", "dnet0"]}
    for packet, expected in ((OUTWARD, outward), (INWARD, inward)):
        ((truth, action),) = nftrules.judge(rule, packet, elements)
        assert (truth, action.kind) == (expected, ACCEPT), packet


def test_what_is_not_known_may_be_a_verdict() -> None:
    ((truth, action),) = nftrules.judge(["jump {\n accept\n}"], OUTWARD, {})
    assert (truth, action.kind) == (UNKNOWN, OTHER)


def test_spans() -> None:
    assert span("172.17.5.5/16") == SUBNET == span("172.17.0.0/255.255.0.0")
    assert span("10.0.0.1") == (167772161, 167772161)
    assert (span("10.0.0.1/33"), span("fe80::/129"), span("10.0.0.1-x")) == (None, None, None)
    assert span("fd00::5/126") == (0xFD << 120 | 4, 0xFD << 120 | 7)
    assert span("::1-::3") == (1, 3)
    assert (span("::1/x"), span("::1-x")) == (None, None)
    assert (port_span("80"), port_span("79:81"), port_span("http")) == ((80, 80), (79, 81), None)
    assert [within((5, 6), asked) for asked in ((0, 9), (6, 9), (7, 9))] == [YES, SOME, NO]
