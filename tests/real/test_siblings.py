"""Siblings on a bridge with --no-icc: no frame passes, links and published ports work.

With nftables ports are isolated, but where br_netfilter is in use already.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest

from tests.contract import STATUS
from tests.host import Host
from tests.lab import Lab
from tests.node import Node
from tests.real.devices import link
from tests.real.test_between_containers import link_local
from tests.real.test_firewall import IMPATIENT, called

CALLS = "net/bridge/bridge-nf-call-iptables"
PROXY, DELAY = "net/ipv4/conf/dnet0/proxy_arp_pvlan", "net/ipv4/neigh/dnet0/proxy_delay"
INIT = ("bridge", "init", "dnet0", "--address", "172.17.42.1/16", "--firewall", "nftables")
WEB, DB, GATEWAY = "172.17.0.2", "172.17.0.3", "172.17.42.1"

# Says how many frames of a hardware address come, until one comes from the host that ends it.
HEAR = """
import socket, sys
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
wire.bind(("eth0", 3))
wire.settimeout(20)
print("ready", flush=True)
source, heard = bytes.fromhex(sys.argv[1].replace(":", "")), 0
while (frame := wire.recv(2000))[12:15] != b"\\x88\\xb5e":
    heard += frame[6:12] == source
print(heard)
"""
# From a device: to one, to all and to a group; of a protocol nobody speaks, of IP, of ARP, of IPv6,
# and with a tag.
SEND = """
import socket, sys
device, to, source, peer, what = sys.argv[1:]
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind((device, 0))
mac, rest = wire.getsockname()[4], bytes(46)
ask = bytes.fromhex("00010800060400" + "01") + mac + socket.inet_aton(source) + bytes(6)
ask += socket.inet_aton(peer)
bodies = [b"\\x88\\xb5" + what.encode() + rest, b"\\x08\\0\\x45" + rest, b"\\x08\\x06" + ask]
bodies += [b"\\x86\\xdd" + rest, b"\\x81\\0\\0\\0\\x08\\0\\x45" + rest]
for each in (to.replace(":", ""), "ffffffffffff", "01005e000001", "333300000001"):
    for body in bodies:
        wire.send(bytes.fromhex(each) + mac + body)
