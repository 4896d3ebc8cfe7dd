"""The transaction: lock, load, recover, decide, apply, commit.

The only place where what should be and what is meet. A command is a function of a state and
the facts about the machine; everything that makes it safe is here, once for all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from dnet.errors import DnetError, RulesRefusedError
from dnet.host import signals, system
from dnet.host.kernel import Kernel
from dnet.host.signals import uninterrupted
from dnet.model.state import Change, State
from dnet.model.table import ABSENT
from dnet.plan import flows
from dnet.plan.scope import Scope, attached
from dnet.plan.steps import Plan
from dnet.transaction.ownership import owns_names
from dnet.transaction.recovery import Recovery
from dnet.typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar
from dnet.values.endpoint import host_ips_of
from dnet.values.family import FAMILIES

if TYPE_CHECKING:
    from dnet.network.facts import Facts

T = TypeVar("T")
Decide = Callable[[State, "Facts"], T]
"""What an operation is: an Operation, or any function of a state and the facts."""


class Outcome(NamedTuple, Generic[T]):
    """What a command decided and did: its result, the state after it, the plan and the changes."""

    result: T
    state: State
    plan: Plan
    changes: list[Change]

    @classmethod
    def of_nothing(cls, result: T, state: State) -> Outcome[T]:
        """Of a command that found everything as it should be."""
        return cls(result, state, Plan(), [])

    @property
    def status(self) -> int:
        """The exit status where all went well, but a signal came too late to undo it."""
        return signals.status()

    @property
    def sets_up_bridge(self) -> bool:
        """Whether a bridge was made, changed or confirmed."""
        return bool(self.state.confirmed_bridges) or any(
            table is self.state.bridges and key in table for table, key, _, _ in self.changes
        )

    @property
    def publishes_on(self) -> set[str]:
        """The addresses of the host that mappings were bound to."""
        mappings = self.state.mappings
        made = (key for table, key, *_ in self.changes if table is mappings and key in mappings)
        return host_ips_of(made)


class Driver(Recovery):
    """Carries commands out on one store."""

    def read(self) -> State:
        """The committed state, without a lock."""
        return self._store.load()

    def rehearse(self, operation: Decide[T]) -> Outcome[T]:
        """Decide and plan as `change` would, and change nothing."""
        state = self._store.load()
        moved = self._bring_here(state)
        journal = self._left_journal(state, moved=moved)
        with self._kernel() as kernel:
            outcome = self._decide(state, kernel, operation)
            blocks = outcome.plan.blocks
            outcome.plan.blocks = [block for block, _ in self._outdated(blocks)]
            self._warn_of(state.remarks)
            if not moved and journal is None:
                return outcome
            plan = self._recovery_plan(
                state, journal, kernel, kernel.scope(state).with_changes(state)
            )
            return outcome._replace(plan=plan)

    def change(self, operation: Decide[T]) -> Outcome[T]:
        """Carry a command out: all of it, or nothing."""
        with self._locked_kernel() as kernel:
            state = self._store.load()
            recovered = self._recover(state, kernel)
            outcome = self._decide(state, kernel, operation)
            if outcome.plan or outcome.changes or recovered:
                self._carry_out(outcome, kernel)
            if outcome.plan.blocks:
                with uninterrupted():
                    list(self._keep(outcome.plan.blocks))
            for line in outcome.plan.also_repaired:
                self._settings.warn(f"repaired: {line}")
            self._warn_of_failed(outcome.plan)
            self._warn_of([*state.remarks, *outcome.plan.left])
            self._remark(outcome, kernel)
            return outcome

    def _remark(self, outcome: Outcome[T], kernel: Kernel) -> None:
        """Warn of what keeps traffic away. It is done: nothing here is reason to fail."""
        with suppress(DnetError, OSError):
            if outcome.sets_up_bridge:
                from dnet.network import bridge

                found = outcome.state
                hindrances = kernel.hindrances(found, ahead=True)
                notes = kernel.notes(found)
                for warning in [*bridge.unenforced(found), *hindrances, *notes]:
                    self._settings.warn(warning)
            for warning in kernel.absent(outcome.publishes_on):
                self._settings.warn(warning)

    # Deciding

    def _decide(self, state: State, kernel: Kernel, operation: Decide[T]) -> Outcome[T]:
        firewall, before, had_rules = state.firewall, kernel.shape(state), state.uses_firewall
        scope = Scope.of(state, before)
        result = operation(state, kernel.machine)
        changes = state.changes()
        if state.firewall != firewall:
            if had_rules:
                kernel.rules(firewall).refuse_another(state.variant)
            before, had_rules = kernel.firewall(state.firewall).shape(State()), False
        plan = Plan()
        if _concerns_kernel(state, changes):
            kernel.require()
            self._pin_variant(state, kernel, had_rules=had_rules)
            begins = not had_rules and state.uses_firewall
            owned = begins and owns_names(self._store)
            reserved = kernel.firewall(state.firewall).own(FAMILIES) if owned else ()
            if had_rules and not state.uses_firewall:
                scope |= kernel.former_scope(state)
            plan = kernel.planner.change(before, scope, state, reserved)
        plan.flows = list(flows.ended(changes, state))
        if _concerns_hosts_files(state, changes):
            from dnet.plan import hostsfiles

            plan.blocks = list(hostsfiles.changed(state, changes))
        return Outcome(result, state, plan, changes)

    # Carrying out

    def _carry_out(self, outcome: Outcome[T], kernel: Kernel) -> None:
        state, plan = outcome.state, outcome.plan
        if refusal := plan.refusal:
            raise refusal
        state.serial += 1
        state.boot_id, state.netns = system.boot_id(), system.netns_cookie()
        state.generation = kernel.rules_of(state).generation if plan.rules else None
        moves = plan.moves
        try:
            if moves:
                self._store.write_journal(state)
            self._apply(outcome, kernel)
            with uninterrupted():
                self._store.commit(state, journalled=moves, last_call=signals.deliver)
                signals.defer()
        except BaseException as failure:
            with uninterrupted():
                self._undo(outcome, kernel, str(failure))
            raise

    def _apply(self, outcome: Outcome[T], kernel: Kernel) -> None:
        try:
            kernel.apply(outcome.plan)
        except RulesRefusedError as error:
            if outcome.plan.rules.findings:  # It was made with a look at the tables.
                raise
            self._rebuild(outcome, kernel, error)

    def _rebuild(self, outcome: Outcome[T], kernel: Kernel, error: RulesRefusedError) -> None:
        """The kernel's rules are not those the plan took for granted: compare, and plan again."""
        state = outcome.state
        plan = kernel.planner.converge(state, kernel.scope(state).with_changes(state))
        if not plan:
            raise error
        plan.flows, plan.asked = outcome.plan.flows, outcome.plan.asked
        kernel.apply(plan)
        asked = outcome.plan.rules.foreseen()
        asked.update(step.why for step in outcome.plan.steps())
        self._report(plan, asked)

    def _undo(self, outcome: Outcome[T], kernel: Kernel, why: str) -> None:
        """Back to the state before, in the kernel as in the store; what cannot be is told.

        It is not told again where it is `why` the command failed.

        Without a journal the kernel has not been touched, or the change was committed.
        """
        if not self._store.has_journal():
            return
        back = [(table, key, new, old) for table, key, old, new in outcome.changes]
        kernel.close()  # An answer that was waited for may still come in there.
        try:
            scope = kernel.scope(outcome.state).with_changes(outcome.state)
            former = self._store.load()
            self._bring_here(former)
            kernel.unpair(outcome.plan)
            plan = kernel.planner.converge(former, scope)
            if self._may_have_changed_rules(outcome.state, kernel):
                plan.flows = list(flows.ended(back, former))
            plan.after += outcome.plan.rollback
            if str(plan.refusal) == why and _is_whole(outcome.plan):
                plan = plan.without_rules()  # What failed for the same reason has changed none.
            kernel.apply(plan)
            self._warn_of_failed(plan, but=why)
            if error := self._left_over(plan, former):
                raise error
            self._store.drop_journal()
        except Exception as error:
            self._settings.warn(f"could not undo everything ({error}); the next change tries again")
            if not isinstance(error, DnetError | OSError):
                raise


def answered() -> None:
    """The answer is said: raise what has waited for it, and let what comes raise again."""
    signals.deliver()


def _is_whole(plan: Plan) -> bool:
    """Whether the rules of a plan are changed all at once, or not at all."""
    return len(list(plan.rules.parts())) <= 1


def _concerns_hosts_files(state: State, changes: list[Change]) -> bool:
    """Whether what hosts files tell may have changed, or one was asked for again."""
    of_names = {"bridges", "interfaces", "links", "leases", "leases6"}
    if not state.replug and of_names.isdisjoint(table.name for table, *_ in changes):
        return False
    interfaces = (old for table, _, old, _ in changes if table is state.interfaces)
    had = any(old is not ABSENT and "hosts_file" in old for old in interfaces)
    return had or state.keeps_hosts_files


def _concerns_kernel(state: State, changes: list[Change]) -> bool:
    """Whether anything but allocations changed, or the kernel is to be looked at."""
    tables = ("settings", "bridges", "mappings", "links", "overlays", "peers")
    return (
        bool(state.confirmed or state.replug)
        or any(table.name in tables for table, *_ in changes)
        or any(attached(state, changes))
    )
