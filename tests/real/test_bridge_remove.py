"""What `bridge init` finds on a host that is not empty, and what `bridge remove` leaves there."""

from __future__ import annotations

import pytest

from tests.host import Host
from tests.lab import Lab
from tests.real.test_bridge import ADDRESS, addresses, devices, link

# Rules of somebody else's in each of the chains that dnet shares.
FOREIGN = (
    "-A FORWARD -s 192.0.2.1/32 -j DROP",
    "-A FORWARD -s 192.0.2.2/32 -j ACCEPT",
    "-A INPUT -s 192.0.2.3/32 -j DROP",
    "-t nat -A PREROUTING -d 192.0.2.4/32 -j RETURN",
    "-t nat -A OUTPUT -d 192.0.2.5/32 -j RETURN",
    "-t nat -A POSTROUTING -s 192.0.2.6/32 -j MASQUERADE",
    "-t raw -A PREROUTING -s 192.0.2.7/32 -j DROP",
    "-t nat -N THEIRS",
    "-t nat -A THEIRS -p tcp -m tcp --dport 80 -j RETURN",
)


def foreign(host: Host) -> list[str]:
    """The lines of the foreign rules in the order in which they stand."""
    return [x for x in host.snapshot().splitlines() if "192.0.2." in x or "THEIRS" in x]


# --- adopting ----------------------------------------------------------------------------------


def bridge_by_hand(host: Host, *address: str) -> None:
    host.ip("link add br0 type bridge", *(f"addr add {a} dev br0" for a in address))


@pytest.mark.parametrize("given", [ADDRESS, ()])
def test_a_bridge_that_is_there_is_adopted_and_never_deleted(
    host: Host, given: tuple[str, ...]
) -> None:
    bridge_by_hand(host, "172.17.42.1/16")
    mac = link(host, "br0")["address"]
    before = host.snapshot()
    host.ok("bridge", "init", "br0", *given)
    assert host.json("bridge", "show")["address"] == "172.17.42.1/16"
    assert link(host, "br0")["address"] == mac
    host.ok("bridge", "remove", "br0")
    assert "br0" in devices(host)
    assert addresses(host, "br0") == ["172.17.42.1/16"]
    kept = [line for line in host.snapshot().splitlines() if not line.startswith("sysctl")]
    assert [line.replace(" up ", " down ") for line in kept if "device br0" in line] == [
        line for line in before.splitlines() if "device br0" in line
    ]
    assert not [line for line in kept if line.startswith("*")]


@pytest.mark.parametrize("end", ["bridge remove br0 --force", "reset --yes"])
def test_an_adopted_bridge_is_closed_to_127_0_0_1_again(host: Host, end: str) -> None:
    bridge_by_hand(host, "172.17.42.1/16")
    before = host.snapshot()
    host.ok("bridge", "init", "br0")
    host.ok("interface", "allocate", "web")
    host.ok("map", "add", "web", "8080:80")
    assert host.sysctl("net/ipv4/conf/br0/route_localnet") == "1"
    host.quiet(*end.split())
    assert host.sysctl("net/ipv4/conf/br0/route_localnet") == "0"
    assert "route_localnet 0" in before


def test_an_adopted_bridge_with_another_address_is_a_conflict(host: Host) -> None:
    for there in ("172.17.42.2/16", "172.17.42.1/24"):
        bridge_by_hand(host, there)
        before = host.everything()
        host.fails(4, "bridge", "init", "br0", *ADDRESS, code="conflict")
        assert host.everything() == before
        host.ip("link del br0")


def test_a_device_that_is_no_bridge_is_a_conflict(host: Host) -> None:
    host.ip("link add br0 type veth peer name other", "addr add 172.17.42.1/16 dev br0")
    before = host.everything()
    host.fails(4, "bridge", "init", "br0", *ADDRESS, code="conflict")
    assert host.everything() == before


# --- among the rules of others -----------------------------------------------------------------


