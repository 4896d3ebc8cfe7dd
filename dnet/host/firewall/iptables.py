"""Reading and changing the kernel's tables with the iptables on PATH.

A change is one `iptables-restore --noflush`, each table of it all or nothing. It inherits the
store's lock, so that one which outlives a killed dnet keeps the next one waiting.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from functools import cached_property, partial

from dnet.errors import ConflictError, RulesUnreadableError
from dnet.firewall.iptables.backend import Change
from dnet.firewall.iptables.listing import Tables
from dnet.firewall.iptables.rules import Commands, in_order
from dnet.firewall.traffic import filtered
from dnet.host import system
from dnet.host.firewall import lookups, nf_tables, program
from dnet.model.state import State
from dnet.values.family import Families

HINT = "apt-get install iptables"
_LOOK = "look at it: iptables-save"
_LEGACY_TABLES = "/proc/self/net/ip_tables_names"


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
        real = os.path.basename(os.path.realpath(program.found("iptables", HINT)))
        for variant in ("nft", "legacy"):
            if variant in real:
                return variant
        said = self._run(["iptables", "--version"])
        return "nft" if "nf_tables" in said else "legacy"

    @property
    def is_there(self) -> bool:
        """Whether there is an iptables."""
        return system.find_program("iptables") is not None

    def refuse_another(self, noted: str | None) -> None:
        """Raises ConflictError where the rules of a store are in the other variant."""
        if noted not in (None, self.variant):
            raise ConflictError(
                f"iptables is the {self.variant} variant now, and dnet's rules are in {noted}",
                f"update-alternatives --set iptables $(command -v iptables-{noted})",
            )

    def read(self, _families: Families, /) -> Tables:
        """Everything in the tables; one that nobody has used yet has no chain at all.

        Raises RulesUnreadableError where what iptables-save prints is not all there is.
        """
        try:
            found = self._listed()
            if found.unlisted(self._tables()):  # Perhaps it has been made only since.
                found = self._listed()
            if error := found.unlisted(self._tables()):
                raise error
        except RulesUnreadableError as error:
            raise error if self.variant == "nft" else error.advising(_LOOK) from None
        if self.variant == "nft":
            lookups.mark(found)
        return found

    def _listed(self) -> Tables:
        return Tables.parse(self._run(["iptables-save"]))

    def _tables(self) -> set[str]:
        """The tables that the kernel has, as far as it tells."""
        try:
            if self.variant == "legacy":
                return set(system.read_file(_LEGACY_TABLES).decode().split())
            return nf_tables.tables()
        except OSError:
            return set()

    def apply(self, change: Change, /) -> None:
        """Carry a change out. Raises KernelError with what iptables said."""
        wait = str(max(1, round(self._wait)))
        self._run(["iptables-restore", "--noflush", "-w", wait], restore_input(change.commands))

    def foreign(self, state: State, outward: Callable[[], Collection[str]]) -> Iterator[str]:
        """What other firewalls, and the other variant, do to what a state lets through."""
        from dnet.firewall import packet
        from dnet.host.firewall import foreign

        bridges = filtered(state.bridges.values())
        published = partial(packet.published, state)
        return foreign.stopping(state.variant or "nft", bridges, published, outward)

    def _run(self, words: list[str], text: str = "") -> str:
        return program.run(words, HINT, text, self._wait + 5, self._inherit)


def restore_input(commands: Commands) -> str:
    """What iptables-restore reads."""
    parts = (f"*{table}\n" + "\n".join(lines) + "\nCOMMIT\n" for table, lines in in_order(commands))
    return "".join(parts)
