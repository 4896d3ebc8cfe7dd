"""What CNI is told of an attachment, and what of it is not so any more."""

from __future__ import annotations

from collections.abc import Iterator

from dnet.errors import DnetError
from dnet.host import system
from dnet.plugins import attachments
from dnet.transaction.presence import machine
from dnet.typing import TYPE_CHECKING, Any
from dnet.values import address, family
from dnet.values.veth import veth_name

if TYPE_CHECKING:
    from dnet.model.entities import Bridge, Interface
    from dnet.network.facts import ContainerDevice
    from dnet.plugins.fields import Fields

_INSIDE = 2  # The place of the container's own among the interfaces.
_BEFORE_1_0 = "0."


def result(
    version: str, made: Interface, bridge: Bridge, netns: str, dns: dict[str, Any]
) -> dict[str, Any]:
    """The result of ADD, in the form of a version."""
    outside = [bridge.name, veth_name(made.id)]
    interfaces = [{"name": name, "mac": system.hardware_address(name) or ""} for name in outside]
    interfaces.append({"name": str(made.ifname), "mac": made.hardware_address, "sandbox": netns})
    ips = [
        {
            "address": f"{ip}/{address.prefix_len(one.address)}",
            "gateway": one.gateway,
            "interface": _INSIDE,
        }
        for ip, one in attachments.addresses(made, bridge)
    ]
    if version.startswith(_BEFORE_1_0):
        for one in ips:
            one["version"] = str(family.of(str(one["gateway"])).version)
    routes = []
    if _leads_out(made, netns):
        routes = [
            {"dst": f"{one.family.any}/0", "gw": one.gateway}
            for _, one in attachments.addresses(made, bridge)
        ]
    return {
        "cniVersion": version,
        "interfaces": interfaces,
        "ips": ips,
        "routes": routes,
        "dns": dns,
    }


def _leads_out(made: Interface, netns: str) -> bool:
    """Whether the default route is by this interface: one that was there is left alone."""
    inner = _inside(made, netns)
    return inner is not None and inner.default == made.ifname


def _inside(interface: Interface, netns: str) -> ContainerDevice | None:
    facts = machine()
    try:
        return facts.container_device(interface, facts.namespace(netns))
    except DnetError:
        return None


def differences(previous: Fields, interface: Interface, netns: str) -> Iterator[str]:
    """What an attachment is not, of what its result said, in words.

    Plugins behind this one may have set another MAC and MTU, as tuning does: they are those that
    the result has.
    """
    said = {str(ip.value("address")).partition("/")[0] for ip in previous.parts("ips")}
    for ip in interface.addresses:
        if ip not in said:
            yield f"{interface.id} has the address {ip}, not {' and '.join(sorted(said)) or 'none'}"
    inner = _inside(interface, netns)
    for inside in previous.parts("interfaces"):
        if inner and inside.text("name") == interface.ifname and inside.value("sandbox"):
            has = {"mac": inner.mac, "mtu": str(inner.mtu)}
            for key, value in has.items():
                if inside.value(key) and inside.text(key) != value:
                    yield f"{interface.id} has the {key.upper()} {value}, not {inside.text(key)}"
    if not _is_in(interface, netns):
        yield f"{interface.id} is in {interface.netns}, not in {netns}"


def _is_in(interface: Interface, netns: str) -> bool:
    try:
        return machine().namespace(netns).cookie == interface.cookie
    except DnetError:
        return False
