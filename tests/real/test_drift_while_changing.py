"""A change that meets rules which somebody else has taken away."""

from __future__ import annotations

from tests.host import Host
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
