"""A host in a pool of several: what a registry is asked for, and what is made of it here.

The registry is asked with nothing locked, for it may take its time. What a host needs to know its
own record again is in its store before that is made.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from dnet.errors import ConflictError, DnetError, StoreUnreachableError, UsageError
from dnet.host import system
from dnet.hosts import fields, place, pools
from dnet.hosts.record import (
    NO_CREDENTIALS,
    Claim,
    Credentials,
    HostRecord,
    Registry,
    Roster,
    Transport,
    Wanted,
)
from dnet.model.pool import ROUTE, VXLAN, Overlay
from dnet.model.state import State
from dnet.network import overlay
from dnet.network.facts import Facts
from dnet.plan.view import View
from dnet.registry.door import open_registry
from dnet.transaction.driver import Driver, Outcome, answered
from dnet.transaction.operation import Operation
from dnet.typing import NamedTuple
from dnet.values import address

Follow = Callable[[State, Facts], ConflictError | None]


class Joining(NamedTuple):
    """What a command line says of a host that joins; None for what it leaves open."""

    name: str | None = None
    store: str | None = None
    bridge: str | None = None
    underlay: str | None = None
    transport: Transport | None = None
    wanted: Wanted = Wanted()
    credentials: Credentials = NO_CREDENTIALS
    moved: bool = False
    firewall: str | None = None


class Hosting(Driver):
    """Carries out what is about the other hosts, on one store."""

    def join(self, asked: Joining, *, dry_run: bool) -> Outcome[Overlay]:
        """Get a block of a pool, make a bridge of it, and lead to the others.

        Raises what the registry raises, ConflictError, UsageError.
        """
        self._settings.begin()
        state = self.read()
        url = str(place.parse(_url(state, asked)))
        credentials = asked.credentials
        if state.overlay is not None and credentials == NO_CREDENTIALS:
            credentials = overlay.registry_of(state.overlay)
        registry = open_registry(url, credentials)
        is_file = url.startswith(f"{place.FILE}:")
        name = asked.name or (state.overlay.name if state.overlay else _own_name())
        line = _line(registry.read(), name) if is_file else None
        with self._kernel() as kernel:
            plan = overlay.Plan(
                name=name,
                registry=url,
                bridge=overlay.bridge_for(state, asked.bridge),
                underlay=overlay.underlay(
                    kernel.machine, asked.underlay or (line.underlay if line else None)
                ),
                transport=asked.transport or (line.transport if line else VXLAN),
                credentials=credentials,
                firewall=asked.firewall,
            )
            overlay.refuse_another(state.overlay, plan)
            there = state.overlay.token if state.overlay else ""
            new = kernel.machine.random_bits(fields.TOKEN_BITS)
            token = "" if is_file else there or fields.token(new)
        wanted = _known(state, asked.wanted)
        roster = registry.read(fresh=True)
        claim = Claim(plan.name, plan.underlay, plan.transport, token, wanted, asked.moved)
        overlay.refuse_forgotten(state.overlay, roster)
        pool = roster.pool or pools.founded(wanted)
        operation = partial(Operation, overlay.join, plan=plan, pool=pool)
        record = registry.join(claim) if is_file else _foreseen(claim, roster)
        if not (is_file or dry_run):
            foreseen = operation(record=record, roster=roster)
            record = self._register(registry, claim, plan, foreseen, is_new=state.overlay is None)
            roster = registry.read(fresh=True)
        made = operation(record=record, roster=roster)
        return self.rehearse(made) if dry_run else self.change(made)

    def _register(
        self,
        registry: Registry,
        claim: Claim,
        plan: overlay.Plan,
        foreseen: Operation[Overlay],
        *,
        is_new: bool,
    ) -> HostRecord:
        """The record of this host, made with a token that is in its store before.

        Where the answer is lost it stays there, and the next command to join finds the record.
        Nobody is told of a host that has something against what is `foreseen`; one that `is_new`
        then forgets that it was about to join.
        """
        noted = self.change(Operation(overlay.note, plan=plan, token=claim.token)).result
        try:
            with self._locked_kernel() as kernel:
                state = self._store.load()
                # With a block it has joined meanwhile, and nothing is to be foreseen.
                if state.overlay is None or state.overlay.block is None:
                    foreseen(state, kernel.machine)
            return registry.join(claim._replace(token=noted))
        except StoreUnreachableError:
            raise
        except DnetError:
            if is_new:
                self.change(Operation(overlay.forget))
            raise

    def sync(self, *, dry_run: bool = False, fresh: bool = False) -> Outcome[ConflictError | None]:
        """Let the peers be those that the registry says; `fresh` for no older than this moment.

        Nothing is locked where that changes nothing. Raises StoreUnreachableError, and
        ConflictError once that is done where this host is no longer one of them.
        """
        self._settings.begin()
        return self._sync_with(self._registry(self.read()), dry_run=dry_run, fresh=fresh)

    def _sync_with(
        self, registry: Registry, *, dry_run: bool = False, fresh: bool = False
    ) -> Outcome[ConflictError | None]:
        state = self.read()
        roster = registry.news(overlay.own(state).digest, fresh)
        if roster is None and self._stays(state):
            return Outcome.of_nothing(None, state)
        roster = roster or registry.read(fresh)
        operation = Operation(overlay.sync, roster=roster)
        outcome = self.rehearse(operation) if dry_run else self._sync(operation)
        has_order = roster.revision > 0
        if not (dry_run or has_order) and registry.news(roster.digest) is not None:
            # Another sync may have read it later, and been done before.
            return self._sync_with(registry)
        if outcome.result is not None and not dry_run:
            raise outcome.result
        return outcome

    def _stays(self, state: State) -> bool:
        """Whether nothing is to be done where the registry says what it said before."""
        if self._store.has_journal() or self._bring_here(state):
            return False
        with self._kernel() as kernel:
            machine = kernel.machine
            return overlay.is_unmoved(state, machine) and not _lacks_routes(state, machine)

    def _sync(self, operation: Follow) -> Outcome[ConflictError | None]:
        if self._store.has_journal():
            return self.change(operation)
        state = self.read()
        self._bring_here(state)
        with self._kernel() as kernel:
            result = operation(state, kernel.machine)
            has_waited = _lacks_routes(state, kernel.machine)
        if state.changes():
            return self.change(operation)
        if has_waited:
            return self.change(partial(_repairing, operation))
        self._warn_of(state.remarks)
        return Outcome.of_nothing(result, state)

    def watch(self, tell: Callable[[str], None]) -> None:
        """Follow the registry's changes as they come, as long as the connection lasts.

        Raises what `sync` raises, UsageError where nobody tells of changes, and what ends it.
        """
        registry = self._registry(self.read())
        changes = registry.watch(overlay.own(self.read()).revision)
        self.sync()
        answered()
        for revision in changes:
            self.sync(fresh=True)
            tell(f"revision {revision}")
            answered()

    def leave(self, *, force: bool, dry_run: bool) -> Outcome[None]:
        """Give the block back, and lead to nobody any more.

        By `force` also where the registry cannot be told. Raises ConflictError while anything is
        allocated, NotFoundError, StoreUnreachableError.
        """
        self._settings.begin()
        state = self.read()
        found = overlay.may_leave(state, force=force)
        operation = Operation(overlay.leave, force=force)
        if dry_run:
            return self.rehearse(operation)
        try:
            registry = open_registry(found.registry, overlay.registry_of(found))
            registry.leave(found.name, found.token)
        except StoreUnreachableError as error:
            if not force:
                raise error.with_hint(
                    "to leave without the registry: dnet host leave --force"
                ) from None
            self._settings.warn(f"{error}; its record stays in the registry")
        return self.change(operation)

    def remove(self, name: str) -> None:
        """Take another host out of the pool for good. Raises ConflictError for this one."""
        state = self.read()
        if overlay.own(state).name == name:
            raise ConflictError(f"{name} is this host", "dnet host leave")
        registry = self._registry(state)
        registry.remove(name)
        self._sync_with(registry, fresh=True)

    def _registry(self, state: State) -> Registry:
        found = overlay.own(state)
        return open_registry(found.registry, overlay.registry_of(found))


def _lacks_routes(state: State, view: View) -> bool:
    """Whether routes could not be made, as their routers were not reached then."""
    here = state.overlay
    if here is None or here.transport != ROUTE:
        return False
    from dnet.plan import overlays

    return any(overlays.moves(state, (), (), view))


def _repairing(operation: Follow, state: State, facts: Facts) -> ConflictError | None:
    state.confirm()
    return operation(state, facts)


def _url(state: State, asked: Joining) -> str:
    if asked.store is not None:
        return asked.store
    if state.overlay is not None:
        return state.overlay.registry
    raise UsageError("no registry of hosts is given", "--store file:///etc/dnet/hosts")


def _known(state: State, wanted: Wanted) -> Wanted:
    """What is wanted of the pool, with what a host knows that joins again."""
    there = state.overlay
    if there is None or there.block is None:
        return wanted
    own = Wanted(there.pool, address.prefix_len(there.block), there.vni, there.port)
    return own._replace(**{key: one for key, one in wanted._asdict().items() if one is not None})


def _own_name() -> str:
    return fields.parse_name(system.hostname())


def _line(roster: Roster, name: str) -> HostRecord | None:
    return next((one for one in roster.hosts if one.name == name), None)


def _foreseen(claim: Claim, roster: Roster) -> HostRecord:
    """The record that a host has, or would get as the registry is now."""
    pool = pools.agreed(roster.pool, claim.pool) if roster.pool else pools.founded(claim.pool)
    if there := next((one for one in roster.hosts if one.token == claim.token), None):
        return there
    block = pools.choose(pool, {one.block: one for one in roster.hosts})
    return HostRecord(claim.name, claim.underlay, block, claim.transport, claim.token)
