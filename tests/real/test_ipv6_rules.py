"""IPv6 through the rules of each firewall: who reaches what, what is mended, what is left alone."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.contract import STATUS
from tests.host import Host
from tests.lab import BRIDGE_NF6, Lab
from tests.node import Completed, Node
from tests.real.test_between_containers import link_local
from tests.real.test_ipv6 import ADVERTISE, settle

INIT = ("bridge", "init", "dnet0", "--address", "172.17.42.1/16", "--address6", "fd00:17::1/64")
SECOND = ("bridge", "init", "dnet1", "--address", "172.18.42.1/16", "--address6", "fd00:18::1/64")
WEB, DB, FAR = "fd00:17::2", "fd00:17::3", "fd00:18::2"
GATEWAY = "fd00:17::1"
OUTSIDE, HOST = "2001:db8:99::2", "2001:db8:99::1"
PROTOS = ("tcp", "udp")


class Town(NamedTuple):
    """A host with two containers on a bridge, one on another, and a client outside."""

    host: Host
    web: Node
    db: Node
    far: Node
    client: Node


def a_town(lab: Lab, *options: str) -> Town:
    """Ports of `web` and `far` are published; `db` and the host may reach port 82 of `web`."""
    host = lab.host()
    client = lab.outside(host)
    host.ip(f"address add {HOST}/64 dev eth0 nodad")
    client.ip(f"address add {OUTSIDE}/64 dev eth0 nodad")
    host.ok(*INIT, *options)
    host.ok(*SECOND)
    nodes = {name: lab.node() for name in ("web", "db", "far")}
    ports = ("-p", "8080:80", "-p", "8080:80/udp", "-p", "7000-7009:9000-9009")
    for name, bridge, more in (("web", 0, ports), ("db", 0, ()), ("far", 1, ("-p", "8090:80"))):
        host.ok(*("attach", name, "--netns", nodes[name].netns, "--bridge", f"dnet{bridge}"), *more)
    for parent in ("db", "host"):
        host.ok("link", "add", parent, "web", "-p", "82/tcp", "-p", "82/udp")
    for name, node in nodes.items():
        for proto in PROTOS:
            for port in (80, 82, 9000, 9005, 9009):
                node.listen(proto, port, name, "::")
    return Town(host, client=client, **nodes)


# --- ::1 ------------------------------------------------------------------------------------------


def loopback_works(town: Town) -> None:
    host = town.host
    for proto in PROTOS:
        assert (host.ask(proto, "::1", 8080) or "").startswith(f"web {GATEWAY}:")
        assert (host.ask(proto, "::1", 82) or "").startswith(f"web {GATEWAY}:")
    for port in (7000, 7005, 7009):
        host.reaches("web", "tcp", "::1", port)
    assert (host.ask("tcp", "::1", 8090) or "").startswith("far fd00:18::1:")
    assert (host.ask("tcp", "::1", 99) or "").startswith("host ::1:")


DAMAGES = (
    "true",
    "ip link set dnet0 down; ip link set dnet0 up",
    "ip link set dnet1 mtu 1200; ip link set dnet1 mtu 1500",
    "ip -6 route delete local ::1 dev dnet1 table local",
)


def test_the_host_s_loopback_address_leads_to_each_bridge(every: Lab) -> None:
    town = a_town(every)
    town.host.listen("tcp", 99, "host", "::1")
    for damage in DAMAGES:
        town.host.run("sh", "-c", damage)
        assert (town.host.dnet("check").returncode == 0) == (damage == "true")
        town.host.ok("restore")
        town.host.quiet("check")
        loopback_works(town)
    town.host.ok("map", "remove", "--all", "web")
    town.host.misses("tcp", "::1", 8080)


def test_where_bridged_traffic_meets_ip6tables_it_is_said_that_it_does_not(every: Lab) -> None:
    host = every.host()
    host.sysctl(BRIDGE_NF6, 1)
    told = "published ports do not answer at [::1]"
    assert told in host.dnet(*INIT).stderr
    done = host.dnet("check")
    assert (done.returncode, told in done.stderr) == (0, True)
    assert told in host.ok("firewall", "show")
    host.sysctl(BRIDGE_NF6, 0)
    assert host.dnet("check").stdout == "there is no local route to ::1 by dnet0\n"
    host.ok("restore")
    host.quiet("check")


# --- siblings -------------------------------------------------------------------------------------


def apart(town: Town) -> None:
    """Asserts that links and published ports work, and nothing else between siblings."""
    host, web, db, *_ = town
    for proto in PROTOS:
        assert (db.ask(proto, WEB, 82) or "").startswith(f"web {DB}:")
        db.reaches("web", proto, GATEWAY, 8080)
        web.reaches("web", proto, GATEWAY, 8080)
    db.miss_all(("tcp", WEB, 80), ("udp", WEB, 80), ("tcp", link_local(web), 80))
    web.miss_all(("tcp", DB, 82), ("udp", DB, 82))
    host.quiet("check")


def test_siblings_are_apart_but_for_links(every: Lab) -> None:
    town = a_town(every, "--no-icc")
    apart(town)
    # What that is worth: with --icc they are not.
    town.host.ok("bridge", "init", "dnet0", "--icc")
    town.db.reaches("web", "tcp", WEB, 80)
    town.db.reaches("web", "tcp", link_local(town.web), 80)
    town.host.ok("bridge", "init", "dnet0", "--no-icc")
    apart(town)
    town.host.ok("link", "remove", "db", "web")
    town.db.misses("tcp", WEB, 82)


def advertised(town: Town, *nodes: Node) -> list[str]:
    """Of those who take router advertisements, which took one of `db`."""
    for node in nodes:
        for key, value in (("forwarding", 0), ("accept_ra", 2), ("autoconf", 1)):
            node.sysctl(f"net/ipv6/conf/eth0/{key}", value)
    settle(town.db, "eth0")
    town.db.run("python3", "-I", "-c", ADVERTISE, "eth0", "2001:db8:bad::")
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        found = [node.netns for node in nodes if "2001:db8:bad:" in node.run("ip -6 address")]
        if found:
            return found
    return []


def test_a_sibling_s_router_advertisement_is_not_heard(every: Lab) -> None:
    town = a_town(every, "--no-icc")
    assert advertised(town, town.web) == []
    assert "2001:db8:bad" not in town.host.run("ip -6 address; ip -6 route")
    town.host.ok("bridge", "init", "dnet0", "--icc")
    assert advertised(town, town.web) == [town.web.netns]
    assert "2001:db8:bad" not in town.host.run("ip -6 address; ip -6 route")


def test_the_first_packet_of_a_link_comes_at_once(nftables: Lab) -> None:
    """The kernel's own delay before it answers for another is up to 0.8 s."""
    town = a_town(nftables, "--no-icc")
    seconds = []
    for _ in range(7):
        town.db.run("ip -6 neigh flush dev eth0")
        begin = time.monotonic()
        town.db.reaches("web", "udp", WEB, 82)
        seconds.append(time.monotonic() - begin)
    assert sorted(seconds)[3] < 0.1, seconds


