"""`dnet probe` on hosts that are broken in one way each: what it names, and what it leaves."""

from __future__ import annotations

import difflib
import itertools
import json
import signal
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dnet.values.veth import veth_name
from tests import contract, figures
from tests import lab as labs
from tests.contract import PROBE
from tests.host import Host
from tests.lab import Lab
from tests.node import Node

PORT = veth_name("web")
OUTSIDE, HOST = "outside", "host"
NFT = 'nft "add table inet f; add chain inet f fw {{ type filter hook {} priority {}; {} }}"'
NETDEV = (
    'nft "add table netdev f; '
    'add chain netdev f fw {{ type filter hook {} device {} priority 0; }}"'
)
FORWARD = NFT.format("forward", 0, "policy accept;")
SPARE = (
    "ip link add up0 type veth peer name up1; ip link set up0 up; ip link set up1 up;"
    "ip addr add 10.98.0.1/24 dev up0"
)


# Beside what a snapshot has: rules with their handles, and what it passes over.
BESIDES = """
nft --handle --stateless list ruleset
ip rule; ip -6 rule; tc qdisc; ip -o link | cut -d: -f2; ip neigh show nud permanent
cd /proc/sys/net && grep -r . ipv4/conf ipv6/conf ipv4/ip_forward 2>/dev/null || true
"""


class Broken(NamedTuple):
    """A host that is broken: by a command on it, and one in the container `web`.

    `where` is part of what is named, of TCP from each place; None where it answers. `result` is
    that of both, empty where they differ.
    """

    where: str | None
    host: str | None
    on_host: str = ""
    inside: str = ""
    result: str = "dropped"