def test_a_chain_of_somebody_else_s_is_refused_and_untouched(both: Lab) -> None:
    host = both.host()
    host.iptables("-t nat -N DOCKER", "-t nat -A DOCKER -p tcp --dport 80 -j RETURN")
    before = host.everything()
    host.fails(4, "bridge", "init", "br0", *ADDRESS, "--chain", "DOCKER", code="conflict")
    assert host.everything() == before


def test_an_empty_chain_of_somebody_else_s_is_theirs_too(host: Host) -> None:
    host.iptables("-t nat -N DNET")
    before = host.everything()
    host.fails(4, "bridge", "init", "br0", *ADDRESS, code="conflict")
    assert host.everything() == before


def test_foreign_rules_stay_in_their_place_through_a_whole_life(every: Lab) -> None:
    host = every.host()
    host.iptables(*FOREIGN)
    before = host.snapshot()
    theirs = foreign(host)
    steps = [
        ("bridge", "init", "br0", *ADDRESS, "--no-icc"),
        ("interface", "allocate", "web", "--expose", "80/tcp"),
        ("interface", "allocate", "app"),
        ("map", "add", "web", "8080:80", "53:53/udp"),
        ("link", "add", "app", "web"),
        ("link", "add", "host", "web"),
        ("bridge", "init", "br0", "--icc"),
        ("bridge", "init", "br0", "--no-icc"),
        ("map", "remove", "8080"),
        ("link", "remove", "host", "web"),
        ("bridge", "remove", "br0", "--force"),
    ]
    for step in steps:
        host.ok(*step)
        assert foreign(host) == theirs, step
    after = [line for line in host.snapshot().splitlines() if "sysctl" not in line]
    assert after == [line for line in before.splitlines() if "sysctl" not in line]


# --- removing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("adopted", [False, True])
def test_nothing_passes_any_more_when_its_rules_go(lab: Lab, *, adopted: bool) -> None:
    host, node = lab.host(), lab.node()
    if adopted:
        bridge_by_hand(host, "172.17.42.1/16")
    host.ok("bridge", "init", "br0", *ADDRESS, "--no-icc")
    host.ok("attach", "web", "--netns", node.netns)
    (web,) = (name for name in devices(host) if name.startswith("veth"))
    told = host.ok("bridge", "remove", "br0", "--force", "--dry-run").splitlines()
    down = told.index(f"ip link set dev {web if adopted else 'br0'} down")
    assert down < min(number for number, line in enumerate(told) if line.startswith("iptables "))


def without_forwarding(snapshot: str) -> list[str]:
    """A snapshot but for ip_forward, which others may rely on by now."""
    return [line for line in snapshot.splitlines() if "ip_forward" not in line]


def test_remove_leaves_nothing_more_and_nothing_fewer(every: Lab) -> None:
    host = every.host()
    before = without_forwarding(host.snapshot())
    host.ok("bridge", "init", "br0", *ADDRESS, "--no-icc")
    host.ok("bridge", "init", "br1", "--chain", "B1", "--address", "10.5.0.1/24")
    both_there = host.snapshot()
    host.ok("bridge", "init", "br2", "--chain", "B2", "--address", "10.6.0.1/24")
    host.ok("bridge", "remove", "br2")
    assert host.snapshot() == both_there
    for name in ("br0", "br1"):
        host.quiet("bridge", "remove", name)
    assert without_forwarding(host.snapshot()) == before
    assert host.json("bridge", "list") == []


def test_remove_refuses_while_anything_is_allocated(host: Host) -> None:
    host.ok("bridge", "init", "br0", *ADDRESS)
    for take, give_back in (
        (("ip", "request"), ("ip", "release", "172.17.0.2")),
        (("interface", "allocate", "web"), ("interface", "release", "web")),
        (("port", "allocate", "--port", "8080"), ("port", "release", "8080")),
    ):
        host.ok(*take)
        before = host.everything()
        refusal = host.fails(4, "bridge", "remove", "br0")
        assert refusal.hint is not None
        assert "--force" in refusal.hint
        assert host.everything() == before
        host.ok(*give_back)
    host.ok("bridge", "remove", "br0")


