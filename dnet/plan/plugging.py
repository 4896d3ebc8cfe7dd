"""Which attachments to plug in, to mend and to unplug, as steps of a plan."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress

from dnet.errors import DnetError
from dnet.model.entities import Bridge, Interface
from dnet.model.state import State
from dnet.plan import devices, settings
from dnet.plan.steps import Plan, PortSteps
from dnet.typing import TYPE_CHECKING
from dnet.values import address
from dnet.values.family import V4, V6
from dnet.values.names import for_shell
from dnet.values.veth import veth_name

if TYPE_CHECKING:
    from dnet.network.facts import ContainerDevice, Device, Namespace
    from dnet.plan.devicesteps import DeviceStep
    from dnet.plan.siblings import Siblings
    from dnet.plan.view import View


def plan_all(
    plan: Plan,
    state: State,
    view: View,
    siblings: Siblings,
    touched: Iterable[Interface],
    again: Iterable[str] = (),
) -> None:
    """Plug in what should be and unplug what should not; what has nowhere to go is left.

    `touched` are attachments as they are, were or may have become.
    Who is plugged in may take the place of one that is unplugged, so that all of these go first.
    What goes wrong with one is its own: it is noted in the plan, unless it was asked for.
    """
    had: dict[str, list[Interface]] = {one: [] for one in again}
    for one in touched:
        had.setdefault(one.id, []).append(one)
    plugger = _Plugger(plan, state, view, siblings)
    for interface_id, forms in had.items():
        device = veth_name(interface_id)
        try:
            plugger.plan(interface_id, forms, view.device(device))
        except DnetError as error:
            plan.fail(interface_id, device, error)
    plan.ports += [*plugger.unplugs, *plugger.closings, *plugger.plugs, *plugger.routes.values()]


class _Plugger:
    """The steps for one attachment after the other.

    Attributes:
        unplugs, plugs: the steps of attachments that go, and of those that come or stay.
        closings: of those that are there and come to be isolated.
        routes: of the attachments that take over a namespace's default route.
    """

    def __init__(self, plan: Plan, state: State, view: View, siblings: Siblings) -> None:
        self._plan = plan
        self._state = state
        self._view = view
        self._siblings = siblings
        self._indices: dict[str, int | None] = {}
        self.unplugs: list[PortSteps] = []
        self.closings: list[PortSteps] = []
        self.plugs: list[PortSteps] = []
        self.routes: dict[str, PortSteps] = {}

    def plan(self, interface_id: str, forms: Sequence[Interface], device: Device | None) -> None:
        """Plan for an attachment; `forms` are what it is, was, or may have become."""
        wanted = self._state.interfaces.get(interface_id)
        if wanted is None or wanted.netns is None:
            self._unplug(interface_id, device)
            self._unlimit(interface_id, forms)
            for one in forms:
                self._bequeath(one)
        elif wanted.bridge in self._plan.failed:
            self._plan.unplugged.append(
                f"{wanted.id} is unplugged: there is no bridge {wanted.bridge}"
            )
        else:
            others = {ip for one in forms for ip in one.addresses} - {*wanted.addresses}
            self._plug(wanted, others, device, forms)

    def _unplug(self, interface_id: str, device: Device | None, why: str | None = None) -> None:
        if device is not None and (steps := list(devices.unplug_steps(device, why))):
            self.unplugs.append(PortSteps(interface_id, device.name, steps))

    def _unlimit(self, interface_id: str, forms: Sequence[Interface]) -> None:
        """Take away what an attachment's own end does not take along."""
        if any(one.rate_out for one in forms):
            from dnet.plan import shaping

            if steps := list(shaping.removal(interface_id, self._view)):
                self.unplugs.append(PortSteps(interface_id, veth_name(interface_id), steps))

    def _limits(
        self,
        interface: Interface,
        bridge: Bridge,
        forms: Sequence[Interface],
        device: Device | None,
    ) -> Iterator[DeviceStep]:
        if any(one.rate_in or one.rate_out for one in (interface, *forms)):
            from dnet.plan import shaping

            yield from shaping.steps(interface, bridge, forms, device, self._view)

    def _bequeath(self, interface: Interface) -> None:
        """Let another attachment in the namespace have the default route that goes with this.

        Whatever the namespace is like, it does not keep this one from going.
        """
        heir = self._neighbour(interface)
        with suppress(DnetError):
            place = self._view.locate(str(interface.netns), interface.cookie) if heir else None
            inner = self._view.container_device(interface, place) if place else None
            if heir and place and inner:
                lost = {V4: inner.default, V6: inner.default6}.items()
                families = [of for of, device in lost if device == interface.ifname]
                home = self._bridge_of(heir)
                steps = list(devices.route_steps(heir, home, place, families))
                if steps:
                    self.routes[place.path] = PortSteps(heir.id, veth_name(heir.id), steps)

    def _neighbour(self, interface: Interface) -> Interface | None:
        """Another attachment in the same namespace, the oldest."""
        for key in self._state.interfaces_by_netns.keys(interface.netns):
            other = self._state.interfaces[key]
            if other.id != interface.id and other.cookie == interface.cookie:
                return other
        return None

    def _plug(
        self,
        interface: Interface,
        others: Collection[str],
        device: Device | None,
        forms: Sequence[Interface],
    ) -> None:
        """`others` are addresses that it had, or was to have."""
        bridge = self._bridge_of(interface)
        place = self._view.locate(str(interface.netns), interface.cookie)
        if place is None and self._is_gone(interface, device):
            self._plan.unplugged.append(_disconnected(interface))
            return
        inner = (
            self._view.container_device(interface, place) if device is not None and place else None
        )
        why = ""
        if device and place and not _is_other_end(interface, bridge, device, inner, others):
            inner_end = f"{interface.ifname} in {interface.netns}"
            why = f"{inner_end} is not the other end of {device.name} of {interface.id}"
            self._unplug(interface.id, device, why="")
            device = None
        limits = self._limits(interface, bridge, forms, device)
        steps = list(self._plug_steps(interface, bridge, place, device, inner, others, why, limits))
        if steps:
            closes = device is not None and self._closes(device, bridge)
            group = self.closings if closes else self.plugs
            group.append(PortSteps(interface.id, veth_name(interface.id), steps))

    def _closes(self, device: Device, bridge: Bridge) -> bool:
        return bool(self._siblings.isolates(bridge.name)) and not device.isolated

    def _is_gone(self, interface: Interface, device: Device | None) -> bool:
        """Whether an attachment went with its namespace, of which only the name may be gone."""
        return (
            device is None
            or self._view.is_another(str(interface.netns), interface.cookie)
            or not self._view.stays(interface.id)
        )

    def _plug_steps(
        self,
        interface: Interface,
        bridge: Bridge,
        place: Namespace | None,
        device: Device | None,
        inner: ContainerDevice | None,
        others: Collection[str],
        why: str,
        limits: Iterable[DeviceStep],
    ) -> Iterator[DeviceStep]:
        isolates = self._siblings.isolates(bridge.name)
        if device is not None:
            yield from limits
            index = self._index_of(bridge)
            yield from devices.port_steps(
                interface, bridge, place, device, index, isolates=isolates
            )
            if inner is not None and place:
                again = interface.id in self._state.replug
                forgets = self._closes(device, bridge)
                yield from devices.inner_steps(
                    interface, bridge, place, inner, others, again=again, forgets=forgets
                )
        elif place is not None:
            yield from devices.plug_steps(
                interface, bridge, place, why, isolates=bool(isolates), limits=limits
            )

    def _bridge_of(self, interface: Interface) -> Bridge:
        return settings.served(self._state.bridges[interface.bridge], self._view)

    def _index_of(self, bridge: Bridge) -> int | None:
        """The number of a bridge's device, looked up once."""
        if bridge.name not in self._indices:
            home = self._view.device(bridge.name)
            self._indices[bridge.name] = home.ifindex if home else None
        return self._indices[bridge.name]


def _disconnected(interface: Interface) -> str:
    """What became of an attachment whose namespace is gone, and what to do."""
    where = "PID" if str(interface.netns).startswith("/proc/") else for_shell(str(interface.netns))
    return (
        f"{interface.id} is unplugged: its network namespace {interface.netns} is gone; to "
        f"reconnect it: dnet attach {interface.id} --netns {where}; to release it: dnet gc"
    )


def _is_other_end(
    interface: Interface,
    bridge: Bridge,
    device: Device,
    inner: ContainerDevice | None,
    others: Collection[str],
) -> bool:
    """Whether what is in the namespace is the other end of the interface's own pair.

    One that has neither its hardware address nor its address is that of another attachment, and
    so is one with any of the `others`, which it had before. Where it is to have no IPv6 one of
    those does not count, for that is switched off.
    """
    if inner is None or inner.peer != device.ifindex:
        return False
    gone = address.of_family(others, V4) if interface.ip6 is None else others
    if not set(gone).isdisjoint(map(address.host, inner.addresses)):
        return False
    return (
        inner.mac == interface.hardware_address
        or devices.inner_cidr(interface, bridge) in inner.addresses
    )
