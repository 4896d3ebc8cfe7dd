"""Store against kernel: every difference is named, mended, and in the end taken away."""

from __future__ import annotations

import json
import os
import subprocess
from typing import NamedTuple

import pytest

from tests import namespaces
from tests.contract import PROBE, STATUS
from tests.host import Host
from tests.lab import Lab
from tests.node import Completed, Node
from tests.terminal import opened


class Machine(NamedTuple):
    """A machine with something of everything, and a container that is plugged in."""

    host: Host
    node: Node

    @property
    def port(self) -> str:
        """The host's end of the container's pair."""
        (found,) = json.loads(self.host.run("ip -j link show type veth"))
        return str(found["ifname"])


@pytest.fixture
def machine(lab: Lab) -> Machine:
    return make(lab, lab.host())


@pytest.fixture(scope="module")
def mended(shared_lab: Lab) -> Machine:
    """A machine that each test leaves as it found it, with a server in its container."""
    machine = make(shared_lab, shared_lab.host())
    machine.node.listen("tcp", 80, "web")
    return machine


def make(lab: Lab, host: Host) -> Machine:
    node = lab.node()
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16", "--no-icc")
    host.ok("bridge", "init", "dnet1", "--address", "172.18.42.1/16", "--chain", "SECOND")
    host.ok("interface", "allocate", "db", "--bridge", "dnet0", "--expose", "5432/tcp")
    host.ok("attach", "web", "--netns", node.netns, "--bridge", "dnet0", "-p", "8080:80")
    host.ok("link", "add", "web", "db")
    return Machine(host, node)


# What is done behind dnet's back, and what `check` has to say of it.
DRIFTS = {
    "a rule of a mapping": ("iptables -t nat -D DNET 1", ["nat DNET: missing: "]),
    "a rule of a link": ("iptables -F DNET-LINK", ["filter DNET-LINK: missing: "]),
    "a rule too many": (
        "iptables -A DNET-LINK -s 192.0.2.1 -j ACCEPT",
        ["filter DNET-LINK: not dnet's: -s 192.0.2.1/32 -j ACCEPT"],
    ),
    "a shared rule": (
        "iptables -t nat -D OUTPUT 1",
        ["nat OUTPUT: missing: "],
    ),
    "a shared rule twice": (
        "iptables -A FORWARD -j DNET-FORWARD",
        ["filter FORWARD: left over: -j DNET-FORWARD"],
    ),
    "a link behind the DROP": (
        "iptables -D FORWARD -j DNET-FORWARD && iptables -A FORWARD -j DNET-FORWARD",
        ["filter FORWARD: the rules are in the wrong order"],
    ),
    "the administrator's chain": (
        "iptables -D DNET-FORWARD -j DNET-USER && iptables -X DNET-USER",
        ["filter DNET-USER: the chain is missing", "filter DNET-FORWARD: missing: -j DNET-USER"],
    ),
    "the guard": ("iptables -t raw -F DNET-PREROUTING", ["raw DNET-PREROUTING: missing: "]),
    "a device": ("ip link delete dnet1", ["the device dnet1 is missing"]),
    "an address": (
        "ip address delete 172.18.42.1/16 dev dnet1",
        ["dnet1 has no address 172.18.42.1/16"],
    ),
    "a device that is down": ("ip link set dnet1 down", ["dnet1 is down"]),
    "the MTU": ("ip link set dnet1 mtu 1400", ["dnet1 has MTU 1400, not 1500"]),
    "forwarding": ("echo 0 > /proc/sys/net/ipv4/ip_forward", ["net.ipv4.ip_forward is not 1"]),
    "localhost": (
        "echo 0 > /proc/sys/net/ipv4/conf/dnet0/route_localnet",
        ["net.ipv4.conf.dnet0.route_localnet is not 1"],
    ),
    "a bridge's route": (
        "ip route delete 172.18.0.0/16 dev dnet1",
        ["172.18.0.0/16 is not routed to dnet1"],
    ),
    "forwarding of a bridge": (
        "echo 0 > /proc/sys/net/ipv4/conf/dnet1/forwarding",
        ["net.ipv4.conf.dnet1.forwarding is not 1"],
    ),
    "IPv6 of a bridge": (
        "echo 0 > /proc/sys/net/ipv6/conf/dnet0/disable_ipv6",
        ["net.ipv6.conf.dnet0.disable_ipv6 is not 1"],
    ),
    "router advertisements": (
        "echo 1 > /proc/sys/net/ipv6/conf/dnet0/accept_ra",
        ["net.ipv6.conf.dnet0.accept_ra is not 0"],
    ),
    "tagged frames": (
        "echo 0 > /proc/sys/net/bridge/bridge-nf-filter-vlan-tagged",
        ["net.bridge.bridge-nf-filter-vlan-tagged is not 1"],
    ),
    "BPDUs": ("bridge link set dev {port} guard off", ["{port} of web takes BPDUs"]),
    "hairpin": ("bridge link set dev {port} hairpin off", ["{port} of web is not in hairpin mode"]),
    "a port that is out": ("ip link set {port} nomaster", ["{port} of web is not an active port"]),
    "a port that is down": ("ip link set {port} down", ["{port} of web is not an active port"]),
    "IPv6 inside": (
        "ip netns exec {netns} sysctl -q -w net.ipv6.conf.eth0.disable_ipv6=0",
        ["eth0 in {netns} speaks IPv6"],
    ),
    "a pair that is gone": ("ip link delete {port}", ["web is not plugged into {netns}"]),
}


