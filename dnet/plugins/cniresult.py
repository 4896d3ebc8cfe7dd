"""What CNI is told of an attachment, and what of it is not so any more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dnet.errors import DnetError
from dnet.host import system
from dnet.plugins import attachments
from dnet.transaction.presence import machine
from dnet.values import address, family
from dnet.values.veth import veth_name

if TYPE_CHECKING:
    from dnet.model.entities import Bridge, Interface
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
    facts = machine()
    try:
        inner = facts.container_device(made, facts.namespace(netns))
    except DnetError:
        return False
    return inner is not None and inner.default == made.ifname


def differences(previous: Fields, one: Interface, netns: str) -> Iterator[str]:
    """What an attachment is not, of what its result said, in words."""
    said = {str(ip.value("address")).partition("/")[0] for ip in previous.parts("ips")}
    for ip in one.addresses:
        if ip not in said:
            yield f"{one.id} has the address {ip}, not {' and '.join(sorted(said)) or 'none'}"
    for inside in previous.parts("interfaces"):
        is_it = inside.text("name") == one.ifname and inside.value("sandbox")
        if is_it and inside.text("mac") not in (None, one.hardware_address):
            yield f"{one.id} has the MAC {one.hardware_address}, not {inside.text('mac')}"
    if not _is_in(one, netns):
        yield f"{one.id} is in {one.netns}, not in {netns}"


def _is_in(one: Interface, netns: str) -> bool:
    try:
        return machine().namespace(netns).cookie == one.cookie
    except DnetError:
        return False
