"""A change of iptables' rules, and how it reads as command lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dnet.errors import DnetError, KernelError
from dnet.firewall.door import Chain, Finding
from dnet.firewall.iptables.rules import Commands, Rule, in_order
from dnet.values.names import for_shell

_SAID = {
    "-N": "the chain is missing",
    "-X": "the chain is left over",
    "-A": "missing",
    "-D": "not dnet's",
}


class Change(NamedTuple):
    """Commands by table; `held` are rules of others that keep a chain which is to go."""

    commands: Commands
    findings: tuple[Finding, ...] = ()
    overruled: tuple[str, ...] = ()
    held: tuple[Rule, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.commands)

    def lines(self) -> Iterator[str]:
        """The command lines that would do the same, for the shell."""
        for table, commands in in_order(self.commands):
            yield from (_shown(table, command) for command in commands)

    def parts(self) -> Iterator[Change]:
        """A table each: iptables-restore changes one as a whole, and then the next."""
        for table, commands in in_order(self.commands):
            yield Change({table: commands}, held=self.held)

    @property
    def refusal(self) -> DnetError | None:
        """What iptables would say only with the words that a resource is busy."""
        rule = next((one for one in self.held if one.chain.table in self.commands), None)
        if rule is None:
            return None
        (table, chain), text = rule
        return KernelError(
            f"{table} {chain}: a rule that is not dnet's holds the chain "
            f"{text.rpartition(' ')[2]}: {text}",
            f"take it away: {_shown(table, f'-D {chain} {text}')}",
        )

    def foreseen(self) -> set[str]:
        """What `compare` finds, in words, where this is still to be carried out."""
        split = (
            (table, command.split(" ", 2))
            for table, commands in self.commands.items()
            for command in commands
        )
        return {
            str(Finding(Chain(table, name), _SAID[verb], *rule))
            for table, (verb, name, *rule) in split
            if verb in _SAID
        }


def _shown(table: str, command: str) -> str:
    """The command line that changes a table, for the shell."""
    option = "" if table == "filter" else f"-t {table} "
    return f"iptables {option}{_quoted(command)}"


def _quoted(command: str) -> str:
    """A rule as iptables-save prints it, for the shell: what may need quotes are devices' names."""
    return " ".join(word if word == "!" else for_shell(word) for word in command.split(" "))