@pytest.mark.parametrize("name", DRIFTS)
def test_every_difference_is_named_and_mended(mended: Machine, name: str) -> None:
    machine, host = mended, mended.host
    host.quiet("check")
    names = {"port": machine.port, "netns": machine.node.netns}
    command, expected = DRIFTS[name]
    host.run("sh", "-c", command.format(**names))
    wrong = host.everything()
    done = host.dnet("check")
    assert done.returncode == STATUS["drift"]
    lines = done.stdout.splitlines()
    for text in expected:
        assert [line for line in lines if line.startswith(text.format(**names))], (text, lines)
    assert done.stderr == PROBE
    found = host.dnet("check", "--json")
    assert (found.returncode, json.loads(found.stdout)) == (STATUS["drift"], lines)
    assert host.everything() == wrong
    shown = host.ok("restore", "--dry-run")
    assert shown
    assert host.everything() == wrong
    done = host.dnet("restore")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines() == [f"dnet: repaired: {line}" for line in lines]
    host.quiet("restore")
    host.quiet("check")
    host.reaches("web", "tcp", "127.0.0.1", 8080)


def told(host: Host) -> list[str]:
    """What `check` finds, once `restore` has repaired just that."""
    lines = host.dnet("check").stdout.splitlines()
    done = host.dnet("restore")
    assert done.returncode == 0
    assert done.stderr.splitlines() == [f"dnet: repaired: {line}" for line in lines]
    host.quiet("check")
    return lines


def test_a_hardware_address_inside_is_mended_in_place(machine: Machine) -> None:
    host, node = machine.host, machine.node
    node.ip("address add 192.0.2.7/24 dev eth0", "route add 198.51.100.0/24 via 172.17.42.1")
    before = node.run("ip -o address show dev eth0; ip route; ip link show dev eth0")
    node.ip("link set dev eth0 address 02:00:00:00:00:01")
    mac = host.json("interface", "show", "web")["mac"]
    what = f"eth0 in {node.netns} of web has the MAC 02:00:00:00:00:01, not {mac}"
    assert told(host) == [what]
    assert node.run("ip -o address show dev eth0; ip route; ip link show dev eth0") == before
    node.listen("tcp", 80, "web")
    host.reaches("web", "tcp", "127.0.0.1", 8080)


def test_what_a_lab_may_have_its_reasons_for(machine: Machine) -> None:
    host, node = machine.host, machine.node
    host.ok("bridge", "init", "dnet0", "--icc")
    node.ip("route delete default")
    node.sysctl("net/ipv6/conf/eth0/disable_ipv6", 0)
    host.quiet("check")
    host.quiet("restore")
    assert node.run("ip route show default") == ""
    assert node.sysctl("net/ipv6/conf/eth0/disable_ipv6") == "0"


def test_ipv6_that_somebody_serves_on_a_bridge_stays(machine: Machine) -> None:
    host = machine.host
    host.sysctl("net/ipv6/conf/dnet0/disable_ipv6", 0)
    host.ip("address add 2001:db8::1/64 dev dnet0 nodad")
    host.quiet("check")
    host.ip("address delete 2001:db8::1/64 dev dnet0")
    assert host.dnet("check").stdout == "net.ipv6.conf.dnet0.disable_ipv6 is not 1\n"


