"""Host endpoints and publish specs: how ports are written on a command line.

An endpoint is `[HOST_IP:]PORT[-END][/PROTO]` and prints as `0.0.0.0:8080/tcp`; a publish spec
is Docker's `[HOST_IP:][HOST_PORT[-END]:]PORT[-END][/PROTO]`.
"""

from __future__ import annotations

from collections.abc import Iterable

from dnet.errors import UsageError
from dnet.typing import NamedTuple
from dnet.values import address, family, names
from dnet.values.family import FAMILIES, V4


class Endpoint(NamedTuple):
    """A port, or a range of ports, of a protocol on an address of the host.

    Its text is the key of a mapping or reservation in the store.
    """

    host_ip: str
    port: int
    proto: str
    end: int

    def __str__(self) -> str:
        return f"{address.bracketed(self.host_ip)}:{self.ports}"

    @property
    def ports(self) -> str:
        """Without the address: `8080/tcp`."""
        return f"{_ports(self.port, self.end)}/{self.proto}"

    @property
    def is_range(self) -> bool:
        """Whether it stands for more than one port."""
        return self.end != self.port

    @classmethod
    def single(cls, host_ip: str, port: int, proto: str) -> Endpoint:
        """The endpoint of one port."""
        return cls(host_ip, port, proto, port)

    @classmethod
    def from_key(cls, key: str) -> Endpoint:
        """The endpoint behind a canonical text of the store's own."""
        at, _, rest = key.rpartition(":")
        ports, _, proto = rest.partition("/")
        first, _, last = ports.partition("-")
        return cls(address.unbracketed(at), int(first), proto, int(last or first))


def host_ip_of(key: str) -> str:
    """The address in a canonical text of the store's own."""
    return address.unbracketed(key.rpartition(":")[0])


def host_ips_of(keys: Iterable[str]) -> set[str]:
    """The addresses in many of these texts, which are few."""
    return set(map(address.unbracketed, {key.rpartition(":")[0] for key in keys}))


class EndpointQuery(NamedTuple):
    """An endpoint as typed: without an address it means the only one, or that on 0.0.0.0."""

    host_ip: str | None
    port: int
    end: int
    proto: str

    def __str__(self) -> str:
        return str(self.endpoint) if self.host_ip else self.endpoint.ports

    @property
    def endpoint(self) -> Endpoint:
        """What it says, on 0.0.0.0 where it says no address."""
        return self.endpoints[0]

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """What it may mean: without an address, all of each family."""
        hosts = [self.host_ip] if self.host_ip else [of.any for of in FAMILIES]
        return tuple(Endpoint(ip, self.port, self.proto, self.end) for ip in hosts)


class PublishSpec(NamedTuple):
    """What `map add` is asked for. `None` for a host address or port means "choose one"."""

    host_ip: str | None
    host_port: int | None
    host_end: int | None
    port: int
    end: int
    proto: str

    def __str__(self) -> str:
        at = f"{address.bracketed(self.host_ip)}:" if self.host_ip else ""
        here = _ports(self.host_port, self.host_end) if self.host_port else ""
        colon = ":" if at or here else ""
        return f"{at}{here}{colon}{_ports(self.port, self.end)}/{self.proto}"

    @property
    def is_range(self) -> bool:
        """Whether several container ports are published together, as one mapping."""
        return self.end != self.port

    def fits(self, endpoint: Endpoint, container_port: int) -> bool:
        """Whether a mapping that is there could be what this asks for.

        Without an address it is that of IPv4, next to which there may be one of IPv6.
        """
        at = endpoint.host_ip
        length = self.end - self.port
        low, high = self.host_port or endpoint.port, self.host_end or endpoint.port
        return (
            (at == self.host_ip if self.host_ip else family.of(at) is V4)
            and low <= endpoint.port <= high
            and (self.proto, length) == (endpoint.proto, endpoint.end - endpoint.port)
            and self.port == container_port
        )

    @property
    def leaves_open(self) -> bool:
        """Whether a host port is to be chosen: any, or one out of a range."""
        return self.host_port is None or self.picks_one

    @property
    def picks_one(self) -> bool:
        """Whether one free port out of a range of host ports is asked for."""
        return not self.is_range and self.host_port != self.host_end


def _ports(first: int, last: int | None) -> str:
    return f"{first}" if last in (None, first) else f"{first}-{last}"


def _split_proto(text: str) -> tuple[str, str]:
    body, slash, proto = text.partition("/")
    return body, names.protocol(proto) if slash else "tcp"


def _split_host_ip(body: str) -> tuple[str | None, str]:
    """The address, if any, and what follows it."""
    if body.startswith("["):
        inside, bracket, rest = body.partition("]")
        if not bracket or not rest.startswith(":"):
            raise UsageError(
                f"{names.quoted(body)} has an address in brackets without a port",
                "write [ADDRESS]:PORT",
            )
        return address.parse_host_ip(inside[1:]), rest[1:]
    first, colon, rest = body.partition(":")
    if colon and ("." in first or address.is_localhost(first)):
        return address.parse_host_ip(first), rest
    return None, body


def parse_endpoint(text: str) -> EndpointQuery:
    """`[HOST_IP:]PORT[-END][/PROTO]`, tcp when not said."""
    try:
        return _endpoint(text)
    except UsageError as error:
        raise names.part_of(text, error) from None


def _endpoint(text: str) -> EndpointQuery:
    body, proto = _split_proto(text)
    host_ip, ports = _split_host_ip(body)
    if ":" in ports:
        at = f"{address.bracketed(host_ip)}:" if host_ip else ""
        raise UsageError(
            f"{names.quoted(text)} is not a host endpoint",
            f"leave out the container's side: {at}{ports.partition(':')[0]}/{proto}",
        )
    first, last = names.port_range(ports)
    return EndpointQuery(host_ip, first, last, proto)


def parse_publish(text: str) -> PublishSpec:
    """Docker's publish syntax, such as 8080:80, 127.0.0.1::53/udp or 8000-8009:9000-9009.

    Raises UsageError where the two ranges differ in length, or where a range of container
    ports stands behind a single host port.
    """
    try:
        return _publish(text)
    except UsageError as error:
        raise names.part_of(text, error) from None


def _publish(text: str) -> PublishSpec:
    body, proto = _split_proto(text)
    host_ip, ports = _split_host_ip(body)
    parts = ports.split(":")
    if host_ip is not None and len(parts) == 1:
        names.port_range(ports)
        raise UsageError(
            f"{names.quoted(text)} is not a publish spec",
            f"{'::'.join(text.rsplit(':', 1))} lets dnet choose the host port",
        )
    if len(parts) > 2 or (host_ip is not None and len(parts) != 2):
        raise UsageError(
            f"{names.quoted(text)} is not a publish spec",
            "write [HOST_IP:][HOST_PORT[-END]:]PORT[-END][/PROTO], such as 8080:80",
        )
    first, last = names.port_range(parts[-1])
    if len(parts) == 1 or not parts[0]:
        return PublishSpec(host_ip, None, None, first, last, proto)
    host_first, host_last = names.port_range(parts[0])
    here, there = host_last - host_first + 1, last - first + 1
    if there > 1 and here != there:
        raise UsageError(
            f"{names.quoted(text)}: {here} host port{'s' if here > 1 else ''} for "
            f"{there} container ports",
            "give two ranges of the same length",
        )
    return PublishSpec(host_ip, host_first, host_last, first, last, proto)
