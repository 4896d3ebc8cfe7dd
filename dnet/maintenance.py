"""Store against kernel: compare them, make them agree, and take everything away."""

from __future__ import annotations

from dnet import address
from dnet.driver import Driver
from dnet.errors import DnetError, StateUnreadableError
from dnet.host import rules, system
from dnet.host.kernel import Kernel
from dnet.host.rules import Chain
from dnet.host.scope import Scope
from dnet.host.signals import uninterrupted
from dnet.host.steps import Plan
from dnet.model import DEFAULT_BRIDGE, DEFAULT_CHAIN, Bridge
from dnet.state import State


class Maintenance(Driver):
    """What a driver can do beside carrying out commands."""

    def check(self) -> list[str]:
        """Every difference between the store and the kernel, in words. Changes nothing.

        Looks again until it has seen the same twice with no other command in between.
        """
        seen: tuple[int, list[str]] | None = None
        while True:
            looked = self._look()
            if not looked[1] or looked == seen:
                return looked[1]
            seen = looked

    def _look(self) -> tuple[int, list[str]]:
        self._wait_for_others()
        state = self._store.load()
        with self._kernel(()) as kernel:
            kernel.require()
            plan = kernel.planner.converge(state, Scope.of(state).with_attachments(state))
            found = [*plan.differences(), *plan.loose, *kernel.foreign(state)]
        if self._store.journal() is not None:
            found.append(
                "a command was killed half-way; the next change, or dnet restore, mends it"
            )
        return state.serial, found

    def _wait_for_others(self) -> None:
        """Let a command that is under way end; one that was killed left its journal for good."""
        if self._store.has_journal():
            with self._store.locked(self._settings.lock_timeout):
                pass

    def restore(self, *, dry_run: bool = False) -> Plan:
        """Make the kernel agree with the store, from whatever it looks like now."""
        with self._locked_kernel() as kernel:
            state = self._store.load()
            self._elsewhere(state)
            self._settle(state, kernel)
            plan = kernel.planner.converge(state, self._full_scope(state))
            if not dry_run:
                self._mend(state, plan, kernel)
            return plan

    def _mend(self, state: State, plan: Plan, kernel: Kernel) -> None:
        """Take the steps of a plan that leads to the state itself; a failure is tried again."""
        here = (system.boot_id(), system.netns_cookie())
        if not plan and here == (state.boot_id, state.netns) and not self._store.has_journal():
            return
        state.serial += 1
        state.boot_id, state.netns = here
        self._store.write_journal(state)
        kernel.require()
        kernel.apply(plan)
        with uninterrupted():
            self._store.commit(state, journalled=True)

    def reset(self, *, dry_run: bool = False) -> Plan:
        """Remove everything dnet made, as far as it can be found, then the store.

        Also what a lost or damaged store has left under the default names. What cannot be
        removed is warned of, and keeps the store.
        """
        with self._locked_kernel() as kernel:
            scope = self._everything(kernel)
            plan = kernel.planner.converge(State(), scope)
            if not dry_run:
                kernel.require()
                if failures := kernel.apply_what_can_be(plan):
                    raise DnetError(f"could not remove everything: {'; '.join(failures)}")
                self._store.erase()
            return plan

    def _everything(self, kernel: Kernel) -> Scope:
        lost = Scope(chains=frozenset({*rules.OWN, Chain("nat", DEFAULT_CHAIN)}))
        try:
            state = self._store.load()
            self._elsewhere(state)
            scope = lost | self._full_scope(state)
        except StateUnreadableError as error:
            self._settings.warn(f"{error}; removing what has dnet's default names")
            scope = lost
        if all(bridge.name != DEFAULT_BRIDGE for bridge in scope.bridges):
            scope |= Scope(bridges=_lost_bridge(kernel))
        return scope


def _lost_bridge(kernel: Kernel) -> tuple[Bridge, ...]:
    """The default bridge, if there is one that carries the address dnet derives."""
    device = kernel.machine.device(DEFAULT_BRIDGE)
    for cidr in device.addresses if device else ():
        if device and device.kind == "bridge" and device.mac == address.mac(address.host(cidr)):
            return (Bridge(name=DEFAULT_BRIDGE, address=cidr, mtu=device.mtu, created=""),)
    return ()
