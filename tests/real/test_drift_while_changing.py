"""A change that meets rules which somebody else has taken away."""

from __future__ import annotations

import pytest

from tests.host import Host
from tests.lab import Lab
from tests.real.devices import ports

DEVICE_REPAIRED = "dnet: warning: repaired: the device dnet0 is missing\n"


def test_a_detach_that_meets_missing_rules_unplugs_all_the_same(lab: Lab) -> None:
    host, web, db = lab.host(), lab.node(), lab.node()
    host.ok("bridge", "init")
    host.ok("attach", "db", "--netns", db.netns, "-p", "5432:5432")
    host.ok("attach", "web", "--netns", web.netns, "-p", "8080:80")
    host.iptables("-t nat -F DNET")
    done = host.dnet("detach", "web")
    assert done.returncode == 0
    assert "repaired" in done.stderr
    assert host.run("ip -o link show type veth").count("veth") == 1
    assert host.ok("check") == ""


def test_an_attachment_finds_the_rules_gone_and_repairs_them(host: Host, lab: Lab) -> None:
    first, second = lab.node(), lab.node()
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    host.ok("attach", "web", "--netns", first.netns, "-p", "8080:80")
    for table in ("nat", "filter"):
        host.run(f"iptables -t {table} -F; iptables -t {table} -X")
    done = host.dnet("attach", "web2", "--netns", second.netns, "-p", "8081:80")
    assert (done.returncode, done.stdout) == (0, "172.17.0.3\n")
    assert "dnet: warning: repaired: " in done.stderr
    host.quiet("check")


def test_an_id_that_is_attached_again_and_goes_in_one_transaction(host: Host, lab: Lab) -> None:
    node = lab.node()
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    host.ok("attach", "web", "--netns", node.netns)
    host.ok("batch", stdin=f"attach web --netns {node.netns}\ndetach web\n")
    assert host.keys("interface", "list") == []
    host.quiet("check")


def test_somebody_else_s_rule_without_a_match(host: Host) -> None:
    host.run("iptables -A FORWARD")
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    host.quiet("check")
    host.ok("bridge", "remove", "dnet0")
    assert host.rules()[3:] == ["-A FORWARD"]


@pytest.mark.parametrize("again", [False, True], ids=["first", "again"])
def test_an_attachment_makes_a_bridge_anew_that_is_gone(host: Host, lab: Lab, again: bool) -> None:
    first, second = lab.node(), lab.node()
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    host.ok("attach", "web", "--netns", first.netns, "-p", "8080:80")
    host.ip("link delete dnet0")
    name, node = ("web", first) if again else ("db", second)
    done = host.dnet("attach", name, "--netns", node.netns)
    assert (done.returncode, done.stderr) == (0, DEVICE_REPAIRED)
    assert len(ports(host)) == (1 if again else 2)
    first.listen("tcp", 80, "web")
    host.reaches("web", "tcp", "127.0.0.1", 8080)
    host.quiet("check")


@pytest.mark.parametrize("again", [False, True], ids=["first", "again"])
def test_a_mapping_makes_a_bridge_anew_that_is_gone(host: Host, again: bool) -> None:
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    host.ok("interface", "allocate", "web")
    if again:
        host.ok("map", "add", "web", "8080:80")
    host.ip("link delete dnet0")
    done = host.dnet("map", "add", "web", "8080:80")
    assert (done.returncode, done.stderr) == (0, DEVICE_REPAIRED)
    assert host.sysctl("net/ipv4/conf/dnet0/route_localnet") == "1"
    host.quiet("check")


def test_a_bridge_that_cannot_be_made_anew_is_in_nobody_else_s_way(host: Host, lab: Lab) -> None:
    host.ip("link add br0 type bridge", "address add 10.1.0.1/24 dev br0")
    host.ok("bridge", "init", "br0")
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    host.ok("interface", "allocate", "web", "--bridge", "dnet0")
    host.ip("link delete br0")
    gone = "the device br0 existed before dnet and is gone"
    done = host.dnet("map", "add", "web", "8080:80")
    assert (done.returncode, done.stderr) == (0, f"dnet: warning: {gone}\n")
    words = ("attach", "db", "--netns", lab.node().netns, "--bridge", "br0")
    assert host.fails(9, *words, code="kernel").message == gone
