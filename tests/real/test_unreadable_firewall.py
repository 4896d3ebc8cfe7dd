"""A table that iptables cannot list is not taken for an empty one: nothing is touched."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract import STATUS
from tests.fakes import Fake
from tests.host import Host, read_refusal
from tests.lab import Lab

INIT = ("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
# In a table of iptables' what only nft can express: a map, a counter's limit, a chain of its own.
NATIVE = {
    "filter": "add rule ip filter FORWARD ct state vmap { invalid : drop }",
    "nat": "add chain ip nat mine; add rule ip nat mine ct state vmap { invalid : drop }",
    "raw": "add table ip raw; add chain ip raw mine; "
    "add rule ip raw mine meta l4proto tcp quota 10 mbytes accept",
}
READING = [
    ["check"],
    ["restore"],
    ["restore", "--dry-run"],
    ["reset", "--yes"],
    ["bridge", "remove", "dnet0", "--force"],
    ["bridge", "init", "dnet0"],
    ["bridge", "init", "dnet0", "--no-icc"],
    ["bridge", "init", "dnet1"],
    ["map", "add", "web", "8080:80"],
    ["map", "add", "web", "8080:80", "--dry-run"],
    ["attach", "new", "--netns", "{netns}", "-p", "8080:80"],
    ["link", "add", "db", "web", "-p", "80"],
    ["link", "add", "host", "web", "-p", "80"],
]


@pytest.fixture
def host(lab: Lab) -> Host:
    """A machine with a bridge and two interfaces, and nothing published or linked."""
    host = lab.host()
    host.ok(*INIT)
    for name in ("web", "db"):
        host.ok("interface", "allocate", name)
    return host


def everything(host: Host) -> tuple[str, str, dict[str, str]]:
    """All that a refused command has to leave, rules as nft lists them."""
    return host.run("nft -s list ruleset"), host.snapshot(), host.store()


@pytest.mark.parametrize("table", NATIVE)
def test_every_command_that_has_to_read_it_refuses(lab: Lab, host: Host, table: str) -> None:
    node = lab.node()
    host.run("nft", NATIVE[table])
    before = everything(host)
    for words in READING:
        refusal = host.fails(STATUS["kernel"], *(one.format(netns=node.netns) for one in words))
        assert refusal.message.startswith(f"iptables cannot list the table {table}: "), words
        assert refusal.hint == f"to see it: nft list table ip {table}"
        assert everything(host) == before, words
    assert node.run("ip -j link").count("ifname") == 1
    host.fails(STATUS["kernel"], "check", code="kernel")


def test_a_store_that_is_gone_is_looked_for_in_vain(lab: Lab) -> None:
    host = lab.host()
    host.run("nft", "add table ip filter; add chain ip filter FORWARD; " + NATIVE["filter"])
    for words in (["check"], ["reset", "--yes"]):
        assert "table filter" in host.fails(STATUS["kernel"], *words).message


def test_what_reads_nothing_goes_on(host: Host, lab: Lab) -> None:
    node = lab.node()
    host.ok("map", "add", "web", "8080:80")
    host.ok("link", "add", "web", "db", "-p", "80")
    for native in NATIVE.values():
        host.run("nft", native)
    host.ok("map", "add", "web", "8081:80")
    host.ok("map", "remove", "8081")
    host.ok("link", "add", "db", "web", "-p", "80")
    host.ok("link", "remove", "db", "web")
    host.ok("attach", "new", "--netns", node.netns, "-p", "8082:80")
    host.ok("detach", "new")
    host.ok("interface", "allocate", "other")
    host.ok("show")
    assert "8080" in host.run("nft list chain ip nat DNET")


@pytest.mark.parametrize(
    "native",
    [
        "add table ip mangle; add chain ip mangle FORWARD; "
        "add rule ip mangle FORWARD ct state vmap { invalid : drop }",
        "add table inet filter; add chain inet filter f { type filter hook forward priority 0; }; "
        "add rule inet filter f ct state vmap { invalid : drop }",
        "add table ip6 filter; add chain ip6 filter f; "
        "add rule ip6 filter f ct state vmap { invalid : drop }",
        "add table bridge filter; add chain bridge filter f; "
        "add rule bridge filter f ether type vmap { ip : accept }",
        # "contains incompatible base-chains": all others are listed.
        "add chain ip filter forward { type filter hook forward priority 10; }; "
        "add rule ip filter forward ct state vmap { invalid : drop }",
    ],
    ids=["mangle", "inet", "ip6", "bridge", "a base chain"],
)
def test_what_is_elsewhere_does_no_harm(host: Host, native: str) -> None:
    host.run("nft", native)
    host.quiet("check")
    host.quiet("restore")
    host.ok("map", "add", "web", "8080:80")
    host.iptables("-t nat -F DNET")
    host.ok("restore")
    host.quiet("check")
    host.ok("bridge", "init", "dnet1")
    host.quiet("reset", "--yes")
    assert "dnet" not in host.run("nft list ruleset").lower()


def test_a_journal_waits_until_the_rule_is_gone(host: Host, tmp_path: Path) -> None:
    fake = Fake(host, tmp_path / "fake", "iptables-restore")
    fake.wait()
    os.mkfifo(fake.folder / "go")
    with host.started("dnet", "map", "add", "web", "8080:80", env=fake.env) as process:
        while not (fake.folder / "begun").exists():
            assert process.poll() is None
        process.kill()
    (fake.folder / "go").write_text("\n")
    host.run("until iptables -t nat -S | grep -q 8080; do sleep 0.05; done")
    host.run("nft", NATIVE["filter"])
    before = everything(host)
    for words in (["check"], ["restore"], ["map", "add", "web", "9090:90"], ["ip", "request"]):
        assert "table filter" in host.fails(STATUS["kernel"], *words).message
        assert everything(host) == before
    host.run("nft flush chain ip filter FORWARD")
    host.ok("ip", "request")
    host.quiet("check")
    assert host.keys("map", "list") == []
    assert "8080" not in host.run("iptables -t nat -S")


def test_a_change_that_iptables_refuses_is_whole_or_not_at_all(host: Host) -> None:
    """Where the rules are not those expected, they would have to be read."""
    host.ok("map", "add", "web", "8080:80", "8081:80")
    host.iptables("-t nat -F DNET")
    host.run("nft", NATIVE["nat"])
    rules = host.run("nft -s list ruleset")
    done = host.dnet("map", "remove", "8081")
    assert done.returncode == STATUS["kernel"]
    assert "dnet: error: iptables cannot list the table nat: " in done.stderr
    assert host.run("nft -s list ruleset") == rules
    assert set(host.keys("map", "list")) == {"0.0.0.0:8080/tcp", "0.0.0.0:8081/tcp"}
    host.run("nft flush chain ip nat mine")
    host.ok("restore")
    host.quiet("check")
    assert "--dport 8081" in host.run("iptables -t nat -S DNET")


CUTS: dict[str, Callable[[str], str]] = {
    "no end": lambda saved: saved[: saved.index("COMMIT")],
    "a line in part": lambda saved: saved[: saved.rindex("-A ") + 8],
    "nothing": lambda _: "",
    "a table too few": lambda saved: saved[saved.index("*nat") :],
    "something else": lambda _: "I am a teapot\n",
}


@pytest.mark.parametrize("cut", CUTS)
def test_a_listing_that_is_not_whole_is_not_believed(both: Lab, tmp_path: Path, cut: str) -> None:
    host = both.host()
    host.ok(*INIT)
    host.ok("interface", "allocate", "web")
    folder = tmp_path / "fake"
    folder.mkdir()
    saved = host.run("iptables-save -t filter") + host.run("iptables-save -t nat")
    (folder / "printed").write_text(CUTS[cut](saved))
    program = folder / "iptables-save"
    program.write_text(f"#!/bin/sh\ncat {folder}/printed\n")
    program.chmod(0o755)
    env = {"PATH": f"{folder}:{host.env['PATH']}"}
    before = host.everything()
    for words in (["check"], ["restore"], ["reset", "--yes"], ["map", "add", "web", "8080:80"]):
        done = host.dnet(*words, env=env)
        assert done.returncode == STATUS["kernel"], (words, done)
        refusal = read_refusal(done)
        assert "iptables" in refusal.message
        assert ("nft list table" in str(refusal.hint)) == (
            host.variant == "nft" and cut != "something else"
        )
        assert host.everything() == before
    host.quiet("check")


def test_no_table_at_all_is_an_empty_firewall(both: Lab) -> None:
    """As after `nft flush ruleset`, or on a machine that has never seen a rule."""
    host = both.host()
    host.ok(*INIT)
    before = host.listing()
    host.run("nft flush ruleset && iptables -F && iptables -t nat -F && iptables -t nat -X")
    assert host.dnet("check").returncode == STATUS["drift"]
    host.ok("restore")
    assert host.listing() == before
    host.quiet("check")


# iptables-save lists these without what they look up, the first as `-j DROP`.
IN_PART = [
    "add rule ip filter FORWARD ip saddr { 10.0.0.1, 10.0.0.2 } drop",
    'add rule ip filter FORWARD iifname "dnet0" oifname "dnet0" ip saddr @some accept',
    "add rule ip filter FORWARD iifname vmap @from",
    "add rule ip filter FORWARD jump theirs",
    "add rule ip filter theirs ip daddr { 10.0.0.1, 10.0.0.2 } accept",
]
SETS = (
    "add chain ip filter theirs",
    "add set ip filter some { type ipv4_addr; elements = { 10.0.0.1 }; }",
    "add map ip filter from { type ifname : verdict; elements = { eth9 : drop }; }",
)


def test_a_rule_that_is_listed_in_part_is_not_taken_for_another(host: Host) -> None:
    host.ok("bridge", "init", "dnet0", "--no-icc")
    host.run("nft", ";".join(SETS))
    host.run("nft", ";".join(one.replace("add rule", "insert rule", 1) for one in IN_PART))
    assert "-A FORWARD -j DROP" in host.rules()
    before = host.run("nft -s list ruleset")
    host.quiet("check")
    host.quiet("restore")
    assert host.run("nft -s list ruleset") == before
    host.iptables("-D FORWARD -i dnet0 -o dnet0 -j DROP")
    host.ok("restore")
    for rule in IN_PART[:3]:
        assert rule.partition("FORWARD ")[2] in host.run("nft -s list chain ip filter FORWARD")
    host.quiet("check")
    host.iptables("-I FORWARD 1 -i dnet0 -j ACCEPT")
    assert "-i dnet0 -j ACCEPT" in host.dnet("check").stdout
