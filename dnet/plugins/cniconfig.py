"""The configuration of a network of CNI's: the options of a bridge, or the keys of others' plugins.

The keys of the plugins bridge and host-local are understood, so that a network's file changes by
its `type` alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from dnet.errors import UsageError
from dnet.model.entities import DEFAULT_BRIDGE
from dnet.plugins import networks
from dnet.plugins.cnierrors import UNSUPPORTED, ProtocolError
from dnet.plugins.fields import Fields
from dnet.plugins.networks import Ips, Place
from dnet.typing import TYPE_CHECKING, Any, NamedTuple
from dnet.values import address, names
from dnet.values.jsontext import dumps

if TYPE_CHECKING:
    from dnet.values.endpoint import PublishSpec

_VALID = ("cni.dev/valid-attachments", "cni.dev/attachments")
# Keys of the plugin bridge, and what a bridge of dnet's is in any case: nothing else may be asked.
_ALWAYS = {
    "isGateway": True,
    "hairpinMode": True,
    "promiscMode": False,
    "macspoofchk": False,
    "disableContainerInterface": False,
    "portIsolation": False,
}
_BESIDE_LETTERS = str.maketrans("", "", "_.-")
_DEFAULT_ROUTES = ("0.0.0.0/0", "::/0")


def is_container_id(text: str) -> bool:
    """Whether the specification lets it be a container's id."""
    letters = text.translate(_BESIDE_LETTERS)
    return text.isascii() and text[:1].isalnum() and (not letters or letters.isalnum())


class Wishes(NamedTuple):
    """What was asked for of a single attachment."""

    ips: Ips
    mac: str | None
    publish: list[PublishSpec]


class Config:
    """A network's configuration as a plugin is given it; what is not asked for is not looked at.

    Attributes:
        given: the document.
        version: the version of the specification that it is in.
    """

    def __init__(self, given: Fields, version: str) -> None:
        self.given = given
        self.version = version

    @property
    def name(self) -> str:
        """The network's. Raises UsageError."""
        return self.given.needed("name")

    @cached_property
    def place(self) -> Place:
        """Where the store is. Raises UsageError."""
        return networks.place(self.given)

    @cached_property
    def bridge(self) -> tuple[str, dict[str, Any]]:
        """The bridge, and what the configuration says of it. Raises UsageError."""
        name = self.given.parsed("bridge", names.device) or DEFAULT_BRIDGE
        found = networks.options(self.given)
        self._refuse_others()
        masquerade = self.given.flag("ipMasq")
        if masquerade is not None:
            found.setdefault("masquerade", masquerade)
        return name, found | self._addresses(found)

    @property
    def dns(self) -> dict[str, Any]:
        """What a result says of names: the runtime's wishes, else what the configuration says."""
        asked = self.given.part("runtimeConfig").part("dns")
        if any(asked.entries()):
            keys = {"nameservers": "servers", "search": "searches", "options": "options"}
            found = {key: asked.many(own) for key, own in keys.items()}
            return {key: value for key, value in found.items() if value}
        own = self.given.part("dns")
        return {key: own.value(plain) for plain, key in own.entries() if own.value(plain)}

    def wishes(self, arguments: dict[str, str]) -> Wishes:
        """What was asked for of the attachment, the more particular first. Raises UsageError."""
        asked = self.given.part("runtimeConfig")
        args = self.given.part("args").part("cni")
        ips = asked.many("ips") or args.many("ips") or list(filter(None, [arguments.get("ip")]))
        mac = (
            asked.parsed("mac", address.parse_mac)
            or args.parsed("mac", address.parse_mac)
            or Fields(arguments, "CNI_ARGS").parsed("mac", address.parse_mac)
        )
        publish = list(_published(asked.parts("portMappings")))
        return Wishes(networks.asked(ips), mac, publish)

    def valid_attachments(self) -> list[Fields]:
        """Those that a GC is to keep. Raises UsageError where it is not told: all would go."""
        for key in _VALID:
            if self.given.has(key):
                return self.given.parts(key)
        raise UsageError(f"{_VALID[0]} is missing")

    def _refuse_others(self) -> None:
        """Raises ProtocolError for what other plugins can do and this one cannot."""
        for key, always in _ALWAYS.items():
            if self.given.flag(key) not in (None, always):
                raise _unsupported(self.given, key)
        for key in ("vlan", "vlanTrunk"):
            if self.given.value(key):
                raise _unsupported(self.given, key)

    def _addresses(self, own: dict[str, Any]) -> dict[str, str]:
        """What host-local's part says of the bridge's subnet, and of the range in it."""
        ipam = self.given.part("ipam")
        if ipam.text("type") not in (None, "host-local", "dnet"):
            raise _unsupported(ipam, "type")
        for route in ipam.parts("routes"):
            if route.text("dst") not in _DEFAULT_ROUTES or route.value("gw"):
                raise _unsupported(ipam, "routes")
        found = networks.subnet_options(
            [
                (
                    one.needed("subnet"),
                    one.text("gateway"),
                    one.text("rangeStart"),
                    one.text("rangeEnd"),
                )
                for one in _ranges(ipam)
            ]
        )
        for key, text in found.items():
            if own.get(key) not in (None, text):
                raise UsageError(f"'{key}' is {own[key]}, and by 'ipam' it is {text}")
        return found


def _ranges(ipam: Fields) -> Iterator[Fields]:
    """Its ranges: lists of lists, or in the older form a single one without either."""
    for many in ipam.many("ranges"):
        yield from Fields({"range": many}, "'ranges' of 'ipam'").parts("range")
    if ipam.text("subnet"):
        yield ipam


def _unsupported(given: Fields, key: str) -> ProtocolError:
    value = dumps(given.value(key))
    return ProtocolError(UNSUPPORTED, f"{given.named(key)} cannot be {value} here")


def _published(mappings: list[Fields]) -> Iterator[PublishSpec]:
    """Ports to publish; one without a host port is none, as the plugin portmap has it."""
    for one in mappings:
        host_port = one.parsed("hostPort", lambda text: names.whole(text, 0, 65535))
        if not host_port:
            continue
        port = names.port(one.needed("containerPort"))
        proto = names.protocol(one.text("protocol") or "tcp")
        yield networks.published(one.text("hostIP"), host_port, port, proto)