def test_a_name_that_stands_for_another_namespace(lab: Lab) -> None:
    """A process keeps the one that was attached, which nobody finds by its name any more."""
    host, node = lab.host(), lab.node()
    host.ok("bridge", "init", "dnet0")
    host.ok("attach", "web", "--netns", node.netns, "-p", "8080:80")
    with node.started("sleep", "1000") as kept:
        subprocess.run(["ip", "netns", "delete", node.netns], check=True)
        host.quiet("check")
        subprocess.run(["ip", "netns", "add", node.netns], check=True)
        found = host.dnet("check")
        assert found.returncode == STATUS["drift"]
        assert found.stdout == (
            f"web is unplugged: its network namespace {node.netns} is gone; to reconnect it: dnet "
            f"attach web --netns {node.netns}; to release it: dnet gc\n"
        )
        assert "unplugged" in host.ok("show")
        assert "unplugged" in host.ok("interface", "list")
        address = host.ok("attach", "web", "--netns", node.netns, "-p", "8080:80")
        assert address in node.run("ip address show dev eth0")
        host.quiet("check")
        subprocess.run(["ip", "netns", "delete", node.netns], check=True)
        kept.kill()


def test_gc_releases_what_nobody_finds_by_its_name(lab: Lab) -> None:
    host, node = lab.host(), lab.node()
    host.ok("bridge", "init", "dnet0")
    host.ok("attach", "web", "--netns", node.netns)
    with node.started("sleep", "1000") as kept:
        subprocess.run(["ip", "netns", "delete", node.netns], check=True)
        assert host.ok("gc") == ""
        subprocess.run(["ip", "netns", "add", node.netns], check=True)
        assert host.ok("gc") == "web"
        host.quiet("check")
        kept.kill()


def test_a_device_that_is_no_longer_the_interface_is_said_to_be_so(machine: Machine) -> None:
    host, node = machine.host, machine.node
    node.ip("link set dev eth0 down", "link set dev eth0 name lan0")
    assert told(host) == [f"eth0 in {node.netns} is not the other end of {machine.port} of web"]
    node.listen("tcp", 80, "web")
    host.reaches("web", "tcp", "127.0.0.1", 8080)


@pytest.mark.parametrize("target", ["DROP", "REJECT"])
def test_a_rule_ahead_of_dnet_s_that_stops_everything_is_said(
    machine: Machine, target: str
) -> None:
    """It is the administrator's, and may be meant: it stays."""
    host = machine.host
    host.iptables("-I FORWARD 1 -s 192.0.2.1 -j DROP", f"-A FORWARD -j {target}")
    host.quiet("check")
    host.iptables(f"-D FORWARD -j {target}", f"-I FORWARD 2 -j {target}")
    before = host.snapshot()
    found = host.dnet("check")
    start = f"filter FORWARD: a rule before dnet's stops all packets: -j {target}"
    assert found.returncode == STATUS["drift"]
    assert found.stdout.startswith(start)
    done = host.dnet("restore")
    assert (done.returncode, done.stderr) == (0, f"dnet: warning: {found.stdout}")
    assert host.snapshot() == before


def test_a_rule_ahead_of_dnet_s_that_stops_a_whole_uplink_is_said(mended: Machine) -> None:
    host = mended.host
    published, coming = "to published ports of dnet0", "from dnet0"
    ahead = {
        "-i up0 -j DROP": published,
        "-i up+ -p tcp -j REJECT": published,
        "-i up0 -j others": published,
        "-o up0 -j DROP": coming,
        "-i up1 -j DROP": None,
        "-i up0 -s 192.0.2.1 -j DROP": None,
        "-i up0 -o dnet0 -j DROP": None,
        "-i up0 -m conntrack --ctorigdstport 9 --ctdir ORIGINAL -j DROP": None,
    }
    host.ip("link add up0 type bridge", "link set up0 up", "addr add 192.0.2.9/24 dev up0")
    host.iptables("-N others", "-A others -j DROP")
    for rule, told in ahead.items():
        host.iptables(f"-I FORWARD {rule}")
        found = host.dnet("check").stdout
        assert (found == "") if told is None else (told in found), (rule, found)
        host.iptables(f"-D FORWARD {rule}")
    host.iptables("-F others", "-X others")
    host.ip("link delete up0")
    host.quiet("check")


