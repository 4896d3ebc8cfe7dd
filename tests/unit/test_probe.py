"""From what was seen of a packet to what is said of it."""

from __future__ import annotations

import pytest

from dnet.errors import NotFoundError, UsageError
from dnet.model.state import State
from dnet.network import interface, portmapper
from dnet.probe import trials
from dnet.probe.evidence import (
    ANSWER,
    ANSWERED,
    FIRST,
    FORWARD,
    LAST,
    PREROUTING,
    REFUSED,
    REQUEST,
    RESET,
    SILENT,
    Around,
    Evidence,
    Hop,
    Packet,
    Route,
    Setting,
)
from dnet.probe.trials import Trial
from dnet.probe.verdict import judge
from tests.unit.facts import FACTS, specs, with_bridge

CLIENT, OWN, WEB = "198.18.0.1", "192.0.2.1", "172.17.0.2"
FORWARDING = Setting("net.ipv4.ip_forward", "0", "1")
CAME = Packet("eth0", False, REQUEST, CLIENT, OWN, 8080)
LEFT = Packet("dnet0", True, REQUEST, CLIENT, WEB, 80)
ARRIVED = Packet("veth1", True, REQUEST, CLIENT, WEB, 80)
BACK = Packet("veth1", False, ANSWER, WEB, CLIENT, 80)
PLACE = ("inet", "other", "forward")


def marked(hook: str, end: str, goes_out: str | None = None) -> Hop:
    return Hop(
        ("inet", "dnet-probe-1", f"{hook}-{end}"), "accept", None, (hook, end), "eth0", goes_out
    )


@pytest.fixture
def state() -> State:
    state = with_bridge()
    for name in ("web", "db"):
        interface.allocate(state, FACTS, interface_id=name)
    portmapper.add(state, FACTS, target="web", specs=specs("8080:80", "127.0.0.1:81:81"))
    portmapper.add(state, FACTS, target="db", specs=specs("53:53/udp", "99:99/sctp"))
    return state


@pytest.fixture
def seen(state: State) -> Evidence:
    """A request that came to the host, of which nothing more is known."""
    (trial, *_) = trials.planned(state, ["8080"], [trials.OUTSIDE])
    return Evidence(
        trial, OWN, SILENT, packets=(CAME,), device="eth0", home="eth0", ports=frozenset({"veth1"})
    )


def keys(found: list[Trial]) -> list[tuple[str, str]]:
    return [(one.origin, one.mapping.key) for one in found]


def test_each_mapping_is_tried_from_where_it_is_promised(state: State) -> None:
    found = list(trials.planned(state, [], []))
    assert keys(found) == [
        ("outside", "0.0.0.0:8080/tcp"),
        ("host", "0.0.0.0:8080/tcp"),
        ("host", "127.0.0.1:81/tcp"),
        ("outside", "0.0.0.0:53/udp"),
        ("host", "0.0.0.0:53/udp"),
        ("outside", "0.0.0.0:99/sctp"),
        ("host", "0.0.0.0:99/sctp"),
    ]
    assert [one.untried is None for one in found] == [True] * 5 + [False] * 2


def test_what_is_named_twice_is_tried_once(state: State) -> None:
    assert keys(list(trials.planned(state, ["web", "8080"], ["host"]))) == [
        ("host", "0.0.0.0:8080/tcp"),
        ("host", "127.0.0.1:81/tcp"),
    ]


def test_what_is_not_there_is_not_found(state: State) -> None:
    for asked in ("nobody", "1234"):
        with pytest.raises(NotFoundError):
            list(trials.planned(state, [asked], []))
    with pytest.raises(UsageError):
        list(trials.planned(state, ["1.2.3:x"], []))
    with pytest.raises(NotFoundError, match="web is not attached to a network namespace"):
        list(trials.planned(state, [], ["web"]))


def test_an_answer_is_the_container_s_or_somebody_else_s(seen: Evidence) -> None:
    answered = seen._replace(outcome=ANSWERED)
    assert judge(answered._replace(packets=(CAME, LEFT, ARRIVED))).result == "answers"
    assert judge(answered._replace(peer=WEB)).result == "answers"
    other = judge(answered._replace(around=Around(process="process nginx (pid 7) listens")))
    assert other.result == "unreachable"
    assert "process nginx (pid 7)" in str(other.where)


def test_large_packets_are_told_apart_from_a_handshake(seen: Evidence) -> None:
    answered = seen._replace(outcome=ANSWERED, packets=(CAME, LEFT, ARRIVED), large=False)
    assert judge(answered).result == "dropped"
    assert "1,400 bytes" in str(judge(answered).where)


def test_a_rule_goes_ahead_of_what_a_packet_would_have_met_behind_it(seen: Evidence) -> None:
    around = Around(forwarding=(FORWARDING, None), way=Route(WEB, "tun0"), gone="/run/netns/web")
    hops = (marked(PREROUTING, FIRST), marked(FORWARD, FIRST, "tun0"), Hop(PLACE, "drop", 7))
    rule = seen._replace(request=hops, around=around, rules={(PLACE, 7): "tcp dport 80 drop"})
    assert judge(rule).where == "inet other forward handle 7: tcp dport 80 drop"
    assert judge(rule._replace(rules={})).where == "inet other forward handle 7"
    routed = rule._replace(request=(*hops[:2], marked(FORWARD, LAST, "tun0")))
    assert judge(routed).where == f"a packet from the host to {WEB} leaves by tun0, not by dnet0"
    ahead = rule._replace(request=hops[:1])
    assert judge(ahead).where == "net.ipv4.ip_forward = 0"
    assert judge(ahead).hint == "sysctl -w net.ipv4.ip_forward=1"


