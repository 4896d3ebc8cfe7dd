"""Deleting entries of the kernel's connection tracking table, and nobody else's."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from functools import partial

import pytest

from dnet.plan.flow import LOCAL, Flow
from dnet.values.family import V4, V6, Family
from tests import conntrack
from tests.lab import Lab
from tests.node import Node
from tests.real.inside import inside


def delete(node: Node, *flows: Flow, before: str = "") -> list[str]:
    """The entries deleted on `node`; any warning is an error. `before` is code to run first."""
    deleted, warnings = attempt(node, *flows, before=before)
    assert warnings == []
    return deleted


def _written(flows: Sequence[Flow]) -> str:
    """As Python reads it back; a family is known by who it is."""
    return str(list(flows)).replace(str(V4), "V4").replace(str(V6), "V6")


def attempt(node: Node, *flows: Flow, before: str = "") -> tuple[list[str], list[str]]:
    code = f"""
from dnet.host.conntrack import messages, table
from dnet.plan.flow import Flow
from dnet.values.family import V4, V6
warnings = []
{before}
result = [table.delete({_written(flows)}, warnings.append), warnings]
"""
    deleted, warnings = inside(node, code)
    return deleted, warnings


def table(node: Node) -> set[str]:
    """Every entry by its addresses, ports, zone and identity."""
    return set(node.within(conntrack.listing))


def track(node: Node, *entries: str) -> None:
    """Puts entries into the table, given as options of `conntrack -I`."""
    node.within(lambda: conntrack.track(*entries))


_sports = itertools.count(10000)


def udp(src: str, dst: str, dport: int, reply: tuple[str, int] | None = None) -> str:
    """An entry for `track`: who asked whom, and who answers.

    Its source port is a new one each time, as no two entries may expect the same answer.
    """
    sport = next(_sports)
    answering, port = reply or (dst, dport)
    return (
        f"-p udp -s {src} -d {dst} --sport {sport} --dport {dport} "
        f"-r {answering} -q {src} --reply-port-src {port} --reply-port-dst {sport}"
    )


# --- real flows ---------------------------------------------------------------------------------


class World:
    """A host between a client outside and two containers on wires of their own."""

    def __init__(self, lab: Lab) -> None:
        self.host = lab.node()
        self.host.sysctl("net/ipv4/ip_forward", 1)
        # The kernel tracks nothing in a namespace before a rule there asks for it.
        self.host.run("iptables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")
        self.host.run("iptables", "-t", "nat", "-N", "DNET")
        jump = ("-t", "nat", "-A", "PREROUTING", "-m", "addrtype", "--dst-type", "LOCAL")
        self.host.run("iptables", *jump, "-j", "DNET")
        self.client = lab.node()
        lab.wire(self.client, self.host, "10.99.0.2/24", "10.99.0.1/24")
        self.client.ip("route add default via 10.99.0.1")
        self.web, self.other = lab.node(), lab.node()
        for number, container in enumerate((self.web, self.other), 1):
            lab.wire(container, self.host, f"172.17.{number}.2/24", f"172.17.{number}.1/24")
            container.ip(f"route add default via 172.17.{number}.1")

    def publish(self, port: int, to: str, verb: str = "-A") -> None:
        words = f"{verb} DNET -p udp --dport {port} -j DNAT --to-destination {to}"
        self.host.run("iptables", "-t", "nat", *words.split())


@pytest.fixture
def world(lab: Lab) -> World:
    return World(lab)


def test_a_flow_follows_a_mapping_that_comes(world: World) -> None:
    world.host.listen("udp", 53, "host")
    world.web.listen("udp", 5353, "web")
    flow = world.client.open("udp", "10.99.0.1", 53)
    assert flow.say() == f"host 10.99.0.2:{port_of(world)}"
    world.publish(53, "172.17.1.2:5353")
    assert str(flow.say()).startswith("host")  # What this module is for.
    deleted = delete(world.host, Flow("udp", LOCAL, (53, 53)))
    assert [entry.rpartition(", ")[2] for entry in deleted] == ["answered by 10.99.0.1"]
    assert str(flow.say()).startswith("web")


def port_of(world: World) -> str:
    found = re.search(r"sport=(\d+) dport=53 ", str(table(world.host)))
    assert found
    return found[1]


def test_a_flow_ends_with_its_mapping_and_a_neighbours_goes_on(world: World) -> None:
    world.web.listen("udp", 5353, "web")
    world.other.listen("udp", 5353, "other")
    world.publish(53, "172.17.1.2:5353")
    world.publish(54, "172.17.2.2:5353")
    flow = world.client.open("udp", "10.99.0.1", 53)
    neighbour = world.client.open("udp", "10.99.0.1", 54)
    assert str(flow.say()).startswith("web")
    assert str(neighbour.say()).startswith("other")
    before = table(world.host)
    world.publish(53, "172.17.1.2:5353", verb="-D")
    assert str(flow.say()).startswith("web")
    unmapped = Flow("udp", None, (53, 53), None, "172.17.1.2", (5353, 5353))
    assert len(delete(world.host, unmapped)) == 1
    assert flow.say(timeout=0.4) is None
    assert str(neighbour.say()).startswith("other")
    (kept,) = (entry for entry in before if " dport=54 " in entry)
    assert kept in table(world.host)


def test_a_containers_own_traffic_goes_on_while_a_mapping_of_the_port_comes_and_goes(
    world: World,
) -> None:
    world.client.listen("udp", 443, "outside")
    flow = world.web.open("udp", "10.99.0.2", 443)
    assert str(flow.say()).startswith("outside")
    before = table(world.host)
    assert len(before) == 1
    added = Flow("udp", LOCAL, (443, 443))
    removed = Flow("udp", None, (443, 443), None, "172.17.1.2", (443, 443))
    assert delete(world.host, added, removed) == []
    assert table(world.host) == before


def test_an_address_that_is_released_leaves_no_entry(world: World) -> None:
    world.web.listen("udp", 5353, "web")
    world.client.listen("udp", 9, "outside")
    world.other.listen("udp", 5353, "other")
    world.publish(53, "172.17.1.2:5353")
    assert world.client.ask("udp", "10.99.0.1", 53)
    for asking, address, port in (
        (world.web, "10.99.0.2", 9),
        (world.web, "172.17.2.2", 5353),
        (world.other, "172.17.1.2", 5353),
        (world.other, "10.99.0.2", 9),
    ):
        assert asking.ask("udp", address, port)
    assert len(delete(world.host, Flow(either="172.17.1.2"))) == 4
    (left,) = table(world.host)
    assert left.startswith("src=172.17.2.2 dst=10.99.0.2 ")


def test_tcp_connections_are_deleted_with_their_address(world: World) -> None:
    world.web.listen("tcp", 80, "web")
    flow = world.client.open("tcp", "172.17.1.2", 80)
    assert flow.say()
    assert len(delete(world.host, Flow(either="172.17.1.2"))) == 1


# --- one of each kind ---------------------------------------------------------------------------


@pytest.fixture
def host(lab: Lab) -> Node:
    node = lab.node()
    node.ip("addr add 10.0.0.1/32 dev lo", "addr add 10.0.0.2/32 dev lo")
    return node


def deletes(host: Node, flow: Flow, gone: list[str], kept: list[str], *beside: Flow) -> None:
    """Asserts that `flow`, among others, stands for the entries `gone` and for none of `kept`."""
    track(host, *kept)
    before = table(host)
    assert len(before) == len(kept)
    track(host, *gone)
    assert len(delete(host, flow, *beside)) == len(gone)
    assert table(host) == before


def test_a_mapping_on_every_address(host: Node) -> None:
    deletes(
        host,
        Flow("udp", LOCAL, (53, 53)),
        [
            udp("10.0.0.9", "10.0.0.1", 53),
            udp("10.0.0.9", "10.0.0.2", 53),
            udp("127.0.0.1", "127.0.0.1", 53),
            udp("127.0.0.1", "127.1.2.3", 53),
            udp("10.0.0.9", "10.0.0.1", 53),
            udp("10.0.0.9", "10.0.0.1", 53, ("172.17.0.2", 53)),
        ],
        [
            udp("172.17.0.2", "10.0.0.3", 53),
            udp("10.0.0.9", "10.0.0.1", 54),
            "-p udp -s 10.0.0.9 -d 10.0.0.1 --sport 53 --dport 1000",
            udp("10.0.0.9", "10.0.0.1", 5353, ("172.17.0.2", 53)),
            udp("10.0.0.9", "10.0.0.1", 53).replace("udp", "tcp --state ESTABLISHED"),
            udp("10.0.0.9", "10.0.0.1", 53).replace("udp", "udplite"),
            "-p icmp -s 10.0.0.9 -d 10.0.0.1 --icmp-type 8 --icmp-code 0 --icmp-id 53",
        ],
    )


def test_a_mapping_on_one_address(host: Node) -> None:
    deletes(
        host,
        Flow("udp", "10.0.0.1", (53, 53)),
        [udp("10.0.0.9", "10.0.0.1", 53)],
        [udp("10.0.0.9", "10.0.0.2", 53), udp("127.0.0.1", "127.0.0.1", 53)],
    )


def test_a_mapping_of_a_range(host: Node) -> None:
    deletes(
        host,
        Flow("udp", LOCAL, (8000, 8009), reply_src="172.17.0.2", reply_sports=(9000, 9009)),
        [
            udp("10.0.0.9", "10.0.0.1", 8000, ("172.17.0.2", 9000)),
            udp("10.0.0.9", "10.0.0.1", 8009, ("172.17.0.2", 9009)),
        ],
        [
            udp("10.0.0.9", "10.0.0.1", 7999, ("172.17.0.2", 9000)),
            udp("10.0.0.9", "10.0.0.1", 8010, ("172.17.0.2", 9009)),
            udp("10.0.0.9", "10.0.0.1", 8001, ("172.17.0.2", 9010)),
            udp("10.0.0.9", "10.0.0.1", 8002, ("172.17.0.3", 9002)),
            udp("10.0.0.9", "10.0.0.1", 8003),
        ],
    )


def test_a_link(host: Node) -> None:
    deletes(
        host,
        Flow("udp", orig_src="172.17.0.2", orig_dst="172.17.0.3", orig_dports=(53, 53)),
        [udp("172.17.0.2", "172.17.0.3", 53)],
        [
            udp("172.17.0.3", "172.17.0.2", 53),
            udp("172.17.0.2", "172.17.0.3", 54),
            udp("172.17.0.4", "172.17.0.3", 53),
            udp("172.17.0.2", "172.17.0.4", 53),
        ],
    )


def test_an_address_in_every_place_and_protocol(host: Node) -> None:
    deletes(
        host,
        Flow(either="172.17.0.2"),
        [
            udp("172.17.0.2", "10.0.0.9", 53),
            udp("10.0.0.9", "172.17.0.2", 53),
            udp("10.0.0.9", "10.0.0.1", 53, ("172.17.0.2", 53)),
            udp("172.17.0.2", "10.0.0.8", 53).replace("-q 172.17.0.2", "-q 10.0.0.1"),
            udp("172.17.0.3", "10.0.0.8", 53).replace("-q 172.17.0.3", "-q 172.17.0.2"),
            "-p icmp -s 172.17.0.2 -d 10.0.0.9 --icmp-type 8 --icmp-code 0 --icmp-id 77",
            "-p icmp -s 10.0.0.9 -d 172.17.0.2 --icmp-type 8 --icmp-code 0 --icmp-id 77",
            "-p tcp -s 172.17.0.2 -d 10.0.0.9 --sport 1 --dport 2 --state SYN_SENT",
            "-p sctp -s 172.17.0.2 -d 10.0.0.9 --sport 1 --dport 2 "
            "--state ESTABLISHED --orig-vtag 1 --reply-vtag 2",
            "-p gre -s 172.17.0.2 -d 10.0.0.9 --srckey 1 --dstkey 20",
            "-p 89 -s 172.17.0.2 -d 10.0.0.9",
        ],
        [
            udp("172.17.0.20", "10.0.0.9", 53),
            udp("10.0.0.9", "172.17.0.1", 53),
            "-p icmp -s 172.17.0.3 -d 10.0.0.9 --icmp-type 8 --icmp-code 0 --icmp-id 77",
            "-p 89 -s 172.17.0.3 -d 10.0.0.9",
            udp("fd00::2", "fd00::9", 53),
        ],
    )


def test_what_goes_from_one_subnet_to_another(host: Node) -> None:
    host.ip("addr add 172.17.0.1/32 dev lo", "addr add 172.18.0.1/32 dev lo")
    link = Flow("udp", orig_src="172.17.0.9", orig_dst="172.18.0.9", orig_dports=(53, 53))
    between = Flow(orig_src="172.17.0.0/16", orig_dst="172.18.0.0/16", direct=True, spared=(link,))
    deletes(
        host,
        between,
        [
            udp("172.17.0.9", "172.18.0.9", 54),
            udp("172.17.255.254", "172.18.0.9", 53),
            udp("172.17.0.9", "172.18.0.8", 53).replace("-q 172.17.0.9", "-q 172.18.0.1"),
            "-p icmp -s 172.17.0.9 -d 172.18.0.9 --icmp-type 8 --icmp-code 0 --icmp-id 77",
        ],
        [
            udp("172.17.0.9", "172.18.0.9", 53),
            udp("172.18.0.9", "172.17.0.9", 54),
            udp("172.17.0.9", "172.17.0.8", 54),
            udp("172.17.0.1", "172.18.0.9", 54),
            udp("172.17.0.9", "172.18.0.1", 54),
            udp("172.17.0.9", "172.18.0.1", 54, ("172.18.0.9", 54)),
            udp("172.17.0.9", "172.18.0.7", 54, ("172.18.0.9", 54)),
            udp("fd00::2", "fd00::9", 54),
        ],
    )


def test_sctp(host: Node) -> None:
    sctp = "--state ESTABLISHED --orig-vtag 1 --reply-vtag 2"
    deletes(
        host,
        Flow("sctp", LOCAL, (53, 53)),
        [f"-p sctp -s 10.0.0.9 -d 10.0.0.1 --sport 1 --dport 53 {sctp}"],
        [
            f"-p sctp -s 10.0.0.9 -d 10.0.0.1 --sport 1 --dport 54 {sctp}",
            udp("10.0.0.9", "10.0.0.1", 53),
        ],
    )


def test_ipv6(host: Node) -> None:
    deletes(
        host,
        Flow(either="fd00::2"),
        [
            udp("fd00::2", "fd00::9", 53),
            "-p icmpv6 -s fd00::2 -d fd00::9 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 7",
        ],
        [udp("10.0.0.9", "10.0.0.1", 53)],
    )


@pytest.mark.parametrize(
    ("of", "own", "other"), [(V4, "10.7.0.1", "2001:db8::1"), (V6, "2001:db8::1", "10.7.0.1")]
)
def test_every_address_of_the_host_is_those_of_one_family(
    host: Node, of: Family, own: str, other: str
) -> None:
    host.ip("address add 2001:db8::1/64 dev lo nodad", "address add 10.7.0.1/32 dev lo")
    clients = {"10.7.0.1": "10.7.0.9", "2001:db8::1": "2001:db8::9"}
    deletes(
        host,
        Flow("udp", LOCAL, (53, 53), of=of),
        [udp(clients[own], own, 53), udp(own, of.loopback, 53)],
        [udp(clients[other], other, 53), udp(own, clients[own], 53)],
        Flow(None, LOCAL, (1, 9), of=V6 if of is V4 else V4),  # So that every entry is listed.
    )


def test_an_entry_of_a_zone_is_told_from_its_twin_in_another(host: Node) -> None:
    twin = udp("10.0.0.9", "10.0.0.1", 53)
    deletes(
        host,
        Flow("udp", None, (53, 53), None, "172.17.0.2", (53, 53)),
        [udp("10.0.0.9", "10.0.0.1", 53, ("172.17.0.2", 53)) + " -w 7"],
        [twin, f"{twin} -w 8"],
    )


@pytest.mark.parametrize("direction", ["--zone", "--zone-orig", "--zone-reply"])
def test_a_zone_of_one_direction(host: Node, direction: str) -> None:
    rule = f"iptables -t raw -A OUTPUT -p udp --dport 53 -j CT {direction} 7"
    if host.try_run(rule).returncode:
        pytest.skip("this kernel has no CT target")
    send = "import socket\nsender = socket.socket(type=socket.SOCK_DGRAM)\n"
    inside(host, f"{send}result = sender.sendto(b'?', ('10.0.0.1', 53))")
    (entry,) = table(host)
    assert f"{direction.strip('-')}=7" in entry
    assert len(delete(host, Flow("udp", LOCAL, (53, 53)))) == 1
    assert table(host) == set()


def test_several_flows_at_once(host: Node) -> None:
    kept = [udp("10.0.0.9", "10.0.0.1", 55)]
    track(host, *kept)
    before = table(host)
    track(
        host,
        udp("10.0.0.9", "10.0.0.1", 53),
        udp("10.0.0.9", "10.0.0.1", 54, ("172.17.0.2", 54)),
        "-p icmp -s 172.17.0.3 -d 10.0.0.9 --icmp-type 8 --icmp-code 0 --icmp-id 77",
        udp("fd00::2", "fd00::9", 53),
    )
    flows = [
        Flow("udp", LOCAL, (53, 53)),
        Flow("udp", LOCAL, (53, 53)),
        Flow("udp", orig_dst="10.0.0.1", orig_dports=(53, 54), reply_src="172.17.0.2"),
        Flow(either="172.17.0.3"),
        Flow(either="fd00::9"),
    ]
    assert len(delete(host, *flows)) == 4
    assert table(host) == before


# --- how ----------------------------------------------------------------------------------------


# Each question for the table is told with the warnings.
COUNTED = """
from dnet.host import nlsocket
real = nlsocket.places
def places(protocol, *arguments):
    if protocol == nlsocket.NETFILTER:
        warnings.append("asked")
    return real(protocol, *arguments)
