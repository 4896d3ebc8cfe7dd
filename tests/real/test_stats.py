"""dnet map stats: the connections of mappings, and what passes through them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests import conntrack, terminal
from tests.contract import STATUS
from tests.host import Host
from tests.lab import NFTABLES, Lab
from tests.node import Flow, Node

INIT = ("bridge", "init", "--address", "172.17.42.1/16", "--address6", "fd00:6::1/64")
HOST4, HOST6 = "10.99.0.1", "2001:db8:99::1"
INTERRUPTED = 130
KEYS = ("packets_in", "bytes_in", "packets_out", "bytes_out")
SPECS = ("53:80/udp", f"{HOST4}:8080:80", "7000-7009:7000-7009/udp", "9000-9009:80-89")


class Site(NamedTuple):
    host: Host
    outside: Node
    web: Node

    def stats(self, *words: str) -> dict[str, Any]:
        """The figures by host port and family."""
        rows = self.host.json("map", "stats", *words)
        return {f"{one['host_ip']}:{one['host_port']}": one for one in rows}

    def counted(self) -> dict[str, tuple[Any, ...]]:
        return {name: tuple(one[key] for key in KEYS) for name, one in self.stats().items()}

    def accounted(self) -> dict[int, tuple[int, ...]]:
        """What the kernel's own accounting has, of all connections to a port together."""
        found: dict[int, list[int]] = {}
        for line in self.host.within(conntrack.listing):
            if port := re.search(r"dport=(\d+)", line):
                amounts = map(int, re.findall(r"(?:packets|bytes)=(\d+)", line))
                sums = found.setdefault(int(port[1]), [0, 0, 0, 0])
                found[int(port[1])] = [a + b for a, b in zip(sums, amounts, strict=True)]
        return {port: tuple(sums) for port, sums in found.items()}


def made(lab: Lab) -> Site:
    host = lab.host()
    host.sysctl("net/netfilter/nf_conntrack_acct", 1)
    outside, web = lab.outside(host), lab.node()
    host.ip(f"address add {HOST6}/64 dev eth0 nodad")
    outside.ip("address add 2001:db8:99::2/64 dev eth0 nodad")
    host.ok(*INIT)
    host.ok("attach", "web", "--netns", web.netns)
    host.ok("map", "add", "web", *SPECS)
    for proto, port in (("tcp", 80), ("udp", 80), ("udp", 7003), ("tcp", 83)):
        web.listen(proto, port, "web", "::")
    return Site(host, outside, web)


@pytest.fixture
def site(nftables: Lab) -> Site:
    return made(nftables)


def said(site: Site) -> Iterator[Flow]:
    """Connections to every kind of mapping, in both families, from outside and the host."""
    for proto, port in (("udp", 53), ("udp", 7003), ("tcp", 9003)):
        for node, address in ((site.outside, HOST4), (site.outside, HOST6), (site.host, HOST4)):
            flow = node.open(proto, address, port)
            assert str(flow.say()).startswith("web")
            yield flow
    flow = site.outside.open("tcp", HOST4, 8080)
    assert str(flow.say()).startswith("web")
    yield flow


def test_what_passes_is_what_the_kernel_accounts_for(site: Site) -> None:
    site.host.quiet("map", "stats", "--start")
    assert site.host.ok("check") == ""
    flows = list(said(site))
    found = site.stats()
    assert {name: one["connections"] for name, one in found.items() if "::" not in name} == {
        "0.0.0.0:53": 2,
        f"{HOST4}:8080": 1,
        "0.0.0.0:7000": 2,
        "0.0.0.0:9000": 2,
    }
    kernels = site.accounted()
    for first, port in ((53, 53), (7000, 7003), (9000, 9003)):
        both = zip(*(site.counted()[f"{at}:{first}"] for at in ("0.0.0.0", "::")), strict=True)
        assert tuple(map(sum, both)) == kernels[port]
    assert site.counted()[f"{HOST4}:8080"] == kernels[8080]
    for flow in flows:
        flow.close()


def test_counts_outlive_a_repair_and_go_with_the_mapping(site: Site) -> None:
    site.host.quiet("map", "stats", "--start")
    flow = site.outside.open("udp", HOST4, 53)
    assert flow.say()
    before = site.counted()["0.0.0.0:53"]
    assert all(before)
    site.host.run("nft flush map inet dnet port4")
    site.host.ok("restore")
    site.host.ok("map", "add", "web", "53:80/udp", "--from", "10.99.0.0/24")
    site.host.ok("map", "stats", "--start")
    assert site.counted()["0.0.0.0:53"] == before
    site.host.ok("map", "remove", "53/udp")
    site.host.ok("map", "add", "web", "53:80/udp", "8090:80")
    assert site.counted()["0.0.0.0:53"] == (0, 0, 0, 0)
    assert site.counted()["0.0.0.0:8090"] == (0, 0, 0, 0)
    assert site.host.ok("check") == ""
    site.host.quiet("map", "stats", "--stop")
    assert set(site.counted().values()) == {(None,) * 4}
    assert "count" not in site.host.table()
    assert site.host.ok("check") == ""


