"""A command ends the tracked connections that it made obsolete, and nobody else's."""

from __future__ import annotations

import subprocess
import sys
from typing import NamedTuple

import pytest

from tests import conntrack
from tests.host import Host
from tests.lab import Lab
from tests.node import SILENCE_SECONDS, Node

WEB, DB = "172.17.0.2", "172.17.0.3"


class Site(NamedTuple):
    host: Host
    outside: Node
    web: Node
    db: Node


@pytest.fixture
def site(lab: Lab) -> Site:
    """Two containers that answer on udp and tcp port 53, and a machine outside."""
    host = lab.host()
    nodes = Site(host, lab.outside(host), lab.node(), lab.node())
    host.ip("address add 10.99.0.11/24 dev eth0")
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16", "--no-icc")
    for name, node, address in (("web", nodes.web, WEB), ("db", nodes.db, DB)):
        assert host.ok("attach", name, "--netns", node.netns) == address
        for proto in ("tcp", "udp"):
            node.listen(proto, 53, name)
    return nodes


def entries(host: Host, *match: str) -> set[str]:
    """The entries that hold each of the texts, with their ids."""
    return {line for line in host.within(conntrack.listing) if all(text in line for text in match)}


@pytest.mark.parametrize("proto", ["tcp", "udp"])
def test_a_containers_own_download_goes_on(site: Site, proto: str) -> None:
    site.outside.listen(proto, 443, "outside")
    download = site.web.open(proto, "10.99.0.2", 443)
    assert download.say()
    before = entries(site.host, " dport=443 ")
    assert len(before) == 1
    site.host.ok("map", "add", "web", f"443:443/{proto}")
    assert entries(site.host, " dport=443 ") == before
    assert download.say()
    site.host.ok("map", "remove", f"443/{proto}")
    # The very entry: one that was deleted could come back with the next packet, unnoticed.
    assert entries(site.host, " dport=443 ") == before
    assert download.say()


@pytest.mark.parametrize(
    ("bound", "asked"), [("", "10.99.0.1"), ("", "10.99.0.11"), ("10.99.0.11:", "10.99.0.11")]
)
def test_an_established_udp_flow_is_cut_and_pointed_elsewhere(
    site: Site, bound: str, asked: str
) -> None:
    site.host.ok("map", "add", "web", f"{bound}53:53/udp")
    flow = site.outside.open("udp", asked, 53)
    assert str(flow.say()).startswith("web")
    site.host.ok("map", "remove", "53/udp")
    assert flow.say(SILENCE_SECONDS) is None
    site.host.ok("map", "add", "db", f"{bound}53:53/udp")
    assert str(flow.say()).startswith("db")


def test_a_late_answer_does_not_bring_a_flow_back(site: Site) -> None:
    site.host.ok("map", "add", "web", "53:53/udp")
    client = ("10.99.0.2", 40001)
    assert site.outside.ask("udp", "10.99.0.1", 53, source=client)
    site.host.ok("map", "remove", "53/udp")
    site.web.unlisten("udp", 53)
    site.web.ask("udp", *client, timeout=SILENCE_SECONDS, source=(WEB, 53))
    site.web.listen("udp", 53, "web")
    assert site.outside.ask("udp", "10.99.0.1", 53, SILENCE_SECONDS, source=client) is None


def test_a_server_that_goes_on_talking_does_not_keep_its_connection(site: Site) -> None:
    site.host.ok("map", "add", "web", "53:53")
    connection = site.outside.open("tcp", "10.99.0.1", 53)
    assert connection.say()
    site.web.tell()
    assert connection.hear() == "unasked"
    site.host.ok("map", "remove", "53")
    site.web.tell()
    assert connection.hear(SILENCE_SECONDS) is None


# A client that connects from one port, and when it is told to is gone without a word.
VANISHING = """
import socket, struct
client = socket.socket()
client.bind(("10.99.0.2", 40001))
client.connect(("10.99.0.1", 53))
print("connected", flush=True)
input()
client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
client.close()
"""


def test_a_client_that_vanished_can_connect_again_at_once(site: Site) -> None:
    site.host.ok("map", "add", "web", "53:53")
    site.host.iptables("-P INPUT DROP")
    command = site.outside.argv(sys.executable, "-I", "-c", VANISHING)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True) as client:  # type: ignore[call-overload]
        assert client.stdout.readline() == "connected\n"
        site.outside.run("iptables -A OUTPUT -p tcp --dport 53 -j DROP")
        client.communicate("\n")
    site.outside.run("iptables -F OUTPUT")
    site.host.ok("map", "remove", "53")
    site.host.ok("map", "add", "web", "53:53")
    site.outside.run("iptables -A OUTPUT -p tcp --syn --dport 53")
    answer = site.outside.ask("tcp", "10.99.0.1", 53, source=("10.99.0.2", 40001))
    assert str(answer).startswith("web")
    # By the first packet the server learned that the old connection is no more (RFC 5961, 4.2).
    # Had the host lost that one, there would have been a third, a second later.
    counted = site.outside.run("iptables -vnxL OUTPUT").splitlines()
    assert [line.split()[0] for line in counted if " dpt:53 " in line] == ["2"]


