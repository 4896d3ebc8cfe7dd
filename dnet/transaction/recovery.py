"""Store and kernel brought to agreement: the ground that commands and maintenance stand on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from time import monotonic

from dnet import STATE_DIR
from dnet.errors import DamagedStateError, DnetError, ForeignStateError
from dnet.host import privilege, system
from dnet.host.kernel import Kernel, Say
from dnet.host.signals import uninterrupted
from dnet.model.state import State
from dnet.plan import flows, report
from dnet.plan.scope import EMPTY_SCOPE, Scope
from dnet.plan.steps import Plan
from dnet.store.folder import Store
from dnet.typing import TYPE_CHECKING, NamedTuple
from dnet.values.veth import veth_name

if TYPE_CHECKING:
    from dnet.host.callers import Callers
    from dnet.plan.hostsfiles import Block


def _drop(_line: str) -> None:
    """Let nobody hear it."""


def _begin() -> None:
    """Nothing needs to be made ready."""


class Settings(NamedTuple):
    """Which store, and who hears of it: `lock_timeout` is in seconds.

    `warn`, `tell`, `trace` and `notice` take a line: a warning, what was done, a step of it, what
    is waited for. The last two are None where nobody wants to see them. `begin` is called ahead of
    whatever may change something. What `callers` listen on is no obstacle.
    """

    state_dir: str = STATE_DIR
    lock_timeout: float = 30
    warn: Say = _drop
    tell: Say = _drop
    trace: Say | None = None
    notice: Say | None = None
    begin: Callable[[], None] = _begin
    callers: Callers | None = None


class Recovery:
    """One store, the kernel it is about, and the way from what is to what should be."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = Store(settings.state_dir)

    @property
    def state_dir(self) -> str:
        """Where the store is."""
        return self._settings.state_dir

    @contextmanager
    def _locked_kernel(self, *, writes: bool = True) -> Iterator[Kernel]:
        self._settings.begin()
        begin = monotonic()
        with self._locked(writes=writes) as lock:
            left = self._settings.lock_timeout - (monotonic() - begin)
            with self._kernel(() if lock is None else (lock,), left) as kernel:
                yield kernel

    def _locked(self, *, writes: bool) -> AbstractContextManager[int | None]:
        """Who need not write to the store may also have one that is read-only.

        But not who may not change the network either, and would keep others waiting.
        """
        writes = writes or not privilege.has(privilege.NET_ADMIN)
        return self._store.locked(self._settings.lock_timeout, self._settings.notice, writes=writes)

    @contextmanager
    def _kernel(self, inherit: tuple[int, ...] = (), wait: float = 0) -> Iterator[Kernel]:
        system.require_files()
        given = self._settings
        kernel = Kernel(max(wait, 1), inherit, given.warn, given.trace, given.callers)
        try:
            yield kernel
        finally:
            kernel.close()

    def _pin_variant(self, state: State, kernel: Kernel, *, had_rules: bool) -> None:
        """Note which variant of the firewall a store uses.

        Raises ConflictError when it is another one now. `had_rules` says whether there are rules
        of this store's already.
        """
        if had_rules:
            kernel.rules(state.firewall).refuse_another(state.variant)
        if had_rules or state.uses_firewall:
            state.variant = kernel.rules_of(state).variant

    def _recover(self, state: State, kernel: Kernel) -> bool:
        """After a kill, or on another boot: make the kernel agree with the store first.

        Raises ForeignStateError for a store of another network namespace.
        """
        moved = self._bring_here(state)
        journal = self._left_journal(state, moved=moved)
        if journal is None:
            self._store.drop_journal()
            if not moved:
                return False
        plan = self._recovery_plan(state, journal, kernel)
        if plan:
            kernel.require()
            with uninterrupted():
                kernel.apply(plan)
            self._report(plan)
        self._warn_of(f"repaired: {line}" for line in self._keep(plan.blocks))
        if error := self._left_over(plan, state):
            raise error
        self._store.drop_journal()
        return moved

    @staticmethod
    def _left_over(plan: Plan, state: State) -> DnetError | None:
        """Why something did not go of which nothing but the journal tells, if so."""
        attached = (veth_name(one.id) for one in state.interfaces.values() if one.netns)
        known = {*state.bridges, *attached} if plan.failed else ()
        errors = (error for device, error in plan.failed.items() if device not in known)
        error = next(errors, None)
        return error and error.with_hint("the next change tries again; to try now: dnet restore")

    def _left_journal(self, state: State, *, moved: bool) -> State | None:
        """What a killed command was moving the kernel to, unless it came to commit it.

        With `moved` one that is damaged is done without: what it told of went with that boot.
        """
        journal = self._readable_journal() if moved else self._store.journal()
        return journal if journal is not None and journal.serial > state.serial else None

    def _readable_journal(self) -> State | None:
        """The journal, if it is not damaged."""
        try:
            return self._store.journal()
        except DamagedStateError as error:
            self._settings.warn(f"{error}; continuing without it")
            return None

    def _recovery_plan(
        self, state: State, journal: State | None, kernel: Kernel, beyond: Scope = EMPTY_SCOPE
    ) -> Plan:
        """The plan that makes the kernel agree with the store, also after a killed command.

        `beyond` is what to look at besides.
        """
        self._pin_variant(state, kernel, had_rules=state.uses_firewall)
        scope = kernel.scope(state).with_attachments(state) | beyond
        former = state.former_firewall
        if former and kernel.rules(former).may_be_in_force:  # As a saved file brings back.
            scope |= kernel.former_scope(state)
        if journal is None:
            return kernel.planner.converge(state, scope)
        left = kernel.scope(journal).with_attachments(journal)
        plan = kernel.planner.converge(state, scope | left)
        if self._may_have_changed_rules(journal, kernel):
            plan.flows = list(flows.left_behind(journal, state))
        return plan

    @staticmethod
    def _may_have_changed_rules(journal: State, kernel: Kernel) -> bool:
        """Whether what a journal tells of may have become active, for however long.

        Rules are changed ahead of all that lets anything through. As long as nobody has changed any
        since then, no connection began or went on by others than those that the store tells of.
        """
        if journal.generation is None or journal.boot_id != system.boot_id():
            return True
        return kernel.rules(journal.firewall).generation != journal.generation

    def _bring_here(self, state: State) -> bool:
        """Let a state that was made on another boot forget that one; whether it was.

        Raises ForeignStateError for one of another network namespace.
        """
        if not state.bridges or state.boot_id is None:
            return False
        if state.boot_id != system.boot_id():
            state.forget_boot()
            return True
        if not self._is_foreign(state):
            return False
        raise ForeignStateError(
            f"{self._store.path} belongs to another network namespace",
            "run dnet there, or use another store here with --state-dir; if that namespace is "
            "gone: dnet restore --adopt",
        )

    @staticmethod
    def _is_foreign(state: State) -> bool:
        """Whether a store is of another network namespace than this one, on the same boot."""
        here = system.netns_cookie()
        same_boot = bool(state.bridges) and state.boot_id == system.boot_id()
        return same_boot and None not in (state.netns, here) and state.netns != here

    def _report(self, plan: Plan, asked: Collection[str] = ()) -> None:
        for line in report.repaired(plan, asked):
            self._settings.warn(f"repaired: {line}")
        self._warn_of_failed(plan)

    @staticmethod
    def _outdated(blocks: Iterable[Block]) -> Iterator[tuple[Block, str]]:
        """What hosts files do not tell as they should, or nobody knows whether, in words."""
        for block in blocks:
            from dnet.host import hostsfile

            try:
                if not hostsfile.is_kept(block):
                    yield block, block.why
            except DnetError as error:
                yield block, str(error)

    def _keep(self, blocks: Iterable[Block]) -> Iterator[str]:
        """Let hosts files tell what they should; what they did not, in words.

        The change is committed: what cannot be written is warned of.
        """
        for block in blocks:
            from dnet.host import hostsfile

            try:
                if hostsfile.keep(block):
                    yield block.why
            except DnetError as error:
                self._settings.warn(str(error))

    def _warn_of(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._settings.warn(line)

    def _warn_of_failed(self, plan: Plan, but: str = "") -> None:
        for line in map(str, plan.failed.values()):
            if not but or not line.endswith(but):
                self._settings.warn(line)