def test_the_host_sends_no_sibling_the_short_way(nftables: Lab) -> None:
    """Which leads nowhere. It would at once, then once a second (icmpv6_xrlim_allow)."""
    town = a_town(nftables, "--no-icc")

    def redirected() -> bool:
        town.db.reaches("web", "tcp", WEB, 82)
        return int(town.db.run("grep Icmp6InRedirects /proc/net/snmp6").split()[1]) > 0

    assert not any(redirected() for _ in range(5))
    town.host.run("nft", "flush chain inet dnet redirects")
    for _ in range(50):
        time.sleep(0.1)
        if redirected():
            return
    pytest.fail("what is kept from it would not happen")


def test_a_link_lasts(nftables: Lab) -> None:
    """Longer than neighbours are known for, here a second in place of half a minute."""
    town = a_town(nftables, "--no-icc")
    for node, device in ((town.db, "eth0"), (town.web, "eth0"), (town.host, "dnet0")):
        neighbours = f"net/ipv6/neigh/{device}"
        node.sysctl(f"{neighbours}/base_reachable_time_ms", 200)
        node.sysctl(f"{neighbours}/retrans_time_ms", 100)
        node.sysctl(f"{neighbours}/delay_first_probe_time", 1)
    held = town.db.open("udp", WEB, 82)  # For a connection of tcp each answer tells as much.

    def probed() -> int:
        return int(town.db.run("grep Icmp6OutNeighborSolicits /proc/net/snmp6").split()[1])

    first = probed()
    deadline = time.monotonic() + 30
    while probed() < first + 3 and time.monotonic() < deadline:
        assert str(held.say()).startswith("web")
        time.sleep(0.1)
    assert probed() >= first + 3
    for proto in PROTOS:
        town.db.reaches("web", proto, WEB, 82)


