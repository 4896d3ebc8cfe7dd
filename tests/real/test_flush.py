"""Whatever has become of the firewall, `restore` puts dnet's part of it back, and no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import figures
from tests import lab as labs
from tests.host import Host
from tests.node import Node
from tests.site import ordered

MAPPINGS, LINKS = figures.amount(40, 200), figures.amount(10, 50)
# What the administrator has in the chain of theirs.
RESTRICTION = {
    False: "iptables -A DNET-USER -s 198.51.100.7 -j DROP",
    True: "nft add rule inet dnet user ip saddr 198.51.100.7 drop",
}
FOREIGN = (
    "-N FOREIGN",
    "-A FOREIGN -s 192.0.2.0/24 -j DROP",
    "-A INPUT -p tcp --dport 22 -j ACCEPT",
    "-A FORWARD -j FOREIGN",
    "-I FORWARD 1 -i eth9 -j ACCEPT",
    "-t nat -A POSTROUTING -o eth9 -j MASQUERADE",
    "-t raw -A PREROUTING -i eth9 -p udp -j NOTRACK",
)
ALL_TABLES = "for t in filter nat raw mangle; do iptables -t $t {} || true; done"


class Wreck(NamedTuple):
    """What happens to the firewall: a line for bash, given in the folder of older dumps.

    `spares` says that the rules of others survive it.
    """

    name: str
    line: str
    spares: bool = True

    def __str__(self) -> str:
        return self.name


WRECKS = (
    Wreck("flush", "iptables -F", spares=False),
    Wreck("flush-nat", "iptables -t nat -F", spares=False),
    Wreck("flush-raw", "iptables -t raw -F", spares=False),
    Wreck("flush-all", f"{ALL_TABLES.format('-F')}; {ALL_TABLES.format('-X')}", spares=False),
    Wreck(
        "delete-chains",
        "iptables -F FORWARD; iptables -F DNET-FORWARD; iptables -X DNET-LINK 2>/dev/null || true",
        spares=False,
    ),
    Wreck(
        "foreign-ruleset",
        "printf '*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n"
        ":OUTPUT ACCEPT [0:0]\n-A FORWARD -s 203.0.113.0/24 -j DROP\nCOMMIT\n*nat\n"
        ":PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n' | iptables-restore",
        spares=False,
    ),
    Wreck("policies", "iptables -P FORWARD DROP; iptables -P INPUT DROP", spares=False),
    Wreck("bridge-deleted", "ip link delete dnet0"),
    Wreck("bridge-down", "ip link set dnet0 down; ip address del 172.17.42.1/16 dev dnet0"),
    Wreck(
        "single-rules",
        "iptables -D FORWARD -j DNET-FORWARD; iptables -t nat -D DNET 3;"
        "iptables -t nat -D POSTROUTING -j DNET-POSTROUTING; iptables -D DNET-LINK 1;"
        "iptables -t raw -F DNET-PREROUTING",
    ),
    Wreck(
        "link-behind-the-drop",
        "iptables -D FORWARD -j DNET-FORWARD;iptables -A FORWARD -j DNET-FORWARD",
    ),
    Wreck(
        "own-order",
        "rule=$(iptables -S DNET-FORWARD | tail -1); iptables ${rule/-A/-D};"
        "iptables ${rule/-A DNET-FORWARD/-I DNET-FORWARD 1}",
    ),
    Wreck(
        "duplicates",
        "iptables -A FORWARD -j DNET-FORWARD; iptables -A FORWARD -i dnet0 -o"
        " dnet0 -j DROP; iptables -t nat -A POSTROUTING -j DNET-POSTROUTING;"
        "iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DNET",
    ),
    Wreck(
        "intruders",
        "iptables -I DNET-LINK 1 -j ACCEPT; iptables -t nat -I DNET 1 -p tcp"
        " -m comment --comment 'with words, -j DNET' -j RETURN",
    ),
    Wreck("half-way-back", "iptables-restore < half", spares=False),
    Wreck("old-snapshot", "iptables-restore < old", spares=False),
    Wreck(
        "settings",
        "echo 0 > /proc/sys/net/ipv4/ip_forward;"
        "echo 0 > /proc/sys/net/ipv4/conf/dnet0/route_localnet",
    ),
    Wreck(
        "settings-of-a-bridge",
        "cd /proc/sys/net; echo 0 > ipv4/conf/dnet1/forwarding;"
        "echo 0 > ipv6/conf/dnet0/disable_ipv6; echo 0 > bridge/bridge-nf-filter-vlan-tagged",
    ),
    Wreck("routes", "ip route delete 172.17.0.0/16; ip route delete 172.18.0.0/16"),
)


# With nftables: what becomes of devices and settings as well, and of rules beside it.
WRECKS_OF_NFTABLES = (
    Wreck("nft-flush-ruleset", "nft flush ruleset", spares=False),
    Wreck("nft-delete-table", "nft delete table inet dnet"),
    Wreck("flush", "iptables -F", spares=False),
    Wreck("nft-half-way-back", "nft delete table inet dnet; nft -f half"),
    Wreck("nft-old-ruleset", "nft flush ruleset; nft -f half", spares=False),
    Wreck(
        "nft-elements",
        "nft flush map inet dnet port4; nft flush set inet dnet link4;"
        "nft add element inet dnet port4 '{ tcp . 1 : 192.0.2.1 . 1 }'",
    ),
    Wreck("nft-rules", "nft flush chain inet dnet forward; nft insert rule inet dnet publish drop"),
    *(
        wreck
        for wreck in WRECKS
        if wreck.name in ("bridge-deleted", "bridge-down", "settings", "routes")
    ),
)
WRECKS_OF = {name: WRECKS_OF_NFTABLES if name == labs.NFTABLES else WRECKS for name in labs.EVERY}
# Beside a FORWARD of iptables-nft, which may be gone.
_BESIDE = "--comment dnet -j ACCEPT"
_OURS = (
    "inet dnet",
    "DNET",
    "dnet0",
    "dnet1",
    "SECOND",
    "172.17.",
    "172.18.",
    "conf/dnet",
    "ip_forward",
)


def dnets(host: Host) -> str:
    """What of the host is dnet's, in order."""
    lines = ordered(host.snapshot()).splitlines()
    return "\n".join(line for line in lines if is_ours(line) and _BESIDE not in line)


