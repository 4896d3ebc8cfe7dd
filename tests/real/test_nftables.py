"""The table `inet dnet`: what of it is dnet's, what the administrator's, and what is mended."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dnet.firewall.nftables import diff, layout
from tests.contract import STATUS
from tests.host import Host, read_refusal
from tests.lab import Lab
from tests.node import Node

INIT = ("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
USERS = (
    "add set inet dnet user-friends { type ipv4_addr; elements = { 192.0.2.1 } }",
    "add chain inet dnet user-more",
    "add counter inet dnet user-count",
    "add rule inet dnet user-more ip saddr @user-friends counter name user-count accept",
    "add rule inet dnet user jump user-more",
    'add rule inet dnet user iifname "eth0" meta l4proto . th dport @mine drop',
)


@pytest.fixture
def host(nftables: Lab) -> Host:
    """A machine with two bridges, mappings and links."""
    host = nftables.host()
    host.ok(*INIT, "--no-icc")
    host.ok("bridge", "init", "dnet1", "--address", "172.18.42.1/16")
    for name in ("web", "db"):
        host.ok("interface", "allocate", name, "--bridge", "dnet0", "--expose", "5432")
    host.ok("interface", "allocate", "far", "--bridge", "dnet1")
    host.ok("map", "add", "web", "8080:80", "127.0.0.1:8081:81", "7000-7009:7000-7009/udp")
    host.ok("map", "add", "far", "8200-8203:9000-9003")
    host.ok("link", "add", "web", "db")
    host.ok("link", "add", "host", "db")
    host.quiet("check")
    return host


def nft(host: Host, *commands: str) -> str:
    return host.run("nft", "-f", "-", stdin="".join(f"{one}\n" for one in commands))


def listed(host: Host) -> str:
    return host.run("nft", "list", "table", "inet", "dnet")


def found(host: Host) -> list[str]:
    done = host.dnet("check")
    assert done.returncode == STATUS["drift"], done
    return done.stdout.splitlines()


def test_the_table_is_listed_as_it_is_written(host: Host) -> None:
    """Whatever version of nft is here: its spelling is asked for."""
    shown = host.run("nft", "--terse", "--numeric-priority", "list", "table", "inet", "dnet")
    for lines in layout.objects().values():
        for line in lines:
            assert f"\t\t{line}\n" in shown
    assert f"\t{layout.MARK}\n" in shown


def test_another_spelling_of_nft_s_is_no_difference(host: Host, tmp_path: Path) -> None:
    """As of an nft of another version, which here adds words to what it lists."""
    program = tmp_path / "nft"
    program.write_text(
        '#!/bin/sh\n/usr/sbin/nft "$@" > $$.out; status=$?\n'
        "sed 's/ct state established,related/ct state { established, related }/' $$.out\n"
        "rm $$.out; exit $status\n".replace("$$", f"{tmp_path}/$$")
    )
    program.chmod(0o755)
    host.env["PATH"] = f"{tmp_path}:{host.env['PATH']}"
    host.quiet("check")
    nft(host, "insert rule inet dnet forward accept")
    assert found(host) == ["inet dnet forward: not dnet's: accept"]
    host.ok("restore")
    host.quiet("check")


WRECKS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "everything": (("flush ruleset",), ("inet dnet: the table is missing",)),
    "the table": (("delete table inet dnet",), ("inet dnet: the table is missing",)),
    "an element added": (
        ("add element inet dnet port4 { tcp . 1 : 192.0.2.1 . 2 }",),
        ("inet dnet port4: not dnet's: tcp . 1 : 192.0.2.1 . 2",),
    ),
    "an element gone": (
        ("delete element inet dnet range4 { udp . 7000-7009 }",),
        ("inet dnet range4: missing: udp . 7000-7009 : 172.17.0.2",),
    ),
    "an element changed": (
        (
            "delete element inet dnet port4 { tcp . 8080 }",
            "add element inet dnet port4 { tcp . 8080 : 192.0.2.1 . 80 }",
        ),
        (
            "inet dnet port4: not dnet's: tcp . 8080 : 192.0.2.1 . 80",
            "inet dnet port4: missing: tcp . 8080 : 172.17.0.2 . 80",
        ),
    ),
    "a network of a bridge": (
        (
            "delete element inet dnet masq4 { 172.17.0.0/16 }",
            "add element inet dnet masq4 { 172.17.0.0-172.17.9.7 }",
        ),
        (
            "inet dnet masq4: not dnet's: 172.17.0.0-172.17.9.7",
            "inet dnet masq4: missing: 172.17.0.0/16",
        ),
    ),
    "an element for all": (
        ("add element inet dnet port4 { * : 192.0.2.1 . 2 }",),
        ("inet dnet port4: not dnet's: * : 192.0.2.1 . 2",),
    ),
    "a rule added": (
        ("insert rule inet dnet forward tcp dport 80 drop",),
        ("inet dnet forward: not dnet's: tcp dport 80 drop",),
    ),
    "rules gone": (
        ("flush chain inet dnet guard",),
        tuple(
            f"inet dnet guard: missing: {rule}"
            for rule in (
                'iifname "lo" accept',
                "ip daddr 127.0.0.0/8 drop",
                "ip saddr 127.0.0.0/8 drop",
            )
        ),
    ),
    "rules in another order": (
        (
            "flush chain inet dnet refuse",
            "add rule inet dnet refuse drop",
            f"add rule inet dnet refuse {layout.objects()[layout.Object('chain', 'refuse')][0]}",
        ),
        ("inet dnet refuse: the rules are in the wrong order",),
    ),
    "a policy": (
        ("add chain inet dnet forward { policy drop; }",),
        (
            "inet dnet forward: declared differently: "
            "type filter hook forward priority 0; policy drop;",
        ),
    ),
    "a chain without its hook": (
        ("delete chain inet dnet guard", "add chain inet dnet guard"),
        (
            "inet dnet guard: declared differently",
            *(
                f"inet dnet guard: missing: {rule}"
                for rule in layout.objects()[layout.Object("chain", "guard")][1:]
            ),
        ),
    ),
    "a chain of which something is said": (
        (
            "delete chain inet dnet redirects",
            'add chain inet dnet redirects { comment "mine"; '
            "type filter hook output priority 0; policy accept; }",
        ),
        (
            'inet dnet redirects: declared differently: comment "mine" '
            "type filter hook output priority 0; policy accept;",
            *(
                f"inet dnet redirects: missing: {rule}"
                for rule in layout.objects()[layout.Object("chain", "redirects")][1:]
            ),
        ),
    ),
    "spans of what has names": (
        (
            "add element inet dnet range4 { 6-17 . 1-5 : 192.0.2.1 }",
            'add element inet dnet home4 { 192.0.2.0/24 . "eth*" }',
        ),
        (
            'inet dnet home4: not dnet\'s: 192.0.2.0/24 . "eth*"',
            "inet dnet range4: not dnet's: 6-17 . 1-5 : 192.0.2.1",
        ),
    ),
    "asleep": (
        ("add table inet dnet { flags dormant; }",),
        ("inet dnet: not dnet's: flags dormant",),
    ),
    "a chain of somebody's": (
        (
            "add chain inet dnet other { type filter hook input priority 0; }",
            "add rule inet dnet other drop",
        ),
        ("inet dnet other: the chain is not dnet's",),
    ),
    "a set of somebody's in a rule of dnet's chains": (
        (
            "add set inet dnet other { type mark; }",
            "add rule inet dnet forward meta mark @other drop",
        ),
        (
            "inet dnet other: the set is not dnet's",
            "inet dnet forward: not dnet's: meta mark @other drop",
        ),
    ),
    "a set of another type": (
        (
            "flush chain inet dnet redirects",
            "flush chain inet dnet siblings",
            "delete set inet dnet noicc",
            "add set inet dnet noicc { type ipv4_addr; }",
        ),
        (
            "inet dnet noicc: declared differently: type ipv4_addr",
            *(
                f"inet dnet {name}: missing: {rule}"
                for name in ("siblings", "redirects")
                for rule in layout.objects()[layout.Object("chain", name)][1:]
            ),
            'inet dnet noicc: missing: "dnet0"',
        ),
    ),
}


@pytest.mark.parametrize("name", WRECKS)
def test_what_differs_is_told_and_mended(host: Host, name: str) -> None:
    commands, told = WRECKS[name]
    before = host.snapshot()
    nft(host, *commands)
    assert found(host) == list(told)
    lines = host.ok("restore", "--dry-run").splitlines()
    assert lines
    host.ok("restore")
    assert host.snapshot() == before
    host.quiet("check")
    # The lines that were shown can be typed, one after the other.
    nft(host, *commands)
    host.run("\n".join(["set -e", *lines, "exit 0"]))
    assert host.snapshot() == before


def test_a_stale_table_from_a_file_is_replaced(host: Host) -> None:
    saved = f"flush ruleset\n{host.run('nft', 'list', 'ruleset')}"
    host.ok("map", "remove", "8080")
    host.ok("map", "add", "db", "8080:81")
    host.ok("link", "remove", "web", "db")
    before = host.snapshot()
    nft(host, saved)
    assert "inet dnet port4: missing: tcp . 8080 : 172.17.0.3 . 81" in found(host)
    host.ok("restore")
    assert host.snapshot() == before


@pytest.mark.parametrize("name", ["flush ruleset", "delete table inet dnet"])
def test_a_change_after_a_flush_finds_out_and_mends(host: Host, name: str) -> None:
    nft(host, name)
    done = host.dnet("map", "add", "web", "9090:90")
    assert (done.returncode, done.stdout) == (0, "0.0.0.0:9090/tcp\n")
    assert done.stderr == "dnet: warning: repaired: inet dnet: the table is missing\n"
    host.quiet("check")


def test_an_element_that_is_gone_already_is_noticed(host: Host) -> None:
    nft(
        host,
        "delete element inet dnet port4 { tcp . 8080 }",
        "delete element inet dnet port4 { tcp . 8201 }",
    )
    done = host.dnet("map", "remove", "8080")
    assert done.returncode == 0
    assert "repaired: inet dnet port4: missing: tcp . 8201 : 172.18.0.2 . 9001" in done.stderr
    assert "8080" not in done.stderr
    host.quiet("check")


def users(host: Host) -> str:
    """What is listed of the administrator's."""
    blocks = re.findall(r"\t\w+ user[\w-]* \{.*?\n\t\}", listed(host), flags=re.S)
    return "\n".join(blocks)