def test_proxy_neighbours_follow_links_and_are_mended(nftables: Lab) -> None:
    town = a_town(nftables, "--no-icc")
    host = town.host

    def proxied() -> set[str]:
        return {one["dst"] for one in json.loads(host.run("ip -j -6 neigh show proxy"))}

    assert proxied() == {WEB, DB}
    host.run("ip", "-6", "neigh", "delete", "proxy", WEB, "dev", "dnet0")
    host.run("ip", "-6", "neigh", "add", "proxy", "fd00:17::9", "dev", "dnet0")
    host.run("ip", "-6", "neigh", "add", "proxy", "2001:db8::9", "dev", "dnet0")
    done = host.dnet("check")
    assert done.returncode == STATUS["drift"]
    assert set(done.stdout.splitlines()) == {
        f"the host does not answer for {WEB} on dnet0",
        "the host answers for fd00:17::9 on dnet0",
    }
    host.ok("restore")
    host.quiet("check")
    assert proxied() == {WEB, DB, "2001:db8::9"}
    host.run("ip", "-6", "neigh", "delete", "proxy", "2001:db8::9", "dev", "dnet0")
    lines = host.ok("link", "remove", "db", "web", "--dry-run")
    assert f"ip -6 neigh delete proxy {WEB} dev dnet0" in lines
    host.ok("link", "remove", "db", "web")
    assert proxied() == set()
    host.ok("link", "add", "web", "db", "-p", "80")
    assert proxied() == {WEB, DB}
    host.sysctl(BRIDGE_NF6, 1)
    host.ok("restore")
    assert host.json("firewall", "show")["icc_by"] == "br-netfilter"
    assert proxied() == set()
    assert host.sysctl("net/ipv6/conf/dnet0/proxy_ndp") == "0"
    town.web.reaches("db", "tcp", DB, 80)
    town.web.misses("tcp", DB, 82)


# --- other networks -------------------------------------------------------------------------------


def test_what_leaves_is_masqueraded_or_not(every: Lab) -> None:
    town = a_town(every)
    town.client.listen("tcp", 80, "client", "::")
    assert (town.web.ask("tcp", OUTSIDE, 80) or "").startswith(f"client {HOST}:")
    town.client.ip(f"route add fd00:17::/64 via {HOST}")
    town.host.ok("bridge", "init", "dnet0", "--no-masquerade6")
    assert (town.web.ask("tcp", OUTSIDE, 80) or "").startswith(f"client {WEB}:")
    assert (town.far.ask("tcp", OUTSIDE, 80) or "").startswith(f"client {HOST}:")
    town.host.quiet("check")


def test_direct_access_from_other_networks(every: Lab) -> None:
    town = a_town(every)
    town.client.ip(f"route add fd00:17::/64 via {HOST}")
    assert (town.client.ask("tcp", WEB, 80) or "").startswith(f"web {OUTSIDE}:")
    town.host.ok("bridge", "init", "dnet0", "--no-direct-access")
    town.client.misses("tcp", WEB, 80)
    assert (town.client.ask("tcp", HOST, 8080) or "").startswith(f"web {OUTSIDE}:")
    town.far.reaches("web", "tcp", HOST, 8080)
    town.far.misses("tcp", WEB, 80)
    town.db.reaches("web", "tcp", WEB, 80)
    town.host.quiet("check")


def test_a_client_of_the_link_is_refused_at_once(every: Lab) -> None:
    """It would wait in vain: packets from such an address is not forwarded."""
    town = a_town(every)
    settle(town.client, "eth0")
    settle(town.host, "eth0")
    address = town.host.run(
        "ip -6 -o address show dev eth0 scope link | grep -o 'fe80[^/]*'"
    ).strip()
    script = "import socket, sys; socket.create_connection((sys.argv[1], 8080), 20)"
    done = town.client.try_run("python3", "-I", "-c", script, f"{address}%eth0")
    assert "ConnectionRefusedError" in done.stderr


def test_an_ip6_forward_that_drops(every: Lab) -> None:
    host = every.host()
    host.run("ip6tables", "-P", "FORWARD", "DROP")
    host.run("ip6tables", "-A", "FORWARD", "-j", "LOG")
    before = host.run("ip6tables", "-S")
    host.ok(*INIT)
    forward = host.run("ip6tables", "-S", "FORWARD")
    assert "-i dnet0" in forward
    host.dnet("check")
    host.ok("bridge", "remove", "dnet0")
    assert host.run("ip6tables", "-S") == before


# --- the programs ---------------------------------------------------------------------------------


# Runs something where /usr/sbin has no ip6tables: programs of both families are links to one file.
HIDE = """
folder=$(mktemp -d) && mount --bind /usr/sbin $folder && mount -t tmpfs none /usr/sbin &&
cp -rs $folder/. /usr/sbin/ && rm /usr/sbin/ip6tables* && exec "$@"
"""


