"""The kernel side of a transaction: take the steps of a plan, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cached_property, partial

from dnet.errors import DnetError, PermissionDeniedError
from dnet.firewall.door import Trace
from dnet.host import privilege, sysctl
from dnet.host.machine import Machine, Parts
from dnet.model.state import State
from dnet.plan import settings
from dnet.plan.scope import EMPTY_SCOPE, Scope
from dnet.plan.siblings import BR_NETFILTER
from dnet.plan.steps import Plan, PortSteps, SettingStep, Step, Zone
from dnet.typing import TYPE_CHECKING
from dnet.values import address, family
from dnet.values.family import FAMILIES, WILDCARDS

if TYPE_CHECKING:
    from dnet.firewall.door import Change, Shape
    from dnet.host.callers import Callers
    from dnet.host.firewall.door import Rules
    from dnet.plan.planner import Planner

Say = Callable[[str], None]


class Kernel(Parts):
    """What the driver moves: devices, settings, rules and tracked connections.

    `trace` takes a line for each step, and nobody may want it.
    """

    def __init__(
        self,
        wait: float,
        inherit: tuple[int, ...],
        warn: Say,
        trace: Say | None,
        callers: Callers | None = None,
    ) -> None:
        super().__init__(warn, wait, inherit, callers)
        self._trace = trace

    @cached_property
    def planner(self) -> Planner:
        """Who makes the plans."""
        from dnet.plan.planner import Planner

        return Planner(self.firewall, self.machine)

    @cached_property
    def machine(self) -> Machine:
        """The facts that decisions may depend on."""
        return Machine(self)

    def rules_of(self, state: State) -> Rules:
        """The rules of a state; none where it has no bridge with a firewall."""
        if state.uses_firewall:
            return self.rules(state.firewall)
        from dnet.host.firewall.door import NoRules

        return NoRules()

    def scope(self, state: State) -> Scope:
        """What a state may have left in the kernel, but what single mappings and links need."""
        return Scope.of(state, self.shape(state))

    def shape(self, state: State) -> Shape:
        """What a state needs of its firewall but for single mappings and links."""
        return self.firewall(state.firewall).shape(state)

    def former_scope(self, state: State) -> Scope:
        """What may be left of the firewall that a state was moved over from.

        Nothing that could be taken away where its programs are gone.
        """
        name = state.former_firewall
        if name is None or not self.rules(name).is_there:
            return EMPTY_SCOPE
        firewall = self.firewall(name)
        traces = firewall.shape(state).traces | firewall.own(self.rules(name).families)
        return Scope(traces=frozenset(Trace(name, one) for one in traces))

    def icc_by(self, state: State) -> str:
        """What keeps siblings apart on the bridges of a state; see dnet.plan.siblings."""
        from dnet.plan import siblings

        return siblings.icc_by(state, self.firewall(state.firewall), self.machine)

    def close(self) -> None:
        """Give back what is held open."""
        if "netlink" in self.__dict__:
            self.netlink.close()

    def require(self) -> None:
        """Raises PermissionDeniedError without the capability to change the network."""
        if not privilege.has(privilege.NET_ADMIN):
            raise PermissionDeniedError(
                f"{privilege.NET_ADMIN} is missing", privilege.advice(privilege.NET_ADMIN)
            )

    def hindrances(self, state: State, *, ahead: bool = False) -> list[str]:
        """What of the host's keeps traffic away that dnet accepts, or lets it in, in words.

        `ahead` is whether to tell what does harm only once a container is there, or later.
        """
        from dnet.host import reach

        found = [
            *reach.hindrances(state, self.machine, self.netlink),
            *reach.advertised(state, self.machine, ahead=ahead),
            *(reach.forgetting(state, self.machine) if ahead else ()),
            *reach.beside_isolated(state, self.icc_by(state), self.machine),
        ]
        return [*found, *self.foreign(state)]

    def notes(self, state: State, *, all_of_it: bool = True) -> list[str]:
        """What does not work here, in words; not `all_of_it` without what --no-icc brings along."""
        from dnet.host import reach

        by = self.icc_by(state)
        found = reach.unanswered(state, by, self.machine)
        return [*found] if all_of_it or by != BR_NETFILTER else []

    def foreign(self, state: State) -> list[str]:
        """What other firewalls do to traffic that a state lets through, in words."""
        return [*self.rules_of(state).foreign(state, lambda: self.machine.outward)]

    def absent(self, host_ips: Iterable[str]) -> list[str]:
        """What waits for an address that the host does not have, in words."""
        asked = sorted(
            one for one in host_ips if one not in WILDCARDS and not address.is_loopback(one)
        )
        if not asked:
            return []
        from dnet.host.localaddr import LocalAddresses

        local = {of: LocalAddresses(of) for of in FAMILIES}
        return [
            f"{one} is not an address of this host, so ports published on it do not answer: "
            "add it, or publish them on another one; to see them: dnet map list"
            for one in asked
            if one not in local[family.of(one)]
        ]

    def apply(self, plan: Plan) -> None:
        """Take the steps of a plan in their order.

        Raises what the first refused one raises; that of an attachment which nobody asked for is
        noted in the plan as failed, and the others go on.
        """
        if refusal := plan.refusal:
            raise refusal
        for step in plan.before:
            self._take(step)
        self._change(plan.rules, plan.firewall)
        for step in plan.switches:
            self._take(step)
        for port in plan.ports:
            self._plug(port, plan)
        for firewall, change in plan.former:
            self._change(change, firewall)
        for step in plan.after:
            self._take(step)
        self._end(plan)

    def _plug(self, port: PortSteps, plan: Plan) -> None:
        from dnet.plan.devicesteps import AddVeth

        try:
            for step in port.steps:
                self._take(step)
                if isinstance(step, AddVeth):
                    plan.paired.add(port.device)
        except DnetError as error:
            plan.fail(port.interface_id, port.device, error)
            if port.device in plan.paired:
                self._unplug(port.device)

    def unpair(self, plan: Plan) -> None:
        """Take away the veth pairs that a plan has made, however far their attachments came."""
        for device in sorted(plan.paired):
            self._unplug(device)

    def _unplug(self, device: str) -> None:
        """What cannot be taken away now is mended or told by who looks at the kernel next."""
        from dnet.plan import devices

        with suppress(DnetError):
            for step in devices.unplug_steps(self.netlink.device(device)):
                self._take(step)

    def apply_what_can_be(self, plan: Plan) -> list[str]:
        """Take every step that can be taken, and say what could not."""
        failures = []
        for take in (
            *(partial(self._take, step) for step in plan.before),
            *(partial(self._change, part, plan.firewall) for part in plan.rules.parts()),
            *(partial(self._take, step) for step in plan.switches),
            *(partial(self._take, step) for port in plan.ports for step in port.steps),
            *(
                partial(self._change, part, firewall)
                for firewall, change in plan.former
                for part in change.parts()
            ),
            *(partial(self._take, step) for step in plan.after),
        ):
            try:
                take()
            except DnetError as error:
                failures.append(str(error))
        self._end(plan)
        return failures

    def _change(self, change: Change, firewall: str) -> None:
        if change.refusal:
            raise change.refusal
        if change:
            self._show(change.lines())
            self.rules(firewall).apply(change)

    def _take(self, step: Step) -> None:
        self._show([step.shown])
        if isinstance(step, Zone):
            self.firewalld.take(step)
        elif isinstance(step, SettingStep):
            self._set(step)
        else:
            try:
                self.netlink.take(step)
            except DnetError as error:
                error.origin = "bridges", step.device
                raise

    def _set(self, step: SettingStep) -> None:
        try:
            sysctl.write(step)
        except DnetError as error:
            if not step.without:
                raise
            self._warn(f"{error}; {step.without}")
            return
        if step.name in settings.BRIDGE_CALLS.values():
            program = step.name[-1].removeprefix("bridge-nf-call-")
            self._warn(f"--no-icc needs bridged packets to pass {program}: {step.shown}")

    def _end(self, plan: Plan) -> None:
        """Tracked connections: the rules hold already, so nothing here is reason to fail."""
        if not plan.flows or not privilege.has(privilege.NET_ADMIN):
            return
        from dnet.host.conntrack import table as conntrack

        try:
            ended = conntrack.delete(plan.flows, self._warn)
        except OSError as error:
            self._warn(f"existing connections keep their old route: {error}")
            return
        self._show(f"conntrack: deleted {entry}" for entry in ended)

    def _show(self, lines: Iterable[str]) -> None:
        """Ten thousand lines are made only for somebody who reads them."""
        if self._trace:
            for line in lines:
                self._trace(line)