def test_what_is_the_administrator_s_is_never_touched(host: Host) -> None:
    nft(
        host,
        "add map inet dnet usermap { type inet_service : verdict; }",
        *(
            one.replace("@mine", "@port4at")
            if "mine" not in one
            else one.replace("@mine", "@link4")
            for one in USERS[:-1]
        ),
        "add rule inet dnet user iifname . ip saddr @parent4 counter accept",
    )
    mine = users(host)
    for name in ("user-friends", "user-more", "user-count", "usermap", "@parent4"):
        assert name in mine
    host.quiet("check")
    for commands, _ in WRECKS.values():
        if commands[0].startswith(("flush ruleset", "delete table")):
            continue
        nft(host, *commands)
        host.ok("restore")
        assert users(host) == mine
        host.quiet("check")
    done = host.dnet("bridge", "remove", "dnet1", "--force")
    assert (done.returncode, done.stderr) == (0, "")
    done = host.dnet("bridge", "remove", "dnet0", "--force")
    assert done.returncode == 0
    assert "the table inet dnet is kept" in done.stderr
    assert users(host) == mine
    assert "hook" not in listed(host)
    assert "172.17" not in listed(host)
    host.quiet("check")
    host.ok(*INIT)
    assert users(host) == mine
    host.quiet("check")