"""


class Town(NamedTuple):
    """A host with two containers on a bridge, each with a published port, and a link."""

    host: Host
    web: Node
    db: Node


def a_town(lab: Lab, calls: int, *options: str) -> Town:
    """The container db is linked to port 82 of web; `calls` is whether br_netfilter is in use."""
    host = lab.host()
    host.sysctl(CALLS, calls)
    host.ok(*INIT, *options)
    web, db = lab.node(), lab.node()
    host.ok("attach", "web", "--netns", web.netns, "-p", "8080:80", "--ip", WEB)
    host.ok("attach", "db", "--netns", db.netns, "-p", "8081:80", "--ip", DB)
    host.ok("link", "add", "db", "web", "-p", "82/tcp", "-p", "82/udp")
    for name, node in (("web", web), ("db", db)):
        for proto in ("tcp", "udp"):
            for port in (80, 82):
                node.listen(proto, port, name)
    return Town(host, web, db)


@pytest.fixture
def town(lab: Lab) -> Town:
    """Without br_netfilter."""
    return a_town(lab, 0, "--no-icc")


def isolated(host: Host) -> list[bool]:
    """Of each port of the bridge, whether it is."""
    found = json.loads(host.run("ip -d -j link show master dnet0"))
    return [one["linkinfo"]["info_slave_data"]["isolated"] for one in found]


def icc_by(host: Host) -> Any:
    return host.json("firewall", "show")["icc_by"]


def is_isolating(host: Host) -> None:
    assert icc_by(host) == "isolated-ports"
    assert set(isolated(host)) == {True}
    assert (host.sysctl(PROXY), host.sysctl(DELAY)) == ("1", "0")
    host.quiet("check")


def isolates_nothing(host: Host, by: str) -> None:
    assert icc_by(host) == by
    assert set(isolated(host)) == {False}
    assert (host.sysctl(PROXY), host.sysctl(DELAY)) == ("0", "80")
    host.quiet("check")


def links_and_ports_work(town: Town) -> None:
    """Asserts that links and published ports work, and nothing else between siblings."""
    host, web, db = town
    for proto in ("tcp", "udp"):
        db.reaches("web", proto, WEB, 82)
    db.miss_all(("tcp", WEB, 80), ("udp", WEB, 80))
    web.miss_all(("tcp", DB, 82), ("udp", DB, 82))
    db.reaches("web", "tcp", GATEWAY, 8080)
    web.reaches("db", "tcp", GATEWAY, 8081)
    web.reaches("web", "tcp", GATEWAY, 8080)
    host.reaches("web", "tcp", "127.0.0.1", 8080)


def heard(town: Town) -> int:
    """How many frames of web get to db."""
    macs = link(town.web)["address"], link(town.db)["address"]
    command = [sys.executable, "-I", "-c", SEND]
    hear = town.db.argv(sys.executable, "-I", "-c", HEAR, macs[0])
    with subprocess.Popen(hear, stdout=subprocess.PIPE, text=True) as hearing:
        assert hearing.stdout is not None
        hearing.stdout.readline()
        town.web.run(*command, "eth0", macs[1], WEB, DB, "x")
        town.host.run(*command, "dnet0", macs[1], GATEWAY, DB, "e")
        return int(hearing.stdout.readline())


def test_isolated_siblings_exchange_no_frame(town: Town) -> None:
    is_isolating(town.host)
    assert heard(town) == 0
    for node in (town.web, town.db):
        node.sysctl("net/ipv6/conf/eth0/accept_dad", 0)
        node.sysctl("net/ipv6/conf/eth0/disable_ipv6", 0)
    town.db.listen("tcp", 90, "db", "::")
    town.web.misses("tcp", link_local(town.db), 90)
    # What that is worth: without isolation they pass, but for what no bridge lets through.
    town.host.ok("bridge", "init", "dnet0", "--icc")
    assert heard(town) > 10
    town.web.reaches("db", "tcp", link_local(town.db), 90)


@pytest.mark.parametrize("calls", [0, 1])
def test_links_and_published_ports_work(lab: Lab, calls: int) -> None:
    town = a_town(lab, calls, "--no-icc")
    if calls:
        isolates_nothing(town.host, "br-netfilter")
    else:
        is_isolating(town.host)
    links_and_ports_work(town)
    assert town.host.sysctl(CALLS) == str(calls)


def test_the_first_packet_of_a_link_comes_at_once(town: Town) -> None:
    """The kernel's own delay before it answers for another is up to 0.8 s."""
    for _ in range(5):
        town.db.run("ip neigh flush dev eth0")
        begin = time.monotonic()
        town.db.reaches("web", "udp", WEB, 82)
        assert time.monotonic() - begin < 0.2


def test_a_bridge_in_use_is_closed_and_opened(lab: Lab) -> None:
    town = a_town(lab, 0)
    host, web, db = town
    isolates_nothing(host, "none")
    db.reaches("web", "tcp", WEB, 80)
    web.reaches("db", "tcp", DB, 82)
    host.ok("bridge", "init", "dnet0", "--no-icc")
    is_isolating(host)
    links_and_ports_work(town)
    host.ok("bridge", "init", "dnet0", "--icc")
    isolates_nothing(host, "none")
    db.reaches("web", "tcp", WEB, 80)
    host.ok("bridge", "init", "dnet0", "--no-icc")
    host.ok("bridge", "init", "dnet0", "--no-icc")
    is_isolating(host)


MENDING = [
    ("restore",),
    ("attach", "web", "--netns", "{web}", "-p", "8080:80", "--ip", WEB),
    ("bridge", "init", "dnet0"),
]


@pytest.mark.parametrize("words", MENDING, ids=lambda words: words[0])
def test_br_netfilter_that_comes_and_goes_is_found_and_followed(
    town: Town, words: tuple[str, ...]
) -> None:
    host = town.host
    line = [word.format(web=town.web.netns) for word in words]
    for calls in (1, 0):
        host.sysctl(CALLS, calls)
        found = host.dnet("check")
        assert found.returncode == STATUS["drift"]
        assert " of web is " + ("isolated, and" if calls else "not isolated") in found.stdout
        host.ok(*line)
        if calls:
            isolates_nothing(host, "br-netfilter")
        else:
            is_isolating(host)
        links_and_ports_work(town)


