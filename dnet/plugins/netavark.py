"""`dnet-netavark`: a network driver of podman's, by netavark's plugin API 1.0.0.

podman finds it under the name of the driver in one of its `netavark_plugin_dirs`. The verb and the
network namespace are arguments, the rest is a document on the standard input.
"""

from __future__ import annotations

import os
import sys

from dnet import __version__
from dnet.errors import DnetError, UsageError
from dnet.plugins import frame
from dnet.typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from dnet.plugins.fields import Fields
    from dnet.plugins.networks import Place
    from dnet.transaction.recovery import Settings
    from dnet.values.endpoint import PublishSpec

PROGRAM = "dnet-netavark"
API_VERSION = "1.0.0"
# podman binds the ports of a container before it calls, and lets conmon keep them.
_CALLERS, _KEEPER = ("podman", "conmon"), "conmon"
_FIRST_CHOICE = 10 << 24 | 128 << 16
_CHOICES, _TRIED = 1 << 15, 64


def main() -> NoReturn:
    """Do what netavark or podman asks for."""
    frame.run(PROGRAM, _work, _refusal)


def _refusal(error: DnetError) -> tuple[Any, int]:
    hint = error.hint
    return {"error": f"{error} ({hint})" if hint else str(error)}, 1


def _work() -> Any:
    frame.leave_environment()
    verb, *rest = [*sys.argv[1:], ""]
    if verb == "info":
        return {"version": __version__, "api_version": API_VERSION}
    if verb == "create":
        return _create(frame.document())
    if verb in ("setup", "teardown"):
        return _setup(frame.document(), rest[0]) if verb == "setup" else _teardown(frame.document())
    raise UsageError(
        f"{PROGRAM} is called by podman, with create, setup, teardown or info",
        "dnet plugin config netavark",
    )


# A network


def _create(document: Any) -> Any:
    """The network's configuration, with what podman left open."""
    from dnet.plugins import networks
    from dnet.plugins.fields import Fields
    from dnet.values import family
    from dnet.values.family import V4, V6

    network = Fields(document, "the network")
    given = _options(network)
    _home_options(network, given)
    name = network.needed("name")
    device = network.parsed("network_interface", _device) or _device_for(name)
    made = dict(document)
    made["network_interface"] = device
    made["dns_enabled"] = False
    made["ipam_options"] = {"driver": "dnet"}
    subnets = [_with_gateway(one) for one in network.many("subnets")]
    families = {family.of(one["subnet"]) for one in subnets}
    if V4 not in families:
        subnets.insert(0, _free_subnet(name, networks.place(given).state_dir))
    if V6 not in families and network.flag("ipv6_enabled"):
        subnets.append(_unique_local_subnet())
    made["subnets"] = subnets
    made["ipv6_enabled"] = any(family.of(one["subnet"]) is V6 for one in subnets)
    return made


def _options(network: Fields) -> Fields:
    """The options of a network. Raises UsageError for an unknown one."""
    from dnet.plugins import networks

    given = network.part("options")
    for key in networks.unknown(given):
        raise UsageError(f"the driver dnet has no option {key}", "man dnet-netavark")
    return given


def _home_options(network: Fields, given: Fields) -> dict[str, Any]:
    """What a network's configuration says of its bridge. Raises UsageError."""
    from dnet.plugins import networks

    if network.flag("internal"):
        raise UsageError("the driver dnet has no internal networks", "create it without --internal")
    if network.many("routes"):
        raise UsageError("the driver dnet sets no static routes", "create it without --route")
    driver = network.part("ipam_options").text("driver")
    if driver not in (None, "dnet", "host-local"):
        raise UsageError(f"the driver dnet has no --ipam-driver {driver}", "leave it out")
    subnets = []
    for one in network.parts("subnets"):
        leases = one.part("lease_range")
        ends = leases.text("start_ip"), leases.text("end_ip")
        subnets.append((one.needed("subnet"), one.text("gateway"), *ends))
    return networks.options(given) | networks.subnet_options(subnets)


def _with_gateway(given: dict[str, Any]) -> dict[str, Any]:
    from dnet.values import address, subnet

    gateway = subnet.gateway(given["subnet"], given.get("gateway"))
    return {**given, "gateway": address.host(gateway)}


