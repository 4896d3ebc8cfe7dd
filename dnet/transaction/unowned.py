"""What bears dnet's own names in this network namespace, and is in no store that is known.

Perhaps another store's, which was made with another --state-dir; perhaps one's that was lost.
"""

from __future__ import annotations

from collections.abc import Iterator

from dnet.errors import ConflictError
from dnet.firewall.door import Trace
from dnet.host.kernel import Kernel
from dnet.model.entities import DEFAULT_BRIDGE, FIREWALLS, Bridge
from dnet.model.state import State
from dnet.network.facts import Device
from dnet.plan import devices, report
from dnet.plan.devicesteps import DeleteLink
from dnet.plan.scope import Scope
from dnet.typing import NamedTuple
from dnet.values import veth
from dnet.values.names import for_shell

HINT = (
    "if it belongs to another store: --state-dir or DNET_STATE_DIR; if that store is lost: dnet "
    "reset --unowned"
)


class Unowned(NamedTuple):
    """What is of firewalls, the bridge, and the host's ends of the attachments on it."""

    traces: tuple[Trace, ...] = ()
    bridge: Bridge | None = None
    ports: tuple[Device, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.traces or self.bridge)

    @property
    def scope(self) -> Scope:
        """What has to go with it."""
        bridges = (self.bridge,) if self.bridge else ()
        return Scope(bridges=bridges, traces=frozenset(self.traces))

    def steps(self) -> Iterator[DeleteLink]:
        """What takes the attachments away."""
        for port in self.ports:
            yield from devices.unplug_steps(port)

    def differences(self) -> Iterator[str]:
        """What `dnet check` says of it."""
        for _, (table, name, what) in self.traces:
            yield f"{table} {name}: the {what} is unknown to this store; {HINT}"
        if self.bridge:
            yield f"the device {self.bridge.name} is unknown to this store; {HINT}"

    def __str__(self) -> str:
        found = [f"the {what} {name} of {table}" for _, (table, name, what) in self.traces]
        if self.bridge:
            found.append(f"the bridge {self.bridge.name}")
        return ", ".join([*found, *report.few([one.name for one in self.ports], "of its ports")])


def find(kernel: Kernel, owned: Scope) -> Unowned:
    """What is there, but for what is `owned`. Raises KernelError, PermissionDeniedError."""
    traces = [one for name in FIREWALLS for one in _unknown(kernel, name, owned)]
    is_owned = any(one.name == DEFAULT_BRIDGE for one in owned.bridges)
    bridge = None if is_owned else _default_bridge(kernel)
    return Unowned(tuple(traces), bridge, tuple(_ports(kernel)) if bridge else ())


def _unknown(kernel: Kernel, firewall: str, owned: Scope) -> Iterator[Trace]:
    """What of a firewall is there and not owned."""
    rules = kernel.rules(firewall)
    if rules.is_there and (seen := rules.read(rules.families)):
        for one in kernel.firewall(firewall).unknown(seen, owned.traces_of(firewall)):
            yield Trace(firewall, one)


def _default_bridge(kernel: Kernel) -> Bridge | None:
    """The default bridge, where its device is one that dnet made."""
    device = kernel.machine.device(DEFAULT_BRIDGE)
    cidr = devices.own_address(device) if device else None
    if device is None or cidr is None:
        return None
    of_ipv6 = next(iter(kernel.machine.ipv6_addresses(DEFAULT_BRIDGE)), None)
    return Bridge(DEFAULT_BRIDGE, cidr, device.mtu, created="", address6=of_ipv6)


def _ports(kernel: Kernel) -> Iterator[Device]:
    for device in kernel.machine.ports(DEFAULT_BRIDGE):
        if veth.is_veth_name(device.name):
            yield device
            beside = kernel.machine.device(veth.ifb_beside(device.name))
            if beside is not None:
                yield beside


def refuse_settled(state: State, kernel: Kernel) -> None:
    """Raises ConflictError for a bridge of dnet's, or a device in the place of one to be made."""
    to_make = [one.name for one in state.bridges.values() if not one.adopted]
    for device in kernel.machine.devices():
        if device.name in to_make or devices.own_address(device):
            raise ConflictError(
                f"this network namespace has a device {device.name}, which is not in the store",
                "if it belongs to another store, use that store; otherwise: ip link delete dev "
                f"{for_shell(device.name)}",
            )
