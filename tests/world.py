"""A lab in which each row of the reachability table is tried.

A client and a neighbour outside, each on a wire of its own; a host with two addresses on the
client's wire and two bridges; `web`, `sibling` and `rogue` on one bridge, `far` on the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from tests.lab import Lab
from tests.node import ANSWER_SECONDS, SILENCE_SECONDS, Flow, Node
from tests.reachability import (
    BRIDGE_A,
    BRIDGE_B,
    FAR,
    LOOPBACK,
    OTHER,
    ROGUE,
    SIBLING,
    WEB,
    Conditions,
    Row,
    rows,
)

PROTOS = ("tcp", "udp")
Answers = dict[tuple[Row, str], str | None]


def send_loopback_packets(node: Node, gateway: str) -> None:
    """Makes what a node sends to 127.0.0.1 leave it as real packets, towards the gateway."""
    device = node.run("ip -4 -o address show scope global | cut -d' ' -f2").split()[0]
    node.ip("address del 127.0.0.1/8 dev lo")
    node.sysctl("net/ipv4/conf/all/route_localnet", 1)
    node.ip(f"route add 127.0.0.1/32 via {gateway} dev {device}")


class World:
    """The lab of the table: every mapping and link in force, every server listening."""

    def __init__(self, lab: Lab, conditions: Conditions) -> None:
        self.icc = conditions.icc
        self.host = lab.host()
        self.nodes: dict[str, Node] = {"host": self.host}
        self.nodes["client"] = lab.outside(self.host, "10.99.0")
        self.nodes["neighbour"] = lab.outside(self.host, "10.98.0")
        self.host.ip(f"address add {OTHER}/24 dev eth0")
        self._condition(conditions)
        for name in ("web", "sibling", "rogue", "far"):
            self.nodes[name] = lab.node()
        self._set_up()
        send_loopback_packets(self.nodes["neighbour"], "10.98.0.1")
        send_loopback_packets(self.nodes["rogue"], BRIDGE_A)
        self._listen()

    def _condition(self, conditions: Conditions) -> None:
        for name in ("all", "default", "eth0", "eth1"):
            self.host.sysctl(f"net/ipv4/conf/{name}/rp_filter", conditions.rp_filter)
        self.host.sysctl("net/bridge/bridge-nf-call-iptables", conditions.bridge_nf)
        self.host.iptables(f"-P FORWARD {conditions.forward_policy}")

    def _set_up(self) -> None:
        icc = "--icc" if self.icc else "--no-icc"
        published = [f"{spec}/{proto}" for spec in self._specs() for proto in PROTOS]
        lines = [
            f"bridge init dnet0 --address {BRIDGE_A}/16 {icc}",
            f"bridge init dnet1 --address {BRIDGE_B}/16 {icc}",
            self._attach("web", WEB, "dnet0", *published),
            self._attach("sibling", SIBLING, "dnet0"),
            self._attach("rogue", ROGUE, "dnet0"),
            self._attach("far", FAR, "dnet1", *(f"8090:80/{proto}" for proto in PROTOS)),
            "link add sibling web -p 5432/tcp -p 5432/udp",
        ]
        assert self.host.ok("batch", stdin="\n".join(lines)).split() == [WEB, SIBLING, ROGUE, FAR]

    def _specs(self) -> tuple[str, ...]:
        return "8080:80", f"{OTHER}:8081:80", f"{LOOPBACK}:8082:80", "8000-8009:9100-9109"

    def _attach(self, name: str, address: str, bridge: str, *specs: str) -> str:
        publish = " ".join(f"-p {spec}" for spec in specs)
        netns = self.nodes[name].netns
        return f"attach {name} --netns {netns} --bridge {bridge} --ip {address} {publish}"

    def _listen(self) -> None:
        for proto in PROTOS:
            for name in ("web", "sibling", "far"):
                for port in (80, 81, 5432, 9100, 9109):
                    self.nodes[name].listen(proto, port, f"{name}:{port}")
            self.host.listen(proto, 7000, "loopback:7000", LOOPBACK)
            self.host.listen(proto, 7001, "everywhere:7001")

    def unpublish(self) -> None:
        """Removes every mapping and the link."""
        self.host.quiet("map", "remove", "--all", "web")
        self.host.quiet("map", "remove", "--all", "far")
        self.host.quiet("link", "remove", "sibling", "web")

    # --- real connections ------------------------------------------------------------------

    def _on_every_node(self, do: Callable[[Node, list[tuple[Row, str]]], Answers]) -> Answers:
        by_source: dict[str, list[tuple[Row, str]]] = {}
        for row in rows(self.icc):
            by_source.setdefault(row.source, []).extend((row, proto) for proto in PROTOS)
        with ThreadPoolExecutor(len(by_source)) as pool:
            found = pool.map(lambda s: do(self.nodes[s], by_source[s]), by_source)
            return {key: answer for answers in found for key, answer in answers.items()}

    def ask(self, holds: Callable[[Row], bool]) -> Answers:
        """What comes back on a new connection for each row; the rows that hold get more time."""

        def ask_from(node: Node, asked: list[tuple[Row, str]]) -> Answers:
            seconds = [ANSWER_SECONDS if holds(row) else SILENCE_SECONDS for row, _ in asked]
            questions = [
                (proto, row.address, row.port, timeout)
                for (row, proto), timeout in zip(asked, seconds, strict=True)
            ]
            return dict(zip(asked, node.ask_all(questions), strict=True))

        return self._on_every_node(ask_from)

    def open(self) -> Mapping[Row, Flow]:
        """A UDP flow for each row that ends with a mapping or a link."""
        return {
            row: self.nodes[row.source].open("udp", row.address, row.port)
            for row in rows(self.icc)
            if row.until
        }

    def say(self, flows: Mapping[Row, Flow], timeout: float) -> dict[Row, str | None]:
        """What comes back on each flow, all of one node at once."""
        answers: dict[Row, str | None] = {}
        for source, node in self.nodes.items():
            own = [row for row in flows if row.source == source]
            if own:
                said = node.say_all([flows[row] for row in own], timeout)
                answers.update(zip(own, said, strict=True))
        return answers