nlsocket.places = places
"""


def test_one_question_for_any_number_of_flows(host: Node) -> None:
    track(host, udp("10.0.0.9", "10.0.0.8", 53))
    flows = [Flow("udp", LOCAL, (port, port)) for port in (53, 54)]
    assert attempt(host, *flows, before=COUNTED) == ([], ["asked"])


def test_no_question_where_there_is_nothing(host: Node) -> None:
    assert attempt(host, Flow(either="172.17.0.2"), before=COUNTED) == ([], [])


def test_no_question_where_a_short_table_has_nothing_of_a_flow(host: Node) -> None:
    track(host, udp("10.0.0.21", "10.0.0.1", 531), udp("fd00::21", "fd00::9", 531))
    flows = [Flow(either="10.0.0.2"), Flow(either="fd00::2"), Flow("udp", LOCAL, (53, 53))]
    assert attempt(host, *flows, before=COUNTED) == ([], [])


def test_a_table_that_is_not_short_is_asked_for_all_of_it(host: Node) -> None:
    track(host, *(udp(f"10.0.0.{number}", "10.0.0.1", 53) for number in range(2, 50)))
    listed = re.findall(r"src=(\S+) dst=10.0.0.1 ", str(host.within(conntrack.listing)))
    for last in listed[-2:]:
        assert attempt(host, Flow(either=last), before=COUNTED)[1] == ["asked"]
    assert len(table(host)) == len(listed) - 2


def test_a_thousand_entries_need_one_question(host: Node) -> None:
    track(host, *(udp("10.0.0.9", "10.0.0.1", port, ("172.17.0.2", 9)) for port in range(1, 1001)))
    deleted, warnings = attempt(host, Flow("udp", LOCAL, (1, 65535)), before=COUNTED)
    assert (len(deleted), warnings) == (1000, ["asked"])
    assert table(host) == set()


# A kernel before Linux 5.8 does not know CTA_FILTER, as this one does not know this number.
UNFILTERED = "table._FILTER = 999"
UNTOLD = "table._TEXT = '/proc/nothing'"


@pytest.mark.parametrize(
    ("flow", "gone"),
    [
        (Flow("udp", "10.0.0.1", (53, 53)), 1),
        (Flow("udp", "10.0.0.1", (53, 53), "10.0.0.9", "172.17.0.2", (5353, 5353)), 1),
        (Flow("udp", LOCAL, (53, 53)), 2),
        (Flow(reply_src="172.17.0.2"), 2),
        (Flow(reply_src="172.17.0.2", reply_sports=(5353, 5353)), 2),
        (Flow(either="172.17.0.2"), 2),
        (Flow(either="fd00::9"), 1),
    ],
)
@pytest.mark.parametrize("before", ["", UNFILTERED, UNTOLD])
def test_the_kernel_may_narrow_the_listing_down(
    host: Node, flow: Flow, gone: int, before: str
) -> None:
    answer = ("172.17.0.2", 5353)
    track(
        host,
        udp("10.0.0.9", "10.0.0.1", 53, answer),
        udp("10.0.0.9", "10.0.0.1", 53, answer).replace("-p udp", "-p udplite"),
        udp("10.0.0.9", "10.0.0.2", 53, ("172.17.0.3", 5353)),
        udp("10.0.0.9", "10.0.0.2", 54),
        udp("fd00::2", "fd00::9", 53),
    )
    assert len(delete(host, flow, before=before)) == gone
    assert len(table(host)) == 5 - gone


# Between the listing and the deletion something happens to the table.
MEANWHILE = """
from tests import conntrack
real = messages.destroy
def destroy(*arguments):
    {happens}
    return real(*arguments)
