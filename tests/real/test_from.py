"""--from: who may come in, in both families and with every firewall."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

import pytest

from tests.contract import STATUS
from tests.host import Host
from tests.lab import NFTABLES, Lab
from tests.node import SILENCE_SECONDS, Node

INIT = ("bridge", "init", "--address", "172.17.42.1/16", "--address6", "fd00:6::1/64")
NF_CALLS = "net/bridge/bridge-nf-call-ip6tables"
HOST4, HOST6 = "10.99.0.1", "2001:db8:99::1"
NEAR, NEAR6, FAR, FAR6 = "10.99.0.0/24", "2001:db8:99::/64", "10.98.0.0/24", "2001:db8:98::/64"


class Site(NamedTuple):
    """A host between two networks, with a client in each, and the containers web and sibling."""

    host: Host
    near: Node
    far: Node
    web: Node
    sibling: Node

    def add(self, spec: str, *networks: str) -> list[str]:
        options = (word for network in networks for word in ("--from", network))
        done = self.host.dnet("map", "add", "web", spec, *options)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.split()

    def answers(self, port: int, addresses: tuple[str, ...] = (HOST4, HOST6)) -> dict[str, str]:
        """By who asks, at which of the host's addresses web answers."""
        clients = {"near": self.near, "far": self.far, "sibling": self.sibling, "web": self.web}
        clients["host"] = self.host
        return {
            name: " ".join(
                "46"[":" in at]
                for at, answer in zip(
                    addresses,
                    node.ask_all([("tcp", at, port, SILENCE_SECONDS) for at in addresses]),
                    strict=True,
                )
                if answer and answer.startswith("web")
            )
            for name, node in clients.items()
        }

    @property
    def rules(self) -> str:
        return self.host.table() if self.host.variant == NFTABLES else self.host.listing()

    def agrees(self) -> None:
        assert self.host.ok("check") == ""


@pytest.fixture
def site(every: Lab) -> Site:
    host = every.host()
    host.run(f"[ ! -e /proc/sys/{NF_CALLS} ] || echo 0 > /proc/sys/{NF_CALLS}")
    near, far = every.outside(host), every.outside(host, "10.98.0")
    for node, device, at in ((near, "eth0", 99), (far, "eth1", 98)):
        host.ip(f"address add 2001:db8:{at}::1/64 dev {device} nodad")
        node.ip(f"address add 2001:db8:{at}::2/64 dev eth0 nodad")
        node.ip(f"route replace default via 2001:db8:{at}::1")
        node.ip(f"route replace default via 10.{at}.0.1")
    host.ok(*INIT)
    web, sibling = every.node(), every.node()
    for name, node in (("web", web), ("sibling", sibling)):
        host.ok("attach", name, "--netns", node.netns)
    for proto in ("tcp", "udp"):
        web.listen(proto, 80, "web", "::")
    return Site(host, near, far, web, sibling)


def test_only_who_is_named_gets_in_and_the_host(site: Site) -> None:
    # Whoever is kept out does not get to a process of the host's instead.
    assert site.add("8080:80", NEAR, NEAR6) == ["0.0.0.0:8080/tcp", "[::]:8080/tcp"]
    site.host.listen("tcp", 8080, "host", "::")
    others = {"far": "", "sibling": "", "web": "", "host": "4 6"}
    assert site.answers(8080) == {"near": "4 6", **others}
    assert site.far.ask("tcp", HOST4, 8080, SILENCE_SECONDS) is None
    site.host.reaches("web", "tcp", "127.0.0.1", 8080)
    site.agrees()
    # Of one family alone: of the other one nobody is, but the host.
    site.add("8080:80", NEAR)
    assert site.answers(8080) == {"near": "4", **others}
    rows = site.host.json("map", "list")
    assert [one["from"] for one in rows] == [[NEAR], ["::1/128"]]
    # What is not given stays; containers are known by their own addresses.
    site.add("8080:80")
    assert site.answers(8080)["near"] == "4"
    site.add("8080:80", "172.17.0.0/16", "fd00:6::/64")
    inner = {"sibling": "4 6", "web": "4 6", "host": "4 6"}
    assert site.answers(8080) == {"near": "", "far": "", **inner}
    site.agrees()
    site.add("8080:80", "any")
    assert site.answers(8080) == {"near": "4 6", "far": "4 6", **inner}
    assert [one["from"] for one in site.host.json("map", "list")] == [[], []]
    site.agrees()


def test_narrowing_ends_what_it_forbids_and_widening_nothing(site: Site) -> None:
    site.add("53:80/udp")
    flows = {
        (name, at): node.open("udp", at, 53)
        for name, node in (("near", site.near), ("far", site.far), ("host", site.host))
        for at in (HOST4, HOST6)
    }
    assert all(str(flow.say()).startswith("web") for flow in flows.values())
    site.add("53:80/udp", FAR, FAR6)
    heard = {key for key, flow in flows.items() if flow.say(SILENCE_SECONDS)}
    assert heard == {(name, at) for name in ("far", "host") for at in (HOST4, HOST6)}
    before = {str(flow.say()) for key, flow in flows.items() if key in heard}
    site.add("53:80/udp", FAR, FAR6, NEAR, NEAR6)
    assert {str(flow.say()) for key, flow in flows.items() if key in heard} == before
    assert all(str(flow.say()).startswith("web") for flow in flows.values())
    site.agrees()