def test_a_counter_that_is_gone_is_found_and_made_anew(site: Site) -> None:
    site.host.quiet("map", "stats", "--start")
    should = site.host.table()
    for damage in ("flush set inet dnet count4", "flush chain inet dnet counted"):
        site.host.run(f"nft {damage}")
        if "set" in damage:
            assert site.counted()["0.0.0.0:53"] == (None,) * 4
        assert site.host.dnet("check").returncode == STATUS["drift"]
        site.host.ok("restore")
        assert site.host.table() == should


def test_connections_are_known_with_every_firewall(every: Lab) -> None:
    site = made(every)
    flows = list(said(site))
    assert site.stats("web")["0.0.0.0:53"]["connections"] == 2
    assert site.stats()[":::7000"]["connections"] == 1
    assert site.counted()["0.0.0.0:53"] == (None,) * 4
    if every.variant != NFTABLES:
        before = site.host.everything()
        refusal = site.host.fails(STATUS["conflict"], "map", "stats", "--start", code="conflict")
        assert refusal.hint == "dnet firewall use nftables"
        assert site.host.everything() == before
    flows[0].close()


def test_counting_goes_on_where_the_rules_come_back(site: Site) -> None:
    site.host.quiet("map", "stats", "--start")
    for name in ("iptables", "nftables"):
        site.host.ok("firewall", "use", name)
        assert site.host.ok("check") == ""
    assert site.counted()["0.0.0.0:53"] == (0, 0, 0, 0)


def test_prometheus_reads_it(site: Site) -> None:
    site.host.quiet("map", "stats", "--start")
    flow = site.outside.open("tcp", HOST4, 8080)
    assert flow.say()
    text = site.host.dnet("map", "stats", "--format", "prometheus").stdout
    assert text.endswith("\n")
    types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, flags=re.M))
    assert types == {
        "dnet_mapping_connections": "gauge",
        "dnet_mapping_packets_total": "counter",
        "dnet_mapping_bytes_total": "counter",
    }
    samples = re.findall(r'^(\w+)\{((?:\w+="[^"\\\n]*",?)+)\} (\d+)$', text, flags=re.M)
    assert len(samples) == len([line for line in text.splitlines() if line[0] != "#"]) == 7 * 5
    (size,) = [
        int(value)
        for name, labels, value in samples
        if name == "dnet_mapping_bytes_total"
        and f'endpoint="{HOST4}:8080/tcp"' in labels
        and 'direction="out"' in labels
    ]
    assert size == site.counted()[f"{HOST4}:8080"][3] > 0


def test_watching_is_a_line_of_json_each_second_in_a_pipe(site: Site) -> None:
    argv = site.host.argv("dnet", "map", "stats", "web", "--watch")
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdout=pipe, stderr=pipe, env=site.host.env) as watching:
        assert watching.stdout
        assert watching.stderr
        lines = [watching.stdout.readline() for _ in range(2)]
        watching.send_signal(signal.SIGINT)
        assert watching.stderr.read() == b""
        assert watching.wait() == INTERRUPTED
    assert [len(json.loads(line)) for line in lines] == [7, 7]


def test_watching_is_a_live_table_on_a_terminal(site: Site) -> None:
    clean = {**site.host.env, "TERM": "xterm-256color"}
    with terminal.opened(120) as (reading, tty):
        argv = site.host.argv("dnet", "map", "stats", "--watch")
        watching = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=tty, stderr=tty, env=clean
        )
        os.close(tty)
        terminal.read_until(reading, lambda text: text.count("CONNECTIONS") == 2)
        watching.send_signal(signal.SIGINT)
        # What was hidden is shown again.
        assert "\x1b[?25h" in terminal.read_until(reading)
        assert watching.wait() == INTERRUPTED


@pytest.mark.parametrize(
    "words", [("--start", "web"), ("--stop", "--watch"), ("--dry-run",), ("--format", "env")]
)
def test_what_cannot_be_is_usage(lab: Lab, words: tuple[str, ...]) -> None:
    host = lab.host()
    host.fails(STATUS["usage"], "map", "stats", *words)
    host.fails(STATUS["usage"], "map", "stats", "--watch", "--format", "prometheus")