def test_one_of_them_is_enough_to_fail(machine: Machine) -> None:
    """Also where everything else is as it should be, and something foreign is about."""
    machine.host.iptables("-A INPUT -p tcp --dport 22 -j ACCEPT", "-P FORWARD DROP")
    machine.host.quiet("check")


def test_restore_counts_what_is_too_much_to_read(machine: Machine) -> None:
    host = machine.host
    host.ok("map", "add", "web", *(f"{port}:80" for port in range(9000, 9020)))
    host.iptables("-t nat -F DNET")
    told = host.dnet("restore")
    assert told.stderr == "dnet: repaired: nat DNET: missing: 21 rules\n"
    host.iptables("-t nat -F DNET")
    found = host.dnet("restore", "--json")
    assert len(json.loads(found.stdout)["repaired"]) == 21
    assert found.stderr == ""


def test_restore_keeps_connections(lab: Lab, machine: Machine) -> None:
    client = lab.outside(machine.host)
    machine.node.listen("tcp", 80, "web")
    flow = client.open("tcp", "10.99.0.1", 8080)
    assert flow.say()
    machine.host.run("sh", "-c", "iptables -F; iptables -t nat -F; iptables -t raw -F")
    machine.host.ok("restore")
    assert flow.say()


def test_check_of_nothing(lab: Lab) -> None:
    host = lab.host()
    host.state_dir.mkdir(parents=True)
    before = host.everything()
    for command in ("check", "restore", "gc"):
        host.quiet(command)
    assert host.everything() == before


# --- gc ----------------------------------------------------------------------------------------


def await_one_pair(host: Host) -> None:
    """The kernel takes the devices of a namespace apart some time after it is gone."""
    host.run('while [ "$(ip -o link show type veth | wc -l)" -gt 1 ]; do sleep 0.05; done')


def test_gc_releases_what_is_gone_and_only_that(lab: Lab, machine: Machine) -> None:
    host, other = machine.host, lab.node()
    host.ok("attach", "gone", "--netns", other.netns, "--bridge", "dnet1", "-p", "9090:90")
    host.ok("link", "add", "host", "gone", "-p", "91/tcp")
    host.quiet("gc")
    namespaces.remove([other.netns])
    await_one_pair(host)
    before = host.everything()
    assert host.ok("gc", "--dry-run")
    assert host.everything() == before
    assert host.dnet("check").returncode == STATUS["drift"]
    assert host.json("gc") == ["gone"]
    assert set(host.keys("interface", "list")) == {"db", "web"}
    assert set(host.keys("map", "list")) == {"0.0.0.0:8080/tcp"}
    host.quiet("check")
    host.quiet("gc")


def test_gc_leaves_what_a_process_still_uses(machine: Machine, lab: Lab) -> None:
    """Whoever it was attached by may have ended, and its name may be deleted."""
    host, node = machine.host, lab.node()
    host.ok("attach", "living", "--netns", node.netns, "-p", "8099:80")
    node.listen("tcp", 80, "living")
    host.run("ip", "netns", "delete", node.netns)
    before = host.everything()
    host.quiet("gc")
    assert host.everything() == before
    host.reaches("living", "tcp", "127.0.0.1", 8099)
    node.close()
    await_one_pair(host)
    assert host.ok("gc") == "living"


def test_gc_of_a_name(machine: Machine) -> None:
    """An interface without a namespace goes only when it is named; a plugged one too."""
    host = machine.host
    host.quiet("gc")
    host.fails(STATUS["not-found"], "gc", "--owner", "nobody")
    assert host.ok("gc", "--owner", "db") == "db"
    assert host.keys("interface", "list") == ["web"]
    assert host.ok("gc", "--owner", "web") == "web"
    assert host.keys("ip", "list") == []
    host.quiet("check")


# --- reset -------------------------------------------------------------------------------------


def settled(host: Host) -> list[str]:
    """A machine's snapshot, but for what stays on once it was needed."""
    staying = ("sysctl ip_forward", "sysctl ../bridge", "sysctl conf/all", "sysctl conf/default")
    return [line for line in host.snapshot().splitlines() if not line.startswith(staying)]


