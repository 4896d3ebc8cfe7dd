"""Reading and changing the kernel's tables with the iptables on PATH.

A change is one `iptables-restore --noflush`, each table of it all or nothing, and one of ip6tables
behind it where it has rules of IPv6. They inherit the store's lock, so that one which outlives a
killed dnet keeps the next one waiting.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from functools import cached_property, partial

from dnet.errors import ConflictError, RulesUnreadableError
from dnet.firewall.door import Chain
from dnet.firewall.iptables.backend import Change
from dnet.firewall.iptables.rules import OWN, TABLES, Commands, in_order, plain
from dnet.firewall.traffic import filtered
from dnet.host import system
from dnet.host.firewall import program
from dnet.model.state import State
from dnet.typing import TYPE_CHECKING
from dnet.values.family import FAMILIES, V4, V6, Families, Family

if TYPE_CHECKING:
    from dnet.firewall.iptables.listing import Tables

HINT = "apt-get install iptables"


class Rules:
    """The iptables of this machine; see dnet.host.firewall.door.

    `wait` is how long, in seconds, iptables may wait for its own lock, and for an answer.
    """

    def __init__(self, wait: float, inherit: tuple[int, ...] = ()) -> None:
        self._wait = wait
        self._inherit = inherit

    @cached_property
    def variant(self) -> str:
        """What `iptables` on PATH is, "nft" or "legacy".

        By what the command is a link to, which needs no process; else by what it says.
        """
        return self._variant_of(V4)

    def _variant_of(self, of: Family) -> str:
        real = os.path.basename(os.path.realpath(program.found(of.xtables, HINT)))
        for variant in ("nft", "legacy"):
            if variant in real:
                return variant
        said = self._run([of.xtables, "--version"])
        return "nft" if "nf_tables" in said else "legacy"

    @property
    def families(self) -> Families:
        """Those of which there may be rules of anybody's."""
        is_used = system.find_program(V6.xtables) is not None and self._tables(V6) & {*TABLES}
        return FAMILIES if is_used else (V4,)

    @property
    def may_be_in_force(self) -> bool:
        """Whether there is a chain of dnet's; with iptables-legacy, whether there is any table."""
        if not self.is_there:
            return False
        try:
            if self.variant == "legacy":
                return bool(self._tables(V4))
            from dnet.host.firewall import nf_tables

            return not nf_tables.chains(V4).isdisjoint((one.table, one.name) for one in OWN)
        except OSError:
            return False

    @property
    def generation(self) -> None:
        """It has none."""

    def trust(self, _generation: int, /) -> None:
        """Nothing to trust."""

    @property
    def is_there(self) -> bool:
        """Whether there is an iptables."""
        return system.find_program("iptables") is not None

    def refuse_another(self, noted: str | None) -> None:
        """Raises ConflictError where the rules of a store are in the other variant."""
        if noted not in (None, self.variant):
            raise ConflictError(
                f"dnet's rules are in {noted}, but iptables is now the {self.variant} variant",
                f"update-alternatives --set iptables $(command -v iptables-{noted})",
            )

    def read(self, families: Families, /) -> Tables:
        """Everything in the tables; one that nobody has used yet has no chain at all.

        Raises RulesUnreadableError where what iptables-save prints is not all there is.
        """
        # Not where rules are changed unseen.
        from dnet.firewall.iptables.listing import Tables
        from dnet.host import routes

        found = Tables(routes.ways)
        for of in families:
            found.add(self._read(of))
        return found

    def _read(self, of: Family) -> Tables:
        from dnet.firewall.iptables.listing import Tables

        self._require(of)
        if self._has_none(of):
            return Tables()
        try:
            found = self._listed(of)
            if found.unlisted(self._tables(of), of):  # Perhaps it has been made only since.
                found = self._listed(of)
            if error := found.unlisted(self._tables(of), of):
                raise error
        except RulesUnreadableError as error:
            look = f"to see them: {of.xtables}-save"
            raise error if self.variant == "nft" else error.with_hint(look) from None
        if self.variant == "nft":
            from dnet.host.firewall import lookups

            lookups.mark(found, of)
        return found

    def _require(self, of: Family) -> None:
        """Raises KernelError without the program of a family, ConflictError of another variant."""
        found = self.variant if of is V4 else self._variant6
        if found != self.variant:
            raise ConflictError(
                f"{of.xtables} is the {found} variant, and iptables the {self.variant}",
                f"update-alternatives --set {of.xtables} $(command -v {of.xtables}-{self.variant})",
            )

    @cached_property
    def _variant6(self) -> str:
        return self._variant_of(V6)

    def _listed(self, of: Family) -> Tables:
        from dnet.firewall.iptables.listing import Tables

        return Tables.parse(self._run([f"{of.xtables}-save"]), of)

    def _tables(self, of: Family) -> set[str]:
        """The tables that the kernel has, as far as it tells."""
        try:
            return self._told(of)
        except OSError:
            return set()

    def _has_none(self, of: Family) -> bool:
        """Whether the kernel tells that there is no table, so that no program has to be started."""
        try:
            return not self._told(of)
        except OSError:
            return False

    def _told(self, of: Family) -> set[str]:
        """The tables that the kernel has. Raises OSError where it does not tell."""
        if self.variant == "legacy":
            return set(system.read_file(program.LEGACY_TABLES[of]).decode().split())
        from dnet.host.firewall import nf_tables

        return nf_tables.tables(of)

    def apply(self, change: Change, /) -> None:
        """Carry a change out. Raises KernelError with what iptables said."""
        wait = str(max(1, round(self._wait)))
        parts = {of: restore_input(change.commands, of) for of in FAMILIES}
        for of in parts:
            if parts[of]:
                self._require(of)
        for of, text in parts.items():
            if text:
                self._run([f"{of.xtables}-restore", "--noflush", "-w", wait], text)

    def foreign(self, state: State, outward: Callable[[], Collection[str]]) -> Iterator[str]:
        """What other firewalls, and the other variant, do to what a state lets through."""
        from dnet.firewall import packet
        from dnet.host.firewall import foreign

        bridges = filtered(state.bridges.values())
        published = partial(packet.published, state)
        return foreign.stopping(state.variant or "nft", bridges, published, outward)

    def _run(self, words: list[str], text: str = "") -> str:
        return program.run(words, HINT, text, self._wait + 5, self._inherit)


def restore_input(commands: Commands, of: Family) -> str:
    """What iptables-restore reads, or that of ip6tables."""
    found = ((Chain(table, ""), lines) for table, lines in in_order(commands))
    return "".join(
        f"*{plain(one).table}\n" + "\n".join(lines) + "\nCOMMIT\n"
        for one, lines in found
        if one.family is of
    )
