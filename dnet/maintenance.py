"""Store against kernel: compare them, make them agree, and take everything away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from dnet import STATE_DIR
from dnet.errors import (
    ConflictError,
    DiskFullError,
    DnetError,
    ForeignStateError,
    KernelError,
    StateUnreadableError,
)
from dnet.host import devices, flows, report, rules, system, veth
from dnet.host.kernel import Kernel
from dnet.host.rules import Chain
from dnet.host.scope import NOWHERE, Scope
from dnet.host.signals import uninterrupted
from dnet.host.steps import Netlink, Plan
from dnet.model import DEFAULT_BRIDGE, DEFAULT_CHAIN, Bridge
from dnet.names import for_shell
from dnet.ownership import owns_names
from dnet.recovery import Recovery
from dnet.state import State

_LEFT_BEHIND = "a command was killed half-way; the next change, or dnet restore, mends it"


class Maintenance(Recovery):
    """What can be done to a store and its kernel side as a whole."""

    def check(self) -> list[str]:
        """Every difference between the store and the kernel, in words. Changes nothing.

        What seems to differ while a command is under way is looked at again once it has ended.
        """
        if not self._store.has_journal() and not self._differences(None):
            return []
        with self._locked():
            journal = self._store.journal()
            return [*self._differences(journal), *([_LEFT_BEHIND] if journal else [])]

    def _differences(self, journal: State | None) -> list[str]:
        state = self._store.load()
        self._elsewhere(state)
        with self._kernel() as kernel:
            kernel.require()
            plan = self._way_home(state, journal, kernel, self._reserved(state))
            blocked = [str(error) for error in plan.blocked.values()]
            overruled = [*plan.overruled, *kernel.hindrances(state)]
            found = [*blocked, *plan.differences(), *plan.loose, *overruled]
            return found if state.bridges else [*found, *self._unknown(kernel)]

    def _unknown(self, kernel: Kernel) -> list[str]:
        """The chains that bear dnet's names, where the store knows of no bridge."""
        if not owns_names(self._store):
            return []
        try:
            there = kernel.firewall.read().chains
        except KernelError:
            return []  # Without iptables there is none.
        return [
            f"{chain.table} {chain.name}: the chain is unknown to this store; "
            "if the one that made it is lost: dnet reset"
            for chain in (*rules.OWN, Chain("nat", DEFAULT_CHAIN))
            if chain in there
        ]

    def restore(self, *, adopt: bool = False, dry_run: bool = False) -> Plan:
        """Make the kernel agree with the store, from whatever it looks like now.

        With `adopt` the store may be of another network namespace, and is of this one then.
        Raises ConflictError where this one is another store's; DnetError where a bridge cannot
        be made, once all the rest is done.
        """
        with self._kernel() if dry_run else self._locked_kernel() as kernel:
            state = self._store.load()
            journal = self._store.journal()
            if adopt and self._is_foreign(state):
                moved = self._adopt(state, journal, kernel)
            else:
                moved = self._elsewhere(state)
            plan = self._way_home(state, journal, kernel, self._reserved(state))
            if not dry_run:
                with uninterrupted():
                    self._mend(state, plan, kernel, moved=moved)
            return plan

    def _adopt(self, state: State, journal: State | None, kernel: Kernel) -> bool:
        """Let a store be of this namespace, as on another boot.

        What is here already is another store's, but for what an adoption that was killed has
        made, of which the journal tells. Raises ConflictError.
        """
        here = system.netns_cookie()
        if journal is None or journal.netns != here:
            _refuse_settled(state, kernel)
        state.forget_boot()
        state.boot_id, state.netns = system.boot_id(), here
        return True

    def _mend(self, state: State, plan: Plan, kernel: Kernel, *, moved: bool) -> None:
        """Take the steps of a plan that leads to the state itself; a failure is tried again."""
        if plan:
            kernel.require()
            self._unless_full(partial(self._note_journal, state))
            kernel.apply(plan)
            for line in report.repaired(plan):
                self._settings.tell(f"repaired: {line}")
        if moved or (state.bridges and state.boot_id is None):
            state.serial += 1
            state.boot_id, state.netns = system.boot_id(), system.netns_cookie()
            self._unless_full(partial(self._store.commit, state, journalled=False))
        self._store.drop_journal()
        self._store.names.renew(state)
        for line in [*plan.overruled, *kernel.hindrances(state)]:
            self._settings.warn(line)
        for line in report.few(plan.loose, "are unplugged: dnet check names them"):
            self._settings.warn(line)
        self._fail_of_blocked(plan)

    def _fail_of_blocked(self, plan: Plan) -> None:
        """Raises DnetError with one of what could not be made; the others are warned of."""
        *others, last = plan.blocked.values() or (None,)
        for error in others:
            self._settings.warn(str(error))
        if last is not None:
            raise DnetError(f"{last}; everything else is restored", last.hint)

    def _note_journal(self, target: State) -> None:
        """Let the next command go on if this one is killed.

        One that is there stays: it knows what a command before was about to make.
        """
        if not self._store.has_journal():
            target.serial += 1
            try:
                self._store.write_journal(target)
            finally:
                target.serial -= 1

    def _unless_full(self, write: Callable[[], None]) -> None:
        """On a full disk go on without: what is to be in force is in the store as it is."""
        try:
            write()
        except DiskFullError as error:
            self._settings.warn(f"{error}; going on without that note")

    def reset(self, *, dry_run: bool = False) -> Plan:
        """Remove everything dnet made, as far as it can be found, then the store.

        Without a store also what one that was lost has left under the default names. Raises
        DnetError where something cannot be removed, and keeps the store; ForeignStateError.
        """
        with self._kernel() if dry_run else self._locked_kernel() as kernel:
            known, is_whole = self._known()
            for state in known:
                self._settle(state, kernel, had_rules=state.uses_iptables)
            scope = NOWHERE
            for state in known:
                scope |= Scope.of(state).with_attachments(state)
            is_lost = (not is_whole or not scope.bridges) and owns_names(self._store)
            plan = kernel.planner.converge(State(), scope | _lost(kernel) if is_lost else scope)
            plan.after = [*(_lost_ports(kernel) if is_lost else ()), *plan.after]
            plan.flows = [flow for state in known for flow in flows.left_behind(state, State())]
            if not is_lost and not scope.bridges:
                self._settings.warn(f"what bears dnet's names here is left to {STATE_DIR}")
            if not dry_run:
                self._clear(known if is_whole else [], plan, kernel)
            return plan

    def _reserved(self, state: State) -> Scope:
        """The chains with dnet's own names, where this store has anything to do with iptables."""
        owned = state.uses_iptables and owns_names(self._store)
        return Scope(chains=frozenset(rules.OWN)) if owned else NOWHERE

    def _clear(self, known: list[State], plan: Plan, kernel: Kernel) -> None:
        kernel.require()
        with uninterrupted():
            if known:
                nothing = State()
                nothing.serial = max(state.serial for state in known)
                try:
                    self._note_journal(nothing)
                except DiskFullError:
                    self._store.make_room()
                    self._note_journal(nothing)
            if failures := kernel.apply_what_can_be(plan):
                raise DnetError(
                    f"could not remove everything: {'; '.join(failures)}",
                    "take away what holds it, then again: dnet reset",
                )
            self._store.erase()

    def _known(self) -> tuple[list[State], bool]:
        """The states that tell what dnet made, and whether the store is whole.

        In place of a damaged one there is the state before it.
        """
        states, is_whole = [], True
        try:
            states.append(self._store.load())
        except ForeignStateError:
            raise
        except StateUnreadableError as error:
            self._settings.warn(f"{error}; removing what else is known of")
            states += self._readable(self._store.previous)
            is_whole = False
        states += self._readable(self._store.journal)
        for state in states:
            self._elsewhere(state)
        return states, is_whole

    def _readable(self, read: Callable[[], State | None]) -> list[State]:
        """A state that may not be there, and may be damaged too."""
        try:
            found = read()
        except ForeignStateError:
            raise
        except StateUnreadableError as error:
            self._settings.warn(str(error))
            return []
        return [found] if found else []