def test_a_rule_of_the_administrator_s_may_hold_what_has_to_go(host: Host) -> None:
    """Of another type a set cannot be filled; what uses it does not let it go."""
    nft(
        host,
        "flush chain inet dnet redirects",
        "flush chain inet dnet siblings",
        "delete set inet dnet noicc",
        "add set inet dnet noicc { type ipv4_addr; }",
        "add rule inet dnet user ip saddr @noicc drop",
    )
    before = listed(host)
    refusal = host.fails(STATUS["failed"], "restore", code="failed")
    assert "inet dnet user" in refusal.message
    assert "noicc" in refusal.message
    assert "ip saddr @noicc drop" in refusal.message
    assert listed(host) == before
    nft(host, "flush chain inet dnet user")
    host.ok("restore")
    host.quiet("check")


def test_an_element_of_the_administrator_s_may_lead_to_a_chain(host: Host) -> None:
    nft(
        host,
        "add map inet dnet user-ways { type inet_service : verdict; }",
        "add element inet dnet user-ways { 9999 : jump refuse }",
        "add rule inet dnet user tcp dport vmap @user-ways",
    )
    host.quiet("check")
    mine = users(host)
    nft(
        host,
        "delete element inet dnet user-ways { 9999 }",
        "flush chain inet dnet forward",
        "flush chain inet dnet siblings",
        "delete chain inet dnet refuse",
        "add chain inet dnet refuse { type filter hook forward priority 3; }",
        "add chain inet dnet user-more",
        "add map inet dnet user-ways2 { typeof tcp dport : verdict; }",
    )
    host.ok("restore")
    nft(
        host,
        "delete map inet dnet user-ways2",
        "delete chain inet dnet user-more",
        "add element inet dnet user-ways { 9999 : jump refuse }",
    )
    for bridge in ("dnet0", "dnet1"):
        done = host.dnet("bridge", "remove", bridge, "--force")
        assert done.returncode == 0, done
    assert "the table inet dnet is kept" in done.stderr
    assert users(host) == mine


