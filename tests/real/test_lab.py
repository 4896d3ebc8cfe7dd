"""The harness itself: what the other real tests conclude from its answers has to be true."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests import lab as labs
from tests import processes
from tests.lab import Lab
from tests.node import SILENCE_SECONDS


def test_a_real_connection_shows_the_client_address(lab: Lab) -> None:
    client, server = lab.node(), lab.node()
    lab.wire(client, server, "10.98.0.2/24", "10.98.0.1/24")
    for proto in ("tcp", "udp"):
        server.listen(proto, 8080, "web")
        answer = client.ask(proto, "10.98.0.1", 8080, source=("10.98.0.2", 40001))
        assert answer == "web 10.98.0.2:40001"


def test_no_answer_where_nobody_listens_and_where_packets_are_dropped(lab: Lab) -> None:
    client, host = lab.node(), lab.host()
    lab.wire(client, host, "10.98.0.2/24", "10.98.0.1/24")
    client.misses("tcp", "10.98.0.1", 8080)
    client.misses("udp", "10.98.0.1", 8080)
    host.listen("tcp", 8080)
    client.reaches("host", "tcp", "10.98.0.1", 8080)
    host.iptables("-A INPUT -p tcp --dport 8080 -j DROP")
    client.misses("tcp", "10.98.0.1", 8080)
    host.unlisten("tcp", 8080)
    host.iptables("-F INPUT")
    client.misses("tcp", "10.98.0.1", 8080)


@pytest.mark.parametrize("proto", ["tcp", "udp"])
def test_a_flow_keeps_its_source_port(lab: Lab, proto: str) -> None:
    node = lab.node()
    node.listen(proto, 53, "dns")
    flow = node.open(proto, "127.0.0.1", 53)
    assert flow.say() == flow.say() is not None
    flow.close()


def test_a_late_answer_to_one_question_is_none_to_the_next(lab: Lab) -> None:
    client, server = lab.node(), lab.node()
    lab.wire(client, server, "10.98.0.2/24", "10.98.0.1/24")
    server.listen("udp", 53, "dns")
    flow = client.open("udp", "10.98.0.1", 53)
    with processes.stopped(server.agent_pid):
        assert flow.say(SILENCE_SECONDS) is None
    # It answers in the order in which it was asked.
    server.reaches("dns", "udp", "10.98.0.1", 53)
    server.run("iptables -A INPUT -p udp --dport 53 -j DROP")
    assert flow.say(SILENCE_SECONDS) is None


def test_a_container_reaches_its_bridge(lab: Lab) -> None:
    host = lab.host()
    host.ip("link add br0 type bridge", "addr add 10.97.0.1/24 dev br0", "link set br0 up")
    container = lab.container(host, "br0", "10.97.0.2", 24, "10.97.0.1")
    host.listen("tcp", 80)
    assert container.ask("tcp", "10.97.0.1", 80, source=("10.97.0.2", 40001)) == (
        "host 10.97.0.2:40001"
    )


def test_a_snapshot_ignores_a_look_and_shows_every_change(both: Lab) -> None:
    host = both.host()
    before = host.snapshot()
    for table in ("raw", "mangle", "nat"):
        host.rules(table)
    assert host.snapshot() == before
    changes = [
        "iptables -A INPUT -s 10.0.0.1 -j DROP",
        "iptables -t nat -N OTHER",
        "iptables -P FORWARD DROP",
        "ip link add br0 type bridge",
        "ip link set br0 up",
        "ip addr add 10.97.0.1/24 dev br0",
        "ip route add 10.96.0.0/24 dev br0",
        "sysctl -qw net.ipv4.conf.br0.route_localnet=1",
    ]
    for change in changes:
        host.run(change)
        after = host.snapshot()
        assert after != before, change
        before = after


def test_the_iptables_variant_is_the_one_on_path(both: Lab) -> None:
    host = both.host()
    version = host.run("iptables --version")
    assert ("nf_tables" in version) == (host.variant == "nft")


def test_resolv_conf_is_the_host_s_own(lab: Lab) -> None:
    host = lab.host(resolv_conf="nameserver 192.0.2.53\n")
    assert host.run("cat /etc/resolv.conf") == "nameserver 192.0.2.53\n"


def test_nothing_is_left_of_a_closed_lab(tmp_path: Path, variant_folders: Path) -> None:
    with labs.opened(tmp_path, variant_folders, "nft") as lab:
        node = lab.node()
        node.listen("tcp", 80)
        pid, path = node.agent_pid, node.path
        assert path.exists()
    assert not path.exists()
    assert not Path("/proc", str(pid)).exists()
    left = subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
    assert node.netns not in left.split()
