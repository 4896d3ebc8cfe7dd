"""Frames that a container puts together by itself, past what its kernel would send."""

from __future__ import annotations

import sys

import pytest

from tests.contract import STATUS
from tests.host import Host
from tests.lab import Lab
from tests.node import Node

INIT = ("bridge", "init", "dnet0", "--address", "172.17.42.1/16")

# A router advertisement with a default route and a prefix (RFC 4861, 4.2 and 4.6.2).
ADVERTISEMENT = """
import socket, struct, time
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("eth0", 0))
mac = wire.getsockname()[4]
source, to = (socket.inet_pton(socket.AF_INET6, one) for one in ("fe80::bad", "ff02::1"))
prefix = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 86400, 14400, 0)
prefix += socket.inet_pton(socket.AF_INET6, "2001:db8:666::")
body = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0x08, 1800, 0, 0) + b"\\1\\1" + mac + prefix
pseudo = source + to + struct.pack("!II", len(body), 58) + body
total = sum(struct.unpack(f"!{len(pseudo) // 2}H", pseudo))
while total >> 16:
    total = (total & 0xFFFF) + (total >> 16)
body = body[:2] + struct.pack("!H", ~total & 0xFFFF) + body[4:]
head = struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + source + to
frame = b"\\x33\\x33\\0\\0\\0\\1" + mac + b"\\x86\\xdd" + head + body
for _ in range(3):
    wire.send(frame)
    time.sleep(0.05)
"""

# A datagram to PEER, in a frame with the tags TAGS.
DATAGRAM = """
import socket, struct, sys
mine, peer, mac, tags = sys.argv[1:5]
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("eth0", 0))
data = struct.pack("!HHHH", 5353, 5353, 9, 0) + b"x"
head = struct.pack("!BBHHHBBH", 0x45, 0, 29, 0, 0, 64, 17, 0)
head += socket.inet_aton(mine) + socket.inet_aton(peer)
total = sum(struct.unpack("!10H", head))
while total >> 16:
    total = (total & 0xFFFF) + (total >> 16)
head = head[:10] + struct.pack("!H", ~total & 0xFFFF) + head[12:]
frame = bytes.fromhex(mac.replace(":", "")) + wire.getsockname()[4]
wire.send(frame + bytes.fromhex(tags) + b"\\x08\\0" + head + data + bytes(20))
"""
TAGGED = "81000000"  # Of the VLAN 0: a kernel takes such a frame for an untagged one.


@pytest.fixture
def host(lab: Lab) -> Host:
    return lab.host()


def taken_from_advertisements(host: Host, name: str) -> str:
    return host.run(
        f"ip -6 route show proto ra dev {name}; ip -6 address show dev {name} scope global"
    )


def test_the_host_takes_no_router_advertisement_from_a_container(lab: Lab, host: Host) -> None:
    host.ok(*INIT)
    node = lab.node()
    host.ok("attach", "web", "--netns", node.netns)
    node.run(sys.executable, "-c", ADVERTISEMENT)
    assert taken_from_advertisements(host, "dnet0") == ""


def test_nor_where_somebody_serves_ipv6_on_the_bridge(lab: Lab, host: Host) -> None:
    host.ok(*INIT)
    host.sysctl("net/ipv6/conf/dnet0/disable_ipv6", 0)
    host.ip("address add 2001:db8::1/64 dev dnet0 nodad")
    host.ok("restore")
    node = lab.node()
    host.ok("attach", "web", "--netns", node.netns)
    node.run(sys.executable, "-c", ADVERTISEMENT)
    assert "ra" not in host.run("ip -6 route show default").split()
    assert "2001:db8:666" not in host.run("ip -6 address show dev dnet0")


def test_what_an_adopted_bridge_is_told_of_is_so(lab: Lab, host: Host) -> None:
    host.ip("link add br0 type bridge", "address add 10.7.0.1/24 dev br0", "link set br0 up")
    assert "accepts router advertisements from br0" in host.dnet("bridge", "init", "br0").stderr
    node = lab.node()
    host.ok("attach", "web", "--netns", node.netns)
    # Until its link-local address has been seen to be nobody else's, the kernel takes none.
    host.run("while ip -6 address show dev br0 | grep -q tentative; do sleep 0.05; done")
    node.run(sys.executable, "-c", ADVERTISEMENT)
    assert "2001:db8:666" in taken_from_advertisements(host, "br0")


def heard(host: Host, one: Node, other: Node, tags: str) -> bool:
    """Whether a datagram of the first container gets to the second."""
    first, second = (host.json("interface", "show", name) for name in ("one", "other"))
    other.run("iptables -F INPUT; iptables -A INPUT -p udp --dport 5353")
    words = (first["ip"], second["ip"], second["mac"], tags)
    one.run(sys.executable, "-c", DATAGRAM, *words)
    return "-c 1 " in other.run("iptables -v -S INPUT").splitlines()[-1]


@pytest.mark.parametrize("tags", ["", TAGGED], ids=["untagged", "tagged"])
def test_a_tagged_frame_does_not_pass_where_an_untagged_one_does_not(
    lab: Lab, host: Host, tags: str
) -> None:
    host.ok(*INIT)
    one, other = lab.node(), lab.node()
    host.ok("attach", "one", "--netns", one.netns)
    host.ok("attach", "other", "--netns", other.netns)
    assert heard(host, one, other, tags)
    host.ok("bridge", "init", "dnet0", "--no-icc")
    assert not heard(host, one, other, tags)


def test_without_the_setting_a_tagged_frame_would_pass(lab: Lab, host: Host) -> None:
    host.ok(*INIT, "--no-icc")
    one, other = lab.node(), lab.node()
    host.ok("attach", "one", "--netns", one.netns)
    host.ok("attach", "other", "--netns", other.netns)
    host.sysctl("net/bridge/bridge-nf-filter-vlan-tagged", 0)
    assert heard(host, one, other, TAGGED)
    assert host.dnet("check").returncode == STATUS["drift"]
    host.ok("restore")
    assert not heard(host, one, other, TAGGED)
