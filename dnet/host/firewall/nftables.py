"""Reading and changing the table `inet dnet` with nft(8), and its elements by netlink.

A change is one `nft -f -`, which is one transaction. It inherits the store's lock, so that one
which outlives a killed dnet keeps the next one waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import cache, partial

from dnet.errors import KernelError, RulesRefusedError, out_of_files
from dnet.firewall.nftables.change import Change
from dnet.firewall.nftables.elements import Elements
from dnet.firewall.nftables.layout import (
    CHAIN,
    TABLE,
    THE_USERS,
    TRACE,
    Form,
    Objects,
    forms,
    objects,
)
from dnet.firewall.traffic import filtered
from dnet.host import process, system
from dnet.host.firewall import nf_tables, program
from dnet.model.entities import NFTABLES
from dnet.model.state import State
from dnet.typing import TYPE_CHECKING
from dnet.values.family import V4, Families, Family

if TYPE_CHECKING:
    from dnet.firewall.nftables.listing import Forward, Seen, Table

HINT = "apt-get install nftables"
_LIST = ("nft", "--terse", "--numeric-priority", "list", "ruleset", "inet")
_LIST_MAP = ("nft", "list", "map")
_FORWARD = ("nft", "--handle", "--stateless", "--numeric-priority", "list", "chain")
_NEEDED = (0, 9, 7)  # The first with comments of tables.
_VERSION = r"(\d+)\.(\d+)\.(\d+)"
_REFUSED_BY_KERNEL = "Could not process rule"
_PLACE = r"\S*:\d+:\d+-\d+: Error: "
_OF_IPTABLES = ("filter", "FORWARD")


class Rules:
    """The nftables of this machine; see dnet.host.firewall.door.

    `wait` is how long, in seconds, nft may take.
    """

    def __init__(self, wait: float, inherit: tuple[int, ...] = ()) -> None:
        self._wait = wait
        self._inherit = inherit
        self._trusted: int | None = None

    @property
    def is_there(self) -> bool:
        """Whether there is an nft."""
        return system.find_program("nft") is not None

    @property
    def families(self) -> Families:
        """The one table is of all."""
        return (V4,)

    @property
    def variant(self) -> None:
        """It has none. Raises KernelError where there is no nft at all."""
        program.found("nft", HINT)

    def refuse_another(self, _noted: str | None, /) -> None:
        """There is only this one. Raises KernelError where it is not there."""
        program.found("nft", HINT)

    @property
    def may_be_in_force(self) -> bool:
        """Whether there is a table of dnet's name."""
        try:
            return self.is_there and nf_tables.has_table(TRACE.name)
        except OSError:
            return False

    @property
    def generation(self) -> int | None:
        """The kernel's; None where it does not tell."""
        try:
            return nf_tables.generation()
        except OSError:
            return None

    def trust(self, generation: int, /) -> None:
        """Read no elements, as long as this is the number."""
        self._trusted = generation

    def read(self, families: Families) -> Seen:
        """The table as it is listed, its elements, and iptables-nft's FORWARD of some families."""
        from dnet.firewall.nftables.listing import Seen

        is_trusted = self._trusted is not None and self._trusted == self.generation
        table = self._table()
        spelled = cache(partial(self._spelled, table))
        try:
            elements = None if is_trusted and _is_known(table) else _elements(table, spelled)
            return Seen(table, elements, spelled, dict(self._forward(families)))
        except OSError as error:
            refused = KernelError(f"cannot read the nftables ruleset: {error.strerror}")
            raise out_of_files(error) or refused from None

    def apply(self, change: Change, /) -> None:
        """Carry a change out. Raises KernelError with what nft said."""
        self._run(("nft", "-f", "-"), _text(change))

    def foreign(self, state: State, outward: Callable[[], Collection[str]], /) -> Iterator[str]:
        """What other firewalls do to what a state lets through."""
        from dnet.firewall import packet
        from dnet.host.firewall import foreign

        bridges = filtered(state.bridges.values())
        published = partial(packet.published, state)
        return foreign.stopping(NFTABLES, bridges, published, outward)

    def _table(self) -> Table | None:
        """The table as it is listed, with the elements of what may lead to something of it."""
        if not self._may_have_table():
            return None
        from dnet.firewall.nftables import listing

        table = listing.tables(self._run(_LIST)).get(TABLE)
        if table is None:
            return None
        for one in table.leading():
            told = listing.tables(self._run((*_LIST_MAP, *TABLE.split(), one.name)))
            table.objects.update(told[TABLE].objects)
        return table

    @staticmethod
    def _may_have_table() -> bool:
        """Whether the kernel tells of one, or nothing at all."""
        try:
            return nf_tables.has_table(TRACE.name)
        except OSError:
            return True

    def _spelled(self, table: Table | None, form: Form) -> Objects:
        """How this nft prints what dnet declares in a form.

        Where anything differs it is asked, in a network namespace that goes with the answer: it may
        be of another version, with another spelling.
        """
        from dnet.firewall.nftables import diff, listing

        known = objects(form)
        if table is None or _is_known(table):
            return known
        unshare, nft = system.find_program("unshare"), system.find_program("nft")
        if unshare is None or nft is None:
            return known
        script = 'nft=$0; "$nft" -f - && exec "$nft" "$@"'
        words = [unshare, "--net", "sh", "-c", script, nft, *_LIST[1:]]
        done = process.run(words, _text(diff.made({}, form)), self._wait + 5)
        told = listing.tables(done.output).get(TABLE)
        return told.objects if told and told.objects.keys() == known.keys() else known

    def _forward(self, families: Families) -> Iterator[tuple[Family, Forward]]:
        from dnet.firewall.nftables import listing

        there = {one[:3] for one in nf_tables.base_chains()}
        for family in families:
            at = (family.nft, *_OF_IPTABLES)
            if at in there:
                comments = dict(nf_tables.comments(family, *_OF_IPTABLES))
                yield family, listing.forward(self._run((*_FORWARD, *at)), comments)

    def _run(self, words: tuple[str, ...], text: str = "") -> str:
        try:
            return program.run(words, HINT, text, self._wait + 5, self._inherit)
        except RulesRefusedError as error:
            if _REFUSED_BY_KERNEL in str(error):
                import re

                raise error.with_message(re.sub(_PLACE, "", str(error))) from None
            raise self._too_old() or error from None

    def _too_old(self) -> KernelError | None:
        """Why nft does not understand what it is given, if it is for its version."""
        import re

        said = program.run(("nft", "--version"), HINT, "", self._wait + 5, self._inherit)
        version = re.search(_VERSION, said)
        if version is None or tuple(map(int, version.groups())) >= _NEEDED:
            return None
        needed = ".".join(map(str, _NEEDED))
        return KernelError(f"nft {version[0]} is too old: {needed} is needed", HINT)


def _text(change: Change) -> str:
    return "".join(f"{one}\n" for one in change.commands())


def _is_known(table: Table | None) -> bool:
    """Whether a table is, but for elements, as dnet makes one."""
    if table is None:
        return False
    return any(_is_same(table, objects(form)) for form in forms(table.objects))


def _is_same(table: Table, known: Objects) -> bool:
    there = table.objects
    return all(there.get(one) == lines for one, lines in known.items() if one != THE_USERS)


def _form(table: Table) -> Form:
    """The form that a table is of: it is the smallest that knows all that is dnet's in it."""
    found = forms(table.objects)
    known = table.objects.keys() & objects(found[-1]).keys()
    return next(form for form in found if known <= objects(form).keys())


def _elements(table: Table | None, spelled: Callable[[Form], Objects]) -> Elements:
    """Those of what is declared as it should be."""
    if table is None:
        return {}
    from dnet.firewall.nftables import wire

    return {
        one.name: dict(wire.texts(lines, nf_tables.elements(TRACE.name, one.name)))
        for one, lines in spelled(_form(table)).items()
        if one.kind != CHAIN and table.objects.get(one) == lines
    }