BOTH = {
    "policy of its own": Broken(
        "inet f fw: policy drop", None, NFT.format("forward", 0, "policy drop;")
    ),
    "rule of its own": Broken(
        "inet f fw handle 2: tcp dport 80 drop",
        None,
        f"{FORWARD}; nft add rule inet f fw tcp dport 80 drop",
    ),
    "reject in a chain of its own": Broken(
        "inet f deep handle 3: reject",
        None,
        f"{FORWARD}; nft add chain inet f deep; nft add rule inet f deep reject; "
        "nft add rule inet f fw iifname eth0 jump deep",
        result="refused",
    ),
    "ahead of translation": Broken(
        "inet f fw handle 2: tcp dport 8080 drop",
        None,
        f"{NFT.format('prerouting', -200, '')}; nft add rule inet f fw tcp dport 8080 drop",
    ),
    "output": Broken(
        None,
        "inet f fw handle 2: ip daddr 172.17.0.2 drop",
        f"{NFT.format('output', 0, '')}; nft add rule inet f fw ip daddr 172.17.0.2 drop",
    ),
    "answers by the uplink": Broken(
        'the answer is stopped: inet f fw handle 2: iifname "dnet0" oifname "eth0" drop',
        None,
        f"{FORWARD}; nft add rule inet f fw iifname dnet0 oifname eth0 drop",
    ),
    "answers ahead of routing": Broken(
        "the answer is stopped: inet f fw handle 2: tcp sport 80 drop",
        "the answer is stopped: inet f fw handle 2",
        f"{NFT.format('prerouting', -310, '')}; nft add rule inet f fw tcp sport 80 drop",
    ),
    "ahead of IP": Broken(
        "eth0 drops it ahead of IP: nft list chain netdev f early",
        None,
        'nft "add table netdev f; add chain netdev f early '
        '{ type filter hook ingress device eth0 priority 0; }"; nft add rule netdev f early drop',
    ),
    "no forwarding": Broken("net.ipv4.ip_forward = 0", None, "sysctl -qw net.ipv4.ip_forward=0"),
    "no forwarding of the uplink": Broken(
        "net.ipv4.conf.eth0.forwarding = 0", None, "sysctl -qw net.ipv4.conf.eth0.forwarding=0"
    ),
    "no forwarding of answers": Broken(
        "net.ipv4.conf.dnet0.forwarding = 0", None, "sysctl -qw net.ipv4.conf.dnet0.forwarding=0"
    ),
    "no loopback": Broken(
        None,
        "at 127.0.0.1: net.ipv4.conf.dnet0.route_localnet = 0",
        "sysctl -qw net.ipv4.conf.dnet0.route_localnet=0",
    ),
    "rp_filter": Broken(
        "net.ipv4.conf.eth0.rp_filter = 1: it came in by eth0, and what is sent back to 198.",
        None,
        f"{SPARE}; sysctl -qw net.ipv4.conf.eth0.rp_filter=1; ip route add 128.0.0.0/1 dev up0",
    ),
    "policy routing": Broken(
        "leaves by up0, not by eth0",
        "at 172.17.42.1: a packet from the host to 172.17.0.2 leaves by up0, not by dnet0",
        f"{SPARE}; ip route add default dev up0 table 77; ip rule add from 172.17.0.0/16 table 77",
    ),
    "a route to the container": Broken(
        "a packet from the host to 172.17.0.2 leaves by eth0, not by dnet0",
        "a packet from the host to 172.17.0.2 leaves by eth0, not by dnet0",
        "ip route add 172.17.0.0/28 via 10.99.0.2",
    ),
    "a rule to the containers": Broken(
        "a packet from the host to 172.17.0.2 leaves by eth0, not by dnet0",
        "a packet from the host to 172.17.0.2 leaves by eth0, not by dnet0",
        "ip route add default via 10.99.0.2 table 77; ip rule add to 172.17.0.0/16 table 77",
    ),
    "bridge down": Broken(
        "a packet from the host to 172.17.0.2 leaves by eth0, not by dnet0",
        "a packet from the host to 172.17.0.2 leaves by eth0, not by dnet0",
        "ip link set dnet0 down",
    ),
    "port down": Broken(
        f"{PORT}, the port of web on dnet0, is down",
        f"{PORT}, the port of web on dnet0, is down",
        f"ip link set {PORT} down",
    ),
    "port unplugged": Broken(
        f"{PORT}, the port of web on dnet0, is not plugged into dnet0",
        f"{PORT}, the port of web on dnet0, is not plugged into dnet0",
        f"ip link set {PORT} nomaster",
    ),
    "no carrier": Broken(
        f"{PORT}, the port of web on dnet0, is disabled: it has no carrier",
        f"{PORT}, the port of web on dnet0, is disabled: it has no carrier",
        inside="ip link set eth0 down",
    ),
    "another address": Broken(
        "nobody has 172.17.0.2 on dnet0",
        "nobody has 172.17.0.2 on dnet0",
        inside="ip addr flush dev eth0; ip addr add 172.17.0.77/16 dev eth0",
    ),
    "no default route inside": Broken(
        "in web a packet to 198.", "at 10.99.0.1: in web", inside="ip route del default"
    ),
    "another default route inside": Broken(
        ", not by eth0",
        "at 10.99.0.1: in web a packet to 10.99.0.1 leaves by x0, not by eth0",
        inside="ip link add x0 type veth peer name x1; ip link set x0 up; ip link set x1 up;"
        "ip route replace default dev x0",
    ),
    "rules inside": Broken(
        "in web: inet f fw: policy drop",
        "in web: inet f fw: policy drop",
        inside=NFT.format("input", 0, "policy drop;"),
    ),
    "rules inside about answers": Broken(
        "the answer is stopped in web: inet f fw handle 2: tcp sport 80 drop",
        "the answer is stopped in web: inet f fw handle 2: tcp sport 80 drop",
        inside=f"{NFT.format('output', 0, '')}; nft add rule inet f fw tcp sport 80 drop",
    ),
    "large packets": Broken(
        "1,400 bytes after it do not",
        None,
        f"{FORWARD}; nft add rule inet f fw meta length gt 1000 drop",
    ),
    "another's translation": Broken(
        "it is translated to 172.17.0.99 by ip f fw handle 2",
        None,
        'nft "add table ip f; add chain ip f fw { type nat hook prerouting priority -110; }";'
        "nft add rule ip f fw tcp dport 8080 dnat to 172.17.0.99:80",
    ),
    "no router": Broken(
        "nobody has 10.99.0.77 on eth0, the router that the answer is sent to",
        None,
        "ip route replace default via 10.99.0.77",
    ),
    "firewalld": Broken(
        "inet firewalld filter_FORWARD handle 3: reject with icmpx admin-prohibited",
        None,
        "nft add table inet firewalld;"
        "nft 'add chain inet firewalld filter_FORWARD { type filter hook forward priority 10; }';"
        "nft add rule inet firewalld filter_FORWARD ct state established,related accept;"
        "nft add rule inet firewalld filter_FORWARD reject with icmpx admin-prohibited",
        result="unreachable",
    ),
    "rules gone": Broken(
        "no rule translates 0.0.0.0:8080/tcp",
        "no rule translates 0.0.0.0:8080/tcp",
        "iptables -t nat -F; nft delete table inet dnet; true",
        result="refused",
    ),
}
"""Each way is tried with iptables and with nftables, but for what is one of them's alone."""

