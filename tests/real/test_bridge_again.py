"""`dnet bridge init` on a bridge that exists, and beside others."""

from __future__ import annotations

import pytest

from tests.host import Host
from tests.lab import Lab
from tests.real.test_bridge import ADDRESS, addresses, link


def test_init_again_changes_nothing(host: Host) -> None:
    host.ok("bridge", "init", "br0", *ADDRESS, "--no-icc", "--mtu", 1400)
    before = host.snapshot(), host.json("bridge", "show")
    for again in ((), ADDRESS, ("--no-icc",)):
        host.ok("bridge", "init", "br0", *again)
        assert (host.snapshot(), host.json("bridge", "show")) == before


def test_init_again_repairs_what_drifted(both: Lab) -> None:
    host = both.host()
    host.ok("bridge", "init", "br0", *ADDRESS)
    before = host.snapshot()
    host.iptables("-F FORWARD", "-t nat -F POSTROUTING", "-t nat -F PREROUTING")
    host.ip("link set br0 down", "addr flush dev br0")
    told = host.dnet("bridge", "init", "br0").stderr
    assert "dnet: warning: repaired: filter FORWARD: missing: -o br0 " in told
    assert host.snapshot() == before


def test_init_again_changes_exactly_the_options_given(host: Host) -> None:
    host.ok("bridge", "init", "br0", *ADDRESS)
    before = host.json("bridge", "show")
    host.ok("bridge", "init", "br0", "--no-icc", "--mtu", 1300)
    host.ok("bridge", "init", "br0", "--allocation", "reuse", "--no-masquerade")
    assert host.json("bridge", "show") == {
        **before,
        "icc": False,
        "mtu": 1300,
        "allocation": "reuse",
        "masquerade": False,
    }
    assert link(host, "br0")["mtu"] == 1300
    host.ok("bridge", "init", "br0", "--icc", "--mtu", 1500, "--allocation", "round-robin")
    host.ok("bridge", "init", "br0", "--masquerade")
    assert host.json("bridge", "show") == before


def test_options_changed_and_changed_back_leave_the_same_rules(every: Lab) -> None:
    host = every.host()
    host.ok("bridge", "init", "br0", *ADDRESS)
    before = host.snapshot()
    for change, back in (("--no-icc", "--icc"), ("--no-masquerade", "--masquerade")):
        host.ok("bridge", "init", "br0", change)
        assert host.snapshot() != before
        host.ok("bridge", "init", "br0", back)
        assert host.snapshot() == before


def test_another_address_only_while_nothing_is_allocated(host: Host) -> None:
    host.ok("bridge", "init", "br0", *ADDRESS)
    host.ok("bridge", "init", "br0", "--address", "10.5.0.1/24")
    assert addresses(host, "br0") == ["10.5.0.1/24"]
    assert "172.17" not in host.snapshot()
    host.ok("ip", "request")
    before = host.everything()
    host.fails(4, "bridge", "init", "br0", *ADDRESS, code="conflict")
    assert host.everything() == before


def test_another_chain_is_a_conflict(host: Host) -> None:
    host.ok("bridge", "init", "br0", *ADDRESS)
    before = host.everything()
    host.fails(4, "bridge", "init", "br0", "--chain", "OTHER", code="conflict")
    assert host.everything() == before


@pytest.mark.parametrize("address", ["172.17.200.1/24", "172.16.0.1/12", "172.17.42.1/16"])
def test_subnets_that_overlap_are_refused(host: Host, address: str) -> None:
    host.ok("bridge", "init", "br0", *ADDRESS)
    before = host.everything()
    host.fails(4, "bridge", "init", "br1", "--chain", "B1", "--address", address, code="conflict")
    assert host.everything() == before


def test_bridges_may_share_a_chain(every: Lab) -> None:
    host = every.host()
    host.ok("bridge", "init", "br0", *ADDRESS)
    host.ok("interface", "allocate", "web", "--bridge", "br0")
    host.ok("map", "add", "web", "8080:80")
    before = host.snapshot()
    host.ok("bridge", "init", "br1", "--address", "10.5.0.1/24")
    assert host.json("bridge", "show", "br1")["chain"] == "DNET"
    host.ok("interface", "allocate", "far", "--bridge", "br1")
    host.ok("map", "add", "far", "8081:80")
    host.ok("bridge", "remove", "br1", "--force")
    assert host.snapshot() == before
    host.ok("bridge", "remove", "br0", "--force")
    assert "DNET" not in host.snapshot()


@pytest.mark.parametrize("promoted", [0, 1])
def test_another_address_in_the_same_subnet(host: Host, promoted: int) -> None:
    """With the first address of a subnet the kernel takes away the others in it, or does not."""
    host.sysctl("net/ipv4/conf/all/promote_secondaries", promoted)
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    host.ip("address add 172.17.9.9/16 dev dnet0", "address add 10.9.9.9/24 dev dnet0")
    host.ok("bridge", "init", "dnet0", "--address", "172.17.0.1/16")
    assert sorted(addresses(host, "dnet0")) == ["10.9.9.9/24", "172.17.0.1/16", "172.17.9.9/16"]
    host.quiet("check")