def others(host: Host) -> list[str]:
    """The chains and rules of everybody else, in order."""
    lines = host.snapshot().splitlines()
    return [line for line in lines if line.startswith("*") and not is_ours(line)]


def is_ours(line: str) -> bool:
    is_users = "-A DNET-USER" in line or "chain user: ip " in line
    return any(word in line for word in _OURS) and not is_users


class Loaded(NamedTuple):
    """A host with its mappings and links in force, between the rules of others.

    `folder` has two older dumps of its firewall: `half`, when half of it was there, and `old`,
    without anything of dnet's own chains; `netns` is the namespace that `web` is in.
    """

    host: Host
    folder: Path
    netns: str

    def ok(self, word: str) -> None:
        done = self.host.dnet(word)
        assert (done.returncode, done.stdout) == (0, ""), done


@pytest.fixture(scope="module", params=labs.EVERY)
def loaded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, variant_folders: Path
) -> Iterator[Loaded]:
    variant = str(request.param)
    if not (variant_folders / variant).exists():
        pytest.skip(str(labs.why_no_variant(variant)))
    folder = tmp_path_factory.mktemp("lab")
    with labs.opened(folder, variant_folders, variant) as lab:
        host, node = lab.host(), lab.node()
        load(host, node, folder)
        yield Loaded(host, folder, node.netns)


def load(host: Host, node: Node, folder: Path) -> None:
    lines = ["bridge init dnet0 --address 172.17.42.1/16 --no-icc"]
    lines += ["bridge init dnet1 --address 172.18.42.1/16 --chain SECOND"]
    lines += [f"interface allocate c{number} --bridge dnet0" for number in range(LINKS + 1)]
    lines += [f"map add c{n % LINKS} {9000 + n}:80" for n in range(MAPPINGS)]
    lines += [f"link add c{n} c{n + 1} -p 80/tcp" for n in range(LINKS)]
    lines += ["link add host c0 -p 5432/tcp", "interface allocate far --bridge dnet1"]
    lines += ["map add far 127.0.0.1:8080:80", "map add far 10000-10099:100-199/udp"]
    lines += [f"attach web --netns {node.netns} --bridge dnet0 -p 8000:80"]
    host.iptables(*FOREIGN)
    by_nftables = host.variant == labs.NFTABLES
    saving = "nft list table inet dnet" if by_nftables else "iptables-save"
    half = len(lines) // 2
    host.ok("batch", stdin="\n".join(lines[:half]))
    host.run("sh", "-c", f"{saving} > {folder}/half")
    host.ok("batch", stdin="\n".join(lines[half:]))
    host.run("sh", "-c", RESTRICTION[by_nftables])
    host.run("sh", "-c", f"iptables-save | grep -v DNET > {folder}/old")
    host.quiet("check")


