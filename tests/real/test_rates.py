"""`attach --rate-in --rate-out`: how much passes, on a real kernel."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import pytest

from dnet.values.veth import ifb_name, veth_name
from tests import namespaces
from tests.contract import STATUS
from tests.host import Host
from tests.lab import Lab
from tests.node import Node
from tests.real.devices import wait_until_gone

IN, OUT = veth_name("web"), ifb_name("web")
# Two million bytes a second: whatever the bucket holds, it takes longer than that.
RATE, BYTES, LEAST_SECONDS = "16mbit", 600_000, 0.25


@pytest.fixture
def br0(lab: Lab) -> Host:
    """A machine with a bridge."""
    host = lab.host()
    host.ok("bridge", "init", "br0", "--address", "172.17.42.1/16")
    return host


@pytest.fixture
def web(lab: Lab) -> Node:
    """A namespace to attach."""
    return lab.node()


def shaped(host: Host) -> dict[str, Any]:
    """The rates of devices, and what goes by another one."""
    listed = json.loads(host.run("tc -j qdisc show"))
    found = {
        one["dev"]: one["options"]["rate"] * 8
        for one in listed
        if one["kind"] == "tbf" and one.get("root")
    }
    if any(one["kind"] == "ingress" and one["dev"] == IN for one in listed):
        filters = host.run("tc", "filter", "show", "dev", IN, "parent", "ffff:")
        found["by"] = OUT if f"Egress Redirect to device {OUT}" in filters else None
    return found


def devices(host: Host) -> set[str]:
    return {one["ifname"] for one in json.loads(host.run("ip -j link"))} - {"lo", "br0"}


BOTH = {IN: 8_000_000, OUT: 2_000_000, "by": OUT}


def test_what_is_given_holds_until_it_is_given_otherwise(br0: Host, web: Node) -> None:
    again = ("attach", "web", "--netns", web.netns)
    br0.ok(*again)
    assert (shaped(br0), devices(br0)) == ({}, {IN})
    br0.ok(*again, "--rate-in", "8mbit", "--rate-out", "2mbit")
    assert shaped(br0) == BOTH
    br0.ok(*again)
    assert shaped(br0) == BOTH
    shown = br0.json("interface", "show", "web")
    assert (shown["rate_in"], shown["rate_out"]) == ("8Mbit", "2Mbit")
    br0.quiet("check")
    br0.ok(*again, "--rate-out", "3mbit", "--rate-in", "none")
    assert shaped(br0) == {OUT: 3_000_000, "by": OUT}
    br0.ok(*again, "--rate-out", "none", "--rate-in", "1gbit")
    assert (shaped(br0), devices(br0)) == ({IN: 1_000_000_000}, {IN})
    br0.quiet("check")
    br0.ok(*again, "--rate-in", "none")
    assert shaped(br0) == {}
    assert '"schema": 1,' in (br0.state_dir / "state.json").read_text()


def seconds(sender: Node, receiver: Node, address: str) -> float:
    """How long it takes to send more than a bucket holds, to its last byte."""
    receive = (
        "import socket\n"
        "with socket.create_server(('0.0.0.0', 9000)) as server:\n"
        " one, _ = server.accept()\n"
        f" left = {BYTES}\n"
        " while left: left -= len(one.recv(65536))\n"
        " one.sendall(b'.')\n"
    )
    send = (
        "import socket, time\n"
        "while True:\n"
        f" try: one = socket.create_connection(('{address}', 9000)); break\n"
        " except ConnectionRefusedError: time.sleep(0.01)\n"
        "begin = time.monotonic()\n"
        f"one.sendall(bytes({BYTES})); one.recv(1); print(time.monotonic() - begin)\n"
    )
    with receiver.started(sys.executable, "-ISc", receive):
        return float(sender.run(sys.executable, "-ISc", send))


@pytest.mark.parametrize("apart", [False, True], ids=["icc", "no-icc"])
def test_no_more_passes_in_either_direction(every: Lab, apart: bool) -> None:
    host, web = every.host(), every.node()
    host.ok("bridge", "init", "br0", "--address", "172.17.42.1/16", *(["--no-icc"] * apart))
    host.ok("attach", "web", "--netns", web.netns, "--rate-in", RATE, "--rate-out", RATE)
    assert seconds(host, web, "172.17.0.2") > LEAST_SECONDS
    assert seconds(web, host, "172.17.42.1") > LEAST_SECONDS


WRECKS = {
    "in": f"tc qdisc delete dev {IN} root",
    "another rate": f"tc qdisc replace dev {OUT} root tbf rate 1gbit burst 1mb limit 9mb",
    "another discipline": f"tc qdisc replace dev {IN} root pfifo",
    "the way out": f"tc qdisc delete dev {IN} ingress",
    "its filter": f"tc filter delete dev {IN} parent ffff:",
    "its device": f"ip link delete {OUT}",
    "down": f"ip link set {OUT} down",
    "all of it": f"ip link delete {IN}; ip link delete {OUT}",
}


@pytest.fixture(scope="module")
def limited(shared_lab: Lab) -> Host:
    """A machine with a container whose limits are wrecked and mended."""
    host, web = shared_lab.host(), shared_lab.node()
    host.ok("bridge", "init", "br0", "--address", "172.17.42.1/16")
    rates = ("--rate-in", "8mbit", "--rate-out", "2mbit")
    host.ok("attach", "web", "--netns", web.netns, *rates)
    return host


@pytest.mark.parametrize("how", WRECKS)
def test_what_others_take_away_is_told_and_mended(limited: Host, how: str) -> None:
    limited.run("sh", "-c", WRECKS[how])
    assert limited.dnet("check").returncode == STATUS["drift"]
    done = limited.dnet("restore")
    assert done.returncode == 0
    assert "repaired: " in done.stderr
    assert shaped(limited) == BOTH
    limited.quiet("check")


def listed(host: Host) -> str:
    """What tc shows, without the numbers that the kernel gives."""
    return re.sub(
        r"(tbf|index) [0-9a-f]+", "", host.run(f"tc qdisc; tc filter show dev {IN} ingress")
    )


def test_a_dry_run_shows_what_tc_would_be_told(br0: Host, web: Node) -> None:
    words = ("attach", "web", "--netns", web.netns, "--rate-in", "8mbit", "--rate-out", "2mbit")
    before = br0.everything()
    lines = br0.ok(*words, "--dry-run").splitlines()
    assert br0.everything() == before
    assert [line for line in lines if line.startswith("tc ") or OUT in line] == [
        f"tc qdisc replace dev {IN} root tbf rate 8Mbit burst 32768 limit 82768",
        f"ip link add name {OUT} up type ifb",
        f"tc qdisc replace dev {OUT} root tbf rate 2Mbit burst 32768 limit 45268",
        f"tc qdisc add dev {IN} ingress",
        f"tc filter add dev {IN} parent ffff: protocol all prio 1 u32 match u32 0 0 "
        f"action mirred egress redirect dev {OUT}",
    ]
    br0.ok(*words)
    told = listed(br0)
    br0.ok("detach", "web")
    for line in lines:
        if line.startswith(("tc ", "ip link add ", "bridge link ")):
            br0.run(line)
    assert listed(br0) == told


ENDS = {
    "detach": ["detach web"],
    "release": ["interface release web"],
    "remove": ["bridge remove br0 --force"],
    "gc": ["gc"],
    "reset": ["reset --yes"],
}


@pytest.mark.parametrize("how", ENDS)
def test_nothing_is_left_of_it(br0: Host, web: Node, how: str) -> None:
    br0.ok("attach", "web", "--netns", web.netns, "--rate-in", RATE, "--rate-out", RATE)
    if how == "gc":
        namespaces.remove([web.netns])
    for line in ENDS[how]:
        br0.ok(*line.split())
    assert devices(br0) == set()


def test_what_a_lost_store_limited_goes_as_unowned(lab: Lab, web: Node) -> None:
    host = lab.host()
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    host.ok("attach", "web", "--netns", web.netns, "--rate-out", RATE)
    for file in host.state_dir.iterdir():
        file.unlink()
    host.ok("reset", "--yes", "--unowned")
    assert devices(host) == set()


def test_a_namespace_made_anew_is_limited_again(lab: Lab, br0: Host, web: Node) -> None:
    words = ("attach", "web", "--netns")
    br0.ok(*words, web.netns, "--rate-in", "8mbit", "--rate-out", "2mbit")
    namespaces.remove([web.netns])
    wait_until_gone(br0, IN)
    br0.ok(*words, lab.node().netns)
    assert shaped(br0) == BOTH
    br0.quiet("check")


def test_another_mtu_makes_the_bucket_larger(br0: Host, web: Node) -> None:
    br0.ok("attach", "web", "--netns", web.netns, "--rate-in", "8mbit")
    br0.quiet("bridge", "init", "br0", "--mtu", "60000")
    assert "burst 120064b" in br0.run("tc", "qdisc", "show", "dev", IN)
    br0.quiet("check")


def test_another_s_device_of_that_name_is_left_alone(br0: Host, web: Node) -> None:
    br0.ip(f"link add {OUT} type bridge")
    before = br0.everything()
    br0.fails(4, "attach", "web", "--netns", web.netns, "--rate-out", RATE, code="conflict")
    assert br0.everything() == before


@pytest.mark.parametrize("rate", ["8", "fast", "8mb", "", "9999tbit", "7kbit"])
def test_what_is_no_rate_is_refused(br0: Host, web: Node, rate: str) -> None:
    words = ("attach", "web", "--netns", web.netns, "--rate-in")
    refusal = br0.fails(2, *words, rate, code="usage")
    assert refusal.message.startswith("--rate-in: ")