messages.destroy = destroy
"""


def test_an_entry_that_ends_meanwhile_is_no_error(host: Node) -> None:
    track(host, udp("10.0.0.9", "10.0.0.1", 53), udp("10.0.0.9", "10.0.0.2", 53))
    before = MEANWHILE.format(happens="conntrack.delete('-d 10.0.0.1')")
    deleted = delete(host, Flow("udp", LOCAL, (53, 53)), before=before)
    assert [entry.split()[2] for entry in deleted] == ["dst=10.0.0.2"]


@pytest.mark.parametrize(
    ("listed", "anew"),
    [
        # The same question, now answered by another; the same answer, now to another question.
        ("-d 10.0.0.1 -r 10.0.0.1", "-d 10.0.0.1 -r 172.17.0.2"),
        ("-d 10.0.0.1 -r 172.17.0.2", "-d 172.17.0.2 -r 172.17.0.2"),
    ],
)
def test_a_flow_that_is_tracked_anew_meanwhile_stays(host: Node, listed: str, anew: str) -> None:
    rest = "-p udp -s 10.0.0.9 -q 10.0.0.9 --sport 9 --dport 53"
    rest += " --reply-port-src 53 --reply-port-dst 9"
    track(host, f"{rest} {listed}")
    happens = f"conntrack.delete('-p udp --dport 53'), conntrack.track('{rest} {anew}')"
    before = MEANWHILE.format(happens=happens)
    assert delete(host, Flow("udp", LOCAL, (53, 53)), before=before) == []
    (tracked,) = table(host)
    assert tracked.startswith(f"src=10.0.0.9 dst={anew.split()[1]} ")
    assert f"src={anew.split()[3]} dst=10.0.0.9" in tracked


# A client at 10.0.0.9 asks the host, and a container answers.
PUBLISHED = (
    "-p udp -s 10.0.0.9 -d 10.0.0.1 --sport 1000 --dport 53 "
    "-r 172.17.0.2 -q 10.0.0.9 --reply-port-src 53 --reply-port-dst 1000"
)
# What the container says of its own accord, masqueraded as if the host said it from that port.
LATE = (
    "-p udp -s 172.17.0.2 -d 10.0.0.9 --sport 53 --dport 1000 "
    "-r 10.0.0.9 -q 10.0.0.1 --reply-port-src 1000 --reply-port-dst 53"
)
IN_PLACE = r"src=10\.0\.0\.9 dst=10\.0\.0\.1 sport=1000 dport=53 .*src=10\.0\.0\.1 dst=10\.0\.0\.9 "


def test_a_held_place_is_kept_against_what_the_container_still_says(host: Node) -> None:
    track(host, PUBLISHED)
    assert len(delete(host, Flow("udp", LOCAL, (53, 53), hold=True))) == 1
    (tracked,) = table(host)
    assert re.match(IN_PLACE, tracked)
    with pytest.raises(FileExistsError):
        track(host, LATE)
    assert table(host) == {tracked}


def test_a_place_that_was_taken_in_that_moment_is_taken_back(host: Node) -> None:
    track(host, PUBLISHED)
    before = f"""
