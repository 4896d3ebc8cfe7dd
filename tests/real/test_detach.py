"""A network namespace goes offline, on purpose or behind the back of `dnet`."""

from __future__ import annotations

import subprocess

import pytest

from tests import conntrack, figures
from tests.contract import STATUS
from tests.dialogue import talking_to
from tests.host import Host
from tests.lab import Lab
from tests.node import Node
from tests.real.devices import link, names, ports, wait_until_gone
from tests.real.test_transaction import refusing

BRIDGE = ("bridge", "init", "dnet0", "--address", "172.17.42.1/16")


@pytest.fixture
def host(lab: Lab) -> Host:
    """A machine with a bridge."""
    host = lab.host()
    host.ok(*BRIDGE)
    return host


def without_port(host: Host) -> str:
    """The snapshot of a host but for the hardware address of its one port, a random one."""
    (port,) = ports(host)
    return host.snapshot().replace(link(host, port)["address"], "")


def unplug(host: Host, node: Node, how: str) -> None:
    """Takes an attachment's device away behind dnet's back, or the whole namespace."""
    (port,) = ports(host)
    if how == "device":
        host.ip(f"link delete {port}")
        return
    node.close()
    subprocess.run(["ip", "netns", "delete", node.netns], check=True)
    wait_until_gone(host, port)


@pytest.mark.parametrize(
    "leaving",
    [("detach", "web"), ("bridge", "remove", "dnet0", "--force"), ("detach", "web", "more")],
    ids=" ".join,
)
def test_the_other_one_in_a_namespace_takes_the_default_route(
    lab: Lab, host: Host, leaving: tuple[str, ...]
) -> None:
    outside = lab.outside(host)
    host.ok("bridge", "init", "dnet1", "--address", "172.18.42.1/16", "--chain", "SECOND")
    node = lab.node()
    host.ok("attach", "web", "--netns", node.netns, "--bridge", "dnet0")
    host.ok("attach", "more", "--netns", node.netns, "--bridge", "dnet0", "--ifname", "eth2")
    second = ("--ifname", "eth1", "--bridge", "dnet1", "-p", "8080:80")
    host.ok("attach", "db", "--netns", node.netns, *second)
    node.listen("tcp", 80, "db")
    assert "ip route add default via" in host.ok(*leaving, "--dry-run")
    host.ok(*leaving)
    way = "172.17.42.1" if leaving == ("detach", "web") else "172.18.42.1"
    assert f"via {way}" in node.run("ip route show default")
    host.quiet("check")
    if way == "172.18.42.1":
        outside.reaches("db", "tcp", "10.99.0.1", 8080)


@pytest.mark.parametrize("given", ["route delete default", "route replace default via 172.18.42.9"])
def test_a_default_route_that_is_not_its_own_is_left(lab: Lab, host: Host, given: str) -> None:
    host.ok("bridge", "init", "dnet1", "--address", "172.18.42.1/16", "--chain", "SECOND")
    node = lab.node()
    host.ok("attach", "web", "--netns", node.netns, "--bridge", "dnet0")
    host.ok("attach", "db", "--netns", node.netns, "--ifname", "eth1", "--bridge", "dnet1")
    node.ip(given)
    before = node.run("ip route show default")
    host.ok("detach", "web")
    assert node.run("ip route show default") == before


def test_several_go_at_once_or_none(lab: Lab, host: Host) -> None:
    for name in ("web", "db"):
        host.ok("attach", name, "--netns", lab.node().netns, "-p", "80")
    host.ok("interface", "allocate", "vm")
    busy = host.everything()
    assert host.fails(3, "detach", "web", "gone", "db").message == "there is no interface gone"
    assert host.everything() == busy
    host.ok("detach", "web", "vm", "db", "--if-exists", "gone")
    assert host.keys("interface", "list") == []
    assert host.keys("map", "list") == []
    assert ports(host) == []


@pytest.mark.parametrize("how", ["device", "namespace"])
def test_an_unplugged_one_is_plugged_in_again(lab: Lab, host: Host, how: str) -> None:
    outside, node = lab.outside(host), lab.node()
    words = ("attach", "web", "--netns", node.netns, "-p", "8080:80", "-p", "81")
    address = host.ok(*words)
    chosen = host.keys("map", "list")
    before = without_port(host)
    unplug(host, node, how)
    found = host.dnet("check")
    assert found.returncode == 1
    assert "web" in found.stdout
    if how == "namespace":
        subprocess.run(["ip", "netns", "add", node.netns], check=True)
    assert host.ok(*words) == address
    assert host.keys("map", "list") == chosen
    assert without_port(host) == before
    node.listen("tcp", 80, "web")
    outside.reaches("web", "tcp", "10.99.0.1", 8080)


