"""Store against kernel: compare them, and make them agree."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

from dnet.errors import ConflictError, DamagedStateError, DnetError
from dnet.host import nsholder, system
from dnet.host.kernel import Kernel
from dnet.host.signals import uninterrupted
from dnet.model.state import State
from dnet.plan import report
from dnet.plan.scope import EMPTY_SCOPE
from dnet.plan.steps import Plan
from dnet.transaction.clearance import Clearance
from dnet.transaction.unowned import refuse_settled
from dnet.typing import NamedTuple
from dnet.values.endpoint import host_ips_of
from dnet.values.names import for_shell

_LEFT_BEHIND = "a command was killed half-way; the next change, or dnet restore, repairs it"


class FirewallView(NamedTuple):
    """The firewall of a store.

    `icc_by` is how --no-icc is kept: `none`, `isolated-ports` or `br-netfilter`. `overruled_by` is
    what others have set that keeps traffic away from its rules, in words.
    """

    backend: str
    variant: str | None
    icc_by: str
    overruled_by: list[str]


class Maintenance(Clearance):
    """What can be done to a store and its kernel side as a whole."""

    def firewall(self) -> FirewallView:
        """The firewall in use, and what of others overrules it. Changes nothing."""
        state = self._store.load()
        self._bring_here(state)
        with self._kernel() as kernel:
            kernel.require()
            plan = self._recovery_plan(state, None, kernel)
            overruled = [
                *(*plan.rules.overruled, *plan.rules.notes),
                *(*kernel.notes(state), *kernel.foreign(state)),
            ]
            return FirewallView(state.firewall, state.variant, kernel.icc_by(state), overruled)

    def check(self, only: str | None = None) -> list[str]:
        """Every difference between the store and the kernel, in words. Changes nothing.

        With an interface's id `only` what keeps that one from its network. What seems to differ
        while a command is under way is looked at again once it has ended.
        """
        notes: list[str] = []
        found = self._found(only, notes)
        self._warn_of(notes)
        return found

    def _found(self, only: str | None, notes: list[str]) -> list[str]:
        if not self._store.has_journal() and not self._differences(None, only, notes):
            return []
        with self._locked(writes=False):
            try:
                journal, left = self._store.journal(), _LEFT_BEHIND
            except DamagedStateError as error:
                journal, left = None, f"{error}; {error.hint}"
            found = self._differences(journal, only, notes)
            return [*found, left] if self._store.has_journal() else found

    @property
    def publishes(self) -> bool:
        """Whether the store has any port published."""
        return bool(self._store.load().mappings)

    def _differences(self, journal: State | None, only: str | None, notes: list[str]) -> list[str]:
        """What differs; `notes` come to hold what does not, and is to be known."""
        stamp = self._store.verified.stamp()
        state = self._store.load()
        self._bring_here(state)
        with self._kernel() as kernel:
            kernel.require()
            plan = self._compared(state, stamp, journal, kernel)
            if only is not None:
                return list(report.of_interface(plan, state, only))
            failed = [str(error) for error in plan.failed.values()]
            overruled = [*plan.rules.overruled, *kernel.hindrances(state)]
            absent = kernel.absent(host_ips_of(state.mappings))
            owned = kernel.scope(state) | (kernel.scope(journal) if journal else EMPTY_SCOPE)
            unknown = self._unknown(kernel, owned).differences()
            notes[:] = [*plan.rules.notes, *kernel.notes(state, all_of_it=False)]
            files = [why for _, why in self._outdated(plan.blocks)]
            found = [*failed, *plan.differences(), *plan.unplugged, *overruled, *absent]
            return [*found, *files, *unknown]

    def _compared(
        self, state: State, stamp: str | None, journal: State | None, kernel: Kernel
    ) -> Plan:
        """What a restore would do. Of the rules not all is read again that was seen to agree.

        `stamp` is the store's, as it was before it was read.
        """
        rules, place = kernel.rules_of(state), f"{system.boot_id()} {system.netns_cookie()}"
        generation, known = rules.generation, None
        if generation is not None and journal is None:
            known = self._store.verified.read(stamp, place)
        if known is not None:
            rules.trust(known)
        plan = self._recovery_plan(state, journal, kernel, self._reserved(state, kernel))
        agrees = not plan.findings and journal is None
        if generation is not None and agrees and known != generation == rules.generation:
            self._store.verified.write(stamp, place, generation)
        return plan

    def restore(self, *, adopt: bool = False, dry_run: bool = False) -> Plan:
        """Make the kernel agree with the store, from whatever it looks like now.

        With `adopt` the store may be of another network namespace, and is of this one then.
        Raises ConflictError where this one is another store's, or that one is still there;
        DnetError where a bridge cannot be made, once all the rest is done.
        """
        with self._kernel() if dry_run else self._locked_kernel(writes=False) as kernel:
            state = self._store.load()
            journal = self._readable_journal()
            adopts = adopt and self._is_foreign(state)
            if adopts:
                journal = self._adopt(state, journal, kernel)
            moved = adopts or self._bring_here(state)
            plan = self._recovery_plan(state, journal, kernel, self._reserved(state, kernel))
            plan.blocks = [block for block, _ in self._outdated(plan.blocks)]
            if not dry_run:
                with uninterrupted():
                    self._mend(state, plan, kernel, moved=moved, adopts=adopts)
            return plan

    def _adopt(self, state: State, journal: State | None, kernel: Kernel) -> State | None:
        """Let a store be of this namespace, as on another boot; its journal, if it is of here.

        What is here already is another store's, but for what an adoption that was killed has
        made, of which the journal tells. Raises ConflictError, also where the other namespace is
        still there.
        """
        here = system.netns_cookie()
        if journal is None or journal.netns != here:
            journal = None
            refuse_settled(state, kernel)
        if state.netns is not None and (holder := nsholder.find(state.netns)):
            raise ConflictError(
                f"the network namespace of {self._store.path} still exists: {holder}",
                f"run dnet in it: nsenter --net={for_shell(holder.path)} dnet check; or end the "
                "process that keeps it, then: dnet restore --adopt",
            )
        state.forget_boot()
        state.boot_id, state.netns = system.boot_id(), here
        return journal

    def _mend(self, state: State, plan: Plan, kernel: Kernel, *, moved: bool, adopts: bool) -> None:
        """Take the steps of a plan that leads to the state itself; a failure is tried again.

        What cannot be written down is done without, for what is to be active is in the store
        as it is. But not what `adopts`: nothing else tells whose the kernel's side is then.
        """
        if plan:
            kernel.require()
            if refusal := plan.refusal:
                raise refusal
            self._note(partial(self._note_journal, state, anew=adopts), needed=adopts)
            kernel.apply(plan)
            for line in report.repaired(plan):
                self._settings.tell(f"repaired: {line}")
        for line in self._keep(plan.blocks):
            self._settings.tell(f"repaired: {line}")
        if moved or (state.bridges and state.boot_id is None):
            state.serial += 1
            state.boot_id, state.netns = system.boot_id(), system.netns_cookie()
            self._note(partial(self._store.commit, state, journalled=False), needed=adopts)
        if not self._left_over(plan, state):
            self._note(self._store.drop_journal)
        self._store.names.renew(state)
        for line in plan.rules.overruled:
            self._settings.warn(line)
        with suppress(DnetError, OSError):  # It is done: nothing here is reason to fail.
            for line in kernel.hindrances(state):
                self._settings.warn(line)
        for line in report.few(plan.unplugged, "are unplugged: dnet check lists them"):
            self._settings.warn(line)
        self._fail_of_blocked(plan)

    def _note(self, write: Callable[[], None], *, needed: bool = False) -> None:
        """Write something down; on a disk that is full or read-only go on, if it is not needed."""
        try:
            write()
        except DnetError as error:
            if needed:
                raise
            self._settings.warn(f"{error}; continuing without it")

    def _fail_of_blocked(self, plan: Plan) -> None:
        """Raises DnetError with one of what could not be made; the others are warned of."""
        *others, last = plan.failed.values() or (None,)
        for error in others:
            self._settings.warn(str(error))
        if last is not None:
            raise DnetError(f"{last}; everything else is restored", last.hint)