from tests import conntrack
real = messages._hold
def hold(*arguments):
    conntrack.track("{LATE}")
    return real(*arguments)
messages._hold = hold
"""
    assert len(delete(host, Flow("udp", LOCAL, (53, 53), hold=True), before=before)) == 1
    (tracked,) = table(host)
    assert re.match(IN_PLACE, tracked)


def test_nothing_is_held_for_a_client_that_the_container_never_saw(host: Node) -> None:
    track(host, PUBLISHED.replace("-q 10.0.0.9", "-q 172.17.42.1"))
    assert len(delete(host, Flow("udp", LOCAL, (53, 53), hold=True))) == 1
    assert table(host) == set()


def test_no_program_is_needed(host: Node) -> None:
    track(host, udp("10.0.0.9", "10.0.0.1", 53))
    before = "import os\nos.posix_spawn = None"
    assert len(delete(host, Flow("udp", LOCAL, (53, 53)), before=before)) == 1


def test_without_permission_it_warns_and_deletes_nothing(host: Node) -> None:
    track(host, udp("10.0.0.9", "10.0.0.1", 53))
    before = table(host)
    drop = "import os, subprocess\nos.setuid(65534)"
    deleted, (warning,) = attempt(host, Flow("udp", LOCAL, (53, 53)), before=drop)
    assert deleted == []
    assert warning == (
        "cannot list connection tracking entries, existing connections keep their old route: "
        "Operation not permitted"
    )
    assert table(host) == before


def test_what_the_kernel_refuses_is_told(host: Node) -> None:
    track(host, "-p udp -s 10.0.0.9 -d 10.0.0.1 --sport 1000 --dport 53")
    before = table(host)
    code = """