def _lost(kernel: Kernel) -> Scope:
    """What has dnet's default names, whoever knows of it: chains, and the bridge."""
    chains = frozenset({*rules.OWN, Chain("nat", DEFAULT_CHAIN)})
    device = kernel.machine.device(DEFAULT_BRIDGE)
    cidr = devices.own_address(device) if device else None
    if device is None or cidr is None:
        return Scope(chains=chains)
    bridge = Bridge(name=DEFAULT_BRIDGE, address=cidr, mtu=device.mtu, created="")
    return Scope(bridges=(bridge,), chains=chains)


def _refuse_settled(state: State, kernel: Kernel) -> None:
    """Raises ConflictError for a bridge of dnet's, or a device in the place of one to be made."""
    to_make = [one.name for one in state.bridges.values() if not one.adopted]
    for device in kernel.machine.devices():
        if device.name in to_make or devices.own_address(device):
            raise ConflictError(
                f"this network namespace has a device {device.name}, which the store does not know",
                "if it is another store's, run dnet with that one; if it is nobody's: "
                f"ip link delete dev {for_shell(device.name)}",
            )


def _lost_ports(kernel: Kernel) -> Iterator[Netlink]:
    """What takes away the attachments on the default bridge."""
    for device in kernel.machine.ports(DEFAULT_BRIDGE):
        if veth.is_veth_name(device.name):
            yield from devices.unplug_steps(device)