def without_ip6tables(host: Host, folder: Path, line: str) -> Completed:
    path = host.env["PATH"].split(":")
    for name in ("iptables", "iptables-save", "iptables-restore"):
        link = folder / name
        if not link.exists():
            link.symlink_to((Path(path[0]) / name).resolve())
    env = {"PATH": ":".join([str(folder), *path[1:]])}
    return host.try_run(
        "unshare", "--mount", "sh", "-c", HIDE, "sh", "dnet", *line.split(), env=env
    )


def test_without_ip6tables_ipv6_is_refused_and_ipv4_goes_on(both: Lab, tmp_path: Path) -> None:
    host = both.host()
    line = "bridge init dnet0 --address 172.17.42.1/16"
    for _ in range(2):
        before = host.everything()
        done = without_ip6tables(host, tmp_path, f"{line} --ipv6")
        assert done.returncode == STATUS["kernel"], done
        assert "ip6tables not found" in done.stderr
        assert host.everything() == before
        done = without_ip6tables(host, tmp_path, line)
        assert (done.returncode, done.stderr) == (0, ""), done
        host.quiet("check")


def test_ip6tables_that_goes_while_it_is_needed_leaves_all_as_it_is(
    both: Lab, tmp_path: Path
) -> None:
    town = a_town(both)
    before = town.host.everything()
    done = without_ip6tables(town.host, tmp_path, "map add db 9999:80")
    assert done.returncode == STATUS["kernel"], done
    assert "ip6tables not found" in done.stderr
    town.host.ok("restore")
    town.host.quiet("check")
    assert town.host.everything()[0] == before[0]


def test_a_program_of_the_other_variant_is_a_conflict(lab: Lab, tmp_path: Path) -> None:
    host = lab.host()
    host.ok(*INIT[:5])
    (tmp_path / "ip6tables").symlink_to("/usr/sbin/xtables-legacy-multi")
    host.env["PATH"] = f"{tmp_path}:{host.env['PATH']}"
    before = host.everything()
    refusal = host.fails(STATUS["conflict"], *INIT, code="conflict")
    assert refusal.message == "ip6tables is the legacy variant, and iptables the nft"
    assert host.everything() == before


WRECKS = {
    "ip6tables -t nat -F": "ip6 nat DNET: missing: -p tcp -m tcp --dport 8090",
    "ip6tables -F DNET-FORWARD": "ip6 filter DNET-FORWARD: missing: -j DNET-USER",
    "ip6tables -t raw -D PREROUTING -j DNET-PREROUTING": "ip6 raw PREROUTING: missing: -j DNET-PRE",
    "ip6tables -t raw -I PREROUTING -j ACCEPT": "ip6 raw PREROUTING: ahead of the guard of ::1/128",
    "ip6tables -I FORWARD -i dnet0 -j DROP -m comment --comment x": "",
    "ip6tables -t nat -A DNET -p tcp -j DNAT --to-destination [fd00::9]:1": "DNET: not dnet's",
}


@pytest.mark.parametrize("damage", WRECKS)
def test_what_is_wrong_in_ip6tables_is_told_and_mended(both: Lab, damage: str) -> None:
    town = a_town(both)
    host, before = town.host, town.host.run("ip6tables-save | grep -v '^[#:]'")
    host.run("sh", "-c", damage)
    if WRECKS[damage]:
        done = host.dnet("check")
        assert done.returncode == STATUS["drift"]
        assert WRECKS[damage] in done.stdout
        host.ok("restore")
        if "ACCEPT" not in damage:
            assert host.run("ip6tables-save | grep -v '^[#:]'") == before
    host.quiet("check")
    loopback = town.host.ask("tcp", "::1", 8080)
    assert (loopback or "").startswith("web ")


def test_what_others_open_or_stop_ahead_is_told(both: Lab) -> None:
    town = a_town(both, "--no-icc")
    town.host.run("ip6tables", "-I", "FORWARD", "-j", "ACCEPT")
    found = town.host.dnet("check")
    assert found.returncode == STATUS["drift"]
    assert "ip6 filter FORWARD: a rule before dnet's accepts connections" in found.stdout
    town.host.run("ip6tables", "-R", "FORWARD", "1", "-j", "DROP")
    found = town.host.dnet("check")
    assert "ip6 filter FORWARD: a rule before dnet's stops all packets" in found.stdout


