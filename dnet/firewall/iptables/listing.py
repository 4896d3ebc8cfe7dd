"""What iptables-save prints, taken apart where it can be believed.

Pure. iptables-nft-save does not list a table in which anything is that only nft can express: a
comment takes its place, and the exit status is 0. Whoever takes that table for empty adds to it
what is there already, and leaves in it what has to go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator

from dnet.errors import RulesUnreadableError
from dnet.firewall.door import Chain
from dnet.firewall.iptables.rules import TABLES, of_family, plain
from dnet.values.family import V4, Family

# xtables-save.c of iptables. "contains incompatible base-chains" is another message: chains that
# iptables does not know are left out then, and everything else is listed.
_INCOMPATIBLE = re.compile(r"# Table [`'](\S+)' is incompatible")
# A text with white space, such as a comment, which may contain the end of a line too.
_QUOTED = re.compile(r' "(?:[^"\\]|\\.)*"', re.DOTALL)


Ways = Callable[[Family], tuple[Collection[str], Collection[str]]]


class Tables:
    """What is in the kernel: every chain of the tables read, with its rules in order.

    `policies` are those of the built-in chains, such as ACCEPT. `ways` gives the devices towards
    other networks, and all that somebody may come in by, none where they are not known.
    """

    def __init__(self, ways: Ways = lambda _: ((), ())) -> None:
        self.chains: dict[Chain, list[str]] = {}
        self.policies: dict[Chain, str] = {}
        self.ways = ways

    def add(self, other: Tables) -> None:
        """Take in those of another family."""
        self.chains |= other.chains
        self.policies |= other.policies

    @classmethod
    def parse(cls, saved: str, of: Family = V4) -> Tables:
        """From what iptables-save prints, or ip6tables-save of IPv6.

        Raises RulesUnreadableError where it is not whole.
        """
        found = cls()
        table = ""
        for line in _lines(saved):
            if line.startswith("-A ") and table:
                _, name, *text = line.split(" ", 2)
                rules = found.chains.get(Chain(table, name))
                if rules is None:
                    raise _garbled(line, table, of)
                rules.append("".join(text))
            elif line.startswith(":") and table:
                name, _, policy = line[1:].partition(" ")
                found.chains[Chain(table, name)] = []
                found.policies[Chain(table, name)] = policy.partition(" ")[0]
            elif line.startswith("*") and not table:
                table = of_family(Chain(line[1:], ""), of).table
            elif line == "COMMIT" and table:
                table = ""
            elif incompatible := _INCOMPATIBLE.match(line):
                _refuse(of_family(Chain(incompatible[1], ""), of))
            elif line and not line.startswith("#"):
                raise _garbled(line, table, of)
        if table:
            raise _unlisted(table, f"its listing by {_saver(of)} is cut off")
        return found

    def unlisted(self, tables: Collection[str], of: Family = V4) -> RulesUnreadableError | None:
        """The error where one of these, which are there and which dnet uses, is not listed."""
        listed = {chain.table for chain in self.chains}
        for one in filter(tables.__contains__, TABLES):
            if (table := of_family(Chain(one, ""), of).table) not in listed:
                return _unlisted(table, f"{_saver(of)} omits it")
        return None


def _lines(saved: str) -> Iterator[str]:
    """The lines, but for those that end within a quoted text."""
    begun = ""
    for part in saved.split("\n"):
        line = f"{begun}\n{part}" if begun else part
        begun = line if ' "' in line and ' "' in _QUOTED.sub(" ", line) else ""
        if not begun:
            yield line
    if begun:
        yield begun


def _refuse(table: Chain) -> None:
    """Raises RulesUnreadableError for a table that dnet has rules in."""
    if plain(table).table in TABLES:
        raise _unlisted(table.table, "it contains a rule that only nft can express")


def _garbled(line: str, table: str, of: Family) -> RulesUnreadableError:
    told = f"{_saver(of)} printed {line[:60]!r}"
    return _unlisted(table, told) if table else RulesUnreadableError(told, f"run it: {_saver(of)}")


def _unlisted(table: str, why: str) -> RulesUnreadableError:
    of, name = Chain(table, "").family, plain(Chain(table, "")).table
    return RulesUnreadableError(
        f"{of.xtables} cannot list the table {name}: {why}",
        f"to see it: nft list table {of.nft} {name}",
    )


def _saver(of: Family) -> str:
    return f"{of.xtables}-save"