IPTABLES = {
    "FORWARD's policy": Broken(
        "ip filter FORWARD: policy drop", None, "iptables -P FORWARD DROP; iptables -F FORWARD"
    ),
    "ufw": Broken(
        "ip filter ufw-reject-forward handle",
        None,
        "iptables -N ufw-reject-forward; iptables -A ufw-reject-forward -j REJECT;"
        "iptables -I FORWARD -j ufw-reject-forward",
        result="refused",
    ),
    "Docker": Broken(
        "ip filter DOCKER-USER handle",
        None,
        "iptables -N DOCKER-USER; iptables -A DOCKER-USER -i eth0 -j DROP;"
        "iptables -A DOCKER-USER -j RETURN; iptables -I FORWARD -j DOCKER-USER",
    ),
    "the administrator's chain": Broken(
        "ip filter DNET-USER handle", None, "iptables -A DNET-USER -i eth0 -p tcp -j DROP"
    ),
    "raw": Broken(
        "ip raw PREROUTING handle", None, "iptables -t raw -I PREROUTING -i eth0 -j DROP"
    ),
    "mangle": Broken(
        "the answer is stopped: ip mangle POSTROUTING handle",
        None,
        "iptables -t mangle -A POSTROUTING -o eth0 -j DROP",
    ),
}
LEGACY = {
    "FORWARD's policy": Broken(
        "iptables-legacy -t filter -P FORWARD DROP",
        None,
        "iptables -P FORWARD DROP; iptables -F FORWARD",
    ),
    "a chain": Broken(
        "iptables-legacy -t filter -A BAD -p tcp -j DROP",
        None,
        "iptables -N BAD; iptables -A BAD -p tcp -j DROP; iptables -I FORWARD -o dnet0 -j BAD",
    ),
    "raw": Broken(
        "iptables-legacy -t raw -A PREROUTING -i eth0 -j DROP",
        None,
        "iptables -t raw -I PREROUTING -i eth0 -j DROP",
    ),
    "two rules": Broken(
        "iptables-legacy -t filter -A FORWARD -i eth0 -j REJECT --reject-with",
        "iptables-legacy -t mangle -A POSTROUTING -d 172.17.0.2/32 -o dnet0 -j DROP",
        "iptables -I FORWARD -i eth0 -j REJECT;"
        "iptables -t mangle -I POSTROUTING -d 172.17.0.2 -o dnet0 -j DROP",
        result="",
    ),
    "answers": Broken(
        "the answer is stopped: iptables-legacy -t mangle -A POSTROUTING -o eth0 -j DROP",
        None,
        "iptables -t mangle -A POSTROUTING -o eth0 -j DROP",
    ),
    "answers in another zone": Broken(
        "the answer comes from 172.17.0.2, not from 10.99.0.1: connection tracking does not know",
        "the answer comes from 172.17.0.2, not from 127.0.0.1: connection tracking does not know",
        "iptables -t raw -A PREROUTING -i dnet0 -j CT --zone 3",
    ),
    "inside": Broken(
        "in web: at input, by no rule of nftables: iptables-legacy",
        "in web: at input, by no rule of nftables: iptables-legacy",
        inside="iptables -A INPUT -p tcp -j REJECT --reject-with tcp-reset",
        result="refused",
    ),
    "no forwarding": BOTH["no forwarding"],
}
BESIDE = {
    "a bridge's chain": Broken(
        "bridge f fw handle 2: tcp dport 80 drop",
        "bridge f fw handle 2: tcp dport 80 drop",
        'nft "add table bridge f; add chain bridge f fw { type filter hook output priority 0; }";'
        "nft add rule bridge f fw tcp dport 80 drop",
    ),
    "a bridge's chain about answers": Broken(
        "dnet0 drops the answer ahead of IP: nft list chain bridge f fw",
        "dnet0 drops the answer ahead of IP: nft list chain bridge f fw",
        'nft "add table bridge f; '
        'add chain bridge f fw { type filter hook prerouting priority 0; }";'
        "nft add rule bridge f fw tcp sport 80 drop",
    ),
    "as it leaves by the port": Broken(
        "netdev f fw handle 2: tcp dport 80 drop",
        "netdev f fw handle 2: tcp dport 80 drop",
        f"{NETDEV.format('egress', PORT)}; nft add rule netdev f fw tcp dport 80 drop",
    ),
    "answers as they leave by the uplink": Broken(
        "the answer is stopped: netdev f fw handle 2: tcp sport 8080 drop",
        None,
        f"{NETDEV.format('egress', 'eth0')}; nft add rule netdev f fw tcp sport 8080 drop",
    ),
    "a queue": Broken(
        "a queue drops it as it leaves by dnet0: tc -s qdisc show dev dnet0",
        "a queue drops it as it leaves by dnet0: tc -s qdisc show dev dnet0",
        "tc qdisc add dev dnet0 root tbf rate 1kbit burst 1 limit 1",
    ),
    "IPsec": Broken(
        "the IPsec policy src 0.0.0.0/0 dst 172.17.0.2/32 dir out action block",
        "the IPsec policy src 0.0.0.0/0 dst 172.17.0.2/32 dir out action block",
        "ip xfrm policy add dst 172.17.0.2/32 dir out action block",
    ),
    "IPsec about answers": Broken(
        "the answer is stopped: the IPsec policy src 172.17.0.0/16 dst 0.0.0.0/0 dir fwd",
        None,
        "ip xfrm policy add src 172.17.0.0/16 dir fwd tmpl proto esp mode tunnel level required",
    ),
    "not tracked": Broken(
        "it is not translated: inet f fw handle 2: tcp dport 8080 notrack",
        None,
        f"{NFT.format('prerouting', -300, '')}; nft add rule inet f fw tcp dport 8080 notrack",
        result="refused",
    ),
    "answers in another zone": Broken(
        'the answer is not translated back: inet f fw handle 2: iifname "eth0" ct zone set 7',
        None,
        f"{NFT.format('prerouting', -300, '')}; nft add rule inet f fw iifname eth0 ct zone set 7",
    ),
    "a rule without a route": Broken(
        "a packet from the host to 172.17.0.2 has no route",
        "a packet from the host to 172.17.0.2 has no route",
        "ip rule add to 172.17.0.0/16 prohibit",
        result="",
    ),
    "another hardware address": Broken(
        "the host sends it to 02:00:00:00:00:77 on dnet0, and web is 02:",
        "the host sends it to 02:00:00:00:00:77 on dnet0, and web is 02:",
        "ip neigh replace 172.17.0.2 lladdr 02:00:00:00:00:77 dev dnet0 nud permanent",
    ),
    "no router inside": Broken(
        "in web nobody has 172.17.0.99, the router",
        "at 10.99.0.1: in web nobody has 172.17.0.99, the router",
        inside="ip route replace default via 172.17.0.99",
    ),
    "the client's network inside": Broken(
        ", which it takes for a neighbour",
        None,
        inside="ip addr add 198.18.0.1/15 dev eth0",
    ),
    "ahead of IP inside": Broken(
        "eth0 in web drops it ahead of IP",
        "eth0 in web drops it ahead of IP",
        inside=f"{NETDEV.format('ingress', 'eth0')}; nft add rule netdev f fw tcp dport 80 drop",
    ),
}
"""What is no firewall's of dnet: with either."""