def test_an_address_that_changes_hands_in_one_transaction_takes_no_flow_along(site: Site) -> None:
    site.outside.listen("udp", 9, "outside")
    assert site.web.ask("udp", "10.99.0.2", 9)
    assert entries(site.host, WEB)
    lines = f"interface release web\ninterface allocate other --ip {WEB}\n"
    site.host.ok("batch", stdin=lines)
    assert entries(site.host, WEB) == set()


def test_a_sender_that_never_starts_anew_meets_a_new_link_from_the_host(site: Site) -> None:
    flow = site.host.open("udp", "127.0.0.1", 53)
    assert flow.say(SILENCE_SECONDS) is None
    site.host.ok("link", "add", "host", "db", "-p", "53/udp")
    assert str(flow.say()).startswith("db")


@pytest.mark.parametrize("proto", ["tcp", "udp"])
def test_a_port_that_changes_hands_in_one_transaction_is_the_new_owners_at_once(
    site: Site, proto: str
) -> None:
    client = ("10.99.0.2", 40001)
    site.host.ok("map", "add", "web", f"53:53/{proto}")
    assert str(site.outside.ask(proto, "10.99.0.1", 53, source=client)).startswith("web")
    lines = f"map remove 53/{proto}\nmap add db 10.99.0.1:53:53/{proto}\n"
    site.host.ok("batch", stdin=lines)
    assert str(site.outside.ask(proto, "10.99.0.1", 53, source=client)).startswith("db")


@pytest.mark.parametrize("asked", ["10.99.0.1", "127.0.0.1", "172.17.42.1"])
def test_a_flow_of_the_host_itself_too(site: Site, asked: str) -> None:
    flow = site.host.open("udp", asked, 53)
    assert flow.say(SILENCE_SECONDS) is None
    site.host.ok("map", "add", "web", "53:53/udp")
    assert str(flow.say()).startswith("web")
    site.host.ok("map", "remove", "53/udp")
    assert flow.say(SILENCE_SECONDS) is None


def test_a_mapping_of_a_range_cuts_each_of_its_ports(site: Site) -> None:
    site.host.ok("map", "add", "web", "8050-8059:50-59/udp")
    flow = site.outside.open("udp", "10.99.0.1", 8053)
    assert str(flow.say()).startswith("web")
    site.host.ok("map", "remove", "--all", "web")
    assert flow.say(SILENCE_SECONDS) is None


def test_a_mapping_of_one_address_leaves_the_others_alone(site: Site) -> None:
    site.host.ok("map", "add", "web", "10.99.0.1:53:53/udp")
    other = site.outside.open("udp", "10.99.0.1", 53)
    assert str(other.say()).startswith("web")
    before = entries(site.host, "dst=10.99.0.1 ")
    assert before
    site.host.ok("map", "add", "db", "10.99.0.11:53:53/udp")
    site.host.ok("map", "remove", "10.99.0.11:53/udp")
    assert entries(site.host, "dst=10.99.0.1 ") == before
    assert str(other.say()).startswith("web")


def test_one_of_two_ports_of_a_container_goes_alone(site: Site) -> None:
    site.host.ok("map", "add", "web", "5001:53/udp", "5002:53/udp")
    first = site.outside.open("udp", "10.99.0.1", 5001)
    second = site.outside.open("udp", "10.99.0.1", 5002)
    assert first.say()
    assert second.say()
    before = entries(site.host, " dport=5002 ")
    site.host.ok("map", "remove", "5001/udp")
    assert first.say(SILENCE_SECONDS) is None
    assert entries(site.host, " dport=5002 ") == before
    assert second.say()


def test_a_link_that_goes_cuts_its_own_direction(site: Site) -> None:
    site.host.ok("link", "add", "web", "db", "-p", "53/udp")
    site.host.ok("link", "add", "db", "web", "-p", "53/udp")
    there = site.web.open("udp", DB, 53)
    back = site.db.open("udp", WEB, 53)
    assert str(there.say()).startswith("db")
    assert str(back.say()).startswith("web")
    before = {entry for entry in entries(site.host) if entry.startswith(f"src={DB} dst={WEB} ")}
    assert len(before) == 1
    site.host.ok("link", "remove", "web", "db")
    assert there.say(SILENCE_SECONDS) is None
    assert str(back.say()).startswith("web")
    assert before <= entries(site.host)


def test_a_link_from_the_host_too(site: Site) -> None:
    site.host.ok("link", "add", "host", "db", "-p", "53/udp")
    flow = site.host.open("udp", "127.0.0.1", 53)
    assert str(flow.say()).startswith("db")
    site.host.ok("link", "remove", "host", "db")
    assert flow.say(SILENCE_SECONDS) is None


