"""`dnet ip`: addresses handed out, asked for by name, and given back."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import pytest

from tests import terminal
from tests.host import Host


def bridge(host: Host, address: str = "172.17.42.1/16", *options: str) -> Host:
    host.ok("bridge", "init", "br0", "--address", address, *options)
    return host


@pytest.fixture
def small(host: Host) -> Host:
    """Five addresses, 10.9.9.2 to 10.9.9.6."""
    return bridge(host, "10.9.9.1/29")


# Which address comes is a matter of the pure parts (tests/unit); here, that it is asked for.


def test_addresses_come_in_order_and_by_name_once(host: Host) -> None:
    bridge(host)
    assert host.ok("ip", "request") == "172.17.0.2"
    assert host.ok("ip", "request", "--ip", "172.17.0.4") == "172.17.0.4"
    assert host.ok("ip", "request", "--count", 2).split() == ["172.17.0.3", "172.17.0.5"]
    before = host.everything()
    for never in ("172.17.0.4", "172.17.42.1"):
        host.fails(4, "ip", "request", "--ip", never, code="address-in-use")
    assert host.everything() == before


def test_exhaustion_hands_out_nothing_at_all(small: Host) -> None:
    small.ok("ip", "request", "--count", 3)
    before = small.everything()
    small.fails(5, "ip", "request", "--count", 3, code="exhausted")
    assert small.everything() == before
    small.ok("ip", "request", "--count", 2)
    small.fails(5, "ip", "request")


def test_a_released_address_rests_or_is_the_next_one(small: Host) -> None:
    """As its bridge has it: round robin, where nothing is said."""
    small.ok("ip", "request", "--count", 2)
    small.quiet("ip", "release", "10.9.9.2")
    assert small.ok("ip", "request") == "10.9.9.4"
    small.ok("bridge", "init", "br0", "--allocation", "reuse")
    small.quiet("ip", "release", "10.9.9.3")
    assert small.ok("ip", "request") == "10.9.9.3"


def test_a_range_bounds_what_is_chosen(host: Host) -> None:
    bridge(host, "172.17.42.1/16", "--range", "172.17.5.0/30")
    assert host.ok("ip", "request") == "172.17.5.0"
    host.ok("bridge", "init", "br0", "--range", "172.17.6.0/24")
    assert host.ok("ip", "request") == "172.17.6.0"


def test_release_gives_back_exactly_what_was_taken(small: Host) -> None:
    small.ok("ip", "request", "--count", 5)
    small.quiet("ip", "release", "10.9.9.3", "10.9.9.5")
    assert small.keys("ip", "list") == ["10.9.9.2", "10.9.9.4", "10.9.9.6"]
    before = small.everything()
    for never in ("10.9.9.3", "10.9.9.1", "10.9.9.7", "192.0.2.1"):
        small.fails(3, "ip", "release", never)
    # All or nothing: the first one was there.
    small.fails(3, "ip", "release", "10.9.9.2", "10.9.9.3")
    assert small.everything() == before
    small.quiet("ip", "release", "10.9.9.2", "10.9.9.3", "--if-exists")
    assert small.keys("ip", "list") == ["10.9.9.4", "10.9.9.6"]


def test_list_tells_every_address_with_its_owner(host: Host) -> None:
    bridge(host)
    host.ok("ip", "request", "--owner", "backup")
    host.ok("ip", "request")
    host.ok("interface", "allocate", "web")
    listed: list[dict[str, Any]] = host.json("ip", "list")
    assert listed == [
        {"ip": "172.17.0.2", "owner": "backup", "bridge": "br0"},
        {"ip": "172.17.0.3", "owner": None, "bridge": "br0"},
        {"ip": "172.17.0.4", "owner": "web", "bridge": "br0"},
    ]


def test_addresses_are_listed_as_numbers_not_as_text(host: Host) -> None:
    bridge(host, "172.17.42.1/16")
    for last in (10, 9, 100):
        host.ok("ip", "request", "--ip", f"172.17.0.{last}")
    assert host.keys("ip", "list") == ["172.17.0.9", "172.17.0.10", "172.17.0.100"]


def test_available_lists_what_is_left(small: Host) -> None:
    small.ok("ip", "request", "--ip", "10.9.9.4")
    assert small.keys("ip", "list", "--available") == [
        *("10.9.9.2", "10.9.9.3"),
        *("10.9.9.5", "10.9.9.6"),
    ]


def test_an_interface_s_address_is_released_with_the_interface(host: Host) -> None:
    bridge(host)
    host.ok("interface", "allocate", "web")
    before = host.everything()
    refusal = host.fails(4, "ip", "release", "172.17.0.2")
    assert "interface release" in f"{refusal.message} {refusal.hint}"
    host.fails(4, "ip", "release", "172.17.0.2", "--if-exists")
    assert host.everything() == before


def test_each_bridge_has_addresses_of_its_own(host: Host) -> None:
    bridge(host)
    host.ok("bridge", "init", "br1", "--chain", "B1", "--address", "10.9.9.1/29")
    assert host.ok("ip", "request", "--bridge", "br1") == "10.9.9.2"
    assert host.ok("ip", "request", "--bridge", "br0") == "172.17.0.2"
    assert host.ok("ip", "request", "--ip", "10.9.9.5", "--bridge", "br1") == "10.9.9.5"
    assert host.keys("ip", "list") == ["10.9.9.2", "10.9.9.5", "172.17.0.2"] or host.keys(
        "ip", "list"
    ) == ["172.17.0.2", "10.9.9.2", "10.9.9.5"]
    assert host.keys("ip", "list", "--bridge", "br1") == ["10.9.9.2", "10.9.9.5"]
    # An address names its bridge by itself.
    host.quiet("ip", "release", "10.9.9.5", "172.17.0.2")


def test_without_a_bridge_there_is_no_address(host: Host) -> None:
    host.fails(3, "ip", "request", code="not-found")
    assert host.json("ip", "list") == []


def test_the_default_among_several_is_dnet0(host: Host) -> None:
    bridge(host)
    host.ok("bridge", "init", "dnet0", "--chain", "D", "--address", "10.9.9.1/29")
    assert host.ok("ip", "request") == "10.9.9.2"
    assert host.ok("ip", "request", "--bridge", "br0") == "172.17.0.2"
    assert host.dnet("ip", "request", env={"DNET_BRIDGE": "br0"}).stdout == "172.17.0.3\n"


# --- of the largest subnet -----------------------------------------------------------------------

# A fifth of what sixteen million addresses take as text alone.
LITTLE = "ulimit -v 200000"


@pytest.mark.parametrize("options", ["", "-q", "--json"])
def test_the_free_addresses_come_one_by_one(host: Host, options: str) -> None:
    """And a reader who has enough ends the list without a word."""
    host.ok("bridge", "init", "dnet0", "--address", "10.0.0.1/8")
    done = host.try_run("sh", "-c", f"{LITTLE}; dnet ip list --available {options} | head -c 200")
    assert (done.returncode, done.stderr, len(done.stdout)) == (0, "", 200)
    assert "10.0.0.2" in done.stdout


def test_they_come_one_by_one_in_a_dialogue_and_on_a_terminal(host: Host) -> None:
    host.ok("bridge", "init", "dnet0", "--address", "10.0.0.1/8")
    line = "ip list --available"
    words = f"{LITTLE}; echo {line} | dnet batch --each | head -c 200"
    assert host.try_run("sh", "-c", words).stdout.startswith("10.0.0.2 10.0.0.3 ")
    with terminal.opened(80) as (reading, end):
        argv = host.argv("sh", "-c", f"{LITTLE}; exec dnet {line}")
        with subprocess.Popen(argv, stdout=end, stderr=end, env=host.env) as process:
            os.close(end)
            shown = terminal.read_until(reading, lambda text: "10.0.9.9 " in text)
            process.kill()
    assert shown.split()[:4] == ["ADDRESS", "OWNER", "BRIDGE", "10.0.0.2"]