NFTABLES = {
    "the administrator's chain": Broken(
        "inet dnet user handle", None, "nft add rule inet dnet user iifname eth0 tcp dport 80 drop"
    ),
    "iptables beside it": Broken(
        "ip filter FORWARD handle", None, "iptables -I FORWARD -o dnet0 -j DROP"
    ),
}
EVERY = [
    *(("nft", name, case) for name, case in (BOTH | IPTABLES).items()),
    *((labs.NFTABLES, name, case) for name, case in (BOTH | NFTABLES).items()),
    *(("legacy", name, case) for name, case in LEGACY.items()),
    *(
        (firewall, *item)
        for firewall, item in zip(itertools.cycle(labs.EVERY), BESIDE.items(), strict=False)
    ),
]


class Site(NamedTuple):
    """A host with an uplink, by which a client is, and a container that publishes two ports."""

    lab: Lab
    host: Host
    web: Node

    def everything(self) -> list[str]:
        """All that a probe must leave as it is, byte for byte but for counters."""
        host = self.host
        ipv6 = host.ipv6()
        kept = (f"{name} {text}" for name, text in host.store().items())
        inside = self.web.try_run("nft", "list", "ruleset").stdout
        return [*(host.snapshot() + ipv6 + host.run(BESIDES) + inside).splitlines(), *kept]

    def rows(self, *words: str) -> list[dict[str, str]]:
        """The rows of a probe, and that it exits as they say."""
        before = self.everything()
        done = self.host.dnet("probe", *words, "--json")
        assert done.stderr == "", done
        rows: list[dict[str, str]] = json.loads(done.stdout)
        bad = any(row["result"] not in ("answers", "delivered", "not-tried") for row in rows)
        assert done.returncode == int(bad), done
        assert changed(before, self.everything()) == []
        return rows


def changed(before: list[str], after: list[str]) -> list[str]:
    return [line for line in difflib.ndiff(before, after) if line[0] in "+-"]


def site_of(lab: Lab) -> Site:
    host = lab.host()
    lab.outside(host)
    host.ip("route add default via 10.99.0.2")
    host.quiet("bridge", "init", "--address", "172.17.42.1/16")
    web = lab.node()
    host.ok("attach", "web", "--netns", web.netns, "-p", "8080:80", "-p", "53:53/udp")
    web.listen("tcp", 80, "web")
    web.listen("udp", 53, "web")
    return Site(lab, host, web)


@pytest.fixture
def site(lab: Lab) -> Site:
    """A healthy site, with iptables on nftables."""
    return site_of(lab)


@pytest.fixture
def each(every: Lab) -> Site:
    """A healthy site, with each firewall in turn."""
    return site_of(every)


def told(rows: list[dict[str, str]], origin: str, endpoint: str) -> tuple[str, str | None]:
    (row,) = (one for one in rows if (one["from"], one["endpoint"]) == (origin, endpoint))
    return row["result"], row["where"]


# --- a healthy host ----------------------------------------------------------------------------


