"""From a change of the state to a plan of steps, looking at the kernel only where it must.

Where what the bridges need of the firewall stays as it is, the rules of changed mappings and links
are added and deleted without a look. Otherwise, and to repair, the rules are read and compared.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import count as count_from

from dnet.errors import KernelError
from dnet.firewall import traffic
from dnet.firewall.door import Chain, Change, Firewall, Former, Shape
from dnet.model.entities import Bridge, Interface, Subnet
from dnet.model.state import Change as Changed
from dnet.model.state import State
from dnet.plan import report, settings
from dnet.plan.scope import Scope, attached
from dnet.plan.siblings import BR_NETFILTER, Siblings
from dnet.plan.steps import Plan
from dnet.typing import TYPE_CHECKING
from dnet.values.family import FAMILIES, V6, Families
from dnet.values.veth import veth_name

_LOOPBACK_METRIC = 4096  # Behind that of the loopback device itself, which is 0.

if TYPE_CHECKING:
    from dnet.network.facts import Device
    from dnet.plan.view import View


class Planner:
    """Plans for the firewall of a state, against the machine as a view shows it."""

    def __init__(self, firewalls: Callable[[str], Firewall], view: View) -> None:
        self._firewalls = firewalls
        self._view = view

    def change(
        self, before: Shape, scope: Scope, state: State, reserved: Collection[Chain] = ()
    ) -> Plan:
        """The plan for what was changed in a state whose shape was `before`.

        Raises ConflictError for a chain that somebody else made: one that is needed, or one of
        `reserved`.
        """
        changes = state.changes()
        bridges = {key for table, key, _, _ in changes if table is state.bridges}
        bridges |= state.confirmed_bridges
        firewall = self._firewalls(state.firewall)
        after = firewall.shape(state)
        settles = bool(bridges or before != after or state.confirmed)
        if before != after or state.confirmed:
            plan = self._rules(state, scope, after, before, reserved)
            if before == after and not _changes_rules(state, changes):
                plan.also_repaired += report.by_chain(plan.rules.findings)
        else:
            plan = Plan(firewall.delta(state, changes), state.firewall)
        touched = list(attached(state, changes))
        asked = dict.fromkeys([*(one.id for one in touched), *state.replug])
        plan.asked = set(map(veth_name, asked))
        homes = _homes(state, asked)
        siblings = Siblings.of(state, scope, self._firewalls, self._view)
        opening = after.translating | siblings.isolated if settles else frozenset()
        gone = set(settings.without_device(homes | opening, self._view)) - bridges
        concerned = state.bridges.rows if settles else homes
        changed = siblings.changed(concerned, scope, self._view)
        if bridges or gone or changed:
            nearby = scope | Scope(attached=tuple(touched))
            touched += self._devices(plan, state, nearby, changed, needed=bridges | homes)
            self._loopbacks(plan, state, nearby, siblings)
            plan.also_repaired += [
                f"the device {name} is missing" for name in sorted(gone - plan.failed.keys())
            ]
        if touched or state.replug:
            self._attachments(plan, state, siblings, touched, again=state.replug)
        if settles or gone or changed:
            self._settings(plan, state, scope, after, siblings)
        elif any(table is state.links for table, *_ in changes):
            plan.after += siblings.neighbours(plan.failed, self._view)
        if settles or gone or changed or _changes_hosts(changes):
            self._overlays(plan, state, scope)
        self._zones(plan, state, scope, bridges)
        return plan

    def converge(self, state: State, scope: Scope) -> Plan:
        """The plan that makes the kernel agree with a state, whatever it looks like now.

        A bridge that cannot be made does not keep the rest from being done.
        """
        shape = self._firewalls(state.firewall).shape(state)
        everything = scope | Scope.of(state, shape)
        plan = self._rules(state, everything, shape)
        if state.keeps_hosts_files:
            from dnet.plan import hostsfiles

            plan.blocks = list(hostsfiles.kept(state))
        siblings = Siblings.of(state, everything, self._firewalls, self._view)
        changed = siblings.changed(state.bridges.rows, everything, self._view)
        touched = self._devices(plan, state, everything, changed, needed=set())
        self._loopbacks(plan, state, everything, siblings)
        self._attachments(plan, state, siblings, [*everything.attached, *touched])
        self._settings(plan, state, everything, shape, siblings)
        self._overlays(plan, state, everything)
        self._zones(plan, state, everything, {one.name for one in everything.bridges})
        return plan

    def _rules(
        self,
        state: State,
        scope: Scope,
        shape: Shape,
        expected: Shape | None = None,
        reserved: Collection[Chain] = (),
    ) -> Plan:
        """A plan with the change of the rules after a look at them, as far as any are there.

        What another firewall has, as where a store has changed over, goes once they are.
        """
        plan = Plan(firewall=state.firewall)
        if shape or scope.traces_of(state.firewall):
            plan.rules = self._compare(state.firewall, state, scope, expected, reserved)
        for name in sorted(scope.firewalls - {state.firewall}):
            if change := self._compare(name, State(), scope, goes_on=state.uses_firewall):
                plan.former.append((name, change))
        return plan

    def _compare(
        self,
        name: str,
        state: State,
        scope: Scope,
        expected: Shape | None = None,
        reserved: Collection[Chain] = (),
        *,
        goes_on: bool = False,
    ) -> Change:
        former = Former(scope.bridges, scope.traces_of(name), goes_on)
        return self._firewalls(name).compare(
            self._view.rules(name, _families(state, former)),
            state,
            former,
            expected=expected,
            reserved=reserved,
        )

    def _devices(
        self,
        plan: Plan,
        state: State,
        scope: Scope,
        changed: Collection[str] = (),
        *,
        needed: set[str],
    ) -> list[Interface]:
        """Make and mend bridges, and give what is plugged into those mended or `changed`.

        Raises KernelError for one of `needed` that cannot be made.
        """
        from dnet.plan import devices

        touched = set(changed)
        names = dict.fromkeys(
            [*(one.name for one in state.bridges.values()), *(one.name for one in scope.bridges)]
        )
        for name in names:
            device = self._view.device(name)
            bridge = state.bridges.get(name)
            former = [one for one in scope.bridges if one.name == name]
            if bridge is None:
                if traffic.filtered(former):
                    ports = self._ports_of(scope, name)
                    plan.before += devices.closing_steps(former, device, ports)
                plan.after += devices.removal_steps(former, device)
                continue
            try:
                if self._mend(plan, bridge, device, former):
                    touched.add(name)
            except KernelError as error:
                if name in needed:
                    error.origin = "bridges", name
                    raise
                plan.failed[name] = error
        if not touched:
            return []
        return [one for one in state.interfaces.values() if one.netns and one.bridge in touched]

    def _attachments(
        self,
        plan: Plan,
        state: State,
        siblings: Siblings,
        touched: Iterable[Interface],
        again: Iterable[str] = (),
    ) -> None:
        from dnet.plan import plugging  # Loaded, as devices are, by no command that only maps.

        plugging.plan_all(plan, state, self._view, siblings, touched, again)

    def _ports_of(self, scope: Scope, bridge: str) -> Iterator[Device]:
        """The devices of attachments that were plugged into a bridge."""
        for interface_id in dict.fromkeys(one.id for one in scope.attached if one.bridge == bridge):
            device = self._view.device(veth_name(interface_id))
            if device is not None and device.kind == "veth":
                yield device

    def _mend(
        self, plan: Plan, bridge: Bridge, device: Device | None, former: list[Bridge]
    ) -> bool:
        """Make a bridge's device, or mend it; whether there was anything to do.

        Raises KernelError.
        """
        from dnet.plan import devices

        bridge = settings.served(bridge, self._view)
        former6 = [one.address6 for one in former if one.address6 is not None]
        if device is not None and (bridge.address6 is not None or former6):
            known = self._view.ipv6_addresses(device.name)
            device = device._replace(addresses=(*device.addresses, *known))
        steps = list(
            devices.bridge_steps(
                bridge,
                device,
                (subnet.address for one in former for subnet in one.subnets),
                settings.ipv6(bridge, self._view, former6),
                self._unrouted(bridge, device) if device else (),
            )
        )
        plan.before += steps
        if device is not None and bridge.adopted:
            plan.before += devices.pinning_steps(device, self._view.keeps_mac(device))
        if device is not None and not former:
            plan.rollback += devices.giving_back_steps(bridge, device)
        return bool(steps)

    def _loopbacks(self, plan: Plan, state: State, scope: Scope, siblings: Siblings) -> None:
        """Let ::1 be the host's also behind each bridge that has IPv6 and rules.

        The routes differ in their metrics: of two with the same the kernel makes one.
        """
        wanted = {one.name for one in traffic.filtered(state.bridges.values()) if one.address6}
        former = {one.name for one in scope.bridges if one.address6}
        if not (wanted or former):
            return
        from dnet.plan.devicesteps import AddLoopbackRoute, DeleteLoopbackRoute

        there = self._view.loopback_routes()
        staying = {*state.bridges, *(one.name for one in scope.bridges if one.adopted)}
        going = sorted((former - wanted) & there.keys() & staying)
        plan.before[:0] = [DeleteLoopbackRoute(name) for name in going]
        meets_rules = siblings.by == BR_NETFILTER and V6 in siblings.families
        if meets_rules or not settings.loopback6(self._view):
            return
        metrics = count_from(_LOOPBACK_METRIC)
        free = (one for one in metrics if one not in there.values())
        for name in state.bridges:
            bridge = settings.served(state.bridges[name], self._view)
            is_wanted = name in wanted and bridge.address6 is not None
            if is_wanted and name not in there and name not in plan.failed:
                is_new = self._view.device(name) is None
                why = "" if is_new else f"there is no local route to {V6.loopback} by {name}"
                plan.after.append(AddLoopbackRoute(name, next(free), why))

    def _unrouted(self, bridge: Bridge, device: Device) -> Iterator[Subnet]:
        """The subnets to which the kernel lacks the route that comes with an address.

        It comes when the address or the device does; a port of another device has none in the
        main table, but in that of its VRF (Documentation/networking/vrf.rst).
        """
        for one in bridge.subnets if device.up and not device.master else ():
            if one.address in device.addresses and not self._view.is_routed(device, one.network):
                yield one

    def _settings(
        self, plan: Plan, state: State, scope: Scope, shape: Shape, siblings: Siblings
    ) -> None:
        """Open 127.0.0.1 towards bridges only behind its guard, and close it before that goes.

        Siblings are answered for once there are rules for what they get by the host.
        """
        # With the device of any other bridge its settings go.
        staying = {*state.bridges, *(one.name for one in scope.bridges if one.adopted)}
        closing = sorted((scope.localnet - shape.translating) & staying)
        plan.before[:0] = settings.closing(closing, self._view)
        if siblings.by == BR_NETFILTER:
            # What is translated does not get to isolated ports as soon as it meets rules.
            place = plan.switches if siblings.freed else plan.before
            place[:0] = settings.barriers(siblings.families, self._view)
        opening = sorted(shape.translating - plan.failed.keys())
        plan.after[:0] = [
            *settings.opening(opening, self._view),
            *siblings.settings(plan.failed, self._view),
            *siblings.neighbours(plan.failed, self._view),
            *settings.forwarding(state, plan.failed, self._view),
            *settings.forwarding6(state, plan.failed, self._view),
        ]

    def _overlays(self, plan: Plan, state: State, scope: Scope) -> None:
        """Lead to the other hosts of a pool once the rules are there that close it to others."""
        if scope.overlays or state.overlay:
            from dnet.plan import overlays

            going, coming = overlays.moves(state, scope.overlays, plan.failed, self._view)
            plan.before[:0] = going
            plan.after[:0] = coming

    def _zones(self, plan: Plan, state: State, scope: Scope, names: set[str]) -> None:
        """Let firewalld trust bridges once their rules are there, and no longer before they go."""
        trusted = {one.name for one in state.bridges.values() if one.trusted}
        joining = sorted(trusted & names - plan.failed.keys())
        former = {one.name for one in scope.bridges if one.trusted}
        leaving = sorted(former & names - trusted)
        if leaving:
            plan.before = [*self._view.leaving(leaving), *plan.before]
        if joining:
            plan.after += self._view.joining(joining)


def _changes_rules(state: State, changes: Iterable[Changed]) -> bool:
    """Whether anything was asked for that has rules of its own."""
    ruled = (state.bridges, state.mappings, state.links)
    return any(table in ruled for table, *_ in changes)


def _changes_hosts(changes: Iterable[Changed]) -> bool:
    """Whether anything was changed about the other hosts of a pool."""
    return any(table.name in ("overlays", "peers") for table, *_ in changes)


def _families(state: State, former: Former) -> Families:
    """The families of which there may be rules, or are to be."""
    is_traced = any(one.family is V6 for one in former.traces)
    bridges = (*former.bridges, *state.bridges.values())
    return FAMILIES if is_traced else traffic.families(bridges)


def _homes(state: State, ids: Iterable[str]) -> set[str]:
    """The bridges that those of the interfaces which are to be plugged in need."""
    found = (state.interfaces.get(one) for one in ids)
    return {one.bridge for one in found if one is not None and one.netns}
