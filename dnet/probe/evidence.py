"""What was seen of one attempt to reach a container."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from dnet.probe.trials import Trial
from dnet.typing import NamedTuple
from dnet.values.veth import veth_name

# How an attempt ended for whoever made it.
ANSWERED, REFUSED, UNREACHABLE, SILENT = "answered", "refused", "unreachable", "silent"

# What a packet is to the attempt.
REQUEST, ANSWER, RESET = "request", "answer", "reset"

# Where the trace has marks of its own: ahead of everything at a hook, and behind it.
FIRST, LAST = "first", "last"
PREROUTING, INPUT, FORWARD, OUTPUT, POSTROUTING = (
    "prerouting",
    "input",
    "forward",
    "output",
    "postrouting",
)


class Packet(NamedTuple):
    """A packet of an attempt on a device, `leaving` by it or coming in."""

    device: str
    leaving: bool
    kind: str
    source: str
    destination: str
    port: int


class Hop(NamedTuple):
    """What a chain of nftables did with a packet, as the kernel tells it.

    `mark` is the hook and FIRST or LAST, for a chain of the trace's own. `rule` is the rule's
    handle, None where it was the chain's policy. `place` is the chain's family, table and name.
    """

    place: tuple[str, str, str]
    verdict: str
    rule: int | None = None
    mark: tuple[str, str] | None = None
    came_in: str | None = None
    goes_out: str | None = None
    destination: str | None = None


class Route(NamedTuple):
    """The way from somewhere to an address: by a device, or none."""

    address: str
    device: str | None

    def __str__(self) -> str:
        return f"leaves by {self.device}" if self.device else "has no route"

    def instead_of(self, device: str) -> str:
        """In words, where it should leave by a device."""
        return f"{self}, not by {device}" if self.device else str(self)


class Setting(NamedTuple):
    """A kernel setting that decides, its value, and the one that would let through."""

    name: str
    value: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.name} = {self.value}"


class Around(NamedTuple):
    """What there is on the way of a packet, looked up where it did not arrive.

    Attributes:
        way: by which device the host sends to the container.
        back: by which device the host would send to where the packet came from.
        router: the router that this leads through, if it has no neighbour entry.
        inside: by which device the container would send to where it sees the packet come from;
            None where that cannot be looked at.
        beyond: whom the container would send that to, a router for one, where nobody has that
            address.
        mac: the hardware address that the host sends to, and the container's, where they differ.
        gone: the network namespace of the container, where it is gone.
        neighbour: whether somebody has the container's address on the bridge; None if unknown.
        port: the bridge port of the container, and what is wrong with it.
        listens: whether somebody in the container listens there; None if that cannot be seen.
        ports: what is listened on in the container instead.
        backlog: how many connections may wait to be accepted there, where more than that do.
        process: the process of the host that has the port, in words.
        forwarding: settings that keep the host from forwarding requests, and answers.
        filtering: settings by which the host drops requests whose way back is another, and answers.
        loopback: the setting that keeps answers to 127.0.0.1 or ::1 away.
        tracking: the setting that limits connections tracked, where there are as many.
        policies: those of IPsec that take packets of the container.
        early: chains and queues that requests meet ahead of IP, in words, and answers.
        queues: those that dropped what leaves towards the container, and where it came from.
    """

    way: Route | None = None
    back: Route | None = None
    router: str | None = None
    inside: Route | None = None
    beyond: str | None = None
    mac: tuple[str, str] | None = None
    gone: str | None = None
    neighbour: bool | None = None
    port: tuple[str, str] | None = None
    listens: bool | None = None
    ports: tuple[str, ...] = ()
    backlog: int | None = None
    process: str | None = None
    forwarding: tuple[Setting | None, Setting | None] = (None, None)
    filtering: tuple[Setting | None, Setting | None] = (None, None)
    loopback: Setting | None = None
    tracking: Setting | None = None
    policies: tuple[str, ...] = ()
    early: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    queues: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())


class ContainerTrace(NamedTuple):
    """What chains in the container did with a request and its answer, and the text of rules."""

    request: tuple[Hop, ...]
    answer: tuple[Hop, ...]
    rules: Mapping[tuple[tuple[str, str, str], int], str]


class Evidence(NamedTuple):
    """An attempt, and all that was seen of it.

    Attributes:
        trial: what was tried.
        address: the host's address it went to.
        outcome: how it ended.
        error: what whoever made it was told, in the system's words.
        packets: what was seen of it on devices.
        request: what chains did with the request; None where there is no trace at all.
        answer: what they did with the answer.
        rules: the text of the rules that traces name.
        legacy: the rule of iptables-legacy that took what was sent, as text, where one did.
        in_container: what was seen in the container of one more like it; None where none was.
        around: what there is on the way; looked up where it did not arrive.
        device: the device that it came in by, of the host's; None where it began there.
        home: the device that answers are to leave by, of the host's.
        ports: the devices plugged into the container's bridge.
        peer: who answers it by connection tracking, None where that knows nothing of it.
        large: whether 1,400 bytes behind a handshake were acknowledged, None where none were sent.
    """

    trial: Trial
    address: str
    outcome: str
    error: str = ""
    packets: tuple[Packet, ...] = ()
    request: tuple[Hop, ...] | None = None
    answer: tuple[Hop, ...] | None = None
    rules: Mapping[tuple[tuple[str, str, str], int], str] = MappingProxyType({})
    legacy: str | None = None
    in_container: ContainerTrace | None = None
    around: Around = Around()
    device: str | None = None
    home: str | None = None
    ports: frozenset[str] = frozenset()
    peer: str | None = None
    large: bool | None = None

    def _towards(self, kind: str) -> list[Packet]:
        mapping = self.trial.mapping
        return [
            one
            for one in self.packets
            if one.kind == kind
            and one.leaving
            and (one.destination, one.port) == (mapping.container_ip, mapping.container_port)
        ]

    @property
    def left(self) -> bool:
        """Whether the request left by the bridge towards the container."""
        bridge = self.trial.mapping.bridge
        return self.arrived or any(one.device == bridge for one in self._towards(REQUEST))

    @property
    def port(self) -> str | None:
        """The port of the bridge that the container is at, None where that is not known."""
        target = self.trial.target
        return veth_name(target.id) if target and target.netns else None

    @property
    def _ways_out(self) -> list[str]:
        """The ports of the bridge that the request left by."""
        return [one.device for one in self._towards(REQUEST) if one.device in self.ports]

    @property
    def arrived(self) -> bool:
        """Whether it left by a port of the bridge, behind which there is the container."""
        out = self._ways_out
        return bool(out) and (self.port or out[0]) in out

    @property
    def inner(self) -> frozenset[str]:
        """The bridge and its ports."""
        return self.ports | {self.trial.mapping.bridge}

    @property
    def elsewhere(self) -> str | None:
        """The port that it left by, where that is another than the container's."""
        out = self._ways_out
        return None if self.arrived or not out else out[0]

    @property
    def answers(self) -> bool:
        """Whether it is the container that answers, if anybody does.

        Behind an address that others use as well it may come from another port than it was sent.
        """
        is_its = self.left or self.peer == self.trial.mapping.container_ip
        return is_its and self.elsewhere is None

    @property
    def is_unanswered(self) -> bool:
        """Whether the container got it, and did not answer although somebody may listen."""
        is_heard = self.around.listens is not False and self.around.backlog is None
        return self.arrived and is_heard and not self.came_back(ANSWER)

    def came_back(self, kind: str) -> bool:
        """Whether the container sent something of a kind back."""
        source = self.trial.mapping.container_ip
        return any(
            one.kind == kind and not one.leaving and one.source == source for one in self.packets
        )