def test_a_foreign_chain_of_nftables_is_told_by_family(every: Lab) -> None:
    town = a_town(every)
    town.host.run(
        "nft 'add table ip6 mine; add chain ip6 mine forward "
        "{ type filter hook forward priority 5; policy drop; }'"
    )
    found = town.host.dnet("check")
    assert found.returncode == STATUS["drift"]
    (line,) = found.stdout.splitlines()
    assert line.startswith("the nftables chain ip6 mine forward drops by default packets ")
    assert "by IPv6" in line


def test_an_unreadable_table_of_ip6tables_changes_nothing(lab: Lab) -> None:
    town = a_town(lab)
    town.host.run(
        "nft 'add chain ip6 filter x; add rule ip6 filter x ct mark set ct mark map { 1 : 2 }'"
    )
    before = town.host.everything()
    refusal = town.host.fails(STATUS["kernel"], "bridge", "init", "dnet2", "--ipv6")
    assert "ip6tables cannot list the table filter" in refusal.message
    assert refusal.hint == "to see it: nft list table ip6 filter"
    assert town.host.everything() == before
    # What needs no look goes on.
    town.host.ok("map", "add", "db", "9999:80")


def test_a_foreign_chain_of_ip6tables_is_a_conflict(both: Lab) -> None:
    host = both.host()
    host.run("ip6tables", "-t", "nat", "-N", "DNET")
    before = host.everything()
    refusal = host.fails(STATUS["conflict"], *INIT, code="conflict")
    assert "the ip6 nat table has a chain DNET" in refusal.message
    assert host.everything() == before


def test_ipv6_alone_comes_and_goes(every: Lab) -> None:
    host = every.host()
    host.ok(*INIT[:5])
    before = host.snapshot()
    host.ok(*INIT)
    assert host.snapshot() != before
    host.ok(*INIT[:5], "--no-ipv6")
    host.quiet("check")
    host.sysctl("net/ipv6/conf/all/forwarding", 0)
    assert host.snapshot() == before


def test_nothing_is_left_after_a_reset(every: Lab) -> None:
    town = a_town(every, "--no-icc")
    town.host.run("ip6tables -N FOREIGN && ip6tables -A FORWARD -j FOREIGN")
    town.host.ok("reset", "--yes")
    saved = town.host.run("ip6tables-save; nft list ruleset")
    assert "DNET" not in saved
    assert "dnet" not in saved
    assert "-A FORWARD -j FOREIGN" in saved


@pytest.mark.parametrize("firewall", ["iptables", "nftables"])
def test_a_lost_store_of_ipv6_is_taken_away(lab: Lab, firewall: str) -> None:
    host = lab.host()
    host.run("ip6tables", "-P", "FORWARD", "ACCEPT")
    host.ok(*INIT, "--firewall", firewall)
    (host.state_dir / "state.json").unlink()
    host.ok("reset", "--yes", "--unowned")
    saved = host.run("ip6tables-save; iptables-save; nft list ruleset")
    assert "DNET" not in saved
    assert "dnet" not in saved


def test_moving_over_takes_both_families_along(lab: Lab) -> None:
    town = a_town(lab)
    host = town.host
    was = host.run("ip6tables-save | grep -v '^[#:]'")
    assert "dnet0" in was
    flow = town.client.open("tcp", HOST, 8080)
    assert flow.say()
    for firewall in ("nftables", "iptables"):
        host.ok("firewall", "use", firewall)
        host.quiet("check")
        assert flow.say()
        loopback_works_at(town)
        tables = host.run("ip6tables-save")
        assert ("DNET" in tables) == (firewall == "iptables")
    assert host.run("ip6tables-save | grep -v '^[#:]'") == was


def loopback_works_at(town: Town) -> None:
    town.host.reaches("web", "tcp", "::1", 8080)
    town.client.reaches("web", "tcp", HOST, 8080)


def test_the_chains_by_port_are_of_each_family(both: Lab) -> None:
    town = a_town(both)
    host = town.host
    host.ok("map", "add", "db", *(f"{port}:80" for port in range(10000, 10070)))
    assert "DNET-tcp-9984" in host.run("ip6tables -t nat -S")
    host.quiet("check")
    for port in (10000, 10069):
        town.client.reaches("db", "tcp", HOST, port)
    host.ok("map", "remove", "[::]:10000")
    town.client.misses("tcp", HOST, 10000)
    town.client.reaches("db", "tcp", "10.99.0.1", 10000)
    host.ok("map", "remove", "--all", "db")
    assert "DNET-tcp" not in host.run("ip6tables -t nat -S")
    host.quiet("check")