def test_a_healthy_host_has_nothing_to_name(each: Site) -> None:
    rows = each.rows()
    keys = [(row["from"], row["endpoint"]) for row in rows]
    assert keys == [(o, k) for k in ("0.0.0.0:8080/tcp", "0.0.0.0:53/udp") for o in (OUTSIDE, HOST)]
    assert all(list(row.values())[2:] == ["answers", None, None] for row in rows), rows


def test_what_is_asked_for_is_tried_from_where_it_is_asked(site: Site) -> None:
    db = site.lab.node()
    site.host.ok("attach", "db", "--netns", db.netns, "-p", "127.0.0.1:5432:5432")
    db.listen("tcp", 5432, "db")
    assert [row["endpoint"] for row in site.rows("db")] == ["127.0.0.1:5432/tcp"]
    assert [row["from"] for row in site.rows("5432")] == [HOST]
    (row,) = site.rows("8080", "--from", "db")
    assert (row["from"], row["result"]) == ("db", "answers")
    (row,) = site.rows("web", "--from", "web")[:1]
    assert (row["from"], row["result"]) == ("web", "answers")
    for origin in (OUTSIDE, "web"):
        (row,) = site.rows("5432", "--from", origin)
        assert row["result"] == "not-tried"
        assert row["where"] == "127.0.0.1 can only be used by the host"


def test_a_datagram_that_nobody_answers_is_delivered(site: Site) -> None:
    site.web.unlisten("udp", 53)
    with site.web.started("python3", "-c", SILENT) as process:
        wait_for(lambda: ":53 " in site.web.run("ss -Hlnu"))
        rows = site.rows("53/udp")
        process.kill()
    assert [row["result"] for row in rows] == ["delivered", "delivered"]


SILENT = "import socket, time; s = socket.socket(2, 2); s.bind(('', 53)); time.sleep(300)"


def test_without_a_default_route_it_says_what_it_could_not_try(site: Site) -> None:
    site.host.ip("route del default")
    *rows, limit = site.rows("8080")
    assert [row["result"] for row in rows] == ["answers", "answers"]
    assert [limit.get(key) for key in ("from", "endpoint", "result")] == [None, None, "not-tried"]
    assert "no default route" in limit["where"]


def test_by_another_device_it_says_what_it_could_not_try(site: Site) -> None:
    site.host.run(SPARE)
    site.host.run(f"{FORWARD}; nft add rule inet f fw iifname up0 drop")
    row, _, limit = site.rows("8080", "--via", "up0")
    assert row["where"] == 'inet f fw handle 2: iifname "up0" drop'
    assert "rules for packets leaving by up0" in limit["where"]
    site.host.sysctl("net/ipv4/conf/up0/rp_filter", 1)
    row, _, limit = site.rows("8080", "--via", "up0")
    assert row["result"] == "answers", row
    assert "up0: its rp_filter is 1" in limit["where"]


def test_strict_filtering_of_the_uplink_is_no_obstacle(site: Site) -> None:
    site.host.sysctl("net/ipv4/conf/eth0/rp_filter", 1)
    assert [row["result"] for row in site.rows()] == ["answers"] * 4


# --- broken in one way -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("firewall", "case"), [one[::2] for one in EVERY], ids=[f"{one[0]}-{one[1]}" for one in EVERY]
)
def test_it_names_what_is_broken(
    firewall: str, case: Broken, tmp_path: Path, variant_folders: Path
) -> None:
    if not (variant_folders / firewall).exists():
        pytest.skip(str(labs.why_no_variant(firewall)))
    with labs.opened(tmp_path, variant_folders, firewall) as lab:
        site = site_of(lab)
        site.host.run("sh", "-c", case.on_host)
        site.web.run("sh", "-c", case.inside)
        rows = site.rows("8080", "--timeout", "0.5")
        for origin, where in ((OUTSIDE, case.where), (HOST, case.host)):
            result, named = told(rows, origin, "0.0.0.0:8080/tcp")
            if where is None:
                assert (result, named) == ("answers", None)
            else:
                assert where in str(named)
                assert case.result in ("", result)


def wait_for(holds: Any) -> None:
    while not holds():
        time.sleep(0.01)


def test_nothing_listens(site: Site) -> None:
    site.web.unlisten("tcp", 80)
    site.web.listen("tcp", 8000, "web")
    assert told(site.rows(), OUTSIDE, "0.0.0.0:8080/tcp") == (
        "refused",
        "nothing in web listens on 172.17.0.2:80/tcp; it listens on 8000/tcp",
    )
    site.web.unlisten("udp", 53)
    assert told(site.rows(), HOST, "0.0.0.0:53/udp") == (
        "refused",
        "nothing in web listens on 172.17.0.2:53/udp",
    )


def test_it_listens_on_the_loopback_alone(site: Site) -> None:
    site.web.unlisten("tcp", 80)
    site.web.listen("tcp", 80, "web", "127.0.0.1")
    (row, _) = site.rows("8080")
    assert row["where"].endswith("; it listens on 127.0.0.1:80/tcp")
    assert row["hint"] == "let it listen on 0.0.0.0, not only on 127.0.0.1:80/tcp"