@pytest.mark.parametrize("how", ["device", "namespace"])
@pytest.mark.parametrize("command", ["detach", "interface release"])
def test_detach_works_when_it_is_gone(lab: Lab, host: Host, how: str, command: str) -> None:
    before = host.snapshot()
    node = lab.node()
    host.ok("attach", "web", "--netns", node.netns, "-p", "8080:80")
    unplug(host, node, how)
    host.quiet(*command.split(), "web")
    assert host.snapshot() == before
    assert host.keys("ip", "list") == host.keys("port", "list") == []


def test_a_kept_id_moves_to_a_new_namespace(lab: Lab, host: Host) -> None:
    first, second = lab.node(), lab.node()
    address = host.ok("attach", "web", "--netns", first.netns)
    unplug(host, first, "namespace")
    subprocess.run(["ip", "netns", "add", first.netns], check=True)
    assert host.ok("attach", "web", "--netns", first.netns) == address
    host.ok("detach", "web")
    assert host.ok("attach", "web", "--netns", second.netns, "--ip", address) == address


def test_detach_of_nobody(host: Host) -> None:
    host.fails(3, "detach", "web", code="not-found")
    host.quiet("detach", "web", "--if-exists")


def test_on_and_off_again_and_again_leaves_nothing(every: Lab) -> None:
    host = every.host()
    host.ok(*BRIDGE, "--no-icc")
    outside, node, db = every.outside(host), every.node(), every.node()
    host.ok("attach", "db", "--netns", db.netns, "--expose", "53/udp")
    db.listen("udp", 53, "db")
    node.listen("udp", 53, "web")
    before = host.snapshot()
    words = f"--netns {node.netns} -p 53:53/udp -p 80 --link db"
    with talking_to(host) as dnet:
        for turn in range(figures.amount(20, 200)):
            address = dnet.ask(f"attach web{turn} {words}")
            assert address.startswith("172.17.")
            if turn % 20 == 0:
                outside.reaches("web", "udp", "10.99.0.1", 53)
                node.reaches("db", "udp", host.json("interface", "show", "db")["ip"], 53)
            assert dnet.ask(f"detach web{turn}") == ""
            if turn % 20 == 0:
                assert not any(address in line for line in host.within(conntrack.listing))
    assert host.snapshot() == before
    assert names(node) == ["lo"]
    assert host.keys("interface", "list") == ["db"]
    assert len(host.keys("ip", "list")) == 1
    assert host.keys("port", "list") == host.keys("link", "list") == []


def test_one_takes_another_s_place_in_one_batch(lab: Lab, host: Host) -> None:
    first, second = lab.node(), lab.node()
    host.ok("attach", "a", "--netns", first.netns)
    host.ok("attach", "b", "--netns", second.netns)
    lines = (
        *("detach a", "detach b"),
        *(f"attach a --netns {second.netns}", f"attach c --netns {first.netns}"),
    )
    host.ok("batch", stdin="\n".join(lines))
    assert names(first) == names(second) == ["lo", "eth0"]
    host.quiet("check")


def test_it_leaves_its_old_address_in_one_batch_with_the_same_mac(lab: Lab, host: Host) -> None:
    node, mac = lab.node(), "02:00:00:00:00:07"
    words = f"attach a --netns {node.netns} --mac {mac}"
    old = host.ok(*words.split())
    host.ok("batch", stdin=f"detach a\n{words} --ip 172.17.0.9\n")
    inside = node.run("ip -4 -o addr show dev eth0")
    assert "172.17.0.9/16" in inside
    assert old not in inside
    host.quiet("check")


def test_one_does_not_take_another_s_place_when_iptables_refuses(lab: Lab, host: Host) -> None:
    node = lab.node()
    host.ok("attach", "a", "--netns", node.netns, "-p", "80")
    before = without_port(host), host.store()
    lines = f"detach a\nattach b --netns {node.netns} -p 81\n"
    done = host.dnet("batch", stdin=lines, env=refusing(host, "iptables-restore"))
    assert done.returncode == STATUS["kernel"]
    assert (without_port(host), host.store()) == before
    host.quiet("check")