import os
from dnet.host.conntrack import messages, table
from dnet.plan.flow import Flow
entries = list(table._listing((Flow("udp"),)))
os.setuid(65534)
warnings = []
result = [list(messages.destroy(entries, warnings.append)), warnings]
"""
    assert inside(host, code) == [
        [],
        [
            "cannot delete connection tracking entry udp src=10.0.0.9 dst=10.0.0.1 sport=1000 "
            "dport=53, answered by 10.0.0.1: Operation not permitted"
        ],
    ]
    assert table(host) == before


def test_the_described_commands_delete_the_same(host: Node) -> None:
    flow = Flow("udp", either="172.17.0.2")
    track(host, udp("10.0.0.9", "10.0.0.1", 53))
    before = table(host)
    track(
        host,
        udp("172.17.0.2", "10.0.0.9", 53),
        udp("10.0.0.9", "172.17.0.2", 53),
        udp("10.0.0.9", "10.0.0.1", 54, ("172.17.0.2", 53)),
    )
    for line in flow.shown.split("; "):
        assert line.startswith("conntrack -D ")
        host.within(partial(conntrack.delete, line.removeprefix("conntrack -D ")))
    assert table(host) == before


def test_every_address_of_a_local_network_is_local(host: Node) -> None:
    host.ip("route add local 10.9.0.0/16 dev lo")
    deletes(
        host,
        Flow("udp", LOCAL, (53, 53)),
        [udp("10.0.0.9", "10.9.8.7", 53)],
        [udp("10.0.0.9", "10.10.8.7", 53)],
    )


def test_the_loopback_network_is_local_while_its_device_is_down(host: Node) -> None:
    host.ip("link set lo down")
    deletes(
        host,
        Flow("udp", LOCAL, (53, 53)),
        [udp("127.0.0.1", "127.0.0.1", 53), udp("127.0.0.1", "127.1.2.3", 53)],
        [udp("127.0.0.1", "128.0.0.1", 53)],
    )