def test_a_namespace_that_is_gone(site: Site) -> None:
    site.web.close()
    site.host.run("ip", "netns", "del", site.web.netns)
    wait_for(lambda: PORT not in site.host.run("ip link"))
    for row in site.rows():
        assert row["where"] == f"the network namespace {site.web.netns} of web is gone"


ONE_WAITS = """
import socket, time
server = socket.socket()
server.bind(("", 8000))
server.listen(1)
while True:
    server.accept()[0].close()
    time.sleep(0.002)
"""


def test_a_server_that_few_may_wait_for(site: Site) -> None:
    """All its mappings are tried side by side, and it has never more of them than it has room."""
    db, ports = site.lab.node(), range(9000, 9024)
    published = [word for port in ports for word in ("-p", f"{port}:8000")]
    site.host.ok("attach", "db", "--netns", db.netns, *published)
    with db.started("python3", "-c", ONE_WAITS) as process:
        wait_for(lambda: ":8000 " in db.run("ss -Hltn"))
        assert [row["result"] for row in site.rows("db")] == ["answers"] * len(ports) * 2
        process.send_signal(signal.SIGSTOP)
        asked = map(str, ports[:3])
        *_, row = site.rows(*asked, "--from", OUTSIDE, "--timeout", "0.2")
        process.kill()
    assert row["where"] == "db got it, and the server accepts nothing: its backlog of 1 is full"


def test_a_process_of_the_host_that_took_the_port(site: Site) -> None:
    site.host.run("iptables", "-t", "nat", "-F")
    site.host.listen("tcp", 8080)
    rows = site.rows("8080")
    for row in rows:
        assert row["result"] == "unreachable"
        assert f"(pid {site.host.agent_pid}) listens on 0.0.0.0:8080/tcp" in row["where"]


def test_of_two_causes_the_first_is_named_and_then_the_other(site: Site) -> None:
    site.host.run(f"{FORWARD}; nft add rule inet f fw iifname eth0 drop")
    site.web.run("ip", "route", "del", "default")
    assert (
        told(site.rows(), OUTSIDE, "0.0.0.0:8080/tcp")[1]
        == 'inet f fw handle 2: iifname "eth0" drop'
    )
    site.host.run("nft", "delete", "table", "inet", "f")
    assert "in web a packet to" in str(told(site.rows(), OUTSIDE, "0.0.0.0:8080/tcp")[1])
    site.host.ok("attach", "web", "--netns", site.web.netns, "-p", "8080:80", "-p", "53:53/udp")
    assert told(site.rows(), OUTSIDE, "0.0.0.0:8080/tcp") == ("answers", None)


def test_another_container_with_the_same_address(site: Site) -> None:
    db = site.lab.node()
    site.host.ok("attach", "db", "--netns", db.netns)
    site.web.ip("addr flush dev eth0")
    db.ip("addr add 172.17.0.2/16 dev eth0")
    db.listen("tcp", 80, "db")
    where = f"it leaves by {veth_name('db')}, not by {PORT}"
    answered = site.rows("8080")
    db.unlisten("tcp", 80)
    for row in (*answered, *site.rows("8080")):
        assert row["where"].startswith("another on dnet0 has 172.17.0.2 as well (02:")
        assert row["where"].endswith(where)


def test_strict_filtering_of_a_container_s_own_requests(site: Site) -> None:
    db = site.lab.node()
    ip = site.host.ok("attach", "db", "--netns", db.netns)
    site.host.run(SPARE)
    site.host.run(f"ip route add {ip} dev up0; sysctl -qw net.ipv4.conf.dnet0.rp_filter=1")
    (row,) = site.rows("8080", "--from", "db")
    assert row["where"].startswith("net.ipv4.conf.dnet0.rp_filter = 1: it came in by dnet0")
    site.host.sysctl("net/ipv4/conf/dnet0/rp_filter", 0)
    (row,) = site.rows("8080", "--from", "db")
    assert "leaves by up0, not by dnet0" in row["where"]


def test_a_client_whose_namespace_is_gone(site: Site) -> None:
    db = site.lab.node()
    site.host.ok("attach", "db", "--netns", db.netns)
    site.host.run("ip", "netns", "del", db.netns)
    wait_for(lambda: veth_name("db") not in site.host.run("ip link"))
    (row,) = site.rows("8080", "--from", "db")
    assert row["result"] == "not-tried"
    assert row["where"] == f"the network namespace {db.netns} of db is gone"


# --- IPv6 --------------------------------------------------------------------------------------


