"""A change that meets rules which somebody else has taken away."""

from __future__ import annotations

from tests.lab import Lab


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
