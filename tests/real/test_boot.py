"""After a reboot the kernel side is made anew; a store is of use in its own namespace alone."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests import namespaces, units
from tests.contract import STATUS
from tests.host import Host
from tests.lab import Lab
from tests.node import Completed, Node

# systemd.exec(5), "Environment Variables in Spawned Processes".
SYSTEMD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
BOOT_ID = "11111111-2222-4333-8444-555555555555"


class Rebooted:
    """A machine that begins again: nothing in its kernel, another boot id, the store of before.

    Its namespace is a new one, for a boot takes every network namespace with it.
    """

    def __init__(self, lab: Lab, host: Host, folder: Path, boot_id: str = BOOT_ID) -> None:
        self.host = lab.host()
        self.host.env["DNET_STATE_DIR"] = str(host.state_dir)
        self.host.state_dir = host.state_dir
        self._boot_id = folder / "boot_id"
        self._boot_id.write_text(boot_id + "\n")

    def dnet(self, *words: str) -> Completed:
        """A `dnet` that reads the other boot id."""
        return self._as_booted("dnet", *words)

    def _as_booted(self, *words: str) -> Completed:
        bind = 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"'
        return self.host.try_run("unshare", "--mount", "sh", "-c", bind, str(self._boot_id), *words)

    def start(self, command: str) -> Completed:
        """A command line of a unit, with as little around it as systemd gives a service."""
        program, *words = command.split()
        found = shutil.which(program, path=self.host.env["PATH"])
        assert found
        env = [f"PATH={SYSTEMD_PATH}", f"DNET_STATE_DIR={self.host.state_dir}"]
        return self._as_booted("env", "-i", *env, found, *words)

    def ok(self, *words: str) -> str:
        """What a `dnet` that succeeds prints."""
        done = self.dnet(*words)
        assert done.returncode == 0, done
        return done.stdout


@pytest.fixture
def host(lab: Lab) -> Host:
    """A machine before the reboot."""
    host = lab.host()
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16", "--no-icc")
    host.ok("interface", "allocate", "db", "--expose", "5432/tcp")
    host.ok("interface", "allocate", "app")
    host.ok("link", "add", "app", "db")
    host.ok("map", "add", "db", "5432:5432")
    return host


def test_a_dry_run_after_the_boot_shows_the_whole(rebooted: Rebooted) -> None:
    words = ("map", "add", "app", "8080:80")
    before = rebooted.host.everything()
    shown = rebooted.ok(*words, "--dry-run").splitlines()
    assert rebooted.host.everything() == before
    assert "ip link add name dnet0 address 02:42:ac:11:2a:01 type bridge" in shown
    assert any(line.startswith("iptables -t nat -A DNET ") and "8080" in line for line in shown)
    assert shown[-1] == "# store: mappings: + 0.0.0.0:8080/tcp"
    rebooted.ok(*words)
    assert rebooted.ok("check") == ""


@pytest.fixture
def rebooted(lab: Lab, host: Host, tmp_path: Path) -> Rebooted:
    return Rebooted(lab, host, tmp_path)


def rules(host: Host) -> list[str]:
    return host.rules() + host.rules("nat") + host.rules("raw")


def test_the_unit_puts_everything_back(host: Host, rebooted: Rebooted) -> None:
    assert rebooted.dnet("check").returncode == STATUS["drift"]
    started = rebooted.start(units.value("dnet-restore.service", "ExecStart"))
    assert (started.returncode, started.stdout) == (0, "")
    assert rules(rebooted.host) == rules(host)
    assert rebooted.ok("check") == ""
    before = rebooted.host.everything()
    reloaded = rebooted.start(units.value("dnet-restore.service", "ExecReload"))
    assert (reloaded.returncode, reloaded.stdout, reloaded.stderr) == (0, "", "")
    assert rebooted.host.everything() == before


def test_the_unit_has_nothing_to_do_without_a_store(lab: Lab, tmp_path: Path) -> None:
    """It is in force all the same, for the reloads to come."""
    rebooted = Rebooted(lab, lab.host(), tmp_path)
    rebooted.host.state_dir.mkdir(parents=True)
    before = rebooted.host.snapshot()
    started = rebooted.start(units.value("dnet-restore.service", "ExecStart"))
    assert (started.returncode, started.stdout, started.stderr) == (0, "", "")
    assert rebooted.host.snapshot() == before


@pytest.mark.parametrize(
    "command", ["map add app 8080:80", "ip request", "interface release app", "ip release 1.2.3.4"]
)
def test_a_changing_command_restores_first(rebooted: Rebooted, command: str) -> None:
    """And says what it repaired, also where the change itself is refused."""
    done = rebooted.dnet(*command.split())
    assert done.returncode == (STATUS["not-found"] if "1.2.3.4" in command else 0), done
    assert "dnet: warning: repaired: the device dnet0 is missing" in done.stderr
    assert rebooted.ok("check") == ""
    assert "--dport 5432" in rebooted.host.run("iptables -t nat -S DNET")
    again = rebooted.dnet("port", "list")
    assert (again.returncode, again.stderr) == (0, "")


@pytest.mark.parametrize(
    "text", ["", "\0" * 512, '{"checksum": "0'], ids=["empty", "zeroed", "cut"]
)
@pytest.mark.parametrize("command", ["map add app 8080:80", "ip request", "restore"])
def test_a_journal_that_the_power_failure_damaged_is_done_without(
    rebooted: Rebooted, command: str, text: str
) -> None:
    """What it told of went with that boot."""
    journal = rebooted.host.state_dir / "journal.json"
    journal.write_text(text)
    if command != "restore":
        assert rebooted.dnet(*command.split(), "--dry-run").returncode == 0
        assert journal.read_text() == text
    done = rebooted.dnet(*command.split())
    assert done.returncode == 0, done
    assert f"dnet: warning: {journal}: " in done.stderr
    assert "; continuing without it\n" in done.stderr
    assert "repaired: the device dnet0 is missing" in done.stderr
    assert not journal.exists()
    assert rebooted.ok("check") == ""


def test_readers_do_without(host: Host, rebooted: Rebooted) -> None:
    before = host.store()
    assert rebooted.ok("map", "list", "-q") == "0.0.0.0:5432/tcp\n"
    assert host.store() == before
    assert not [line for line in rules(rebooted.host) if "dnet0" in line]


def test_restore_loads_the_module_that_no_icc_needs(host: Host, tmp_path: Path) -> None:
    """A kernel just started has no br_netfilter: the folder of its settings is covered here."""
    settings = "/proc/sys/net/bridge"
    modprobe = tmp_path / "modprobe"
    modprobe.write_text(f'#!/bin/sh\n[ "$*" = "--quiet br_netfilter" ] && umount {settings}\n')
    cover = f'mount --bind /proc/fs {settings} && PATH="$0:$PATH" exec dnet restore'
    run = ("unshare", "--mount", "sh", "-c", cover, str(tmp_path))
    without = host.try_run(*run)
    assert without.returncode == STATUS["kernel"]
    assert "hint: --no-icc needs the module br_netfilter" in without.stderr
    modprobe.chmod(0o755)
    loaded = host.try_run(*run)
    assert loaded.returncode == 0, loaded
    host.quiet("check")


def test_nothing_is_handed_out_twice_after_a_reboot(host: Host, rebooted: Rebooted) -> None:
    taken = set(host.keys("ip", "list"))
    assert rebooted.ok("ip", "request").strip() not in taken
    assert set(rebooted.host.keys("ip", "list")) > taken


def attach(host: Host, node: Node) -> None:
    host.ok("attach", "web", "--netns", node.netns, "-p", "8080:80")


def test_an_attachment_is_unplugged_until_it_is_asked_for_again(
    lab: Lab, host: Host, rebooted: Rebooted
) -> None:
    """It keeps its address and its ports meanwhile; `gc` drops it."""
    node = lab.node()
    attach(host, node)
    address = host.json("interface", "show", "web")["ip"]
    namespaces.remove([node.netns])
    subprocess.run(["ip", "netns", "add", node.netns], check=True)
    done = rebooted.dnet("restore")
    assert done.returncode == 0, done
    assert "web is unplugged" in done.stderr
    check = rebooted.dnet("check")
    assert check.returncode == STATUS["drift"]
    assert [line for line in check.stdout.splitlines() if "web is unplugged" not in line] == []
    assert rebooted.ok("attach", "web", "--netns", node.netns, "-p", "8080:80").strip() == address
    assert rebooted.ok("check") == ""
    assert f"inet {address}/16" in node.run("ip address show dev eth0")


@pytest.mark.parametrize("way", ["name", "pid"])
def test_what_looks_like_a_namespace_of_the_boot_before_is_another(
    lab: Lab, host: Host, rebooted: Rebooted, way: str
) -> None:
    """Cookies and pids begin anew with a boot: here the very same ones are in use again."""
    node = lab.node()
    node.listen("tcp", 80)
    netns = node.netns if way == "name" else str(node.agent_pid)
    host.ok("attach", "web", "--netns", netns)
    node.ip("link delete eth0")
    done = rebooted.dnet("restore")
    assert (done.returncode, "web is unplugged" in done.stderr) == (0, True), done
    assert "web is unplugged" in rebooted.dnet("check").stdout
    rebooted.ok("ip", "request")
    assert "eth0" not in node.run("ip link")
    rebooted.ok("attach", "web", "--netns", netns)
    assert rebooted.ok("check") == ""


def test_gc_drops_what_the_reboot_took(lab: Lab, host: Host, rebooted: Rebooted) -> None:
    node = lab.node()
    attach(host, node)
    namespaces.remove([node.netns])
    assert rebooted.ok("gc", "--dry-run") != ""
    assert rebooted.ok("gc") == "web\n"
    assert rebooted.ok("check") == ""
    assert "8080" not in rebooted.host.run("iptables -t nat -S")
    assert set(rebooted.host.keys("interface", "list")) == {"db", "app"}


def test_an_adopted_bridge_that_is_not_there_yet(lab: Lab, tmp_path: Path) -> None:
    """All the rest is restored; that bridge is told of, and restored once it is there."""
    host = lab.host()
    make = ("link add br0 type bridge", "address add 10.7.0.1/24 dev br0", "link set br0 up")
    host.ip(*make)
    host.ok("bridge", "init", "br0", "--address", "10.7.0.1/24", "--chain", "ADOPTED")
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    host.ok("interface", "allocate", "web", "--bridge", "dnet0")
    host.ok("interface", "allocate", "box", "--bridge", "br0")
    host.ok("map", "add", "web", "8080:80")
    host.ok("map", "add", "box", "9090:90")
    rebooted = Rebooted(lab, host, tmp_path)
    done = rebooted.dnet("restore")
    assert done.returncode == STATUS["failed"], done
    assert "the device br0 existed before dnet and is gone" in done.stderr
    assert rules(rebooted.host) == rules(host)
    check = rebooted.dnet("check")
    assert (check.returncode, check.stdout.count("\n")) == (STATUS["drift"], 1), check
    assert "br0" in check.stdout
    # Nor is it in the way of any other bridge.
    rebooted.ok("map", "add", "web", "8081:81")
    rebooted.ok("bridge", "init", "dnet1", "--address", "172.19.42.1/16")
    rebooted.host.ip(*make)
    rebooted.ok("restore")
    assert rebooted.ok("check") == ""
    rebooted.ok("bridge", "remove", "br0", "--force")
    assert "br0" in rebooted.host.run("ip link show dev br0")


def test_a_bridge_that_is_gone_for_good_can_be_let_go(lab: Lab, tmp_path: Path) -> None:
    host = lab.host()
    host.ip("link add br0 type bridge", "address add 10.7.0.1/24 dev br0", "link set br0 up")
    host.ok("bridge", "init", "br0", "--address", "10.7.0.1/24")
    rebooted = Rebooted(lab, host, tmp_path)
    done = rebooted.dnet("bridge", "remove", "br0", "--force")
    assert done.returncode == 0, done
    assert rebooted.ok("check") == ""


# --- another network namespace -----------------------------------------------------------------


CHANGES = (
    ("ip", "request"),
    ("map", "add", "db", "8080:80"),
    ("bridge", "init", "dnet1"),
    ("interface", "release", "db"),
    ("restore",),
    ("gc",),
    ("reset", "--yes"),
    ("check",),
    ("bridge", "init", "dnet0", "--icc", "--dry-run"),
)


@pytest.mark.parametrize("command", CHANGES, ids=" ".join)
def test_a_store_of_another_namespace_is_left_alone(
    lab: Lab, host: Host, command: tuple[str, ...]
) -> None:
    other = lab.host()
    before = other.snapshot(), host.everything()
    refusal = other.fails(STATUS["state-unreadable"], "--state-dir", str(host.state_dir), *command)
    assert "another network namespace" in refusal.message
    assert "--state-dir" in str(refusal.hint)
    adopting = f"dnet --state-dir {host.state_dir} restore --adopt"
    assert str(refusal.hint).endswith(f"if that namespace is gone: {adopting}")
    assert (other.snapshot(), host.everything()) == before
    assert other.ok("--state-dir", str(host.state_dir), "interface", "list", "-q") == "db\napp"


def test_a_store_whose_namespace_is_gone_can_be_adopted(lab: Lab, host: Host) -> None:
    """As in a container that is started anew, with its files, while its host runs on."""
    address = host.ok("attach", "web", "--netns", lab.node().netns, "-p", "80")
    before = host.listing()
    namespaces.remove([host.netns])
    other = lab.host()
    other.env["DNET_STATE_DIR"] = str(host.state_dir)
    other.state_dir = host.state_dir
    untouched = other.everything()
    assert "name dnet0" in other.ok("restore", "--adopt", "--dry-run")
    assert other.everything() == untouched
    done = other.dnet("restore", "--adopt")
    assert done.returncode == 0, done
    assert "web is unplugged" in done.stderr
    assert other.listing() == before
    assert other.ok("attach", "web", "--netns", lab.node().netns) == address
    other.quiet("check")
    other.quiet("restore", "--adopt")


@pytest.mark.parametrize("mine", ["dnet0", "other0"])
def test_a_store_is_not_adopted_where_another_one_is_in_force(
    lab: Lab, host: Host, mine: str
) -> None:
    other = lab.host()
    other.ok("bridge", "init", mine, "--address", "10.5.0.1/24")
    before = other.everything(), host.everything()
    theirs = ("--state-dir", str(host.state_dir))
    for more in ((), ("--dry-run",)):
        refusal = other.fails(STATUS["conflict"], *theirs, "restore", "--adopt", *more)
        assert f"a device {mine}, which is not in the store" in refusal.message
    assert (other.everything(), host.everything()) == before


def test_a_device_in_the_place_of_one_to_be_made_is_left_alone(lab: Lab, host: Host) -> None:
    other = lab.host()
    namespaces.remove([host.netns])
    other.ip("link add dnet0 type bridge", "address add 10.5.5.5/24 dev dnet0")
    before = other.snapshot()
    refusal = other.fails(4, "--state-dir", str(host.state_dir), "restore", "--adopt")
    assert "ip link delete dev dnet0" in str(refusal.hint)
    assert other.snapshot() == before
    other.run("ip link delete dev dnet0")
    other.ok("--state-dir", str(host.state_dir), "restore", "--adopt")


def test_an_adoption_that_was_killed_is_taken_up_again(
    lab: Lab, host: Host, tmp_path: Path
) -> None:
    store, log = host.state_dir, tmp_path / "points"
    rehearsal, other = lab.host(), lab.host()
    namespaces.remove([host.netns])
    shutil.copytree(store, tmp_path / "copy")
    copied = ("--state-dir", str(tmp_path / "copy"))
    rehearsal.ok(*copied, "restore", "--adopt", env={"DNET_POINT_LOG": str(log)})
    passed = log.read_text().splitlines()
    rules_made = 1 + passed.index("before sysctl /proc/sys/net/ipv4/ip_forward")
    adopt = ("--state-dir", str(store), "restore", "--adopt")
    killed = other.dnet(*adopt, env={"DNET_POINT_AT": str(rules_made), "DNET_POINT_DO": "kill"})
    assert killed.returncode == -9, killed
    assert "dnet0" in other.run("ip link show dev dnet0")
    other.ok(*adopt)
    other.quiet("--state-dir", str(store), "check")
    assert other.listing() == rehearsal.listing()


@pytest.mark.parametrize("kept", ["name", "name elsewhere", "process"])
def test_a_store_is_not_adopted_while_its_namespace_is_there(
    lab: Lab, host: Host, kept: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Whatever keeps it: there is a living network in it."""
    other, path = lab.host(), host.path
    host.listen("tcp", 5432)
    holder, before = f"process {host.agent_pid} (", host.everything()
    if kept == "name elsewhere":
        path = tmp_path / "a name"
        path.touch()
        subprocess.run(["mount", "--bind", str(host.path), str(path)], check=True)
        again = ["umount", "--quiet", str(path)]
        request.addfinalizer(lambda: subprocess.run(again, check=False))
    namespaces.remove([host.netns] if kept != "name" else [])
    if kept != "process":
        host.close()
        holder = f"it has the name {path}"
    adopt = ("--state-dir", str(host.state_dir), "restore", "--adopt")
    empty = other.snapshot()
    for more in ((), ("--dry-run",)):
        refusal = other.fails(STATUS["conflict"], *adopt, *more)
        there = f"the network namespace of {host.state_dir}/state.json still exists: {holder}"
        assert refusal.message.startswith(there)
    assert other.snapshot() == empty
    assert host.store() == before[1]
    # It has what it had, and the way there is in the hint.
    _, _, way = str(refusal.hint).partition(": ")
    done = other.try_run(way.partition(";")[0])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    if kept == "name elsewhere":
        subprocess.run(["umount", str(path)], check=True)
    host.close()
    namespaces.remove([host.netns])
    other.ok(*adopt)
    other.quiet(*adopt[:2], "check")