HELD = {
    "counter": ("add counter inet dnet other", 'counter name "other"'),
    "set": ("add set inet dnet other { type ipv4_addr; }", "ip saddr @other drop"),
    "ct helper": (
        'add ct helper inet dnet other { type "ftp" protocol tcp; }',
        'tcp dport 21 ct helper set "other"',
    ),
}


@pytest.mark.parametrize("kind", HELD)
def test_what_somebody_else_s_holds_is_named(host: Host, kind: str) -> None:
    made, rule = HELD[kind]
    nft(host, made, f"add rule inet dnet user {rule}")
    before = host.everything()
    refusal = host.fails(STATUS["failed"], "restore", code="failed")
    assert f"inet dnet user: a rule dnet did not make refers to the {kind} other" in refusal.message
    assert rule in refusal.message
    assert host.everything() == before


def test_a_chain_user_at_a_hook_is_no_chain_to_jump_to(host: Host) -> None:
    nft(
        host,
        "flush chain inet dnet forward",
        "delete chain inet dnet user",
        'add chain inet dnet user { comment "x"; type filter hook forward priority 0; }',
    )
    before = host.everything()
    refusal = host.fails(STATUS["failed"], "restore", code="failed")
    assert "inet dnet user: no rule can jump to this chain" in refusal.message
    assert host.everything() == before


