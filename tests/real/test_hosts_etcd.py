"""Hosts that share a pool by etcd: joining it, losing it, and what becomes of who is removed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import etcd, figures, registries
from tests import lab as labs
from tests.etcd import Cluster
from tests.host import Host
from tests.node import Node
from tests.pool import DEVICE, POOL, Machines

UNREACHABLE = "etcd cannot be reached: "


class Town(Machines):
    """Three hosts and an etcd on the wire between them."""

    def __init__(self, lab: labs.Lab) -> None:
        super().__init__(lab)
        self.switch.ip("address add 10.0.0.254/24 dev br0")
        self.etcd = Cluster(self.switch, lab.folder / "etcd", listen="0.0.0.0")
        self.etcd.start()
        self.number_of_pools = 0

    def new_pool(self) -> str:
        """The URL of a pool that nobody is in, and hosts that are in none."""
        for host in self.hosts.values():
            host.ok("reset", "--yes")
            shutil.rmtree(host.state_dir)
        self.number_of_pools += 1
        return self.etcd.url(prefix=f"/dnet/{self.number_of_pools}", host="10.0.0.254")

    def joined(self, *names: str) -> str:
        """The URL of a pool that some hosts are in."""
        url = self.new_pool()
        for number, name in enumerate(names):
            block = self.hosts[name].ok("host", "join", name, "--store", url, "--pool", POOL)
            assert block == f"10.244.{number}.0/24"
        for name in names:
            self.hosts[name].quiet("host", "sync")
        return url

    def container(self, name: str) -> tuple[str, Node]:
        """A container on a host, with its address."""
        node = self.attach(name)
        return str(self.hosts[name].json("interface", "show", f"on-{name}")["ip"]), node


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, variant_folders: Path) -> Iterator[Town]:
    with labs.opened(tmp_path_factory.mktemp("etcd"), variant_folders, "nft") as lab:
        town = Town(lab)
        yield town
        town.etcd.close()


def states(host: Host) -> dict[str, str]:
    return {one["name"]: one["state"] for one in host.json("host", "list")}


def test_who_joins_is_reached_once_the_others_have_synced(town: Town) -> None:
    url = town.joined("a", "b")
    ip, _ = town.container("a")
    _, other = town.container("b")
    assert town.hosts["c"].ok("host", "join", "c", "--store", url) == "10.244.2.0/24"
    _, late = town.container("c")
    late.misses("tcp", ip, 80)
    town.hosts["a"].quiet("host", "sync")
    late.reaches("on-a", "tcp", ip, 80)
    other.reaches("on-a", "tcp", ip, 80)
    # Whoever joins again gets the same, and one that is in the pool cannot join another way.
    before = town.hosts["c"].everything()
    assert town.hosts["c"].ok("host", "join", "c") == "10.244.2.0/24"
    refused = town.hosts["c"].fails(4, "host", "join", "c", "--vni", "7", code="conflict")
    assert "VNI 4242" in refused.message
    assert town.hosts["c"].everything()[0] == before[0]


def test_a_dry_run_registers_nothing(town: Town) -> None:
    url = town.new_pool()
    host = town.hosts["a"]
    for _ in range(2):
        steps = host.ok("host", "join", "a", "--store", url, "--pool", POOL, "--dry-run")
        assert "ip address add 10.244.0.1/24 " in steps
    assert not host.state_dir.exists() or not host.store()
    assert town.hosts["b"].ok("host", "join", "b", "--store", url, "--pool", POOL).endswith(".0/24")


def test_what_the_registry_refuses_leaves_nothing_here(town: Town) -> None:
    url = town.joined("a")
    host = town.hosts["b"]
    before = host.everything()
    for words in (
        ("join", "a", "--store", url),
        ("join", "b", "--store", url, "--pool", "10.99.0.0/16"),
        ("join", "b", "--store", url, "--block", "25"),
    ):
        host.fails(4, "host", *words, code="conflict")
        now, store = host.everything()
        assert (now, "overlays" in store["state.json"]) == (before[0], False)


def test_what_a_host_has_against_joining_is_said_before_others_are_told(town: Town) -> None:
    url = town.joined("a")
    host = town.hosts["b"]
    join = ("host", "join", "b", "--store", url)
    host.ip("route add 10.244.128.0/17 via 10.0.0.254")
    before = host.everything()
    host.fails(4, *join, code="conflict")
    host.ip("route del 10.244.128.0/17")
    host.ok("bridge", "init", "--address", "10.9.0.1/24")
    host.ok("ip", "request")
    host.fails(4, *join, "--bridge", "dnet0", code="conflict")
    assert "overlays" not in host.everything()[1]["state.json"]
    assert "overlays" not in before[1].get("state.json", "")
    town.hosts["a"].quiet("host", "sync")
    assert states(town.hosts["a"]) == {"a": "self"}
    host.ok("bridge", "remove", "dnet0", "--force")
    done = host.dnets([join] * 16, at_once=8)
    assert {(one.returncode, one.stdout) for one in done} == {(0, "10.244.1.0/24\n")}
    host.quiet("check")
    # Nor does one that was removed get another block by joining again.
    town.hosts["a"].quiet("host", "remove", "b", "--yes")
    refused = host.fails(4, "host", "join", "b", code="conflict")
    assert refused.message.startswith("b has been removed from the pool")
    town.hosts["a"].quiet("host", "sync")
    assert states(town.hosts["a"]) == {"a": "self", "b": "removed"}


def joined_and_followed(town: Town, watching: Host, url: str) -> None:
    """Let b join, and wait until another host has come to know it."""
    town.hosts["b"].ok("host", "join", "b", "--store", url)
    end = time.monotonic() + 20
    while "b" not in states(watching):
        assert time.monotonic() < end, "nothing was followed"


def test_a_watch_follows_within_a_moment_and_ends_with_etcd(town: Town) -> None:
    url = town.joined("a")
    a = town.hosts["a"]
    with a.started("dnet", "host", "watch") as watching:
        joined_and_followed(town, a, url)
        town.etcd.kill()
        try:
            assert watching.wait(timeout=20) == 7
        finally:
            town.etcd.start()


def test_a_watch_that_has_followed_ends_when_it_is_told_to(town: Town) -> None:
    url = town.joined("a")
    a = town.hosts["a"]
    with a.started("dnet", "host", "watch") as watching:
        joined_and_followed(town, a, url)
        watching.terminate()
        assert watching.wait(timeout=20) == 143


def test_a_host_that_was_removed_and_is_alive(town: Town) -> None:
    town.joined("a", "b", "c")
    ip, node = town.container("c")
    own, other = town.container("a")
    other.reaches("on-c", "tcp", ip, 80)
    assert town.hosts["a"].fails(2, "host", "remove", "c", code="usage").hint is not None
    town.hosts["a"].quiet("host", "remove", "c", "--yes")
    assert states(town.hosts["a"]) == {"a": "self", "b": "peer", "c": "removed"}
    other.misses("tcp", ip, 80)
    c = town.hosts["c"]
    assert c.fails(4, "host", "sync", code="conflict").message.startswith("c has been removed")
    assert c.fails(4, "ip", "request", code="conflict").hint == "to see why: dnet host sync"
    c.reaches("on-c", "tcp", ip, 80)
    node.misses("tcp", own, 80)
    # Its block is nobody else's while there are others.
    b = town.hosts["b"]
    b.quiet("host", "leave")
    assert b.ok("host", "join", "b", "--store", town.hosts["a"].json("host", "show")["store"]) == (
        "10.244.3.0/24"
    )
    town.hosts["a"].fails(3, "host", "remove", "nobody", "--yes", code="not-found")
    town.hosts["a"].fails(4, "host", "remove", "a", "--yes", code="conflict")


def test_nothing_local_needs_it(town: Town) -> None:
    town.joined("a", "b")
    ip, _ = town.container("b")
    a = town.hosts["a"]
    town.etcd.kill()
    try:
        for words in (("sync",), ("remove", "b", "--yes"), ("join", "a")):
            refused = a.fails(7, "host", *words, code="store-unreachable")
            assert refused.message.startswith(UNREACHABLE)
        _, node = town.container("a")
        node.reaches("on-b", "tcp", ip, 80)
        a.ip(f"link delete {DEVICE}")
        a.ok("restore")
        a.quiet("check")
        node.reaches("on-b", "tcp", ip, 80)
        a.ok("detach", "on-a")
        refused = a.fails(7, "host", "leave", code="store-unreachable")
        assert refused.hint == "to leave without the registry: dnet host leave --force"
        told = a.dnet("host", "leave", "--force")
        assert told.returncode == 0
        assert told.stderr.endswith("; its record stays in the registry\n")
        c, before = town.hosts["c"], town.hosts["c"].everything()
        url = town.etcd.url(prefix="/dnet/x", host="10.0.0.254")
        c.fails(7, "host", "join", "c", "--store", url, "--pool", POOL, code="store-unreachable")
        assert c.everything() == before
    finally:
        town.etcd.start()


def test_what_is_the_matter_is_told_in_time_over_all_endpoints(town: Town) -> None:
    """One that is dead, one that is not there, and one that is slow, for a whole command."""
    url, slow = town.new_pool(), registries.Late(town.etcd.port())
    a, b = town.hosts["a"], town.hosts["b"]
    for host in (a, b):
        host.ip("neigh replace 10.0.0.77 lladdr 02:00:00:00:00:77 dev eth0 nud permanent")
    with etcd.inside(town.switch), registries.serving(slow, "10.0.0.254") as port:
        ends = f"10.0.0.254:1,10.0.0.77:2379,10.0.0.254:{port}"
        through = url.replace(f"10.0.0.254:{town.etcd.port()}", ends)
        join = ("host", "join", "a", "--store", through, "--pool", POOL)
        assert a.ok(*join) == "10.244.0.0/24"
        slow.seconds = 1.5
        for host, words in ((a, ("host", "sync")), (b, ("host", "join", "b", *join[3:]))):
            begun = time.monotonic()
            refused = host.fails(7, *words, code="store-unreachable")
            assert time.monotonic() - begun < 5
            for at, reason in (
                ("10.0.0.254:1", "connection refused"),
                ("10.0.0.77:2379", "no answer in time"),
                (f"10.0.0.254:{port}", "no answer in time"),
            ):
                assert f"{at}: {reason}" in refused.message
        slow.seconds = 0
        assert b.ok("host", "join", "b", "--store", through) == "10.244.1.0/24"


def test_a_copy_of_a_host_is_told_from_it(town: Town) -> None:
    town.joined("a", "b")
    copy = town.hosts["c"]
    copy.state_dir.mkdir(parents=True, exist_ok=True)
    shutil.copy(town.hosts["a"].state_dir / "state.json", copy.state_dir)
    document = (copy.state_dir / "state.json").read_text()
    edited = document.replace('"boot_id": "', '"boot_id": "of another machine ')
    (copy.state_dir / "state.json").write_text(edited)
    copy.ok("restore")
    refused = copy.fails(4, "host", "sync", code="conflict")
    assert refused.message == "the underlay address 10.0.0.1 of a is not an address of this host"
    assert "dnet host join --moved" in str(refused.hint)
    copy.fails(4, "ip", "request", code="conflict")
    copy.fails(4, "host", "join", "a", code="conflict")
    assert copy.ok("host", "join", "a", "--moved") == "10.244.0.0/24"
    copy.quiet("host", "sync")
    town.hosts["b"].quiet("host", "sync")
    assert town.hosts["b"].json("host", "show", "a")["underlay"] == "10.0.0.3"
    town.hosts["a"].fails(4, "host", "sync", code="conflict")


def test_a_join_that_is_killed_anywhere_is_taken_up_again(town: Town, tmp_path: Path) -> None:
    """Whatever was registered by then, the next one finds; no block gets lost or is given twice."""
    url = town.joined("a")
    host, log = town.hosts["b"], tmp_path / "points"
    words = ("host", "join", "b", "--store", url)
    assert host.dnet(*words, env={"DNET_POINT_LOG": str(log)}).returncode == 0
    points = log.read_text().splitlines()
    blocks = {"10.244.0.0/24", host.json("host", "show")["block"]}
    every = range(1, len(points) + 1)
    with figures.tally("kill", "kills", "leaks") as tally:
        for point in figures.some(every, figures.amount(4, len(points)), "join by etcd"):
            host.quiet("host", "leave")
            host.ok("bridge", "remove", "dnet0", "--if-exists")
            with tally.trial(f"killed {points[point - 1]} ({point})"):
                env = {"DNET_POINT_AT": str(point), "DNET_POINT_DO": "kill"}
                assert host.dnet(*words, env=env).returncode == -9
                block = host.ok(*words)
                known = town.hosts["a"]
                known.quiet("host", "sync")
                assert [one["name"] for one in known.json("host", "list")][:2] == ["a", "b"]
                assert known.json("host", "show", "b")["block"] == block
                assert block not in blocks
                blocks.add(block)
                host.quiet("check")


def test_a_registry_that_tells_what_was_before_is_passed_over(town: Town) -> None:
    url = town.joined("a", "b")
    a, c = town.hosts["a"], town.hosts["c"]
    past = registries.Past(town.etcd.port())
    with etcd.inside(town.switch), registries.serving(past, "10.0.0.254") as port:
        through = url.replace(f":{town.etcd.port()}/", f":{port}/")
        a.quiet("host", "leave")
        a.ok("host", "join", "a", "--store", through)
        a.quiet("host", "sync")
        before = len(past.said) - 1
        c.ok("host", "join", "c", "--store", url)
        a.quiet("host", "sync")
        assert states(a)["c"] == "peer"
        now, past.again = a.everything(), before
        told = a.dnet("host", "sync")
        assert (told.returncode, told.stdout) == (0, "")
        assert "is ignored" in told.stderr
        assert a.everything() == now
        past.again = None
        a.quiet("host", "sync")