@pytest.mark.parametrize("wrecked", [False, True], ids=["intact", "wrecked"])
def test_reset_leaves_nothing(every: Lab, wrecked: bool) -> None:
    host = every.host()
    host.iptables("-A INPUT -p tcp --dport 22 -j ACCEPT", "-t nat -A POSTROUTING -j RETURN")
    before = settled(host)
    machine = make(every, host)
    if wrecked:
        host.run("sh", "-c", "iptables -F; iptables -t nat -X SECOND; ip link delete dnet1; true")
        host.iptables("-A INPUT -p tcp --dport 22 -j ACCEPT")
    full = host.everything()
    host.ok("reset", "--dry-run")
    assert host.everything() == full
    host.fails(STATUS["usage"], "reset")
    assert host.everything() == full
    host.quiet("reset", "--yes")
    assert settled(host) == before
    assert host.store() == {}
    assert machine.node.run("ip -j link").count("ifname") == 1
    host.quiet("reset", "--yes")
    make(every, host)
    host.quiet("check")


def asked(host: Host, answer: str, *words: str) -> Completed:
    """A `dnet` that has somebody to ask, who gives that answer."""
    with opened(80) as (asking, terminal):
        os.write(asking, answer.encode())
        done = subprocess.run(
            host.argv("dnet", *words),
            stdin=terminal,
            capture_output=True,
            text=True,
            env=host.env,
            check=False,
        )
        os.close(terminal)
    return done


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        ("n\n", STATUS["failed"], "dnet: error: nothing was removed"),
        ("\x04", STATUS["failed"], "\ndnet: error: nothing was removed"),
    ],
    ids=["no", "end of file"],
)
def test_reset_asks_first(mended: Machine, answer: str, status: int, said: str) -> None:
    """A no is an answer, as is the end of the input, and not an interruption."""
    host = mended.host
    before = host.everything()
    done = asked(host, answer, "reset")
    assert (done.returncode, done.stdout) == (status, "")
    question, said_then = done.stderr.split("[y/N]: ")
    assert question == f"Remove every bridge, mapping, link and address of {host.state_dir}? "
    assert said_then.rstrip() == said
    assert host.everything() == before


def test_reset_leaves_what_its_store_does_not_know(machine: Machine) -> None:
    """As where sudo has dropped the variable that says where the store is."""
    host = machine.host
    machine.node.listen("tcp", 80, "web")
    (host.state_dir / "elsewhere").mkdir()
    elsewhere = {"DNET_STATE_DIR": str(host.state_dir / "elsewhere")}
    before = host.snapshot()
    for options in (["--dry-run"], ["--yes"], ["--yes"]):
        done = host.dnet("reset", *options, env=elsewhere)
        assert (done.returncode, done.stdout) == (0, "")
        (told,) = done.stderr.splitlines()
        assert told.startswith("dnet: warning: left alone, because it is not in this store: ")
        for name in ("DNET-FORWARD", "DNET-POSTROUTING", "DNET of nat", "dnet0", machine.port):
            assert name in told
        assert told.index("--state-dir") < told.index("dnet reset --unowned")
        assert host.snapshot() == before
    host.reaches("web", "tcp", "127.0.0.1", 8080)
    host.quiet("check")


def test_check_names_the_harmless_cause_first(machine: Machine) -> None:
    elsewhere = {"DNET_STATE_DIR": str(machine.host.state_dir / "elsewhere")}
    done = machine.host.dnet("check", env=elsewhere)
    assert done.returncode == STATUS["drift"]
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("the device dnet0 is unknown to this store")]
    for line in lines:
        assert line.index("--state-dir") < line.index("dnet reset --unowned")


@pytest.mark.parametrize("answer", ["n", "y"])
def test_the_question_names_what_no_known_store_has(machine: Machine, answer: str) -> None:
    host, port = machine.host, machine.port
    before = host.snapshot()
    elsewhere = str(host.state_dir / "elsewhere")
    done = asked(host, answer + "\n", "--state-dir", elsewhere, "reset", "--unowned")
    question = done.stderr.split("[y/N]: ")[0]
    assert question.startswith(f"Remove every bridge, mapping, link and address of {elsewhere}, ")
    for name in ("DNET-FORWARD", "DNET-POSTROUTING", "DNET of nat", "dnet0", port):
        assert name in question
    assert done.returncode == (STATUS["failed"] if answer == "n" else 0)
    now = host.snapshot()
    assert now == before if answer == "n" else "dnet0" not in now and "DNET" not in now


