"""Trials carried out: packets sent, watched and judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing

from dnet.errors import DnetError, KernelError
from dnet.host import bridgeports, netns, privilege, routes
from dnet.host.probe import containertrace, legacy, places
from dnet.host.probe.attempts import Hit, Shot, Volley, Watch
from dnet.host.probe.backlog import Backlog
from dnet.host.probe.places import Outside
from dnet.host.probe.ruletexts import Texts
from dnet.host.probe.sight import Sight
from dnet.host.probe.surroundings import Surroundings, located, own_addresses
from dnet.host.probe.trace import Flow, Trace, Way
from dnet.host.probe.tracked import Tracked, Tracking
from dnet.host.rtnl import Channel, find_index
from dnet.model.entities import Interface
from dnet.model.state import State
from dnet.probe import verdict
from dnet.probe.evidence import SILENT, Evidence, Hop
from dnet.probe.trials import OUTSIDE, Trial
from dnet.probe.verdict import NOT_TRIED, Verdict
from dnet.typing import NamedTuple
from dnet.values import family
from dnet.values.family import FAMILIES, Family
from dnet.values.names import HOST

_MOST_OWN = 4
_MOST_COUNTED = 16
_NO_TRACE = "which rule decided: the kernel cannot trace packets in a table of the probe's own"


class Judged(NamedTuple):
    """A trial and what came of it."""

    trial: Trial
    verdict: Verdict


class Outcome(NamedTuple):
    """All that came of a probe, and what it could not try, in words."""

    judged: list[Judged]
    limits: list[str]


class _Aim(NamedTuple):
    trial: Trial
    shot: Shot
    client: str | None
    device: str | None
    home: str | None


class Probe:
    """A probe of a state: `timeout` is in seconds, `via` the device that clients come in by.

    Raises KernelError, PermissionDeniedError where it cannot even begin.
    """

    def __init__(self, state: State, via: str | None, timeout: float) -> None:
        self._state = state
        self._timeout = timeout
        self._via = via or routes.default_device() or routes.default_device(FAMILIES[1])
        self._limits: list[str] = []
        self._untried: dict[int, str] = {}
        self._held = ExitStack()
        self._outside: Outside | None = None
        self._descriptors: dict[str, int] = {}
        self._ports: dict[str, frozenset[str]] = {}
        self._backlogs: dict[tuple[str, int], Backlog] = {}

    def run(self, trials: Sequence[Trial]) -> Outcome:
        """Carry trials out."""
        try:
            with self._held:
                return self._run(trials)
        except OSError as error:
            if isinstance(error, PermissionError):
                raise privilege.denied("sending packets", privilege.NET_ADMIN) from None
            raise KernelError(f"probing: {error.strerror}") from None

    def _run(self, trials: Sequence[Trial]) -> Outcome:
        self._open_outside(trials)
        aims: list[list[_Aim]] = []
        for at, trial in enumerate(trials):
            found = [] if trial.untried else list(self._aims(trial, at))
            aims.append(found)
        flat = [one for group in aims for one in group]
        seen = self._seen(flat) if flat else []
        judged = []
        at = 0
        for number, (trial, group) in enumerate(zip(trials, aims, strict=True)):
            verdicts = [verdict.judge(one) for one in seen[at : at + len(group)]]
            at += len(group)
            why = trial.untried or self._untried.get(number)
            judged.append(Judged(trial, _worst(group, verdicts, why)))
        return Outcome(judged, list(dict.fromkeys(self._limits)))

    # Where from, and where to

    def _open_outside(self, trials: Sequence[Trial]) -> None:
        families = [
            of
            for of in FAMILIES
            if any(t.origin == OUTSIDE and not t.untried and t.family is of for t in trials)
        ]
        if not families:
            return
        defaults = all(routes.default_device(of) == self._via for of in families)
        self._outside = self._held.enter_context(
            places.outside(self._via, families, is_default=defaults)
        )
        self._limits += (f"from outside: {one}" for one in self._outside.limits)

    def _aims(self, trial: Trial, at: int) -> Iterator[_Aim]:
        proto, port = trial.mapping.endpoint.proto, trial.mapping.endpoint.port
        if trial.mapping.endpoint.is_range:
            self._limits.append("only the first port of each range was tried")
        descriptor, device, client, home = None, None, None, None
        if trial.origin == OUTSIDE:
            out = self._outside
            if out is None or trial.family not in out.addresses:
                self._untried[at] = f"no client of {trial.family.name} could be made"
                return
            descriptor, device, home = out.descriptor, out.device, out.home
            client = out.addresses[trial.family]
        elif trial.client is not None:
            try:
                descriptor = self._descriptor(trial.client)
            except (DnetError, OSError):
                self._untried[at] = (
                    f"the network namespace {trial.client.netns} of {trial.client.id} is gone"
                )
                return
            device, client = trial.client.bridge, trial.client.address_of(trial.family)
            home = device
        addresses = list(self._addresses(trial))
        if not addresses:
            self._untried[at] = f"the host has no address of {trial.family.name} to try"
        for address in addresses:
            shot = Shot(proto, address, port, descriptor, self._backlog(trial))
            yield _Aim(trial, shot, client, device, home)

    def _backlog(self, trial: Trial) -> Backlog | None:
        """That of whoever listens in a container: of all mappings that lead there."""
        mapping = trial.mapping
        if mapping.endpoint.proto != "tcp":
            return None
        at = trial.whose, mapping.container_port
        if at not in self._backlogs:
            self._backlogs[at] = Backlog(located(trial), at[1], self._timeout)
            self._held.callback(self._backlogs[at].close)
        return self._backlogs[at]

    def _descriptor(self, interface: Interface) -> int:
        if interface.id not in self._descriptors:
            found = netns.locate(str(interface.netns), interface.cookie)
            if found is None:
                raise FileNotFoundError(interface.netns)
            self._descriptors[interface.id] = self._held.enter_context(netns.opened(found))
        return self._descriptors[interface.id]

    def _addresses(self, trial: Trial) -> Iterator[str]:
        """The addresses of the host that a mapping is tried on."""
        if not trial.is_anywhere:
            yield trial.mapping.endpoint.host_ip
            return
        of = trial.family
        if trial.origin == HOST:
            yield of.loopback
            own = list(own_addresses(of))
            yield from own[:_MOST_OWN]
            if len(own) > _MOST_OWN:
                self._limits.append(f"from host: {len(own) - _MOST_OWN} more of its own addresses")
        elif trial.client is not None:
            home = self._state.bridges[trial.client.bridge].subnet_of(of)
            if home is not None:
                yield home.gateway
        else:
            yield from self._uplink_address(of)

    def _uplink_address(self, of: Family) -> Iterator[str]:
        index = find_index(self._via) if self._via else None
        channel = Channel()
        try:
            found = channel.addresses(index, of) if index else []
        finally:
            channel.close()
        for cidr in found[:1]:
            yield cidr.partition("/")[0]
        if not found:
            yield from list(own_addresses(of))[:1]

    # What is seen

    def _seen(self, aims: Sequence[_Aim]) -> list[Evidence]:
        volley = Volley([one.shot for one in aims])
        with ExitStack() as held:
            tracking = held.enter_context(Tracking())
            held.callback(volley.close)
            where = dict(zip(volley.source_ports, aims, strict=True))
            sight = held.enter_context(Sight(volley.ports))
            trace = self._traced(held, aims, volley)
            around = Surroundings()
            held.callback(around.close)

            def has_arrived(port: int) -> bool:
                return self._blank(where[port])._replace(packets=sight.of(port)).arrived

            def answering(hit: Hit) -> str | None:
                return tracking.answering(_tracked(where[hit.source_port], hit))

            watch = Watch([sight, trace] if trace else [sight], has_arrived, answering)
            volley.send(watch, self._timeout)
            traced = trace.first(where) if trace else None
            hits = [watch.hits[port] for port in where]
            found = [
                self._evidence(aim, hit, sight, traced)._replace(peer=watch.peers[hit.source_port])
                for aim, hit in zip(aims, hits, strict=True)
            ]
            return self._looked_up(aims, hits, found, around)

    def _traced(self, held: ExitStack, aims: Sequence[_Aim], volley: Volley) -> Trace | None:
        try:
            trace = held.enter_context(Trace())
            trace.follow(
                [
                    Flow.of(aim.trial, port)
                    for aim, port in zip(aims, volley.source_ports, strict=True)
                ]
            )
        except PermissionError:
            raise
        except OSError:
            self._limits.append(_NO_TRACE)
            return None
        return trace

    def _evidence(
        self,
        aim: _Aim,
        hit: Hit,
        sight: Sight,
        traced: Mapping[Way, tuple[Hop, ...]] | None,
    ) -> Evidence:
        return self._blank(aim)._replace(
            outcome=hit.outcome,
            error=hit.error,
            packets=sight.of(hit.source_port),
            request=None if traced is None else traced.get((hit.source_port, True), ()),
            answer=None if traced is None else traced.get((hit.source_port, False), ()),
            large=hit.large,
        )

    def _blank(self, aim: _Aim) -> Evidence:
        bridge = aim.trial.mapping.bridge
        if bridge not in self._ports:
            self._ports[bridge] = bridgeports.names(bridge)
        return Evidence(
            aim.trial,
            aim.shot.address,
            SILENT,
            device=aim.device,
            home=aim.home,
            ports=self._ports[bridge],
        )

    def _looked_up(
        self,
        aims: Sequence[_Aim],
        hits: Sequence[Hit],
        found: Sequence[Evidence],
        around: Surroundings,
    ) -> list[Evidence]:
        """What is told of what did not arrive, with what there is around it."""
        texts = Texts()
        looked = list(found)
        for at in _told(found):
            aim, seen = aims[at], found[at]
            client = aim.client if aim.device else hits[at].source
            rules = texts.of_all((*(seen.request or ()), *(seen.answer or ())))
            looked[at] = seen._replace(rules=rules, around=around.of(seen, client))
        silent = [at for at in _told(looked) if looked[at].is_unanswered]
        traces = containertrace.of_all([(aims[at].trial, aims[at].shot) for at in silent])
        for at, one in zip(silent, traces, strict=True):
            looked[at] = looked[at]._replace(in_container=one)
        for of in FAMILIES:
            self._count(of, aims, looked)
        return looked

    def _count(self, of: Family, aims: Sequence[_Aim], looked: list[Evidence]) -> None:
        """What took packets that nothing else explains, by the counters of iptables-legacy."""
        unknown = [
            at
            for at in _told(looked)
            if looked[at].trial.family is of and not verdict.is_traced(looked[at])
        ]
        if not unknown or not legacy.is_there(of):
            return
        if unknown[_MOST_COUNTED:]:
            self._limits.append("which rule of iptables-legacy takes more than those named")
        some = unknown[:_MOST_COUNTED]
        blamed = legacy.blamed(of, [_sender(aims[at]) for at in some])
        for at, rule in zip(some, blamed, strict=True):
            looked[at] = looked[at]._replace(legacy=rule)


def _told(found: Sequence[Evidence]) -> list[int]:
    """Where those are that are told of: the first of each trial that did not arrive."""
    places: dict[tuple[str, str], int] = {}
    for at, one in enumerate(found):
        if verdict.judge(one).is_bad:
            places.setdefault((one.trial.origin, one.trial.mapping.key), at)
    return list(places.values())


def _sender(aim: _Aim) -> Callable[[int], None]:
    def send(number: int) -> None:
        with closing(Volley([aim.shot] * number)) as volley:
            volley.begin()

    return send


def _tracked(aim: _Aim, hit: Hit) -> Tracked:
    shot = aim.shot
    source = hit.source or family.of(shot.address).any
    return Tracked(shot.proto, source, hit.source_port, shot.address, shot.port)


def _worst(aims: Sequence[_Aim], verdicts: Sequence[Verdict], untried: str | None) -> Verdict:
    """One verdict for all addresses: the first that is not good, with its address."""
    if not verdicts:
        return Verdict(NOT_TRIED, untried)
    bad = [(aim, one) for aim, one in zip(aims, verdicts, strict=True) if one.is_bad]
    if not bad:
        return verdicts[0]
    aim, one = bad[0]
    if len(bad) == len(verdicts):
        return one
    return one._replace(where=f"at {aim.shot.address}: {one.where}")
