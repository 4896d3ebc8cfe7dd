"""What a plan asks about the machine as it is now.

Planning is given an object of this shape and never looks for itself. Unlike Facts, on which a
decision depends, each answer is of the moment: a plan is made again after the kernel was changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from dnet.typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from dnet.model.entities import Interface
    from dnet.network.facts import (
        ContainerDevice,
        Device,
        Namespace,
        PoolRoute,
        Shaping,
        Tunnel,
    )
    from dnet.plan.steps import SettingStep, Zone
    from dnet.values.family import Families


class View(Protocol):
    """The machine, as far as a plan may depend on it. Each question may raise KernelError."""

    def rules(self, firewall: str, families: Families) -> Any:
        """The rules of a firewall, of some families, as only it understands them."""

    def device(self, name: str) -> Device | None:
        """A network device of the host's namespace."""

    def shaping(self, device: str) -> Shaping:
        """What limits what passes a device that is there."""

    def keeps_mac(self, device: Device) -> bool | None:
        """Whether a bridge has a hardware address that somebody set; None if unknown."""

    def is_routed(self, device: Device, subnet: str) -> bool:
        """Whether a subnet is routed to what is plugged into a device."""

    def locate(self, shown: str, cookie: int | None) -> Namespace | None:
        """A namespace of the store, if it is there, and the same one still."""

    def is_another(self, shown: str, cookie: int | None) -> bool:
        """Whether a name of the store stands for another namespace now."""

    def stays(self, interface_id: str) -> bool:
        """Whether the host's end of its pair is there, and does not go with its namespace."""

    def container_device(self, interface: Interface, netns: Namespace) -> ContainerDevice | None:
        """An interface's device as it is in a namespace."""

    def value(self, setting: SettingStep) -> str | None:
        """What the kernel has for a setting; None where it has no such one."""

    def has_global_ipv6(self, name: str) -> bool:
        """Whether a device has an IPv6 address beyond that of the link."""

    def ipv6_addresses(self, device: str) -> Sequence[str]:
        """The IPv6 addresses of a device beyond its link, with their prefix lengths."""

    def standing_alone(self) -> Sequence[str]:
        """The devices that are no port of a bridge, without the loopback."""

    def default_devices6(self) -> Sequence[str]:
        """The devices of the default routes of IPv6."""

    def loopback_routes(self) -> Mapping[str, int]:
        """The devices by which ::1 is the host's, each with the metric of that route."""

    def proxied(self) -> Mapping[str, Collection[str]]:
        """The IPv6 addresses for which the host answers, by the device it does so on."""

    def tunnel(self, name: str) -> Tunnel | None:
        """A VXLAN device with whom it reaches; None where there is no device of that name."""

    def pool_routes(self) -> Sequence[PoolRoute]:
        """The routes to blocks of pools that dnet made."""

    def joining(self, bridges: Collection[str]) -> Iterator[Zone]:
        """What lets firewalld, where it runs, trust bridges."""

    def leaving(self, bridges: Collection[str]) -> Iterator[Zone]:
        """What takes that back."""