@pytest.mark.parametrize(
    ("loaded", "wreck"),
    [(name, wreck) for name, wrecks in WRECKS_OF.items() for wreck in wrecks],
    indirect=["loaded"],
    ids=str,
)
def test_restore_after(loaded: Loaded, wreck: Wreck) -> None:
    host = loaded.host
    before, foreign = dnets(host), others(host)
    with figures.tally("flush", "wrecks", "differences") as tally, tally.trial(wreck.name):
        shell(loaded, wreck.line)
        survived = others(host)
        if wreck.spares:
            assert [line for line in survived if line in foreign] == foreign
        found = host.dnet("check")
        assert found.returncode == (0 if wreck.name == "policies" else 1)
        assert bool(found.stdout) == bool(found.returncode)
        loaded.ok("restore")
        assert dnets(host) == before
        assert [line for line in others(host) if line in survived] == survived
        host.quiet("check")
        again = host.everything()
        host.quiet("restore")
        assert host.everything() == again
    put_back(loaded, foreign)


class Beside(NamedTuple):
    """What somebody else holds against dnet, as lines for bash, with the status of restore then."""

    name: str
    line: str
    back: str
    status: int

    def __str__(self) -> str:
        return self.name


BESIDES = (
    Beside(
        "foreign-nft-rule",
        "nft add table ip other; nft 'add chain ip other forward "
        "{ type filter hook forward priority -5; policy drop; }'",
        "nft delete table ip other",
        0,
    ),
    Beside(
        "hostile-eth0",
        "ip -n NODE link delete eth0; ip -n NODE link add eth0 type veth peer name x",
        "ip -n NODE link delete eth0",
        1,
    ),
)


@pytest.mark.parametrize("beside", BESIDES, ids=str)
def test_restore_mends_the_rest(loaded: Loaded, beside: Beside) -> None:
    """What is not dnet's to mend keeps none of the rest from being mended."""
    host = loaded.host
    before, foreign = dnets(host), others(host)
    wrecks = [wreck for wreck in WRECKS_OF[host.variant] if "bridge" not in wreck.name]
    with figures.tally("flush", "wrecks", "differences") as tally:
        for wreck in figures.some(wrecks, 3, beside):
            with tally.trial(f"{wreck} beside {beside}"):
                shell(loaded, wreck.line)  # First: what flushes all takes others' rules as well.
                shell(loaded, beside.line)
                done = host.dnet("restore")
                assert done.returncode == beside.status, done
                assert ("other" if beside.status == 0 else "web") in done.stderr
                found = host.dnet("check")
                assert found.returncode == 1, found
                assert len(found.stdout.splitlines()) == 1, found
                shell(loaded, beside.back)
                loaded.ok("restore")
                assert dnets(host) == before
                put_back(loaded, foreign)
                host.quiet("check")


def shell(loaded: Loaded, line: str) -> None:
    """What somebody does on the machine; NODE is the namespace that `web` is in."""
    line = line.replace("NODE", loaded.netns)
    done = loaded.host.try_run("bash", "-c", f"cd {loaded.folder}; {line}")
    assert done.returncode == 0, done


def put_back(loaded: Loaded, foreign: list[str]) -> None:
    """The rules of others as they were, for the next test."""
    host = loaded.host
    if others(host) != foreign:
        for table in ("filter", "nat", "raw"):
            host.try_run("sh", "-c", f"iptables -t {table} -F; iptables -t {table} -X")
        host.iptables("-P FORWARD ACCEPT", "-P INPUT ACCEPT", *FOREIGN)
        loaded.ok("restore")
        host.run("sh", "-c", RESTRICTION[host.variant == labs.NFTABLES])
        assert others(host) == foreign