def _free_subnet(name: str, state_dir: str) -> dict[str, str]:
    """A /24 out of 10.128.0.0/9 that nothing of the host overlaps, others for other names.

    Which networks there are besides podman does not tell, until their bridges are there.
    """
    from dnet.network import subnets
    from dnet.store.folder import Store
    from dnet.transaction.presence import machine
    from dnet.values import address, names

    first = int(names.digest(name), 16)
    blocks = ((first + at) % _CHOICES for at in range(_TRIED))
    candidates = [f"{_dotted(_FIRST_CHOICE + (at << 8) + 1)}/24" for at in blocks]
    chosen = subnets.choose(Store(state_dir).load(), machine(), candidates)
    return {"subnet": str(address.network(chosen)), "gateway": address.host(chosen)}


def _unique_local_subnet() -> dict[str, str]:
    """A /64 of a unique local prefix of its own: 40 random bits, as RFC 4193 has it."""
    from dnet.values import address, address6

    chosen = address6.gateway(address6.site(int.from_bytes(os.urandom(5), "big")), 0)
    return {"subnet": str(address.network(chosen)), "gateway": address.host(chosen)}


def _dotted(number: int) -> str:
    return ".".join(map(str, number.to_bytes(4, "big")))


def _device_for(network: str) -> str:
    """The bridge's name: one by which people know the network, if it is short enough."""
    from dnet.values import names

    try:
        return names.device(f"dnet-{network}")
    except UsageError:
        return f"dnet-{names.digest(network)}"


def _device(text: str) -> str:
    from dnet.values import names

    return names.device(text)


# A container on it


def _key(request: Fields) -> tuple[str, str, str, str]:
    from dnet.values import names

    ifname = request.part("network_options").parsed("interface_name", names.device) or "eth0"
    network = request.part("network").needed("name")
    return "netavark", network, request.needed("container_id"), ifname


def _setup(document: Any, netns: str) -> Any:
    from dnet.model.entities import Origin
    from dnet.network.attachment import Wiring
    from dnet.network.runtimes import Home
    from dnet.plugins import attachments, networks
    from dnet.plugins.fields import Fields
    from dnet.values import address, names

    request = Fields(document, "the request")
    network, wishes = request.part("network"), request.part("network_options")
    given = _options(network)
    key = _key(request)
    name = network.parsed("network_interface", _device) or _device_for(key[1])
    specs = [spec for one in request.parts("port_mappings") for spec in _specs(one)]
    made, bridge = attachments.attach(
        _settings(networks.place(given), key[2]),
        Origin(*key, request.text("container_name")),
        Home(name, _home_options(network, given)),
        Wiring(
            names.namespace(netns), key[3], wishes.parsed("static_mac", address.parse_mac), specs
        ),
        ips=networks.asked(wishes.many("static_ips")),
    )
    subnets = [
        {"ipnet": f"{ip}/{address.prefix_len(one.address)}", "gateway": one.gateway}
        for ip, one in attachments.addresses(made, bridge)
    ]
    return {
        "dns_search_domains": [],
        "dns_server_ips": [],
        "interfaces": {key[3]: {"mac_address": made.hardware_address, "subnets": subnets}},
    }


def _specs(mapping: Fields) -> list[PublishSpec]:
    """What is to be published: a range is one, and each protocol its own."""
    from dnet.plugins import networks
    from dnet.values import names

    port = names.port(mapping.needed("container_port"))
    host_port = mapping.parsed("host_port", lambda text: names.whole(text, 0, 65535))
    length = mapping.parsed("range", lambda text: names.whole(text, 0, 65535)) or 1
    protocols = mapping.text("protocol") or "tcp"
    return [
        networks.published(mapping.text("host_ip"), host_port or port, port, one, length)
        for one in protocols.split(",")
    ]


def _teardown(document: Any) -> None:
    from dnet.plugins import attachments, networks
    from dnet.plugins.fields import Fields

    request = Fields(document, "the request")
    place = networks.place(request.part("network").part("options"))
    key = _key(request)
    attachments.detach(place.state_dir, lambda: _settings(place, key[2]), key)


def _settings(place: Place, container: str) -> Settings:
    from dnet.host.callers import Callers

    callers = Callers(_CALLERS, _KEEPER, container)
    return frame.settings(PROGRAM, place.state_dir, place.lock_timeout, callers)
