"""A lab in which each row of the reachability table is tried.

A client and a neighbour outside, each on a wire of its own; a host with two addresses on the
client's wire and two bridges; `web`, `sibling` and `rogue` on one bridge, `far` on the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from tests.lab import BRIDGE_NF, BRIDGE_NF6, Lab
from tests.node import ANSWER_SECONDS, SILENCE_SECONDS, Flow, Node
from tests.reachability import V4, V6, Conditions, Row, rows

PROTOS = ("tcp", "udp")
Answers = dict[tuple[Row, str], str | None]


def send_loopback_packets(node: Node, gateway: str) -> None:
    """Makes what a node sends to 127.0.0.1 or ::1 leave it as real packets, towards the gateway."""
    if ":" in gateway:
        device = node.run("ip -6 -o address show scope global | cut -d' ' -f2").split()[0]
        node.ip("address del ::1/128 dev lo", f"route add ::1/128 via {gateway} dev {device}")
        return
    device = node.run("ip -4 -o address show scope global | cut -d' ' -f2").split()[0]
    node.ip("address del 127.0.0.1/8 dev lo")
    node.sysctl("net/ipv4/conf/all/route_localnet", 1)
    node.ip(f"route add 127.0.0.1/32 via {gateway} dev {device}")


def _bracketed(spec: str) -> str:
    """A publish spec with its address as it has to be written."""
    address, *ports = spec.rsplit(":", 2)
    return ":".join((f"[{address}]" if ":" in address else address, *ports))


class World:
    """The lab of the table: every mapping and link in force, every server listening."""

    def __init__(self, lab: Lab, conditions: Conditions) -> None:
        self.conditions = conditions
        self.plans = conditions.plans
        self.host = lab.host()
        self.nodes: dict[str, Node] = {"host": self.host}
        self.nodes["client"] = lab.outside(self.host, "10.99.0")
        self.nodes["neighbour"] = lab.outside(self.host, "10.98.0")
        self.host.ip(f"address add {V4.other}/{V4.wire} dev eth0")
        if V6 in self.plans:
            self._number()
        self._condition()
        for name in ("web", "sibling", "rogue", "far"):
            self.nodes[name] = lab.node()
        self._set_up()
        for at in self.plans:
            send_loopback_packets(self.nodes["neighbour"], at.gateway)
            send_loopback_packets(self.nodes["rogue"], at.bridge_a)
        self._listen()

    def _number(self) -> None:
        """Gives those who are no container their addresses of IPv6."""
        for device, own in (("eth0", (V6.host, V6.other)), ("eth1", (V6.gateway,))):
            self.host.ip(*(f"address add {ip}/{V6.wire} dev {device} nodad" for ip in own))
        for name, own_ip in (("client", V6.client), ("neighbour", V6.neighbour)):
            self.nodes[name].ip(f"address add {own_ip}/{V6.wire} dev eth0 nodad")

    def _condition(self) -> None:
        conditions = self.conditions
        for name in ("all", "default", "eth0", "eth1"):
            self.host.sysctl(f"net/ipv4/conf/{name}/rp_filter", conditions.rp_filter)
        for key in (BRIDGE_NF, BRIDGE_NF6):
            self.host.sysctl(key, conditions.bridge_nf)
        for program in ("iptables", "ip6tables")[: len(self.plans)]:
            self.host.run(program, "-P", "FORWARD", conditions.forward_policy)

    def _set_up(self) -> None:
        icc = "--icc" if self.conditions.icc else "--no-icc"
        published = [f"{spec}/{proto}" for spec in self._specs() for proto in PROTOS]
        lines = [
            f"bridge init dnet0 {self._addresses('bridge_a')} {icc}",
            f"bridge init dnet1 {self._addresses('bridge_b')} {icc}",
            self._attach("web", "dnet0", *published),
            self._attach("sibling", "dnet0"),
            self._attach("rogue", "dnet0"),
            self._attach("far", "dnet1", *(f"8090:80/{proto}" for proto in PROTOS)),
            "link add sibling web -p 5432/tcp -p 5432/udp",
        ]
        done = self.host.ok("batch", stdin="\n".join(lines)).split()
        assert done == [V4.web, V4.sibling, V4.rogue, V4.far]

    def _addresses(self, field: str) -> str:
        options = zip(("--address", "--address6"), self.plans, strict=False)
        return " ".join(f"{name} {getattr(at, field)}/{at.bridge}" for name, at in options)

    def _specs(self) -> tuple[str, ...]:
        bound = [
            f"{at}:{ports}"
            for plan in self.plans
            for at, ports in ((plan.other, "8081:80"), (plan.loopback, "8082:80"))
        ]
        return "8080:80", "8000-8009:9100-9109", *map(_bracketed, bound)

    def _attach(self, name: str, bridge: str, *specs: str) -> str:
        publish = " ".join(f"-p {spec}" for spec in specs)
        options = zip(("--ip", "--ip6"), self.plans, strict=False)
        own = " ".join(f"{option} {getattr(at, name)}" for option, at in options)
        return f"attach {name} --netns {self.nodes[name].netns} --bridge {bridge} {own} {publish}"

    def _listen(self) -> None:
        everywhere = "::" if V6 in self.plans else "0.0.0.0"
        for proto in PROTOS:
            for name in ("web", "sibling", "far"):
                for port in (80, 81, 5432, 9100, 9109):
                    self.nodes[name].listen(proto, port, f"{name}:{port}", everywhere)
            for at in self.plans:
                self.host.listen(proto, 7000, "loopback:7000", at.loopback)
            self.host.listen(proto, 7001, "everywhere:7001", everywhere)

    def unpublish(self) -> None:
        """Removes every mapping and the link."""
        self.host.quiet("map", "remove", "--all", "web")
        self.host.quiet("map", "remove", "--all", "far")
        self.host.quiet("link", "remove", "sibling", "web")

    # --- real connections ------------------------------------------------------------------

    def _on_every_node(self, do: Callable[[Node, list[tuple[Row, str]]], Answers]) -> Answers:
        by_source: dict[str, list[tuple[Row, str]]] = {}
        for row in rows(self.conditions):
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
            for row in rows(self.conditions)
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