def test_the_question_says_nothing_of_what_is_not_there(machine: Machine) -> None:
    host = machine.host
    done = asked(host, "y\n", "reset", "--unowned")
    asks = f"Remove every bridge, mapping, link and address of {host.state_dir}? [y/N]: "
    assert (done.returncode, done.stderr) == (0, asks)
    assert "DNET" not in host.snapshot()


def test_reset_keeps_what_the_administrator_wrote(machine: Machine) -> None:
    machine.host.iptables("-A DNET-USER -s 198.51.100.7 -j DROP")
    done = machine.host.dnet("reset", "--yes")
    assert done.returncode == 0
    assert done.stderr.startswith("dnet: warning: the chain DNET-USER is kept")
    assert "-A DNET-USER -s 198.51.100.7/32 -j DROP" in machine.host.rules()


def test_reset_after_a_lost_store(machine: Machine) -> None:
    """The chains are found, `bridge init` says what to do, and does nothing by itself."""
    host = machine.host
    for file in host.state_dir.iterdir():
        file.unlink()
    host.iptables("-A INPUT -p tcp --dport 22 -j ACCEPT")
    before = settled(host)
    for words in (("bridge", "init"), ("bridge", "init", "br9", "--address", "10.9.0.1/24")):
        refusal = host.fails(STATUS["conflict"], *words)
        assert "DNET" in refusal.message
        assert str(refusal.hint).startswith("if it belongs to another store: --state-dir; ")
        assert str(refusal.hint).endswith("if that store is lost: dnet reset --unowned")
        assert settled(host) == before
    shown = host.ok("reset", "--unowned", "--dry-run").splitlines()
    assert {"iptables -X DNET-FORWARD", "iptables -t nat -X DNET"} <= set(shown)
    assert {"ip link delete dev dnet0", f"ip link delete dev {machine.port}"} <= set(shown)
    assert settled(host) == before
    host.quiet("reset", "--unowned", "--yes")
    left = "\n".join(settled(host))
    assert "DNET" not in left
    assert "dnet0" not in left
    assert "--dport 22" in left
    assert machine.node.run("ip -j link").count("ifname") == 1
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    host.quiet("check")


@pytest.mark.parametrize("damage", ["", "{", '{"schema": 1}'])
def test_reset_of_a_damaged_store(machine: Machine, damage: str) -> None:
    """The store of before still knows what there is to remove."""
    host = machine.host
    (host.state_dir / "state.json").write_text(damage)
    done = host.dnet("reset", "--yes")
    assert (done.returncode, done.stdout) == (0, ""), done
    assert "dnet: warning: " in done.stderr
    left = [line for line in settled(host) if "dnet" in line or "DNET" in line or "veth" in line]
    assert left == []
    assert host.store() == {}
    assert machine.node.run("ip -j link").count("ifname") == 1


def test_reset_that_cannot_remove_everything_can_be_given_again(machine: Machine) -> None:
    """A foreign rule that calls one of the chains keeps it, and with it the store."""
    host = machine.host
    host.iptables("-N FOREIGN", "-A FOREIGN -j DNET-LINK")
    done = host.dnet("reset", "--yes")
    assert done.returncode == STATUS["failed"], done
    assert host.store() != {}
    host.iptables("-F FOREIGN")
    host.quiet("reset", "--yes")
    assert host.store() == {}
    assert "DNET" not in host.snapshot()


def test_a_namespace_that_has_just_gone_is_missed_at_once(lab: Lab) -> None:
    """The kernel takes its devices away only a moment later."""
    host = lab.host()
    host.ok("bridge", "init")
    for number in range(5):
        node = lab.node()
        host.ok("attach", f"c{number}", "--netns", node.netns)
        host.run(f"ip netns delete {node.netns}")
        found = host.dnet("check")
        assert found.returncode == STATUS["drift"]
        assert found.stdout.startswith(f"c{number} is unplugged: ")
        host.ok("gc")
