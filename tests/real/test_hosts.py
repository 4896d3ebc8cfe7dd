"""Three hosts with one pool of addresses, whose containers reach one another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import lab as labs
from tests import pool
from tests.lab import NFTABLES, Lab
from tests.node import SILENCE_SECONDS
from tests.pool import DEVICE, POOL, Machines, inject, received

FIREWALLS = {"iptables": "nft", "nftables": NFTABLES}


@pytest.fixture(params=FIREWALLS, scope="module")
def town(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    variant_folders: Path,
) -> Iterator[Machines]:
    """Three hosts that have joined, with a container each."""
    folder = tmp_path_factory.mktemp("pool")
    with labs.opened(folder, variant_folders, FIREWALLS[request.param]) as lab:
        machines = Machines(lab)
        early = lab.node()
        machines.hosts["c"].ok("bridge", "init", "--address", "10.244.3.1/24")
        machines.hosts["c"].ok("attach", "early", "--netns", early.netns)
        machines.join()
        for name in pool.NAMES:
            machines.attach(name)
        machines.containers["early"] = early
        yield machines


@pytest.fixture
def duo(request: pytest.FixtureRequest, every: Lab) -> Machines:
    """Two hosts that have joined, with a container each, to be spoilt."""
    machines = Machines(every, ("a", "b"))
    machines.join(*getattr(request, "param", ()))
    machines.attach("a")
    machines.attach("b")
    return machines


def test_containers_reach_each_other_and_keep_their_addresses(town: Machines) -> None:
    for name in pool.NAMES:
        for other in pool.NAMES:
            if other == name:
                continue
            for proto in ("tcp", "udp"):
                client, ip = town.containers[name], town.ip(other, 3 if other == "c" else 2)
                answer = client.ask(proto, ip, 80)
                own = town.ip(name, 3 if name == "c" else 2)
                assert answer is not None
                assert answer.split(":")[0] == f"on-{other} {own}"
    town.checked()


def test_the_host_itself_reaches_them_and_is_reached(town: Machines) -> None:
    answer = town.hosts["a"].ask("tcp", town.ip("b"), 80)
    assert answer is not None
    assert answer.startswith("on-b 10.244.1.1:")
    town.hosts["b"].listen("tcp", 70, "host")
    town.containers["a"].reaches("host", "tcp", "10.244.2.1", 70)


def test_other_networks_see_the_host_s_address(town: Machines) -> None:
    outside = town.stranger(90)
    outside.listen("tcp", 80, "outside")
    answer = town.containers["a"].ask("tcp", "10.0.0.90", 80)
    assert answer is not None
    assert answer.startswith("outside 10.0.0.1:")


def test_what_passes_in_one_piece_is_what_containers_send(town: Machines) -> None:
    """Also of those that were there before their host joined."""
    for node in (town.containers["a"], town.containers["early"]):
        assert "mtu 1450 " in node.run("ip", "-o", "link", "show", "eth0")
    host = town.hosts["a"]
    for device in ("dnet0", DEVICE):
        assert "mtu 1450 " in host.run("ip", "-o", "link", "show", device)
    before = received(town.containers["b"])
    send = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.setsockopt(0, 10, 2);"
    send += f"s.sendto(bytes(1422), ('{town.ip('b')}', 9))"
    town.containers["a"].run("python3", "-c", send)
    town.containers["a"].reaches("on-b", "udp", town.ip("b"), 80)
    assert received(town.containers["b"]) == before + 2
    assert int(_counter(host.run("cat", "/proc/net/snmp"), "Ip:", "FragCreates")) == 0
    too_long = send.replace("1422", "1423")
    assert "Message too long" in town.containers["a"].try_run("python3", "-c", too_long).stderr


def _counter(text: str, prefix: str, name: str) -> str:
    names, values = (line.split() for line in text.splitlines() if line.startswith(prefix))
    return dict(zip(names, values, strict=True))[name]


def test_a_sync_without_a_change_takes_no_step_and_no_lock(town: Machines) -> None:
    host = town.hosts["a"]
    before = host.everything()
    host.quiet("-v", "host", "sync")
    with (host.state_dir / "lock").open() as lock:
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_EX)
        host.quiet("--lock-timeout", "0", "host", "sync")
    assert host.everything() == before


def test_hosts_are_listed(town: Machines) -> None:
    known = town.hosts["b"].json("host", "list")
    assert known[0] == {
        "name": "b",
        "underlay": "10.0.0.2",
        "block": "10.244.2.0/24",
        "transport": "vxlan",
        "revision": 0,
        "state": "self",
    }
    assert [(one["name"], one["state"]) for one in known[1:]] == [("a", "peer"), ("c", "peer")]
    own = town.hosts["b"].json("host", "show")
    assert own["pool"] == POOL
    assert own["bridge"] == "dnet0"
    assert town.hosts["b"].json("host", "show", "c")["underlay"] == "10.0.0.3"
    town.hosts["b"].fails(3, "host", "show", "nobody", code="not-found")


def test_the_overlay_is_closed_to_who_is_no_peer(town: Machines) -> None:
    target = town.containers["a"]

    def arrives(node: object, source: str, outer: str = "10.0.0.1") -> bool:
        before = received(target)
        inject(node, outer, "a", source, town.ip("a"))  # type: ignore[arg-type]
        town.containers["b"].reaches("on-a", "udp", town.ip("a"), 80)
        return received(target) - before == 2

    stranger, peer = town.stranger(91), town.hosts["b"]
    assert arrives(peer, town.ip("b", 9))  # What is sent is right, and so is what is counted.
    stranger.ip("route add 224.0.0.0/4 dev eth0")
    for outer in ("10.0.0.1", "10.0.0.255", "224.0.0.1"):
        assert not arrives(stranger, town.ip("b", 9), outer)
    for foreign in ("192.0.2.1", "10.244.9.9", "10.0.0.2", town.ip("a", 9)):
        assert not arrives(peer, foreign)
    # A container of the host itself, also in the name of a peer.
    inside = town.containers["a"]
    assert not arrives(inside, town.ip("b", 9), "10.244.1.1")
    inside.ip("address add 10.0.0.2/32 dev eth0", "route add 10.0.0.1 via 10.244.1.1 src 10.0.0.2")
    assert not arrives(inside, town.ip("b", 9))
    inside.ip("route del 10.0.0.1", "address del 10.0.0.2/32 dev eth0")
    # One of a peer, for which that would be the host; and the host's own processes.
    assert not arrives(town.containers["b"], town.ip("b", 9))
    assert not arrives(town.hosts["a"], town.ip("b", 9))


def test_a_container_sends_in_no_other_s_name(town: Machines) -> None:
    target, forger = town.containers["a"], town.containers["b"]
    forger.ip(f"address add {town.ip('c', 9)}/32 dev eth0")
    before = received(target)
    send = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); "
    send += f"s.bind(('{town.ip('c', 9)}', 0)); s.sendto(b'forged', ('{town.ip('a')}', 9))"
    forger.run("python3", "-c", send)
    forger.reaches("on-a", "udp", town.ip("a"), 80)
    assert received(target) == before + 1
    forger.ip(f"address del {town.ip('c', 9)}/32 dev eth0")


def test_a_peer_s_way_ends_at_the_bridge(town: Machines) -> None:
    """It is no router to other bridges, nor to other networks."""
    host = town.hosts["a"]
    host.ok("bridge", "init", "dnet1", "--address", "172.18.0.1/16", "--no-isolate")
    host.ok("bridge", "init", "dnet0", "--no-isolate")
    beside = town._lab.node()
    beside.listen("tcp", 80, "beside")
    host.ok("attach", "beside", "--netns", beside.netns, "--bridge", "dnet1")
    town.hosts["b"].ip(f"route add 172.18.0.0/16 via 10.244.1.0 dev {DEVICE} onlink")
    town.containers["b"].misses("tcp", "172.18.0.2", 80)
    beside.misses("tcp", town.ip("b"), 80)
    host.ok("bridge", "remove", "dnet1", "--force")
    host.ok("bridge", "init", "dnet0", "--isolate")


def test_other_bridges_leave_the_pool_alone(town: Machines) -> None:
    host = town.hosts["a"]
    refused = host.fails(4, "bridge", "init", "lab", "--address", "10.244.9.1/24", code="conflict")
    assert refused.message == f"10.244.9.0/24 overlaps the pool {POOL} of several hosts"
    for words in (
        ("bridge", "init", "dnet0", "--address", "10.244.9.1/24"),
        ("bridge", "init", "dnet0", "--no-iptables"),
        ("bridge", "remove", "dnet0", "--force"),
    ):
        assert host.fails(4, *words, code="conflict").hint is not None
    town.checked()


def test_no_icc_holds_across_hosts(town: Machines) -> None:
    a, b = town.hosts["a"], town.containers["b"]
    flows = [b.open("tcp", town.ip("a"), 80), town.containers["a"].open("tcp", town.ip("b"), 80)]
    assert all(flow.say() for flow in flows)
    a.ok("bridge", "init", "dnet0", "--no-icc")
    assert not any(flow.say(SILENCE_SECONDS) for flow in flows)
    b.misses("tcp", town.ip("a"), 80)
    town.containers["a"].misses("tcp", town.ip("b"), 80)
    b.reaches("on-c", "tcp", town.ip("c", 3), 80)
    a.ok("map", "add", "on-a", "8080:80")
    b.reaches("on-a", "tcp", "10.244.1.1", 8080)
    # A link says so on both hosts, where both are closed.
    town.hosts["b"].ok("bridge", "init", "dnet0", "--no-icc")
    client = town.containers["a"]
    a.ok("link", "add", "on-a", town.ip("b"), "-p", "80/tcp")
    client.misses("tcp", town.ip("b"), 80)
    town.hosts["b"].ok("link", "add", town.ip("a"), "on-b", "-p", "80/tcp")
    client.reaches("on-b", "tcp", town.ip("b"), 80)
    client.misses("udp", town.ip("b"), 80)
    b.misses("tcp", town.ip("a"), 80)
    assert a.keys("link", "list") == [f"on-a:{town.ip('b')}"]
    assert f"_10_244_2_2_PORT_80_TCP_ADDR={town.ip('b')}" in a.ok("link", "env", "on-a")
    town.checked()
    for words in ((town.ip("c"), town.ip("b")), ("on-a", "10.244.1.9"), ("host", town.ip("b"))):
        a.fails(2, "link", "add", *words, "-p", "80/tcp", code="usage")
    a.ok("link", "remove", "on-a", town.ip("b"))
    client.misses("tcp", town.ip("b"), 80)
    town.hosts["b"].ok("link", "remove", f"{town.ip('a')}:on-b")
    town.hosts["b"].ok("bridge", "init", "dnet0", "--icc")
    a.ok("map", "remove", "8080")
    a.ok("bridge", "init", "dnet0", "--icc")
    b.reaches("on-a", "tcp", town.ip("a"), 80)


def test_peers_are_inside_where_other_networks_are_not(town: Machines) -> None:
    town.hosts["a"].ok("bridge", "init", "dnet0", "--no-direct-access")
    stranger = town.stranger(92)
    stranger.ip("route add 10.244.1.0/24 via 10.0.0.1")
    stranger.misses("tcp", town.ip("a"), 80)
    town.containers["b"].reaches("on-a", "tcp", town.ip("a"), 80)
    town.hosts["a"].ok("bridge", "init", "dnet0", "--direct-access")
    stranger.reaches("on-a", "tcp", town.ip("a"), 80)


def test_who_left_is_reached_no_longer_and_leaves_nothing(town: Machines) -> None:
    lines = {name: line for name, line in town.lines.items() if name != "c"}
    town.register(lines)
    town.hosts["a"].quiet("host", "sync")
    kernel = town.hosts["a"].snapshot()
    assert "10.244.3" not in kernel
    assert "10.0.0.3" not in kernel
    town.containers["a"].misses("tcp", town.ip("c", 3), 80)
    town.containers["c"].misses("tcp", town.ip("a"), 80)
    town.containers["a"].reaches("on-b", "tcp", town.ip("b"), 80)
    town.hosts["a"].quiet("check")
    # It attaches nothing new, and what runs goes on.
    c = town.hosts["c"]
    assert c.fails(4, "host", "sync", code="conflict").message.startswith("c has been removed")
    for words in (("interface", "allocate", "late"), ("ip", "request")):
        assert c.fails(4, *words, code="conflict").hint == "to see why: dnet host sync"
    assert c.json("host", "list")[0]["state"] == "removed"
    town.containers["c"].reaches("on-b", "tcp", town.ip("b"), 80)
    c.reaches("on-c", "tcp", town.ip("c", 3), 80)
    town.register()
    town.sync()
    c.ok("ip", "request")
    town.containers["a"].reaches("on-c", "tcp", town.ip("c", 3), 80)
    town.checked()


def test_a_record_that_is_not_believed_is_told_and_the_others_hold(town: Machines) -> None:
    host = town.hosts["a"]
    town.register(
        {
            **town.lines,
            "d": "d 10.0.0.4 10.244.2.0/24",
            "e": "e 10.0.0.1 10.244.5.0/24",
            "f": "f 10.0.0.6 192.168.0.0/24",
            "g": "g 10.0.0.7 10.244.7.0/24 route",
            "h": "h 224.0.0.1 10.244.8.0/24",
            "i": "i fd00::1 10.244.9.0/24",
            "j": "j 10.0.0.10 10.244.10.0/24",
        }
    )
    host.ip("route add 10.244.10.128/25 via 10.0.0.254")
    done = host.dnet("host", "sync")
    assert done.returncode == 0
    told = done.stderr.splitlines()
    assert len(told) == 7
    assert all(line.startswith("dnet: warning: ") for line in told)
    assert [one["name"] for one in host.json("host", "list")] == ["a", "b", "c"]
    town.containers["a"].reaches("on-b", "tcp", town.ip("b"), 80)
    host.ip("route del 10.244.10.128/25")
    town.register()
    town.sync()


def test_what_changes_here_counts_where_the_registry_says_the_same(town: Machines) -> None:
    host = town.hosts["a"]
    host.quiet("host", "sync")
    host.ip("route add 10.244.2.128/25 via 10.0.0.254")
    told = host.dnet("host", "sync").stderr
    assert told == (
        "dnet: warning: the record of b is refused: its block 10.244.2.0/24 overlaps the route "
        "10.244.2.128/25 dev eth0\n"
    )
    assert "10.244.2.0/24" not in host.run("ip", "route")
    host.ip("route del 10.244.2.128/25", "address add 10.0.0.3/32 dev eth0")
    told = host.dnet("host", "sync").stderr
    assert told.endswith(" c is refused: its address 10.0.0.3 is this host's own\n")
    assert [one["name"] for one in host.json("host", "list")] == ["a", "b"]
    host.ip("address del 10.0.0.3/32 dev eth0")
    host.quiet("host", "sync")
    host.quiet("-v", "host", "sync")
    town.checked()
    town.containers["a"].reaches("on-c", "tcp", town.ip("c", 3), 80)


def test_everything_comes_back_without_the_registry(duo: Machines) -> None:
    a = duo.hosts["a"]
    duo.registry.unlink()
    assert a.fails(7, "host", "sync", code="store-unreachable").message.startswith("cannot read ")
    a.ok("ip", "request")
    a.ip(f"link delete {DEVICE}", "link delete dnet0", "route flush proto 68")
    found = a.dnet("check").stdout
    for line in (f"the device {DEVICE} is missing", "there is no route to 10.244.0.0/16"):
        assert line in found.splitlines()
    a.ok("restore")
    a.quiet("check")
    duo.containers["a"].reaches("on-b", "tcp", duo.ip("b"), 80)


def test_what_drifts_is_found_and_mended(duo: Machines) -> None:
    a, other = duo.hosts["a"], pool.mac("b")
    a.ip(
        f"neigh del 10.244.2.0 dev {DEVICE}",
        f"neigh add 10.244.7.0 lladdr {pool.mac('g')} dev {DEVICE} nud permanent",
        "route del 10.244.2.0/24",
        "route add 10.244.7.0/24 via 10.0.0.9 proto 68",
        f"link set {DEVICE} mtu 1200",
    )
    a.run("bridge", "fdb", "del", other, "dev", DEVICE, "dst", "10.0.0.2", "self")
    a.run("bridge", "fdb", "add", other, "dev", DEVICE, "dst", "10.0.0.9", "self", "permanent")
    found = a.dnet("check")
    assert (found.returncode, sorted(found.stdout.splitlines())) == (
        1,
        [
            f"{DEVICE} has MTU 1200, not 1450",
            f"{DEVICE} has no entry for {other} to 10.0.0.2",
            f"{DEVICE} has no neighbour 10.244.2.0",
            f"{DEVICE} has the neighbour 10.244.7.0, which is not a peer",
            f"net.ipv6.conf.{DEVICE}.disable_ipv6 is not 1",
            "the route to 10.244.7.0/24 is left over",
            "there is no route to 10.244.2.0/24",
        ],
    )
    a.ok("restore")
    a.quiet("check")
    duo.containers["a"].reaches("on-b", "tcp", duo.ip("b"), 80)
    a.ip(f"link delete {DEVICE}")
    a.ip(f"link add {DEVICE} type vxlan id 7 dstport 4789 local 10.0.0.1")
    assert f"{DEVICE} is not as dnet creates it" in a.dnet("check").stdout.splitlines()
    a.ok("restore")
    duo.containers["a"].reaches("on-b", "tcp", duo.ip("b"), 80)


def test_an_underlay_address_that_left_the_host_is_told(duo: Machines) -> None:
    a = duo.hosts["a"]
    a.run("ip address add 10.0.0.77/24 dev eth0; ip address del 10.0.0.1/24 dev eth0")
    told = [line for line in a.dnet("check").stdout.splitlines() if "10.0.0.1" in line]
    assert len(told) == 1
    assert told[0].startswith("10.0.0.1, the underlay address of a, is not an address of this host")
    a.ip("address add 10.0.0.1/24 dev eth0")
    a.ok("restore")
    a.quiet("check")


def test_joining_again_prints_the_same_and_repairs(duo: Machines) -> None:
    a = duo.hosts["a"]
    a.ip(f"link delete {DEVICE}")
    assert a.ok("host", "join", "a") == "10.244.1.0/24"
    a.quiet("check")
    for words in (("host", "join", "z"), ("host", "join", "a", "--bridge", "lab")):
        a.fails(4, *words, code="conflict")


def test_many_syncs_at_once_come_to_one_change(duo: Machines) -> None:
    a = duo.hosts["a"]
    duo.register({**duo.lines, "d": "d 10.0.0.4 10.244.4.0/24"})
    done = a.dnets([["host", "sync"]] * 32, at_once=16)
    assert {(one.returncode, one.stderr) for one in done} == {(0, "")}
    assert [one["name"] for one in a.json("host", "list")] == ["a", "b", "d"]
    a.quiet("check")


def test_a_host_that_is_called_otherwise_by_now_joins_again(duo: Machines) -> None:
    """It is known by the name under which it has joined."""
    a = duo.hosts["a"]
    a.ip("link set dnet0 mtu 1400")
    assert a.run("hostname").strip() not in ("a", "")
    assert a.ok("host", "join") == "10.244.1.0/24"
    a.quiet("check")


def test_what_the_underlay_has_less_room_for_is_mended_by_joining_again(duo: Machines) -> None:
    a = duo.hosts["a"]
    a.ip("link set eth0 mtu 1400")
    assert a.ok("host", "join", "a") == "10.244.1.0/24"
    for device in ("dnet0", DEVICE):
        assert "mtu 1350 " in a.run("ip", "-o", "link", "show", device)
    assert "mtu 1350 " in duo.containers["a"].run("ip", "-o", "link", "show", "eth0")


def test_leaving_leaves_the_bridge_alone(duo: Machines) -> None:
    a = duo.hosts["a"]
    before = a.everything()
    assert a.fails(4, "host", "leave", code="conflict").message.startswith("dnet0 still has 1 addr")
    rehearsed = a.ok("host", "leave", "--force", "--dry-run")
    assert f"ip link delete dev {DEVICE}" in rehearsed.splitlines()
    assert a.everything() == before
    a.quiet("host", "leave", "--force")
    kernel = a.snapshot()
    assert "proto 68" not in kernel
    assert DEVICE not in kernel
    assert not {"overlays", "peers"} & json.loads(a.store()["state.json"]).keys()
    a.quiet("check")
    a.reaches("on-a", "tcp", duo.ip("a"), 80)
    duo.containers["a"].misses("tcp", duo.ip("b"), 80)
    a.fails(3, "host", "leave", code="not-found")
    a.ok("bridge", "remove", "dnet0", "--force")


@pytest.mark.parametrize("duo", [("--transport", "route")], indirect=True)
def test_plain_routes_on_a_common_network(duo: Machines) -> None:
    a, b = duo.hosts["a"], duo.hosts["b"]
    routes = a.run("ip", "route").splitlines()
    assert any(line.startswith("10.244.2.0/24 via 10.0.0.2 ") for line in routes)
    assert DEVICE not in a.snapshot()
    assert "mtu 1500 " in a.run("ip", "-o", "link", "show", "dnet0")
    answer = duo.containers["a"].ask("tcp", duo.ip("b"), 80)
    assert answer is not None
    assert answer.startswith(f"on-b {duo.ip('a')}:")
    b.ok("bridge", "init", "dnet0", "--no-direct-access")
    duo.containers["a"].reaches("on-b", "tcp", duo.ip("b"), 80)
    b.ok("bridge", "init", "dnet0", "--no-icc")
    duo.containers["a"].misses("tcp", duo.ip("b"), 80)
    duo.containers["b"].misses("tcp", duo.ip("a"), 80)
    b.ok("bridge", "init", "dnet0", "--icc")
    duo.checked()
    # As after a boot, when the network comes up later than dnet.
    a.ip("link set eth0 down", "link delete dnet0", "route flush proto 68")
    told = a.dnet("restore").stderr
    assert "10.244.2.0/24 via 10.0.0.2 " in told
    assert "Network is unreachable; dnet host sync tries again" in told
    a.ip("link set eth0 up")
    duo.containers["a"].misses("tcp", duo.ip("b"), 80)
    a.quiet("host", "sync")
    duo.containers["a"].reaches("on-b", "tcp", duo.ip("b"), 80)
    a.quiet("-v", "host", "sync")
    # Who is not on that network is told of, and keeps nobody else from being reached.
    a.ip("route add unreachable 198.51.100.0/24", "route add prohibit 203.0.113.0/24")
    beyond = {"d": "192.0.2.9", "e": "198.51.100.9", "f": "203.0.113.9"}
    away = {one: f"{one} {ip} 10.244.{ord(one) - 96}.0/24 route" for one, ip in beyond.items()}
    away["g"] = "g 10.0.0.255 10.244.7.0/24 route"
    duo.register({**duo.lines, **away})
    done = a.dnet("host", "sync")
    assert (done.returncode, done.stderr.count("; dnet host sync tries again\n")) == (0, 3)
    assert "its address 10.0.0.255 is a network or broadcast address" in done.stderr
    duo.containers["a"].reaches("on-b", "tcp", duo.ip("b"), 80)
    duo.lines = {name: duo.line(name, "route") for name in ("a",)}
    duo.register()
    a.quiet("host", "sync")
    assert "10.244.2.0/24" not in a.run("ip", "route")
    duo.containers["a"].misses("tcp", duo.ip("b"), 80)


def test_two_on_one_host_are_not_in_each_other_s_way(every: Lab) -> None:
    """What has the number or the port of VXLAN already is told, and nothing is changed."""
    machines = Machines(every, ("a",))
    host, url = machines.hosts["a"], machines.register()
    join = ("host", "join", "a", "--store", url, "--pool", POOL)
    host.ip(f"link add {DEVICE} type vxlan id 77 dstport 8472 local 10.0.0.1")
    refused = host.fails(4, *join, code="conflict")
    assert refused.message == f"there is a device {DEVICE} already, which is not dnet's"
    host.fails(4, *join, "--bridge", "dnetvx9", "--vni", "9", code="conflict")
    host.ip(f"link delete {DEVICE}")
    host.ip(
        "link add flannel.1 type vxlan id 1 dstport 4789 local 10.0.0.1", "link set flannel.1 up"
    )
    before = host.everything()
    refused = host.fails(4, *join, code="conflict")
    assert refused.message.startswith("VXLAN cannot have the UDP port 4789, which dnet closes ")
    assert host.everything() == before
    assert host.ok(*join, "--port", "4790") == "10.244.1.0/24"


def test_reset_takes_it_all_away(duo: Machines) -> None:
    a = duo.hosts["a"]
    a.ok("reset", "--yes")
    kernel = a.snapshot()
    for left in (DEVICE, "proto 68", "DNET", "10.244."):
        assert left not in kernel


def test_what_cannot_join_changes_nothing(every: Lab) -> None:
    machines = Machines(every, ("a",))
    host, url = machines.hosts["a"], machines.register()
    join = ("host", "join", "a", "--store", url, "--pool", POOL)
    for status, code, words in (
        (2, "usage", ("host", "join", "a")),
        (2, "usage", ("host", "join", "a", "--store", "ftp://x/y", "--pool", POOL)),
        (2, "usage", ("host", "join", "a", "--store", url)),
        (2, "usage", (*join, "--underlay", "10.0.0.77")),
        (2, "usage", (*join, "--pool", "10.244.0.1/16")),
        (3, "not-found", ("host", "join", "z", "--store", url, "--pool", POOL)),
        (4, "conflict", (*join, "--block", "25")),
        (4, "conflict", (*join, "--transport", "route")),
        (7, "store-unreachable", (*join, "--store", f"{url}.gone")),
        (3, "not-found", ("host", "sync")),
        (3, "not-found", ("host", "show")),
        (2, "usage", ("host", "remove", "b")),
    ):
        before = host.everything()
        host.fails(status, *words, code=code)
        assert host.everything() == before
    host.ip("route add 10.244.128.0/17 via 10.0.0.254")
    refused = host.fails(4, *join, code="conflict")
    assert refused.message == f"the pool {POOL} overlaps the route 10.244.128.0/17 dev eth0"
    host.ip("route del 10.244.128.0/17")
    machines.registry.chmod(0o666)
    host.fails(6, *join, code="permission")
    machines.registry.chmod(0o644)
    rehearsed = host.ok(*join, "--dry-run")
    assert f"ip link add name {DEVICE} " in rehearsed
    assert host.ok(*join) == "10.244.1.0/24"
    host.fails(2, "host", "watch", code="usage")
    host.fails(2, "host", "remove", "b", "--yes", code="usage")
