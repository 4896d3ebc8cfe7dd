"""Everything that dnet made taken away, and the store with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from dnet import STATE_DIR
from dnet.errors import (
    DiskFullError,
    DnetError,
    ForeignStateError,
    KernelError,
    RulesUnreadableError,
    StateUnreadableError,
)
from dnet.firewall.door import Trace
from dnet.firewall.traffic import families
from dnet.host.kernel import Kernel, Say
from dnet.host.signals import uninterrupted
from dnet.model.state import State
from dnet.plan import flows
from dnet.plan.scope import EMPTY_SCOPE, Scope
from dnet.plan.steps import Plan
from dnet.transaction.ownership import owns_names
from dnet.transaction.recovery import Recovery
from dnet.transaction.unowned import HINT, Unowned, find
from dnet.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dnet.plan.hostsfiles import Block


class Clearance(Recovery):
    """What takes a store and its kernel side away."""

    def reset(self, *, unowned: bool = False, dry_run: bool = False) -> Plan:
        """Remove everything that the store knows of, then the store.

        What bears dnet's names and belongs to no known store goes only with `unowned`, and is
        warned of without. Raises DnetError where something cannot be removed, and keeps the
        store; ForeignStateError.
        """
        with self._kernel() if dry_run else self._locked_kernel() as kernel:
            known, is_whole = self._known(self._settings.warn)
            for state in known:
                self._pin_variant(state, kernel, had_rules=state.uses_firewall)
            owned = self._owned(known, kernel)
            going = self._bearing_names(kernel, owned) if unowned else Unowned()
            left = self._unknown(kernel, owned | going.scope)
            plan = kernel.planner.converge(State(), owned | going.scope)
            plan.after = [*going.steps(), *plan.after]
            plan.blocks = [block for state in known for block in _gone(state)]
            plan.flows = [flow for state in known for flow in flows.left_behind(state, State())]
            if not dry_run:
                again = "dnet reset --unowned" if unowned else "dnet reset"
                self._clear(known if is_whole else [], plan, kernel, again)
            self._warn_of(plan.left)
            if left:
                self._settings.warn(f"left alone, because it is not in this store: {left}; {HINT}")
            if not owned.bridges and not owns_names(self._store):
                self._settings.warn(
                    f"left alone: dnet's chains and devices here belong to the store in {STATE_DIR}"
                )
            return plan

    def unowned(self) -> Unowned:
        """What `reset` would remove only with `unowned`. Raises KernelError."""
        with self._kernel() as kernel:
            kernel.require()
            known, _ = self._known(lambda _: None)
            return self._bearing_names(kernel, self._owned(known, kernel))

    def _bearing_names(self, kernel: Kernel, owned: Scope) -> Unowned:
        return find(kernel, owned) if owns_names(self._store) else Unowned()

    def _unknown(self, kernel: Kernel, owned: Scope) -> Unowned:
        """The same where no bridge is known, for then it may be another store's by mistake.

        What cannot be looked at is nobody's concern there.
        """
        if owned.bridges:
            return Unowned()
        try:
            return self._bearing_names(kernel, owned)
        except RulesUnreadableError:
            raise
        except KernelError:
            return Unowned()

    def _owned(self, known: Iterable[State], kernel: Kernel) -> Scope:
        """All that these states of the store stand for."""
        owned = EMPTY_SCOPE
        for state in known:
            owned |= kernel.scope(state).with_attachments(state) | self._reserved(state, kernel)
            owned |= kernel.former_scope(state)
        return owned

    def _reserved(self, state: State, kernel: Kernel) -> Scope:
        """What the firewall has by dnet's own names, where this store may have made it."""
        owned = state.uses_firewall and owns_names(self._store)
        if not owned:
            return EMPTY_SCOPE
        chains = kernel.firewall(state.firewall).own(families(state.bridges.values()))
        return Scope(traces=frozenset(Trace(state.firewall, one) for one in chains))

    def _clear(self, known: list[State], plan: Plan, kernel: Kernel, again: str) -> None:
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
            failed = map(str, plan.failed.values())
            if failures := [*failed, *kernel.apply_what_can_be(plan)]:
                raise DnetError(
                    f"could not remove everything: {'; '.join(failures)}",
                    f"remove what uses it, then repeat: {again}",
                )
            list(self._keep(plan.blocks))
            self._store.erase()

    def _note_journal(self, target: State, *, anew: bool = False) -> None:
        """Let the next command go on if this one is killed.

        One that is there stays, if not to be made `anew`: it knows what a command before was
        about to make.
        """
        if anew or not self._store.has_journal():
            target.serial += 1
            try:
                self._store.write_journal(target)
            finally:
                target.serial -= 1

    def _known(self, warn: Say) -> tuple[list[State], bool]:
        """The states that tell what dnet made, and whether the store is whole.

        In place of a damaged one there is the state before it.
        """
        states, is_whole = [], True
        try:
            states.append(self._store.load())
        except ForeignStateError:
            raise
        except StateUnreadableError as error:
            warn(f"{error}; removing everything else")
            states += _readable(self._store.previous, warn)
            is_whole = False
        states += _readable(self._store.journal, warn)
        for state in states:
            self._bring_here(state)
        return states, is_whole


def _gone(state: State) -> Iterator[Block]:
    """What hosts files told."""
    if state.keeps_hosts_files:
        from dnet.plan import hostsfiles

        yield from (block._replace(lines=None) for block in hostsfiles.kept(state))


def _readable(read: Callable[[], State | None], warn: Say) -> list[State]:
    """A state that may not be there, and may be damaged too."""
    try:
        found = read()
    except ForeignStateError:
        raise
    except StateUnreadableError as error:
        warn(str(error))
        return []
    return [found] if found else []