@pytest.fixture
def dual(nftables: Lab) -> Site:
    """A site of both families, with nftables."""
    host = nftables.host()
    client = nftables.outside(host)
    for node, last in ((host, 1), (client, 2)):
        node.ip(f"addr add 2001:db8:9::{last}/64 dev eth0 nodad")
    host.ip("route add default via 10.99.0.2", "route add default via 2001:db8:9::2")
    host.quiet("bridge", "init", "--ipv6", "--address6", "fd00:17::1/64")
    web = nftables.node()
    host.dnet("attach", "web", "--netns", web.netns, "-p", "8080:80")
    web.listen("tcp", 80, "web", "::")
    return Site(nftables, host, web)


SIX = {
    "rule": (f"{FORWARD}; nft add rule inet f fw meta nfproto ipv6 drop", "", "inet f fw handle 2"),
    "answers": (
        f"{FORWARD}; nft add rule inet f fw ip6 saddr fd00:17::/64 drop",
        "",
        "the answer is stopped: inet f fw handle 2",
    ),
    "no forwarding": (
        "sysctl -qw net.ipv6.conf.all.forwarding=0",
        "",
        "net.ipv6.conf.all.forwarding = 0",
    ),
    "route": (
        "ip route add fd00:17::2 via 2001:db8:9::2",
        "",
        "a packet from the host to fd00:17::2 leaves by eth0, not by dnet0",
    ),
    "default route inside": ("", "ip -6 route del default", "in web a packet to 2001:2:"),
    "address inside": (
        "",
        "ip -6 addr flush dev eth0 scope global",
        "nobody has fd00:17::2 on dnet0",
    ),
    "IPsec": (
        "ip xfrm policy add dst fd00:17::2/128 dir out action block",
        "",
        "the IPsec policy src ::/0 dst fd00:17::2/128 dir out action block",
    ),
    "rules inside": (
        "",
        f"{NFT.format('input', 0, '')}; nft add rule inet f fw tcp dport 80 drop",
        "in web: inet f fw handle 2: tcp dport 80 drop",
    ),
    "router inside": (
        "",
        "ip -6 route replace default via fd00:17::99",
        "in web nobody has fd00:17::99, the router",
    ),
    "port": (f"ip link set {PORT} down", "", f"{PORT}, the port of web on dnet0, is down"),
}


def test_a_healthy_host_of_both_families(dual: Site) -> None:
    rows = dual.rows("8080")
    assert [row["endpoint"] for row in rows] == ["0.0.0.0:8080/tcp"] * 2 + ["[::]:8080/tcp"] * 2
    assert [row["result"] for row in rows] == ["answers"] * 4
    assert [row["result"] for row in dual.rows("8080", "--from", "web")] == ["answers"] * 2


def test_an_uplink_without_ipv6_is_no_obstacle(dual: Site) -> None:
    """The bridge's address is tried then: not ::1, by which the bridge has a route to the host."""
    dual.host.ip("route del default via 2001:db8:9::2", "addr flush dev eth0 to 2001:db8:9::/64")
    assert "local ::1 dev dnet0" in dual.host.run("ip -6 route show table local")
    assert told(dual.rows("[::]:8080"), OUTSIDE, "[::]:8080/tcp") == ("answers", None)


def test_an_address_of_the_loopback_device_is_one_of_the_host_s(dual: Site) -> None:
    dual.host.ip("addr add 10.7.7.7/32 dev lo", "addr add 127.9.9.9/32 dev eth0")
    drops = "nft add rule inet f fw ip daddr { 10.7.7.7, 127.9.9.9 } drop"
    dual.host.run(f"{NFT.format('output', -300, '')}; {drops}")
    result, where = told(dual.rows("0.0.0.0:8080"), HOST, "0.0.0.0:8080/tcp")
    assert result == "dropped"
    assert str(where).startswith("at 10.7.7.7: ")


@pytest.mark.parametrize("name", SIX)
def test_it_names_what_is_broken_of_ipv6(dual: Site, name: str) -> None:
    on_host, inside, where = SIX[name]
    dual.host.run("sh", "-c", on_host)
    dual.web.run("sh", "-c", inside)
    rows = dual.rows("[::]:8080")
    assert where in str(told(rows, OUTSIDE, "[::]:8080/tcp")[1])


# --- it leaves nothing -------------------------------------------------------------------------


def traces(host: Host) -> str:
    return host.run("nft list tables; ip -o link; tc qdisc; ip route; ip neigh show nud permanent")


def broken(site: Site) -> None:
    site.host.run(f"{FORWARD}; nft add rule inet f fw oifname dnet0 drop")


def is_gone(host: Host) -> bool:
    found = traces(host)
    return "probe" not in found and "198.18." not in found and "198.19." not in found


@pytest.fixture
def points(site: Site, tmp_path: Path) -> list[str]:
    """Every point at which a probe could be killed."""
    broken(site)
    log = tmp_path / "points"
    site.host.dnet("probe", "--timeout", "0.1", env={"DNET_POINT_LOG": str(log)})
    return log.read_text().splitlines()


