"""The transaction: lock, load, recover, decide, apply, commit.

The only place where what should be and what is meet. A command is a function of a state and
the facts about the machine; everything that makes it safe is here, once for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from dnet.errors import ConflictError, DnetError, KernelError, StateUnreadableError
from dnet.host import flows, rules, system
from dnet.host.kernel import Kernel, Say
from dnet.host.scope import Scope, attached
from dnet.host.signals import uninterrupted
from dnet.host.steps import Plan
from dnet.state import Change, State
from dnet.store import Store

if TYPE_CHECKING:
    from dnet.facts import Facts

T = TypeVar("T")
Operation = Callable[[State, "Facts"], T]


class Settings(NamedTuple):
    """What the global options say: `lock_timeout` is in seconds, `warn` and `trace` take a line."""

    state_dir: str
    lock_timeout: float
    warn: Say
    trace: Say


class Outcome(NamedTuple, Generic[T]):
    """What a command decided and did: its result, the state after it, the plan and the changes."""

    result: T
    state: State
    plan: Plan
    changes: list[Change]

    @property
    def sets_up_bridge(self) -> bool:
        """Whether a bridge was made, changed or confirmed."""
        return "devices" in self.state.confirmed or any(
            table is self.state.bridges and key in table for table, key, _, _ in self.changes
        )


class Driver:
    """Carries commands out on one store."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = Store(settings.state_dir)

    def read(self) -> State:
        """The committed state, without a lock."""
        return self._store.load()

    def rehearse(self, operation: Operation[T]) -> Outcome[T]:
        """Decide and plan as `change` would, and change nothing."""
        with self._kernel(()) as kernel:
            return self._decide(self._store.load(), kernel, operation)

    def change(self, operation: Operation[T]) -> Outcome[T]:
        """Carry a command out: all of it, or nothing."""
        with self._locked_kernel() as kernel:
            state = self._store.load()
            recovered = self._recover(state, kernel)
            outcome = self._decide(state, kernel, operation)
            if outcome.plan or outcome.changes or recovered:
                self._carry_out(outcome, kernel)
            if outcome.sets_up_bridge:
                for warning in kernel.foreign(state):
                    self._settings.warn(warning)
            return outcome

    @contextmanager
    def _locked_kernel(self) -> Iterator[Kernel]:
        with (
            self._store.locked(self._settings.lock_timeout) as lock,
            self._kernel((lock,)) as kernel,
        ):
            yield kernel

    @contextmanager
    def _kernel(self, inherit: tuple[int, ...]) -> Iterator[Kernel]:
        chosen = self._settings
        kernel = Kernel(chosen.lock_timeout, inherit, chosen.warn, chosen.trace)
        try:
            yield kernel
        finally:
            kernel.close()

    # Deciding

    def _decide(self, state: State, kernel: Kernel, operation: Operation[T]) -> Outcome[T]:
        before, scope = rules.skeleton(state), Scope.of(state)
        result = operation(state, kernel.machine)
        changes = state.changes()
        plan = Plan()
        if _concerns_kernel(state, changes):
            kernel.require()
            self._settle(state, kernel)
            plan = kernel.planner.change(before, scope, state)
        plan.flows = list(flows.ended(changes))
        return Outcome(result, state, plan, changes)

    def _settle(self, state: State, kernel: Kernel) -> None:
        """Note which iptables a store uses. Raises ConflictError when it is another one now."""
        if not any(bridge.iptables for bridge in state.bridges.values()):
            return
        variant = kernel.firewall.variant
        if state.variant not in (None, variant):
            raise ConflictError(
                f"iptables is the {variant} variant now, and dnet's rules are in {state.variant}",
                f"update-alternatives --set iptables $(command -v iptables-{state.variant})",
            )
        state.variant = variant

    # Carrying out

    def _carry_out(self, outcome: Outcome[T], kernel: Kernel) -> None:
        state, plan = outcome.state, outcome.plan
        state.serial += 1
        state.boot_id, state.netns = system.boot_id(), system.netns_cookie()
        moves = bool(plan.before or plan.commands or plan.after)
        if moves:
            self._store.write_journal(state)
        scope = Scope.of(state).with_changes(state)
        try:
            self._apply(outcome, kernel)
            with uninterrupted():
                self._store.commit(state, journalled=moves)
        except BaseException:
            with uninterrupted():
                self._undo(outcome, scope, kernel, moves)
            raise

    def _apply(self, outcome: Outcome[T], kernel: Kernel) -> None:
        try:
            kernel.apply(outcome.plan)
        except KernelError as error:
            if not self._only_rules(outcome.plan):
                raise
            self._rebuild(outcome, kernel, error)

    def _only_rules(self, plan: Plan) -> bool:
        """Whether a plan was made without a look at the tables."""
        return bool(plan.commands) and not plan.findings and not plan.before

    def _rebuild(self, outcome: Outcome[T], kernel: Kernel, error: KernelError) -> None:
        """The kernel's rules are not those the plan took for granted: compare, and plan anew."""
        state = outcome.state
        plan = kernel.planner.converge(state, Scope.of(state).with_changes(state))
        if not plan:
            raise error
        plan.flows = outcome.plan.flows
        kernel.apply(plan)
        self._report(plan)

    def _undo(self, outcome: Outcome[T], scope: Scope, kernel: Kernel, moved: bool) -> None:
        """Back to the state before, in the kernel as in the store; what cannot be is reported."""
        state = outcome.state
        state.undo(0)
        if not moved:
            return
        try:
            kernel.apply(kernel.planner.converge(state, scope))
            self._store.drop_journal()
        except DnetError as error:
            self._settings.warn(f"could not undo everything ({error}); the next change tries again")

    # Recovering

    def _recover(self, state: State, kernel: Kernel) -> bool:
        """After a kill, or on another boot: make the kernel agree with the store first.

        Raises StateUnreadableError for a store of another network namespace.
        """
        moved = self._elsewhere(state)
        journal = self._store.journal()
        if journal is not None and journal.serial <= state.serial:
            self._store.drop_journal()
            journal = None
        if journal is None and not moved:
            return False
        plan = kernel.planner.converge(state, self._full_scope(state))
        if plan:
            kernel.require()
            kernel.apply(plan)
            self._report(plan)
        self._store.drop_journal()
        return moved

    def _full_scope(self, state: State) -> Scope:
        """All that the store mentions, and what a killed command was about to make."""
        scope = Scope.of(state).with_attachments(state)
        journal = self._store.journal()
        return scope if journal is None else scope | Scope.of(journal).with_attachments(journal)

    def _elsewhere(self, state: State) -> bool:
        """Whether this is another boot than the store's kernel side was made on."""
        if not state.bridges or state.boot_id is None:
            return False
        if state.boot_id != system.boot_id():
            return True
        cookie = system.netns_cookie()
        if None not in (state.netns, cookie) and state.netns != cookie:
            raise StateUnreadableError(
                f"{self._store.path} belongs to another network namespace",
                "run dnet there, or give each namespace a store of its own with --state-dir",
            )
        return False

    def _report(self, plan: Plan) -> None:
        for difference in plan.differences():
            self._settings.warn(f"repaired: {difference}")


def _concerns_kernel(state: State, changes: list[Change]) -> bool:
    """Whether anything but allocations changed, or the kernel is to be looked at."""
    tables = (state.bridges, state.mappings, state.links)
    return (
        bool(state.confirmed or state.replug)
        or any(table in tables for table, *_ in changes)
        or any(attached(state, changes))
    )