def test_ranges_single_addresses_and_several_lists(site: Site) -> None:
    site.web.listen("tcp", 7001, "web", "::")
    site.web.listen("tcp", 9001, "web", "::")
    site.add("7000-7009:7000-7009", NEAR)
    site.add("8000-8009:9000-9009", "10.98.0.2", FAR6)
    site.add(f"{HOST4}:8080:80", NEAR)
    site.add("8090:80", "0.0.0.0/0")
    nobody = {"sibling": "", "web": ""}
    assert site.answers(7001) == {"near": "4", "far": "", "host": "4 6", **nobody}
    assert site.answers(8001) == {"near": "", "far": "4 6", "host": "4 6", **nobody}
    assert site.answers(8080) == {"near": "4", "far": "", "host": "4", **nobody}
    assert site.answers(8090)["far"] == "4"
    site.agrees()
    restricted = {one["from"][0] for one in site.host.json("map", "list")}
    assert restricted == {NEAR, "::1/128", "10.98.0.2/32", FAR6, "0.0.0.0/0"}
    before = site.host.everything()
    site.host.quiet("restore")
    assert site.host.everything()[0] == before[0]
    site.host.ok("map", "remove", "--all", "web")
    assert not re.search("from|admit|DNET-INPUT", site.rules)
    site.agrees()


def test_check_and_restore_mend_what_lets_in(site: Site) -> None:
    site.add("8080:80", NEAR, NEAR6)
    should = site.rules
    if site.host.variant == NFTABLES:
        chain, *_ = re.findall(r"from-\w+", should)
        damages = [
            "nft flush map inet dnet from4",
            f"nft insert rule inet dnet {chain} accept",
            "nft flush chain inet dnet admit",
        ]
    else:
        damages = [
            "iptables -F DNET-INPUT",
            "iptables -D INPUT 1",
            f"iptables -t nat -I DNET -s {FAR} -p tcp -m tcp --dport 8080"
            " -j DNAT --to-destination 172.17.0.2:80",
        ]
    for damage in damages:
        site.host.run(damage)
        assert site.rules != should
        assert site.host.dnet("check").returncode == STATUS["drift"]
        site.host.ok("restore")
        assert site.rules == should
        site.agrees()


def test_attach_publishes_for_some_and_batch_does(site: Site) -> None:
    site.host.ok("map", "remove", "--all", "web", "--if-exists")
    attach = ("attach", "web", "--netns", site.web.netns)
    hint = site.host.fails(STATUS["conflict"], *attach, "-p", "8080:80", "--from", NEAR).hint
    assert hint == f"dnet map add web 8080:80/tcp --from {NEAR}"
    site.host.ok("detach", "web")
    site.host.ok(*attach, "-p", "8080:80", "-p", f"{HOST4}:81:80", "--from", NEAR, "--from", NEAR6)
    assert site.answers(8080)["near"] == "4 6"
    assert site.answers(81)["far"] == ""
    site.host.ok(*attach, "-p", "8080:80", "--from", FAR)
    assert (site.answers(8080)["near"], site.answers(8080)["far"]) == ("", "4")
    site.host.ok(*attach, "-p", "8080:80")
    assert site.answers(8080)["far"] == "4"
    site.host.ok(
        "batch", stdin="map add web 8080:80 --from any\nmap add web 90:80 --from 10.0.0.0/8\n"
    )
    assert site.answers(8080)["near"] == "4 6"
    assert site.answers(90)["near"] == "4"
    assert f"publishes {HOST4}:81:80/tcp from {NEAR}" in site.host.ok("show")
    site.agrees()


BAD = {
    "no network": ("map", "add", "web", "8080:80", "--from", "10.0.0.0/33"),
    "host bits": ("map", "add", "web", "8080:80", "--from", "10.0.0.1/8"),
    "a mask": ("map", "add", "web", "8080:80", "--from", "10.0.0.0/255.0.0.0"),
    "a scope": ("map", "add", "web", "8080:80", "--from", "fe80::1%eth0"),
    "any beside others": ("map", "add", "web", "8080:80", "--from", "any", "--from", NEAR),
    "another family": ("map", "add", "web", "0.0.0.0:8080:80", "--from", NEAR6),
    "another family in attach": ("-p", "0.0.0.0:8080:80", "--from", NEAR, "--from", NEAR6),
    "nothing published": ("--from", NEAR),
}


def test_what_is_wrong_is_usage_and_changes_nothing(site: Site) -> None:
    before = site.host.everything()
    for line in BAD.values():
        words = line if line[0] == "map" else ("attach", "web", "--netns", site.web.netns, *line)
        site.host.fails(STATUS["usage"], *words, code="usage")
    assert site.host.everything() == before


def test_firewall_use_takes_it_along(site: Site) -> None:
    site.add("8080:80", NEAR, NEAR6)
    before = site.answers(8080)
    other = "iptables" if site.host.variant == NFTABLES else "nftables"
    site.host.ok("firewall", "use", other)
    assert site.answers(8080) == before
    site.agrees()


def test_probe_names_it(site: Site) -> None:
    site.add(f"{HOST4}:8080:80", NEAR)
    done = site.host.dnet(
        "probe", "--json", "--from", "outside", "--from", "host", "--from", "sibling"
    )
    rows = {one["from"]: one for one in json.loads(done.stdout) if one["endpoint"]}
    assert rows["outside"]["result"] == "not-tried"
    assert NEAR in rows["outside"]["where"]
    assert rows["host"]["result"] == "answers"
    assert rows["sibling"]["result"] == "dropped"
    assert f"--from of {HOST4}:8080/tcp" in rows["sibling"]["where"]
