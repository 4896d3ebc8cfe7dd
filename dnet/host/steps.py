"""What is done to the kernel, as values: each step can be shown before it is taken.

A plan is a list of steps in the order in which they are safe: devices come before the rules
that name them, the guard of 127.0.0.0/8 before the sysctl that opens it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dnet.errors import KernelError
from dnet.host.flow import Flow
from dnet.host.rules import TABLES, Commands, Finding, Rule
from dnet.names import for_shell


class Netlink(NamedTuple):
    """A change of a device, by the name of Netlink's method that makes it.

    `shown` is the ip(8) command that would do the same, `why` what was found to differ.
    """

    action: str
    arguments: dict[str, object]
    shown: str
    why: str = ""

    @property
    def device(self) -> str:
        """The device of the host's that it is about, as far as that is known."""
        return str(self.arguments.get("port", self.arguments["name"]))


class Sysctl(NamedTuple):
    """A setting under /proc/sys, by its dotted name.

    `optional` is one whose refusal only merits a warning.
    """

    name: tuple[str, ...]
    value: str
    optional: bool = False

    @property
    def path(self) -> str:
        """The file that holds it."""
        return "/proc/sys/" + "/".join(self.name)

    @property
    def shown(self) -> str:
        """As sysctl(8) is called: a dot inside of a device's name stands as a slash."""
        return f"sysctl -w {for_shell(f'{self._dotted}={self.value}')}"

    @property
    def why(self) -> str:
        """What was found to differ."""
        return f"{self._dotted} is not {self.value}"

    @property
    def _dotted(self) -> str:
        return ".".join(part.replace(".", "/") for part in self.name)


class Plan:
    """Everything a command does to the kernel.

    Attributes:
        before: devices to make or change, and settings to take back.
        commands: iptables commands by table.
        after: settings to make, then devices to remove.
        flows: connection tracking entries to delete.
        held: rules of others that keep a chain which is to go.
        findings: what was found to differ in the rules, where they were looked at.
        aside: what is repaired besides what was asked for, in words.
        overruled: rules of others that stop everything ahead of dnet's, in words.
        loose: attachments that cannot be plugged in, in words.
        back: what gives newly adopted devices back what they had, should the plan fail.
        blocked: why a bridge cannot be made, by name; the rest is planned without it.
    """

    def __init__(self, commands: Commands | None = None) -> None:
        self.before: list[Netlink | Sysctl] = []
        self.commands: Commands = commands or {}
        self.after: list[Sysctl | Netlink] = []
        self.flows: list[Flow] = []
        self.held: list[Rule] = []
        self.findings: list[Finding] = []
        self.aside: list[str] = []
        self.overruled: list[str] = []
        self.loose: list[str] = []
        self.back: list[Netlink] = []
        self.blocked: dict[str, KernelError] = {}

    def differences(self) -> list[str]:
        """Everything that was found to differ from what should be, in words."""
        return [*self.repairs(), *map(str, self.findings)]

    def repairs(self) -> list[str]:
        """What was found to differ in devices and settings, in words."""
        return [step.why for step in (*self.before, *self.after) if step.why]

    def __bool__(self) -> bool:
        return bool(self.before or self.commands or self.after or self.flows)

    def lines(self) -> Iterator[tuple[str, str]]:
        """(kind, command line) of each step: netlink, sysctl, iptables or conntrack."""
        yield from ((_kind(step), step.shown) for step in self.before)
        for table in TABLES:
            for command in self.commands.get(table, ()):
                yield "iptables", iptables(table, command)
        yield from ((_kind(step), step.shown) for step in self.after)
        for flow in self.flows:
            from dnet.host import conntrack

            yield "conntrack", conntrack.describe(flow)


def iptables(table: str, command: str) -> str:
    """The command line that changes a table, for the shell."""
    option = "" if table == "filter" else f"-t {table} "
    return f"iptables {option}{_quoted(command)}"


def _quoted(command: str) -> str:
    """A rule as iptables-save prints it, for the shell: what may need quotes are devices' names."""
    return " ".join(word if word == "!" else for_shell(word) for word in command.split(" "))


def _kind(step: Netlink | Sysctl) -> str:
    return "sysctl" if isinstance(step, Sysctl) else "netlink"