def test_remove_by_force_takes_everything_along(every: Lab) -> None:
    host = every.host()
    before = without_forwarding(host.snapshot())
    host.ok("bridge", "init", "br0", *ADDRESS, "--no-icc")
    host.ok("interface", "allocate", "web", "--expose", "80/tcp")
    host.ok("interface", "allocate", "app")
    host.ok("map", "add", "web", "8080:80", "9000-9009:9000-9009/udp", "127.0.0.1:81:81")
    host.ok("link", "add", "app", "web")
    host.ok("link", "add", "host", "web")
    host.ok("port", "allocate")
    host.quiet("bridge", "remove", "br0", "--force")
    assert without_forwarding(host.snapshot()) == before
    for group in ("bridge", "ip", "interface", "port", "map", "link"):
        assert host.json(group, "list") == []
    # And it can begin anew, with every port and address free again.
    host.ok("bridge", "init", "br0", *ADDRESS)
    assert host.ok("interface", "allocate", "web") == "172.17.0.2"
    assert host.ok("map", "add", "web", "8080:80") == "0.0.0.0:8080/tcp"


def test_the_others_stay_when_one_is_removed_by_force(host: Host) -> None:
    host.ok("bridge", "init", "br0", *ADDRESS)
    host.ok("interface", "allocate", "web", "--bridge", "br0")
    host.ok("map", "add", "web", "8080:80")
    before = host.snapshot()
    host.ok("bridge", "init", "br1", "--chain", "B1", "--address", "10.5.0.1/24")
    host.ok("interface", "allocate", "db", "--bridge", "br1")
    host.ok("map", "add", "db", "8081:80")
    host.ok("bridge", "remove", "br1", "--force")
    assert host.snapshot() == before
    assert host.keys("map", "list") == ["0.0.0.0:8080/tcp"]
    assert host.keys("interface", "list") == ["web"]


def test_removing_what_is_gone(host: Host) -> None:
    host.fails(3, "bridge", "remove", "br0")
    host.quiet("bridge", "remove", "br0", "--if-exists")
    host.ok("bridge", "init", "br0", *ADDRESS)
    host.ok("bridge", "remove", "br0")
    host.fails(3, "bridge", "remove", "br0")


def test_a_bridge_whose_device_somebody_deleted_can_be_removed(every: Lab) -> None:
    host = every.host()
    before = without_forwarding(host.snapshot())
    host.ok("bridge", "init", "br0", *ADDRESS)
    host.ip("link del br0")
    host.iptables("-F FORWARD")
    host.ok("bridge", "remove", "br0")
    assert without_forwarding(host.snapshot()) == before


@pytest.mark.parametrize(
    ("rule", "named", "command"),
    [
        ("-A MINE -s 192.0.2.1/32 -j DNET-FORWARD", "filter MINE", "map remove 8080"),
        ("-A INPUT -p tcp -g DNET-FORWARD", "filter INPUT", "map remove 8080"),
        ("-t nat -A MINE -j DNET", "nat MINE", "bridge remove br0 --force"),
    ],
)
def test_a_rule_of_somebody_else_s_that_holds_a_chain_is_named(
    both: Lab, rule: str, named: str, command: str
) -> None:
    host = both.host()
    host.ok("bridge", "init", "br0", *ADDRESS)
    host.ok("interface", "allocate", "web")
    host.ok("map", "add", "web", "8080:80")
    host.iptables("-N MINE", "-t nat -N MINE", rule)
    before = host.everything()
    refusal = host.fails(9, *command.split(), code="kernel")
    text, chain = rule.rpartition("-A ")[2].split(" ", 1)[1], rule.rpartition(" ")[2]
    assert (
        refusal.message == f"{named}: a rule dnet did not make refers to the chain {chain}: {text}"
    )
    taking = rule.replace("-A ", "-D ")
    assert refusal.hint == f"remove it: iptables {taking}"
    assert host.everything() == before
    host.iptables(taking)
    host.quiet(*command.split())