FOREIGN = {
    "somebody else's": (
        "add table inet dnet",
        "add chain inet dnet forward { type filter hook forward priority 5; }",
    ),
    "another store's": tuple(map(str, diff.made({}, layout.Form()).commands())),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_table_that_is_not_this_store_s_is_a_conflict(nftables: Lab, name: str) -> None:
    host = nftables.host()
    nft(host, *FOREIGN[name])
    before = host.everything()
    refusal = host.fails(STATUS["conflict"], *INIT, code="conflict")
    assert "inet dnet" in refusal.message
    assert host.everything() == before


def test_a_foreign_table_in_the_place_of_dnet_s_is_a_conflict(host: Host) -> None:
    nft(host, "delete table inet dnet", *FOREIGN["somebody else's"])
    before = host.everything()
    assert found(host) == ["inet dnet: the table is not dnet's"]
    for line in ("restore", "map add web 99", "map remove 8080", "link remove web db"):
        refusal = host.fails(STATUS["conflict"], *line.split())
        assert refusal.message == "there is a table inet dnet, which dnet did not make"
        assert host.everything() == before
    nft(host, "delete table inet dnet")
    host.ok("restore")
    host.quiet("check")


def sending(nftables: Lab, *options: str) -> tuple[Host, Node, Node, Node]:
    """A host with a client outside, and two containers on its one bridge."""
    host = nftables.host()
    client = nftables.outside(host)
    client.ip("route add 172.17.0.0/16 via 10.99.0.1")
    host.ok(*INIT, *options)
    web, db = nftables.node(), nftables.node()
    host.ok("attach", "web", "--netns", web.netns, "-p", "8080:80")
    host.ok("attach", "db", "--netns", db.netns)
    for node, name in ((web, "web"), (db, "db")):
        for port in (80, 81):
            node.listen("tcp", port, name)
    return host, client, web, db


def test_an_accept_of_the_administrator_s_does_not_let_siblings_through(nftables: Lab) -> None:
    host, client, web, db = sending(nftables, "--no-icc", "--no-direct-access")
    client.misses("tcp", "172.17.0.2", 81)
    nft(host, "add rule inet dnet user accept")
    client.reaches("web", "tcp", "172.17.0.2", 81)
    db.misses("tcp", "172.17.0.2", 81)
    web.misses("tcp", "172.17.0.3", 81)
    host.ok("link", "add", "db", "web", "-p", "81/tcp")
    db.reaches("web", "tcp", "172.17.0.2", 81)
    db.misses("tcp", "172.17.0.2", 80)
    db.reaches("web", "tcp", "10.99.0.1", 8080)


def test_a_drop_of_the_administrator_s_comes_first(nftables: Lab) -> None:
    host, client, _, db = sending(nftables)
    client.reaches("web", "tcp", "10.99.0.1", 8080)
    nft(host, "add rule inet dnet user ip saddr 10.99.0.0/24 drop")
    client.misses("tcp", "10.99.0.1", 8080)
    db.reaches("web", "tcp", "10.99.0.1", 8080)


STOPPING: dict[str, Callable[[Host], str]] = {
    "policy": lambda host: host.run("iptables -P FORWARD DROP"),
    "last rule": lambda host: host.run("iptables -A FORWARD -j REJECT"),
    "rule about some": lambda host: host.run(
        "iptables -A FORWARD -s 10.99.0.0/24 -j DROP && iptables -A FORWARD -s 192.0.2.1 -j ACCEPT"
    ),
}


@pytest.mark.parametrize("stopping", STOPPING)
def test_beside_a_forward_that_drops(nftables: Lab, stopping: str) -> None:
    """Published ports answer, and nothing else that it has stopped."""
    host, again = nftables.host(), "iptables-save | iptables-restore"
    STOPPING[stopping](host)
    host.run(again)
    before = host.run("iptables-save", "-t", "filter")
    others = host.run("nft", "list", "table", "ip", "filter")
    client = nftables.outside(host)
    client.ip("route add 172.17.0.0/16 via 10.99.0.1")
    host.ok(*INIT)
    web = nftables.node()
    host.ok("attach", "web", "--netns", web.netns, "-p", "8080:80")
    for port in (80, 81):
        web.listen("tcp", port, "web")
    client.listen("tcp", 90, "client")
    saved = host.run("iptables-save", "-t", "filter")
    assert [line for line in saved.splitlines() if "dnet" in line] == [
        "-A FORWARD -i dnet0 -m comment --comment dnet -j ACCEPT",
        "-A FORWARD -o dnet0 -m comment --comment dnet -j ACCEPT",
    ]
    client.reaches("web", "tcp", "10.99.0.1", 8080)
    web.reaches("client", "tcp", "10.99.0.2", 90)
    client.misses("tcp", "172.17.0.2", 81)
    told = host.dnet("check")
    assert (told.returncode, told.stdout) == (0, "")
    assert "--direct-access" in told.stderr
    assert host.json("firewall", "show")["overruled_by"]
    host.ok("bridge", "init", "--direct-access")
    client.reaches("web", "tcp", "172.17.0.2", 81)
    host.quiet("check")
    host.run("iptables -D FORWARD 1")
    host.run(again)
    missing = 'ip filter FORWARD: missing: iifname "dnet0" counter accept comment "dnet"'
    assert missing in found(host)
    host.ok("restore")
    host.quiet("check")
    host.ok("bridge", "remove", "dnet0", "--force")
    plain = r"\[\d+:\d+\]|packets \d+ bytes \d+|#.*"
    for now, then in (
        (host.run("iptables-save", "-t", "filter"), before),
        (host.run("nft", "list", "table", "ip", "filter"), others),
    ):
        assert re.sub(plain, "", now) == re.sub(plain, "", then)


DROPPING = {
    "inet filter forward": (
        "nft add table inet filter; nft 'add chain inet filter forward "
        "{ type filter hook forward priority 0; policy drop; }'"
    ),
    "iptables-legacy": "iptables-legacy -P FORWARD DROP",
}


@pytest.mark.parametrize("name", DROPPING)
def test_what_else_drops_is_told_with_the_lines_to_add(nftables: Lab, name: str) -> None:
    host, client, _, _ = sending(nftables)
    client.reaches("web", "tcp", "10.99.0.1", 8080)
    host.run("sh", "-c", DROPPING[name])
    client.misses("tcp", "10.99.0.1", 8080)
    (line,) = found(host)
    assert name in line
    assert line in host.json("firewall", "show")["overruled_by"]
    host.run("sh", "-c", line.rpartition(": ")[2])
    host.quiet("check")
    client.reaches("web", "tcp", "10.99.0.1", 8080)


def test_what_nft_cannot_do_is_named(nftables: Lab, tmp_path: Path) -> None:
    """A version without what is needed, and a kernel that refuses a part."""
    fake, host = tmp_path / "nft", nftables.host()
    host.env["PATH"] = f"{tmp_path}:{host.env['PATH']}"
    for script, told in (
        (
            'case $1 in --version) echo "nftables v0.9.3 (Topsy)";; '
            "*) echo 'Error: syntax error, unexpected comment' >&2; exit 1;; esac",
            "nft 0.9.3 is too old: 0.9.7 is needed",
        ),
        (
            'case $1 in -f) echo "/dev/stdin:9:1-9: Error: Could not process rule: '
            'Operation not supported\nadd map inet dnet port4 {}\n^^^^^^^^" >&2; exit 1;; '
            '*) exec /usr/sbin/nft "$@";; esac',
            "nft refused: Could not process rule: Operation not supported "
            "add map inet dnet port4 {}",
        ),
    ):
        fake.write_text(f"#!/bin/sh\n{script}\n")
        fake.chmod(0o755)
        before = host.everything()
        assert host.fails(STATUS["kernel"], *INIT).message == told
        assert host.everything() == before


@pytest.mark.parametrize("program", ["iptables", "iptables-save", "iptables-nft", "unshare"])
def test_no_other_program_is_needed(nftables: Lab, program: str) -> None:
    host = nftables.host()
    del host.env["DNET_FIREWALL"]
    lines = (
        "bridge init --firewall nftables --address 172.17.42.1/16",
        "interface allocate web",
        "map add web 8080:80",
        "check",
        "reset --yes",
    )
    for line in lines:
        done = host.without(program, line)
        assert (done.returncode, done.stderr) == (0, ""), done


def test_without_nft_it_is_named(host: Host) -> None:
    before = host.store()
    for line in ("check", "restore", "map add web 99", "bridge init dnet3"):
        refusal = read_refusal(host.without("nft", line))
        assert refusal.status == STATUS["kernel"]
        assert refusal.message == "nft not found"
        assert refusal.hint == "apt-get install nftables"
    assert host.store() == before


def test_others_rules_are_never_touched(nftables: Lab) -> None:
    host = nftables.host()
    nft(
        host,
        "add table inet other",
        "add set inet other s { type ipv4_addr; elements = { 192.0.2.1 }; }",
        "add chain inet other forward { type filter hook forward priority -5; }",
        "add rule inet other forward ip saddr @s counter drop",
        "add table ip nat",
    )
    before = json.loads(host.run("nft", "-j", "list", "ruleset"))
    host.ok(*INIT)
    host.ok("interface", "allocate", "web")
    host.ok("map", "add", "web", "8080:80")
    host.ok("restore")
    host.ok("reset", "--yes")
    assert json.loads(host.run("nft", "-j", "list", "ruleset")) == before


@pytest.mark.parametrize(
    "change",
    [
        "delete element inet dnet port4 { tcp . 8080 }",
        "add element inet dnet port4 { tcp . 99 : 172.17.0.2 . 99 }",
        "add rule inet dnet forward drop",
        "flush ruleset",
    ],
)
def test_what_was_seen_to_agree_is_not_taken_for_granted(host: Host, change: str) -> None:
    for _ in range(3):
        host.quiet("check")
    nft(host, "add table ip others")
    for _ in range(2):
        host.quiet("check")
    nft(host, change)
    for _ in range(2):
        assert host.dnet("check").returncode == STATUS["drift"]
    host.ok("restore")
    for _ in range(2):
        host.quiet("check")


def test_an_edited_store_is_compared_anew(host: Host) -> None:
    for _ in range(2):
        host.quiet("check")
    path = host.state_dir / "state.json"
    path.write_text(path.read_text().replace("8080", "8085"))
    found = host.dnet("check")
    assert found.returncode == STATUS["drift"]
    assert "8085" in found.stdout