def test_a_released_address_leaves_no_entry(site: Site) -> None:
    site.host.ok("map", "add", "web", "53:53/udp")
    site.host.ok("map", "add", "db", "54:53/udp")
    for port in (53, 54):
        assert site.outside.ask("udp", "10.99.0.1", port)
    site.outside.listen("udp", 9, "outside")
    for node in (site.web, site.db):
        assert node.ask("udp", "10.99.0.2", 9)
    before = entries(site.host, DB)
    assert len(entries(site.host, WEB)) == len(before) == 2
    site.host.ok("detach", "web")
    assert entries(site.host, WEB) == set()
    assert entries(site.host, DB) == before


# --- containers that are kept apart only later --------------------------------------------------


class Street(NamedTuple):
    """Two containers of a bridge and one of another, all of which reach one another so far."""

    host: Host
    outside: Node
    web: Node
    db: Node
    far: Node


FAR = "172.18.0.2"


def street(lab: Lab) -> Street:
    host = lab.host()
    nodes = Street(host, lab.outside(host), lab.node(), lab.node(), lab.node())
    for number, name in enumerate(("dnet0", "dnet1")):
        init = ("bridge", "init", name, "--address", f"172.{17 + number}.42.1/16")
        host.ok(*init, "--no-isolate", "--chain", f"CHAIN{number}")
    for name, node, bridge in (
        ("web", nodes.web, "dnet0"),
        ("db", nodes.db, "dnet0"),
        ("far", nodes.far, "dnet1"),
    ):
        host.ok("attach", name, "--netns", node.netns, "--bridge", bridge)
        for proto in ("tcp", "udp"):
            for port in (53, 54):
                node.listen(proto, port, name)
    return nodes


@pytest.mark.parametrize("proto", ["tcp", "udp"])
@pytest.mark.parametrize("tracked", [True, False], ids=["tracked", "untracked"])
def test_what_siblings_have_open_ends_with_no_icc(every: Lab, proto: str, tracked: bool) -> None:
    """Where bridged frames did not meet iptables, nothing was tracked: that comes with it."""
    host, outside, web, db, _ = street(every)
    host.sysctl("net/bridge/bridge-nf-call-iptables", int(tracked))
    host.ok("map", "add", "db", f"8053:53/{proto}")
    host.ok("link", "add", "web", "db", "-p", f"54/{proto}")
    outside.listen(proto, 443, "outside")
    ending = [web.open(proto, DB, 53), db.open(proto, WEB, 53), db.open(proto, WEB, 54)]
    staying = {
        "a link's": web.open(proto, DB, 54),
        "to a published port": web.open(proto, "10.99.0.1", 8053),
        "to one at the gateway": web.open(proto, "172.17.42.1", 8053),
        "its own": db.open(proto, "172.17.42.1", 8053),
        "from outside": outside.open(proto, "10.99.0.1", 8053),
        "to outside": web.open(proto, "10.99.0.2", 443),
        "the host's": host.open(proto, DB, 53),
    }
    for flow in (*ending, *staying.values()):
        assert flow.say()
    pair = "conntrack -D -s 172.17.0.0/16 -d 172.17.0.0/16"
    assert pair in host.ok("bridge", "init", "dnet0", "--no-icc", "--dry-run").splitlines()
    assert all(flow.say() for flow in ending)
    host.ok("bridge", "init", "dnet0", "--no-icc")
    assert [flow.say(SILENCE_SECONDS) for flow in ending] == [None] * len(ending)
    assert [name for name, flow in staying.items() if flow.say() is None] == []
    host.quiet("check")
    assert pair not in host.ok("bridge", "init", "dnet0", "--no-icc", "--dry-run")


@pytest.mark.parametrize("proto", ["tcp", "udp"])
def test_what_bridges_have_open_ends_with_isolate(every: Lab, proto: str) -> None:
    host, _, web, _, far = street(every)
    host.ok("map", "add", "far", f"8053:53/{proto}")
    host.ok("link", "add", "web", "far", "-p", f"54/{proto}")
    ending = [web.open(proto, FAR, 53), far.open(proto, WEB, 53)]
    staying = [
        web.open(proto, FAR, 54),
        web.open(proto, "172.18.42.1", 8053),
        web.open(proto, DB, 53),
        host.open(proto, FAR, 53),
    ]
    assert all(flow.say() for flow in (*ending, *staying))
    host.ok("bridge", "init", "dnet1", "--isolate")
    assert [flow.say(SILENCE_SECONDS) for flow in ending] == [None, None]
    assert all(flow.say() for flow in staying)


def test_a_bridge_that_is_adopted_and_kept_apart_ends_what_it_had_open(lab: Lab) -> None:
    host, web = lab.host(), lab.node()
    host.ip("link add br9 type bridge", "address add 172.19.0.1/16 dev br9", "link set br9 up")
    old = lab.container(host, "br9", "172.19.0.2", gateway="172.19.0.1")
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    host.ok("attach", "web", "--netns", web.netns)
    old.listen("tcp", 80, "old")
    flow = web.open("tcp", "172.19.0.2", 80)
    assert flow.say()
    host.ok("bridge", "init", "br9", "--chain", "OTHER")
    assert flow.say(SILENCE_SECONDS) is None


def test_a_new_bridge_has_nothing_to_end(site: Site) -> None:
    assert "conntrack -D" not in site.host.ok("bridge", "init", "dnet1", "--dry-run")
