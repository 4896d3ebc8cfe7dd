"""The store and the kernel change together or not at all, and each store has one home."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from tests.contract import STATUS
from tests.host import Host, read_refusal
from tests.lab import Lab

INIT = ("bridge", "init", "br0", "--address", "172.17.42.1/16")


@pytest.fixture
def br0(host: Host) -> Host:
    """A machine with one bridge and an interface `web`."""
    host.ok(*INIT)
    host.ok("interface", "allocate", "web")
    return host


def refusing(host: Host, program: str) -> dict[str, str]:
    """An environment in which a program of iptables always says no."""
    folder = host.state_dir.parent / f"no-{program}"
    folder.mkdir(parents=True)
    script = folder / program
    script.write_text("#!/bin/sh\ncat >/dev/null\necho refused >&2\nexit 4\n")
    script.chmod(0o755)
    return {"PATH": f"{folder}:{host.env['PATH']}"}


# --- the kernel refuses ------------------------------------------------------------------------


def test_an_init_that_iptables_refuses_leaves_nothing(both: Lab) -> None:
    host = both.host()
    before = host.snapshot()
    done = host.dnet(*INIT, env=refusing(host, "iptables-restore"))
    assert done.returncode == STATUS["kernel"]
    assert "dnet: error: " in done.stderr
    assert [x for x in host.snapshot().splitlines() if "ip_forward" not in x] == [
        x for x in before.splitlines() if "ip_forward" not in x
    ]
    assert host.json("bridge", "list") == []
    # And nothing of it is in the way of the next one.
    host.ok(*INIT)


def test_a_change_that_iptables_refuses_is_undone(br0: Host) -> None:
    br0.ok("map", "add", "web", "7000:70")
    before = br0.snapshot(), br0.json("map", "list"), br0.json("bridge", "list")
    no_iptables = refusing(br0, "iptables-restore")
    commands = [
        ("map", "add", "web", "8080:80"),
        ("map", "remove", "7000"),
        ("link", "add", "host", "web", "-p", "81/tcp"),
        ("bridge", "init", "br0", "--no-masquerade"),
        ("interface", "release", "web"),
        ("bridge", "remove", "br0", "--force"),
    ]
    for command in commands:
        done = br0.dnet(*command, env=no_iptables)
        assert done.returncode == STATUS["kernel"], done
        assert br0.snapshot() == before[0], command
    assert (br0.snapshot(), br0.json("map", "list"), br0.json("bridge", "list")) == before
    for command in commands:
        br0.ok(*command)


def test_a_sysctl_that_cannot_be_written_is_a_warning_where_it_is_ip_forward(lab: Lab) -> None:
    host = lab.host()
    read_only = "mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys && exec"
    done = host.try_run("unshare", "--mount", "sh", "-c", f'{read_only} "$@"', "sh", "dnet", *INIT)
    assert done.returncode == 0, done
    assert "dnet: warning: " in done.stderr
    assert "ip_forward" in done.stderr
    assert host.sysctl("net/ipv4/ip_forward") == "0"
    assert host.keys("bridge", "list") == ["br0"]


# --- the store ---------------------------------------------------------------------------------


def test_a_lock_that_somebody_holds_is_waited_for_and_named(br0: Host) -> None:
    before = br0.everything()
    with (br0.state_dir / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = br0.dnet("--lock-timeout", "0.2", "ip", "request")
        assert done.returncode == STATUS["locked"]
        refusal = read_refusal(done)
        assert str(os.getpid()) in f"{refusal.message} {refusal.hint}"
        # Reading takes no lock.
        assert br0.keys("interface", "list") == ["web"]
    assert br0.everything() == before
    assert br0.ok("ip", "request") == "172.17.0.3"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "not JSON", '{"schema": 999}'])
def test_a_damaged_store_is_left_as_it_was(br0: Host, text: str) -> None:
    file = br0.state_dir / "state.json"
    file.write_text(text)
    before = br0.everything()
    for command in (("ip", "request"), ("ip", "list"), ("map", "add", "web", "8080:80")):
        refusal = read_refusal(done := br0.dnet(*command))
        assert done.returncode == STATUS["state-unreadable"]
        assert str(br0.state_dir) in f"{refusal.message} {refusal.hint}"
    assert br0.everything() == before


def test_a_store_belongs_to_its_network_namespace(lab: Lab) -> None:
    host, other = lab.host(), lab.host()
    host.ok(*INIT)
    before = other.snapshot(), host.everything()
    done = other.dnet("--state-dir", str(host.state_dir), "ip", "request")
    assert done.returncode == STATUS["state-unreadable"]
    assert (other.snapshot(), host.everything()) == before
    # Reading is open to all.
    assert other.ok("--state-dir", str(host.state_dir), "bridge", "list", "-q") == "br0"


def with_legacy(host: Host, variant_folders: Path) -> dict[str, str]:
    """The PATH on which iptables is the other variant."""
    if not (variant_folders / "legacy").exists():
        pytest.skip("iptables-legacy does not work here")
    nft, legacy = (str(variant_folders / variant) for variant in ("nft", "legacy"))
    return {"PATH": host.env["PATH"].replace(nft, legacy)}


@pytest.mark.parametrize(
    "command",
    ["map add web 8080:80", "bridge remove br0 --force", "bridge init br0 --no-iptables", "check"],
)
def test_another_iptables_variant_is_a_conflict(
    br0: Host, variant_folders: Path, command: str
) -> None:
    before = br0.everything()
    done = br0.dnet(*command.split(), env=with_legacy(br0, variant_folders))
    assert done.returncode == STATUS["conflict"], done
    assert read_refusal(done).hint
    assert br0.everything() == before


def test_a_store_without_a_rule_takes_any_variant(br0: Host, variant_folders: Path) -> None:
    legacy = with_legacy(br0, variant_folders)
    br0.ok("bridge", "remove", "br0", "--force")
    br0.ok("bridge", "init", "br0", env=legacy)
    br0.ok("check", env=legacy)
    br0.ok("bridge", "remove", "br0", env=legacy)