def test_what_a_packet_has_passed_is_not_named(seen: Evidence) -> None:
    around = Around(forwarding=(FORWARDING, None), way=Route(WEB, "tun0"), listens=True)
    arrived = seen._replace(packets=(CAME, LEFT, ARRIVED), around=around, request=None)
    assert "got it and did not answer" in str(judge(arrived).where)


def test_without_a_trace_it_says_that_it_did_not_see(seen: Evidence) -> None:
    silent = seen._replace(around=Around(way=Route(WEB, "dnet0"), listens=True))
    assert judge(silent).where == "it does not leave towards web: the cause was not found"
    forwarding = silent._replace(around=silent.around._replace(forwarding=(FORWARDING, None)))
    assert judge(forwarding).where == "net.ipv4.ip_forward = 0"


def test_answers_have_a_way_of_their_own(seen: Evidence) -> None:
    back = (CAME, LEFT, ARRIVED, BACK)
    around = Around(way=Route(WEB, "dnet0"), back=Route(CLIENT, "tun0"), listens=True)
    answered = seen._replace(packets=back, around=around)
    stopped = answered._replace(answer=(marked(PREROUTING, FIRST), Hop(PLACE, "drop")))
    assert judge(stopped).where == "the answer is stopped: inet other forward: policy drop"
    misled = answered._replace(answer=(marked(PREROUTING, FIRST), marked(FORWARD, LAST, "tun0")))
    assert judge(misled).where == f"the answer to {CLIENT} leaves by tun0, not by eth0"


def test_who_refuses_is_told_apart(seen: Evidence) -> None:
    reset = BACK._replace(kind=RESET)
    refused = seen._replace(
        outcome=REFUSED,
        packets=(CAME, LEFT, ARRIVED, reset),
        around=Around(listens=False, ports=("8000/tcp",)),
    )
    assert judge(refused) == (
        "refused",
        "nothing in web listens on 172.17.0.2:80/tcp; it listens on 8000/tcp",
        "start the server, or publish the port it listens on: dnet map add",
    )
    unknown = refused._replace(around=Around())
    assert judge(unknown).where == "web refuses 80/tcp itself"
    late = refused._replace(around=Around(listens=True))
    assert judge(late) == (
        "refused",
        "web refused it, and listens on 80/tcp by now: the server may have just started",
        "dnet probe 0.0.0.0:8080/tcp",
    )


def test_a_datagram_is_delivered_unless_its_answer_was_lost(state: State, seen: Evidence) -> None:
    (trial,) = trials.planned(state, ["53/udp"], [trials.OUTSIDE])
    ip = trial.mapping.container_ip
    arrived = ARRIVED._replace(destination=ip, port=53)
    datagram = seen._replace(trial=trial, packets=(arrived,))
    assert judge(datagram).result == "delivered"
    answer = BACK._replace(source=ip, port=53)
    hops = (marked(PREROUTING, FIRST), Hop(PLACE, "drop", 3))
    lost = datagram._replace(packets=(arrived, answer), answer=hops)
    assert judge(lost)[:2] == ("dropped", "the answer is stopped: inet other forward handle 3")


def test_a_table_of_connections_that_is_full(seen: Evidence) -> None:
    full = Setting("net.netfilter.nf_conntrack_max", "1000", "2000")
    ahead = seen._replace(request=(marked(PREROUTING, FIRST),))
    known = ahead._replace(around=Around(way=Route(WEB, "dnet0"), tracking=full))
    assert judge(known).where == "net.netfilter.nf_conntrack_max = 1000"
    hops = (marked(PREROUTING, FIRST), Hop(PLACE, "drop", 7))
    assert judge(known._replace(request=hops)).where == "inet other forward handle 7"


def test_what_is_beside_the_way_is_not_named_where_it_was_passed(seen: Evidence) -> None:
    around = Around(
        way=Route(WEB, "dnet0"),
        back=Route(CLIENT, "eth0"),
        listens=True,
        policies=("src ::/0 dst ::/0 dir out",),
        early=(("nft list chain netdev f early",), ("nft list chain bridge f fw",)),
        queues=(("tc -s qdisc show dev dnet0",), ()),
        tracking=FORWARDING,
    )
    hops = (marked(PREROUTING, FIRST), marked(FORWARD, LAST, "dnet0"))
    arrived = seen._replace(packets=(CAME, LEFT, ARRIVED), around=around, request=hops, answer=())
    assert "got it and did not answer" in str(judge(arrived).where)
    back = arrived._replace(packets=(*arrived.packets, BACK))
    assert judge(back).where == "dnet0 drops the answer ahead of IP: nft list chain bridge f fw"
    met = back._replace(answer=(marked(PREROUTING, FIRST), Hop(PLACE, "drop", 3)))
    assert judge(met).where == "the answer is stopped: inet other forward handle 3"
    assert judge(arrived._replace(outcome=ANSWERED)).where is None
