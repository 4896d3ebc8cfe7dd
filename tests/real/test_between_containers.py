"""What passes between containers beside published ports: IPv6, other bridges."""

from __future__ import annotations

import pytest

from tests.host import Host
from tests.lab import Lab
from tests.node import Node
from tests.real.devices import link


def attach(lab: Lab, host: Host, name: str, *options: str) -> Node:
    """A container plugged in by `dnet`, with a server on port 80 of both families."""
    node = lab.node()
    host.ok("attach", name, "--netns", node.netns, *options)
    node.listen("tcp", 80, name, "::")
    return node


def link_local(node: Node) -> str:
    """The link-local address that IPv6 gives this node's device, as a neighbour asks for it."""
    mac = [int(octet, 16) for octet in link(node)["address"].split(":")]
    words = [(mac[0] ^ 2) << 8 | mac[1], mac[2] << 8 | 0xFF, 0xFE << 8 | mac[3]]
    return f"fe80::{':'.join(f'{word:x}' for word in [*words, mac[4] << 8 | mac[5]])}%eth0"


def test_no_icc_holds_for_link_local_ipv6(lab: Lab) -> None:
    host = lab.host()
    host.ok("bridge", "init", "dnet0", "--no-icc")
    one, two = attach(lab, host, "one"), attach(lab, host, "two")
    assert one.run("ip -6 -o address show dev eth0") == ""
    one.misses("tcp", link_local(two), 80)
    two.misses("tcp", link_local(one), 80)

    # What the rows above are worth: with IPv6 on the way is open.
    for node in (one, two):
        node.sysctl("net/ipv6/conf/eth0/accept_dad", 0)
        node.sysctl("net/ipv6/conf/eth0/disable_ipv6", 0)
    one.reaches("two", "tcp", link_local(two), 80)


@pytest.mark.parametrize("bridge_nf", [0, 1])
def test_no_icc_sets_what_it_needs_and_says_so(lab: Lab, bridge_nf: int) -> None:
    host = lab.host()
    key = "net/bridge/bridge-nf-call-iptables"
    host.sysctl(key, bridge_nf)
    done = host.dnet("bridge", "init", "dnet0", "--no-icc")
    assert done.returncode == 0
    assert ("bridge-nf-call-iptables" in done.stderr) == (not bridge_nf)
    one, two = attach(lab, host, "one"), attach(lab, host, "two")
    address = host.json("interface", "show", "two")["ip"]
    one.misses("tcp", address, 80)
    host.ok("bridge", "init", "dnet0", "--icc")
    one.reaches("two", "tcp", address, 80)
    host.ok("bridge", "init", "dnet0", "--no-icc")
    one.misses("tcp", address, 80)
    two.close()


def test_bridges_are_apart_until_both_are_opened(every: Lab) -> None:
    host = every.host()
    for name, address in (("dnet0", "172.17.42.1/16"), ("dnet1", "172.18.42.1/16")):
        host.ok("bridge", "init", name, "--address", address)
    one = attach(every, host, "one", "--bridge", "dnet0", "--ip", "172.17.0.2", "-p", "8080:80")
    two = attach(every, host, "two", "--bridge", "dnet1", "--ip", "172.18.0.2")

    def apart() -> None:
        one.misses("tcp", "172.18.0.2", 80)
        two.misses("tcp", "172.17.0.2", 80)

    apart()
    host.ok("bridge", "init", "dnet0", "--no-isolate")
    apart()
    host.ok("bridge", "init", "dnet1", "--no-isolate")
    one.reaches("two", "tcp", "172.18.0.2", 80)
    two.reaches("one", "tcp", "172.17.0.2", 80)
    host.ok("bridge", "init", "dnet0", "--isolate")
    apart()
    two.reaches("one", "tcp", "172.17.42.1", 8080)
