"""What a container does in its own namespace concerns itself alone.

Whoever is root there rules every device, address, route and setting of it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.contract import STATUS
from tests.host import Host
from tests.lab import Lab
from tests.node import Node

INIT = ("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
ANOTHER_ETH0 = ("link delete eth0", "link add eth0 type veth peer name x")
# More than anybody needs, and less than takes long to make.
TOO_MANY = 1100


@pytest.fixture
def host(lab: Lab) -> Host:
    host = lab.host()
    host.ok(*INIT, "--no-icc")
    return host


@pytest.fixture
def evil(lab: Lab, host: Host) -> Node:
    """A container beside another one, `web`, that publishes a port."""
    node, web = lab.node(), lab.node()
    host.ok("attach", "evil", "--netns", node.netns)
    host.ok("attach", "web", "--netns", web.netns, "-p", "8080:80")
    web.listen("tcp", 80, "web")
    return node


@contextmanager
def changing(node: Node) -> Iterator[None]:
    """Addresses of a namespace that come and go all the while."""
    lines = "address add 10.99.0.9/32 dev lo\naddress delete 10.99.0.9/32 dev lo"
    forever = f"yes '{lines}' | ip -n {node.netns} -force -batch -"
    with node.started("sh", "-c", forever) as process:
        yield
        node.run(f"pkill -P {process.pid}")


def flushed(host: Host) -> None:
    host.iptables("-F FORWARD", "-t nat -F DNET")


def test_everything_else_is_restored_beside_an_eth0_of_its_own(host: Host, evil: Node) -> None:
    before = host.rules("filter") + host.rules("nat")
    evil.ip(*ANOTHER_ETH0)
    flushed(host)
    done = host.dnet("restore")
    assert done.returncode == STATUS["failed"]
    *repaired, error, hint = done.stderr.splitlines()
    assert error.startswith("dnet: error: evil: the device eth0 already exists in ")
    assert error.endswith("everything else is restored")
    assert hint.endswith("dnet detach evil")
    assert not any("evil" in line for line in repaired)
    assert host.rules("filter") + host.rules("nat") == before
    host.reaches("web", "tcp", "127.0.0.1", 8080)


def test_others_are_attached_and_changed_beside_it(lab: Lab, host: Host, evil: Node) -> None:
    evil.ip(*ANOTHER_ETH0)
    host.fails(STATUS["failed"], "restore")
    node = lab.node()
    assert host.ok("attach", "new", "--netns", node.netns) == "172.17.0.4"
    host.ok("map", "add", "new", "8081:80")
    node.listen("tcp", 80, "new")
    host.reaches("new", "tcp", "127.0.0.1", 8081)
    # A bridge that is made anew plugs in all that were on it.
    host.ip("link delete dnet0")
    done = host.dnet("bridge", "init", "dnet0")
    assert done.returncode == 0
    assert "evil" in done.stderr
    host.reaches("web", "tcp", "127.0.0.1", 8080)
    host.ok("detach", "evil")
    host.quiet("check")


def test_an_attachment_that_is_asked_for_fails_with_it(host: Host, evil: Node) -> None:
    evil.ip(*ANOTHER_ETH0)
    before = host.everything()
    host.fails(STATUS["conflict"], "attach", "evil", "--netns", evil.netns)
    assert host.everything() == before


def test_addresses_that_change_all_the_time(host: Host, evil: Node) -> None:
    with changing(evil):
        for command in ("check", "restore"):
            assert host.dnet(command).returncode in (0, STATUS["drift"])
        host.ok("detach", "evil")


def test_addresses_of_another_device_are_none_of_its_business(host: Host, evil: Node) -> None:
    numbers = ((one // 256, one % 256) for one in range(TOO_MANY))
    addresses = (f"address add 10.9.{high}.{low}/32 dev many" for high, low in numbers)
    evil.ip("link add many type veth peer name few", *addresses)
    host.quiet("check")


def test_more_addresses_of_eth0_than_are_read(host: Host, evil: Node) -> None:
    numbers = ((one // 256, one % 256) for one in range(TOO_MANY))
    evil.ip(*(f"address add 10.9.{high}.{low}/32 dev eth0" for high, low in numbers))
    found = host.dnet("check")
    (line,) = found.stdout.splitlines()
    assert found.returncode == STATUS["drift"]
    assert "eth0" in line
    assert "more than 1024" in line
    flushed(host)
    assert host.dnet("restore").returncode == STATUS["failed"]
    host.reaches("web", "tcp", "127.0.0.1", 8080)
    host.ok("detach", "evil")
    host.quiet("check")


SENDER = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 5353))
while True:
    try:
        s.sendto(b"x", (sys.argv[1], 5353))
    except OSError:
        pass
"""


def test_restore_lets_no_packet_past_what_keeps_containers_apart(lab: Lab, host: Host) -> None:
    """The rules are there before anything is plugged in, with whatever else was lost."""
    nodes = [lab.node() for _ in range(8)]
    for number, node in enumerate(nodes):
        host.ok("attach", f"n{number}", "--netns", node.netns)
    ip = host.json("interface", "show", "n1")["ip"]
    nodes[1].run("iptables -A INPUT -p udp --dport 5353")
    with nodes[0].started(sys.executable, "-c", SENDER, ip) as sender:
        host.ip("link delete dnet0")
        host.run("iptables -F; iptables -t nat -F")
        host.sysctl("net/bridge/bridge-nf-call-iptables", 0)
        for node in nodes:
            node.run("ip link delete eth0 2>/dev/null || true")
        assert host.dnet("restore").returncode == 0
        host.quiet("check")
        sender.kill()
    counted = nodes[1].run("iptables -v -S INPUT").splitlines()[-1]
    assert counted.endswith("-c 0 0"), counted
