"""An old dump of the firewall is loaded, with chains of dnet's that nothing needs any more."""

from __future__ import annotations

from tests.host import Host
from tests.lab import Lab


def bridge_under_an_old_dump(host: Host) -> str:
    """A bridge alone, with the rules of a mapping and a link that are gone; what should be."""
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    wanted = host.listing()
    for name in ("web", "db"):
        host.ok("interface", "allocate", name, "--expose", "80")
    host.ok("map", "add", "web", "8080:80")
    host.ok("link", "add", "web", "db")
    dump = host.run("iptables-save")
    host.ok("interface", "release", "web")
    assert host.listing() == wanted
    host.run("iptables-restore", stdin=dump)
    return wanted


def test_check_names_the_chains_and_restore_removes_them(both: Lab) -> None:
    host = both.host()
    wanted = bridge_under_an_old_dump(host)
    done = host.dnet("check")
    assert done.returncode == 1
    found = done.stdout.splitlines()
    for chain in ("filter DNET-FORWARD", "filter DNET-LINK", "nat DNET-POSTROUTING"):
        assert f"{chain}: the chain is left over" in found
    assert "filter FORWARD: left over: -j DNET-FORWARD" in found
    assert any(line.startswith("nat DNET: not dnet's: -p tcp") for line in found)
    host.ok("restore")
    assert host.listing() == wanted
    host.quiet("check")
    host.ok("map", "add", "db", "8080:80")


def test_what_the_administrator_put_into_dnet_user_stays(lab: Lab) -> None:
    host = lab.host()
    bridge_under_an_old_dump(host)
    host.iptables("-A DNET-USER -s 192.0.2.1 -j DROP")
    host.ok("restore")
    assert "-A DNET-USER -s 192.0.2.1/32 -j DROP" in host.rules()
    host.quiet("check")
