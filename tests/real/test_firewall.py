"""`dnet firewall`: which one it is, and changing over under load."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import caller
from tests import lab as labs
from tests.contract import STATUS
from tests.host import Host, read_refusal
from tests.lab import Lab
from tests.node import Node

INIT0 = ("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
WEB, FAR = "172.17.0.2", "172.18.0.2"
RATE = 200
# As long as a first packet that is lost and sent again, and as one that gets past a rule.
PATIENT, IMPATIENT = 4.0, 0.05
RANGES = "9000-9009:9000-9009", "8000-8009:9100-9109"
ACCEPTS = "--comment dnet -j ACCEPT"
OTHER = {"iptables": "nftables", "nftables": "iptables"}
DROP = {
    "iptables": "iptables -A DNET-USER -p tcp -d 172.17.0.2 --dport 81 -j DROP",
    "nftables": "nft add rule inet dnet user ip daddr 172.17.0.2 tcp dport 81 drop",
}


class Town(NamedTuple):
    """A host whose rules are in a firewall, with somebody everywhere that packets come from."""

    host: Host
    client: Node
    web: Node
    sibling: Node
    far: Node


@pytest.fixture(params=labs.VARIANTS)
def machine(request: pytest.FixtureRequest, tmp_path: Path, variant_folders: Path) -> Iterator[Lab]:
    """A lab where it may be either firewall, with each variant of iptables."""
    with labs.opened(tmp_path, variant_folders, request.param) as opened:
        yield opened


@pytest.fixture(params=OTHER)
def town(request: pytest.FixtureRequest, machine: Lab) -> Town:
    host = machine.host()
    host.env["DNET_FIREWALL"] = str(request.param)
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16", "--no-icc")
    del host.env["DNET_FIREWALL"]
    host.ok("bridge", "init", "dnet1", "--address", "172.18.42.1/16")
    client = machine.outside(host)
    client.ip("route add 172.16.0.0/12 via 10.99.0.1", "route add 127.0.0.53 via 10.99.0.1")
    nodes = []
    for name, bridge in (("web", "dnet0"), ("sibling", "dnet0"), ("far", "dnet1")):
        node = machine.node()
        host.ok("attach", name, "--netns", node.netns, "--bridge", bridge)
        nodes.append(node)
    for port in (80, 81, 82, 9003, 9105):
        nodes[0].listen("tcp", port, "web")
    host.ok("map", "add", "web", "8080:80", "8081:81", *RANGES)
    host.ok("link", "add", "sibling", "web", "-p", "82/tcp")
    return Town(host, client, *nodes)


def firewall(host: Host) -> str:
    return str(host.json("firewall", "show")["backend"])


@contextmanager
def called(
    node: Node, *places: tuple[str, int], patience: float = PATIENT
) -> Iterator[list[list[int]]]:
    """How often places answer and do not, to be read once the block has ended."""
    options = str(RATE), str(patience), "web", *(str(word) for place in places for word in place)
    command = node.argv(sys.executable, "-I", "-S", str(Path(caller.__file__)), *options)
    counts: list[list[int]] = []
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=node.env
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield counts
        counts += json.loads(process.communicate()[0])


def changed_over(host: Host, there: str) -> None:
    """Back and forth, while there are callers."""
    for name in (OTHER[there], there, OTHER[there]):
        host.ok("firewall", "use", name)


def test_no_connection_is_lost_and_none_gets_in(town: Town) -> None:
    there = firewall(town.host)
    idle = [town.client.open("tcp", "10.99.0.1", 8080) for _ in range(20)]
    published = ("10.99.0.1", 8080), ("10.99.0.1", 9003), ("10.99.0.1", 8005)
    open_ones: Sequence[tuple[Node, Sequence[tuple[str, int]]]] = (
        (town.client, published),
        (town.host, [("127.0.0.1", 8080), ("10.99.0.1", 8080)]),
        (town.web, [("10.99.0.1", 8080), ("172.17.42.1", 9003)]),
        (town.sibling, [("10.99.0.1", 8080), (WEB, 82)]),
    )
    closed = ((town.sibling, [(WEB, 80), (WEB, 81)]), (town.far, [(WEB, 80), (WEB, 82)]))
    with ExitStack() as stack:
        counts = [stack.enter_context(called(node, *places)) for node, places in open_ones]
        leaks = [stack.enter_context(called(node, *at, patience=IMPATIENT)) for node, at in closed]
        changed_over(town.host, there)
    for count in counts:
        assert all(answered >= 20 and not missed for answered, missed in count), counts
    assert not any(answered for count in leaks for answered, _ in count), leaks
    assert [one.say() for one in idle].count(None) == 0
    assert firewall(town.host) == OTHER[there]
    town.host.quiet("check")


def of_dnet(snapshot: str) -> list[str]:
    """Without what nftables adds to a FORWARD that the change-over has made."""
    return [line for line in snapshot.splitlines() if ACCEPTS not in line and " :" not in line]


def test_nothing_of_the_former_one_is_left(town: Town) -> None:
    there = firewall(town.host)
    before = town.host.snapshot()
    town.host.ok("firewall", "use", OTHER[there])
    rules = town.host.run("iptables-save" if there == "iptables" else "nft list tables")
    left = [line for line in rules.splitlines() if "dnet" in line.lower()]
    assert all(ACCEPTS in line for line in left), left
    town.host.ok("firewall", "use", there)
    assert of_dnet(town.host.snapshot()) == of_dnet(before)
    town.host.quiet("check")


def test_what_an_administrator_drops_stays_dropped(town: Town) -> None:
    host, there = town.host, firewall(town.host)
    host.run("sh", "-c", DROP[there])
    town.client.misses("tcp", "10.99.0.1", 8081)
    done = host.dnet("firewall", "use", OTHER[there])
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if "user" in line.lower()], done
    town.client.misses("tcp", "10.99.0.1", 8081)
    town.client.reaches("web", "tcp", "10.99.0.1", 8080)
    host.quiet("check")
    host.ok("firewall", "use", there)
    town.client.misses("tcp", "10.99.0.1", 8081)
    host.quiet("check")
    done = host.dnet("reset", "--yes")
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if "user" in line.lower()], done


@pytest.mark.parametrize("last", ["bridge remove --force dnet0", "reset --yes"])
@pytest.mark.parametrize("there", OTHER)
def test_what_is_kept_of_an_administrator_s_goes_on_until_the_last_bridge(
    machine: Lab, there: str, last: str
) -> None:
    host = machine.host()
    others = "-s 192.0.2.1 -j ACCEPT"
    host.iptables(f"-A FORWARD {others}")
    host.ok("bridge", "init", "--firewall", there, "--address", "172.17.42.1/16")
    host.ok("interface", "allocate", "web")
    host.ok("map", "add", "web", "8080:80")
    host.run("sh", "-c", DROP[there])
    host.ok("firewall", "use", OTHER[there])
    done = host.dnet(*last.split())
    assert done.returncode == 0
    named = {"iptables": "the chain DNET-USER is kept", "nftables": "the table inet dnet is kept"}
    (line,) = done.stderr.splitlines()
    assert named[there] in line
    assert [one for one in host.rules() if one.startswith("-A FORWARD")] == [
        "-A FORWARD -s 192.0.2.1/32 -j ACCEPT"
    ]
    assert "hook" not in host.run("sh", "-c", "nft list table inet dnet 2>&1 || true")
    assert "81" in host.run("sh", "-c", "iptables -S; nft list table inet dnet 2>&1 || true")
    host.run("sh", "-c", line.rpartition(": ")[2])
    host.ok("bridge", "init", "--address", "172.17.42.1/16")
    host.quiet("check")


def test_what_a_drop_of_the_administrator_s_looks_up_stays(machine: Lab) -> None:
    host = machine.host()
    host.ok("bridge", "init", "--firewall", "nftables", "--address", "172.17.42.1/16")
    client, web = machine.outside(host), machine.node()
    host.ok("attach", "web", "--netns", web.netns, "-p", "8080:80")
    web.listen("tcp", 80, "web")
    client.reaches("web", "tcp", "10.99.0.1", 8080)
    host.run("nft", "add rule inet dnet user ip saddr 10.99.0.0/24 oifname @bridges drop")
    client.misses("tcp", "10.99.0.1", 8080)
    host.ok("firewall", "use", "iptables")
    client.misses("tcp", "10.99.0.1", 8080)
    host.quiet("check")
    host.ok("firewall", "use", "nftables")
    client.misses("tcp", "10.99.0.1", 8080)
    host.quiet("check")


def test_a_dry_run_shows_both_and_changes_nothing(town: Town) -> None:
    host, there = town.host, firewall(town.host)
    before = host.everything()
    lines = host.ok("firewall", "use", OTHER[there], "--dry-run").splitlines()
    assert any(line.startswith("nft ") for line in lines)
    assert any(line.startswith("iptables ") for line in lines)
    assert host.everything() == before


def test_the_same_one_is_confirmed_and_repaired(town: Town) -> None:
    host, there = town.host, firewall(town.host)
    host.quiet("firewall", "use", there)
    host.run("sh", "-c", "nft flush ruleset; iptables -F; iptables -t nat -F")
    done = host.dnet("firewall", "use", there)
    assert "repaired" in done.stderr
    town.client.reaches("web", "tcp", "10.99.0.1", 8080)


def test_another_one_by_bridge_init_is_a_conflict(town: Town) -> None:
    host, there = town.host, firewall(town.host)
    before = host.everything()
    refusal = host.fails(STATUS["conflict"], "bridge", "init", "dnet2", "--firewall", OTHER[there])
    assert refusal.hint == f"dnet firewall use {OTHER[there]}"
    assert host.everything() == before
    host.ok("bridge", "init", "dnet2", "--firewall", "auto", "--address", "10.5.0.1/24")
    assert firewall(host) == there


def test_what_is_not_there_cannot_be_used(machine: Lab) -> None:
    host = machine.host()
    before = host.everything()
    for name, program in (("nftables", "nft"), ("iptables", "iptables")):
        refusal = read_refusal(host.without(program, f"firewall use {name}"))
        assert refusal.status == STATUS["kernel"]
        assert refusal.message == f"{program} not found"
    refusal = read_refusal(host.without("iptables nft", "bridge init"))
    assert refusal.status == STATUS["kernel"]
    assert refusal.message == "neither iptables nor nft is installed"
    assert refusal.hint == "apt-get install iptables, or: apt-get install nftables"
    assert host.everything() == before


PROGRAMS = {
    "iptables": " ".join(
        f"{name}{what}"
        for name in ("iptables", "ip6tables")
        for what in ("", "-save", "-restore", "-nft", "-legacy")
    ),
    "nftables": "nft",
}


@pytest.mark.parametrize("there", OTHER)
def test_of_what_was_moved_from_no_program_is_needed(machine: Lab, there: str) -> None:
    host = machine.host()
    host.ok(*INIT0, "--firewall", there)
    host.ok("interface", "allocate", "web")
    host.ok("firewall", "use", OTHER[there])
    for line in ("map add web 8080:80", "check", "restore", "bridge remove dnet0 --force"):
        done = host.without(PROGRAMS[there], line)
        assert (done.returncode, done.stderr) == (0, ""), done
    host.ok(*INIT0)
    done = host.without(PROGRAMS[there], "reset --yes")
    assert (done.returncode, done.stderr) == (0, ""), done
    assert "dnet" not in host.run("nft list ruleset; iptables-save").lower()


@pytest.mark.parametrize("there", OTHER)
def test_of_what_is_moved_from_the_program_is_needed(machine: Lab, there: str) -> None:
    """Nothing else takes its rules away."""
    host = machine.host()
    host.ok(*INIT0, "--firewall", there)
    host.ok("interface", "allocate", "web")
    host.ok("map", "add", "web", "8080:80")
    before = host.everything()
    refusal = read_refusal(host.without(PROGRAMS[there], f"firewall use {OTHER[there]}"))
    assert refusal.status == STATUS["kernel"]
    assert refusal.hint == f"apt-get install {there}"
    assert host.everything() == before


def test_what_has_ipv4_alone_asks_no_ip6tables(machine: Lab, tmp_path: Path) -> None:
    """Whose start loads modules, and fails on a kernel without IPv6; wherever the rules move."""
    host, told = machine.host(), tmp_path / "told"
    for name in ("ip6tables", "ip6tables-save", "ip6tables-restore"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho $0 $* >> {told}\nexit 3\n")
        (tmp_path / name).chmod(0o755)
    host.env["PATH"] = f"{tmp_path}:{host.env['PATH']}"
    host.ok(*INIT0, "--firewall", "iptables")
    host.ok("firewall", "use", "nftables")
    host.ok("bridge", "remove", "dnet0")
    for firewall_of_it in ("nftables", "iptables"):
        host.ok(*INIT0, "--firewall", firewall_of_it)
        host.ok("restore")
        host.ok("firewall", "use", OTHER[firewall_of_it])
        host.quiet("check")
        host.ok("reset", "--yes")
    assert not told.exists(), told.read_text()


def test_another_one_than_the_two_is_no_firewall(machine: Lab) -> None:
    host = machine.host()
    host.fails(STATUS["usage"], "firewall", "use", "pf")
    host.fails(STATUS["usage"], "bridge", "init", "--firewall", "pf")
    host.env["DNET_FIREWALL"] = "pf"
    host.fails(STATUS["usage"], "bridge", "init")


def test_without_iptables_it_is_nftables(machine: Lab) -> None:
    host = machine.host()
    host.sysctl("net/bridge/bridge-nf-call-iptables", 0)
    done = host.without("iptables", "bridge init --no-icc --address 172.17.42.1/16")
    assert (done.returncode, done.stderr) == (0, "")
    assert host.json("firewall", "show") == {
        "backend": "nftables",
        "variant": None,
        "icc_by": "isolated-ports",
        "overruled_by": [],
    }


@pytest.mark.parametrize("options", [(), ("--no-iptables",)])
def test_what_is_used_without_a_bridge_is_what_the_first_one_has(
    machine: Lab, options: tuple[str, ...]
) -> None:
    host = machine.host()
    if options:
        host.ok("bridge", "init", "dnet1", "--address", "172.18.42.1/16", *options)
    host.ok("firewall", "use", "nftables")
    assert firewall(host) == "nftables"
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    assert firewall(host) == "nftables"
    host.quiet("check")
    host.ok("bridge", "remove", "dnet0")
    host.ok("bridge", "init", "dnet0", "--firewall", "iptables")
    assert firewall(host) == "iptables"


def test_a_chain_means_nothing_with_nftables(machine: Lab) -> None:
    host = machine.host()
    init = ("bridge", "init", "dnet0", "--address", "172.17.42.1/16", "--firewall", "nftables")
    done = host.dnet(*init, "--chain", "FIRST")
    assert done.returncode == 0
    assert "dnet: warning: --chain has no effect with nftables" in done.stderr
    host.ok("bridge", "init", "dnet0", "--chain", "DNET")
    host.ok("bridge", "init", "dnet1", "--address", "10.5.0.1/24", "--chain", "DNET-tcp-8192")
    refusal = host.fails(STATUS["conflict"], "firewall", "use", "iptables")
    assert "DNET-tcp-8192" in refusal.message
    assert firewall(host) == "nftables"
    host.quiet("check")


def test_what_a_saved_file_brings_back_of_the_former_one_is_found_and_goes(town: Town) -> None:
    host, there = town.host, firewall(town.host)
    save = {"iptables": "iptables-save", "nftables": "nft list table inet dnet"}[there]
    load = {"iptables": "iptables-restore", "nftables": "nft -f -"}[there].split()
    saved = host.run("sh", "-c", save)
    host.ok("firewall", "use", OTHER[there])
    host.run(*load, stdin=saved)
    found = host.dnet("check")
    assert found.returncode == STATUS["drift"]
    host.ok("restore")
    assert "DNET" not in host.run("sh", "-c", f"{save} || true")
    host.quiet("check")
    town.client.reaches("web", "tcp", "10.99.0.1", 8080)
    host.ok("firewall", "use", there)
    host.quiet("check")


def test_the_last_bridge_leaves_no_jump_to_what_stays(machine: Lab) -> None:
    host = machine.host()
    host.ok("bridge", "init", "--address", "172.17.42.1/16")
    host.ok("interface", "allocate", "web")
    host.ok("map", "add", "web", "8080:80")
    host.run("iptables", "-A", "DNET-USER", "-s", "192.0.2.1", "-j", "DROP")
    host.ok("firewall", "use", "nftables")
    assert any("-j DNET-USER" in line for line in host.rules())
    done = host.dnet("bridge", "remove", "dnet0", "--force")
    assert done.returncode == 0
    assert "DNET-USER" in done.stderr
    assert [line for line in host.rules() if "DNET" in line] == [
        "-N DNET-USER",
        "-A DNET-USER -s 192.0.2.1/32 -j DROP",
    ]