@pytest.mark.parametrize("words", MENDING[:2], ids=lambda words: words[0])
def test_a_port_that_is_not_isolated_is_found_and_mended(
    town: Town, words: tuple[str, ...]
) -> None:
    host = town.host
    port = json.loads(host.run("ip -j link show master dnet0"))[0]["ifname"]
    host.run("bridge", "link", "set", "dev", port, "isolated", "off")
    done = host.dnet("check")
    assert (done.returncode, done.stdout) == (STATUS["drift"], f"{port} of web is not isolated\n")
    host.ok(*(word.format(web=town.web.netns) for word in words))
    is_isolating(host)
    host.ip(f"link set {port} nomaster")
    host.ok(*(word.format(web=town.web.netns) for word in words))
    is_isolating(host)
    links_and_ports_work(town)


def test_what_others_plug_in_is_found(town: Town) -> None:
    host = town.host
    host.ip("tuntap add tap0 mode tap", "link set tap0 master dnet0 up")
    done = host.dnet("check")
    assert done.returncode == STATUS["drift"]
    (line,) = done.stdout.splitlines()
    assert line.startswith("tap0")
    assert f"warning: {line}" in host.dnet("restore").stderr
    host.run("sh", "-c", line.partition(": ")[2])
    host.quiet("check")
    host.run("bridge link set dev tap0 isolated off")
    host.sysctl(CALLS, 1)
    host.ok("restore")
    host.quiet("check")


def test_a_host_that_does_not_forward_is_told(lab: Lab) -> None:
    town = a_town(lab, 0, "--no-icc", "--no-ip-forward")
    done = town.host.dnet("check")
    assert done.returncode == STATUS["drift"]
    (line,) = done.stdout.splitlines()
    town.db.misses("tcp", WEB, 82)
    town.host.run("sh", "-c", line.partition(": ")[2])
    town.host.quiet("check")
    town.db.reaches("web", "tcp", WEB, 82)


@pytest.mark.parametrize("adopted", [False, True])
def test_nothing_is_left_of_it(lab: Lab, adopted: bool) -> None:
    host = lab.host()
    host.sysctl(CALLS, 0)
    if adopted:
        host.ip(
            "link add dnet0 type bridge", f"address add {GATEWAY}/16 dev dnet0", "link set dnet0 up"
        )
        host.sysctl("net/ipv6/conf/dnet0/accept_ra", 0)
    before = host.snapshot()
    host.ok(*INIT, "--no-icc", "--no-ip-forward")
    node = lab.node()
    host.ok("attach", "web", "--netns", node.netns)
    is_isolating(host)
    host.ok("bridge", "remove", "dnet0", "--force")
    assert host.snapshot() == before
    host.ok(*INIT, "--no-icc", "--no-ip-forward")
    host.ok("reset", "--yes")
    assert host.snapshot() == before


def test_changing_over_loses_nothing_and_opens_nothing(town: Town) -> None:
    """To iptables, which needs br_netfilter, and back, where it stays in use."""
    host, web, db = town
    with ExitStack() as stack:
        works = [
            stack.enter_context(called(db, (WEB, 82), (GATEWAY, 8080))),
            stack.enter_context(called(web, (GATEWAY, 8080))),
        ]
        leaks = stack.enter_context(called(db, (WEB, 80), patience=IMPATIENT))
        host.ok("firewall", "use", "iptables")
        isolates_nothing(host, "br-netfilter")
        host.ok("firewall", "use", "nftables")
        isolates_nothing(host, "br-netfilter")
    for counts in works:
        assert all(answered >= 20 and not missed for answered, missed in counts), works
    assert not any(answered for answered, _ in leaks), leaks


def test_a_dry_run_shows_it(lab: Lab) -> None:
    town = a_town(lab, 0)
    host = town.host
    before = host.everything()
    lines = host.ok("bridge", "init", "dnet0", "--no-icc", "--dry-run").splitlines()
    assert sum(line.endswith(" isolated on") for line in lines) == 2
    assert f"sysctl -w {PROXY.replace('/', '.')}=1" in lines
    assert host.everything() == before