def test_killed_at_every_point_it_leaves_nothing(site: Site, points: list[str]) -> None:
    before = site.everything()
    assert len(points) > 30
    for point in figures.some(range(1, len(points) + 1), 8, "probe"):
        env = {"DNET_POINT_AT": str(point), "DNET_POINT_DO": "kill"}
        done = site.host.dnet("probe", "--timeout", "0.1", env=env)
        assert done.returncode in (-9, 1), points[point - 1]
        wait_for(lambda: is_gone(site.host))
    assert changed(before, site.everything()) == []


def test_refused_at_every_point_it_says_no_more_than_it_saw(site: Site, points: list[str]) -> None:
    before = site.everything()
    for point in figures.some(range(1, len(points) + 1), 8, "probe"):
        env = {"DNET_POINT_AT": str(point), "DNET_POINT_DO": "netlink"}
        done = site.host.dnet("probe", "8080", "--timeout", "0.1", "--json", env=env)
        assert done.returncode in (0, 1, contract.STATUS["kernel"]), points[point - 1]
        rows = json.loads(done.stdout or "[]")
        results = {row["result"] for row in rows if row["from"] == OUTSIDE}
        assert results <= {"dropped", "not-tried"}, (points[point - 1], rows)
    assert changed(before, site.everything()) == []


def test_killed_while_it_waits_it_leaves_nothing(site: Site) -> None:
    broken(site)
    before = site.everything()
    with site.host.started("dnet", "probe", "--timeout", "50") as process:
        wait_for(
            lambda: "dnet-probe" in traces(site.host) and "probe" in site.host.run("ip -o link")
        )
        process.kill()
    wait_for(lambda: is_gone(site.host))
    assert changed(before, site.everything()) == []


def test_check_and_gc_see_nothing_of_it(site: Site) -> None:
    site.host.sysctl("net/ipv4/conf/eth0/forwarding", 0)
    quiet = site.host.dnet("check").stdout
    with site.host.started("dnet", "probe", "--timeout", "50") as process:
        wait_for(
            lambda: "dnet-probe" in traces(site.host) and "probe" in site.host.run("ip -o link")
        )
        assert site.host.dnet("check").stdout == quiet
        assert site.host.ok("gc") == ""
        site.host.ok("ip", "request")  # It holds no lock.
        process.kill()


def test_many_at_once_do_not_see_each_other(site: Site) -> None:
    site.host.sysctl("net/ipv4/conf/eth0/forwarding", 0)
    for done in site.host.dnets([["probe", "8080", "--json"]] * 6, at_once=6):
        assert [row["result"] for row in json.loads(done.stdout)] == ["dropped", "answers"]
        assert json.loads(done.stdout)[0]["where"] == "net.ipv4.conf.eth0.forwarding = 0"
    wait_for(lambda: is_gone(site.host))


def test_others_cannot_take_its_table_away(site: Site) -> None:
    broken(site)
    with site.host.started("dnet", "probe", "--timeout", "50") as process:
        wait_for(lambda: "inet dnet-probe" in traces(site.host))
        site.host.run("nft", "flush", "ruleset")
        assert "inet dnet-probe" in traces(site.host)
        process.kill()


# --- the command -------------------------------------------------------------------------------


def test_what_is_not_there(site: Site) -> None:
    host = site.host
    assert "9999/tcp" in host.fails(3, "probe", "9999", code="not-found").message
    assert host.fails(3, "probe", "nobody", code="not-found").hint
    host.ok("interface", "allocate", "idle")
    assert "no published port" in host.fails(3, "probe", "idle", code="not-found").message
    host.fails(3, "probe", "--from", "nobody", code="not-found")
    host.fails(3, "probe", "--from", "idle", code="not-found")
    assert "nodev0" in host.fails(3, "probe", "--via", "nodev0", code="not-found").message
    for wrong in ("0", "-1", "61", "soon", "nan"):
        host.fails(2, "probe", "--timeout", wrong, code="usage")
    host.fails(2, "probe", "a/b", code="usage")


def test_an_empty_store_has_nothing_to_try(host: Host) -> None:
    assert host.json("probe") == []


def test_a_table_for_people(site: Site) -> None:
    site.host.sysctl("net/ipv4/ip_forward", 0)
    lines = site.host.dnet("probe", "8080").stdout.splitlines()
    assert lines[0].split() == ["FROM", "ENDPOINT", "RESULT", "WHERE", "HINT"]
    assert lines[1].split(maxsplit=3)[3].startswith("net.ipv4.ip_forward = 0")
    assert lines[1].endswith("sysctl -w net.ipv4.ip_forward=1")


def test_check_points_to_it(site: Site) -> None:
    site.host.quiet("check")
    site.host.sysctl("net/ipv4/conf/eth0/forwarding", 0)
    done = site.host.dnet("check")
    assert done.stderr == PROBE
    assert "probe" not in done.stdout
    assert site.host.dnet("check", "--json").stderr == ""
