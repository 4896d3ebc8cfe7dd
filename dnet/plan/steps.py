"""What is done to the kernel, as values: each step can be shown before it is taken.

A plan has its steps in the order in which each is safe without the next: whatever closes goes in
ahead of whatever opens. So the rules are there before anything is plugged into a bridge, and the
guard of 127.0.0.0/8 before the setting that needs it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from dnet.errors import DnetError
from dnet.firewall.door import UNCHANGED, Change, Finding
from dnet.model.entities import IPTABLES
from dnet.plan.flow import Flow
from dnet.typing import TYPE_CHECKING, NamedTuple, TypeAlias
from dnet.values.names import for_shell

if TYPE_CHECKING:
    from dnet.plan.devicesteps import DeviceStep
    from dnet.plan.hostsfiles import Block

TRUSTED = "trusted"


class SettingStep(NamedTuple):
    """A setting under /proc/sys, by its dotted name.

    `without` is what it means if the kernel refuses it, which then only merits a warning; empty
    where nothing goes without.
    """

    name: tuple[str, ...]
    value: str
    without: str = ""

    @property
    def path(self) -> str:
        """The file that holds it."""
        return "/proc/sys/" + "/".join(self.name)

    @property
    def of_new_device(self) -> SettingStep:
        """The setting from which that of a device begins: a device's name is the last but one."""
        return self._replace(name=(*self.name[:-2], "default", self.name[-1]))

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


class PortSteps(NamedTuple):
    """What plugs an attachment in, mends or unplugs it; `device` is the host's end of its pair."""

    interface_id: str
    device: str
    steps: Sequence[DeviceStep]


class Zone(NamedTuple):
    """A bridge put into firewalld's zone `trusted` at run time, or taken out: `add` or `remove`."""

    action: str
    device: str

    @property
    def shown(self) -> str:
        """As firewall-cmd(1) is called."""
        return f"firewall-cmd --zone={TRUSTED} --{self.action}-interface={for_shell(self.device)}"

    @property
    def why(self) -> str:
        """What was found to differ, with what mends it."""
        found = "is not" if self.action == "add" else "is"
        return f"{self.device} {found} in firewalld's zone {TRUSTED}: {self.shown}"


Step: TypeAlias = "DeviceStep | SettingStep | Zone"


class Plan:
    """Everything a command does to the kernel.

    The steps are taken in the order of the first six attributes.

    Attributes:
        before: settings that close, and bridges to make or change.
        rules: the change of the firewall's rules.
        switches: settings that bring traffic to the rules which is stopped elsewhere until then.
        ports: attachments to unplug, then those to plug in or to mend.
        former: what takes the rules of another firewall away, by its name.
        after: settings that open, then bridges to remove.
        flows: connection tracking entries to delete.
        also_repaired: what is repaired besides what was asked for, in words.
        unplugged: attachments that cannot be plugged in, in words.
        rollback: what gives newly adopted devices back what they had, should the plan fail.
        firewall: the name of the firewall that the rules are of.
        asked: the devices of attachments that were asked for: the plan fails with one of them.
        failed: why a bridge or an attachment cannot be made, by its device; the rest is
            planned and made without it.
        paired: the devices of attachments whose veth pair has been made.
        blocks: what hosts files are to tell, once the change is committed.
    """

    def __init__(self, rules: Change = UNCHANGED, firewall: str = IPTABLES) -> None:
        self.before: list[Step] = []
        self.rules = rules
        self.firewall = firewall
        self.switches: list[Step] = []
        self.former: list[tuple[str, Change]] = []
        self.ports: list[PortSteps] = []
        self.after: list[Step] = []
        self.flows: list[Flow] = []
        self.also_repaired: list[str] = []
        self.unplugged: list[str] = []
        self.rollback: list[DeviceStep] = []
        self.asked: set[str] = set()
        self.failed: dict[str, DnetError] = {}
        self.paired: set[str] = set()
        self.blocks: list[Block] = []

    @property
    def moves(self) -> bool:
        """Whether anything but tracked connections is changed."""
        changes = self.before, self.rules, self.switches, self.ports, self.former, self.after
        return any(changes)

    def __bool__(self) -> bool:
        return self.moves or bool(self.flows)

    def steps(self) -> Iterator[Step]:
        """The changes of devices and settings, in their order."""
        return chain(self.before, self.behind_rules())

    def behind_rules(self) -> Iterator[Step]:
        """Those of the changes that are made once the rules are."""
        return chain(self.switches, *(port.steps for port in self.ports), self.after)

    def differences(self) -> list[str]:
        """Everything that was found to differ from what should be, in words."""
        return [*self.repairs(), *map(str, self.findings)]

    @property
    def findings(self) -> list[Finding]:
        """What was found to differ in rules."""
        found = [change.findings for _, change in self.former]
        return [*self.rules.findings, *chain(*found)]

    @property
    def left(self) -> list[str]:
        """What stays of the administrator's where dnet's rules go, in words."""
        return [*self.rules.left, *chain(*(change.left for _, change in self.former))]

    def repairs(self) -> list[str]:
        """What was found to differ in devices and settings, in words, but for what failed."""
        ports = (port.steps for port in self.ports if port.device not in self.failed)
        steps = chain(self.before, self.switches, *ports, self.after)
        return [step.why for step in steps if step.why]

    def fail(self, interface_id: str, device: str, error: DnetError) -> None:
        """Note why an attachment cannot be made, unless it was asked for. Raises the error then."""
        error.origin = "interfaces", interface_id
        if device in self.asked:
            raise error
        told = error.with_message(f"{interface_id}: {error}")
        self.failed[device] = told.with_hint(
            f"repair it in its network namespace, or: dnet detach {interface_id}"
        )

    @property
    def refusal(self) -> DnetError | None:
        """Why rules cannot be changed, if that is known beforehand."""
        refusals = (one.refusal for one in (self.rules, *(change for _, change in self.former)))
        return next(filter(None, refusals), None)

    def without_rules(self) -> Plan:
        """The same plan but for what is done to rules."""
        from copy import copy

        found = copy(self)
        found.rules, found.former = UNCHANGED, []
        return found

    def lines(self) -> Iterator[tuple[str, str]]:
        """(kind, command line) of each step.

        A kind is netlink, sysctl, firewalld, iptables, nftables, conntrack or file.
        """
        yield from ((_kind(step), step.shown) for step in self.before)
        yield from ((self.firewall, line) for line in self.rules.lines())
        ports = chain(self.switches, *(port.steps for port in self.ports))
        yield from ((_kind(step), step.shown) for step in ports)
        for firewall, change in self.former:
            yield from ((firewall, line) for line in change.lines())
        yield from ((_kind(step), step.shown) for step in self.after)
        yield from (("conntrack", flow.shown) for flow in self.flows)
        yield from (("file", block.shown) for block in self.blocks)


def _kind(step: Step) -> str:
    kinds: dict[type, str] = {SettingStep: "sysctl", Zone: "firewalld"}
    return kinds.get(type(step), "netlink")