def test_a_store_that_cannot_be_written_to_is_not_adopted(lab: Lab, host: Host) -> None:
    """Nothing would tell whose the network is that was made."""
    other, store = lab.host(), host.store()
    namespaces.remove([host.netns])
    before = other.snapshot()
    read_only = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    adopt = ("dnet", "--state-dir", str(host.state_dir), "restore", "--adopt")
    entered = ("unshare", "--mount", "sh", "-c", read_only, str(host.state_dir))
    # With the journal of a killed command, too.
    for name in ("state.json", "journal.json"):
        (host.state_dir / name).write_text(store["state.json"])
        done = other.try_run(*entered, *adopt)
        assert done.returncode == STATUS["failed"]
        assert "Read-only file system" in done.stderr
        assert other.snapshot() == before
    other.ok(*adopt[1:])
    other.quiet(*adopt[1:3], "check")


def test_two_stores_in_two_namespaces(lab: Lab, host: Host) -> None:
    other = lab.host()
    other.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    other.ok("interface", "allocate", "web")
    assert other.ok("map", "add", "web", "5432:80") == "0.0.0.0:5432/tcp"
    for one in (host, other):
        one.quiet("check")


def test_two_stores_in_one_namespace(host: Host, tmp_path: Path) -> None:
    """The second is told whose chains are there, and leaves them alone whatever it is asked."""
    second = ("--state-dir", str(tmp_path / "second"))
    mine = host.snapshot()
    refusal = host.fails(
        STATUS["conflict"], *second, "bridge", "init", "br9", "--address", "10.5.0.1/24"
    )
    clearing = f"if that store is lost: dnet --state-dir {second[1]} reset --unowned"
    assert refusal.hint == f"if it belongs to another store: --state-dir; {clearing}"
    assert host.snapshot() == mine
    assert host.json(*second, "bridge", "list") == []


def test_the_second_store_removes_its_own_alone(lab: Lab, tmp_path: Path) -> None:
    host = lab.host()
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    mine = host.snapshot()
    second = ("--state-dir", str(tmp_path / "second"))
    host.ok(*second, "bridge", "init", "br9", "--address", "10.5.0.1/24", "--chain", "NINE")
    host.ok(*second, "check")
    host.ok(*second, "restore")
    host.ok(*second, "reset", "--yes")
    assert without_sysctl(host.snapshot()) == without_sysctl(mine)
    host.quiet("check")


def without_sysctl(snapshot: str) -> list[str]:
    return [line for line in snapshot.splitlines() if not line.startswith("sysctl ip_forward")]
