"""Where the hosts of a pool are registered, as a URL says it."""

from __future__ import annotations

from dnet.errors import UsageError
from dnet.hosts import fields
from dnet.typing import NamedTuple
from dnet.values import address, names
from dnet.values.names import quoted

FILE, ETCD, ETCDS = "file", "etcd", "etcds"
MOST_ENDPOINTS = 16

_PORT = "2379"  # etcd's own, registered with IANA.
_HINT = "write file:///etc/dnet/hosts, or etcd://HOST:PORT/PREFIX, or etcds:// for TLS"
_HOST = fields.NAME - {"_"}
_MOST_OF_HOST, _MOST_PARTS, _MOST_OF_PART = 254, 8, 64


class Endpoint(NamedTuple):
    """One of several servers that know the same."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{address.bracketed(self.host)}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether what is said to it stays on this machine."""
        if self.host == "localhost":
            return True
        return names.reads_as_address(self.host) and address.is_loopback(self.host)


class Place(NamedTuple):
    """A file by its `path`, or a prefix (`path`) of the keys that some endpoints keep."""

    scheme: str
    path: str
    endpoints: tuple[Endpoint, ...] = ()

    def __str__(self) -> str:
        return f"{self.scheme}://{','.join(map(str, self.endpoints))}{self.path}"


def parse(text: str) -> Place:
    """A URL taken apart. Raises UsageError, which shows nothing that may be a password."""
    scheme, separator, rest = text.partition("://")
    if "@" in text and scheme != FILE:
        raise UsageError(
            "the URL of the registry has a user in it",
            "put USER:PASSWORD into a file that only its owner can read, and give that",
        )
    if not separator or scheme not in (FILE, ETCD, ETCDS):
        raise UsageError(f"{quoted(text)} is not a registry of hosts", _HINT)
    if scheme == FILE:
        if not rest.startswith("/") or not rest.isprintable() or rest.endswith("/"):
            raise UsageError(f"{quoted(text)} does not name a file", _HINT)
        return Place(FILE, rest)
    authority, _, path = rest.partition("/")
    if "?" in rest or "#" in rest:
        raise UsageError(f"{quoted(text)} has more than a prefix", _HINT)
    prefix = path.rstrip("/")
    parts = prefix.split("/")
    if len(parts) > _MOST_PARTS or not all(map(_is_part, parts)):
        raise UsageError(f"{quoted(text)} names no prefix for its keys", _HINT)
    found = tuple(dict.fromkeys(map(_endpoint, authority.split(","))))
    if len(found) > MOST_ENDPOINTS:
        raise UsageError(f"{len(found)} endpoints are more than {MOST_ENDPOINTS}", _HINT)
    return Place(scheme, f"/{prefix}", found)


def _is_part(text: str) -> bool:
    return 1 <= len(text) <= _MOST_OF_PART and fields.NAME.issuperset(text)


def _endpoint(text: str) -> Endpoint:
    """`HOST:PORT`, of which a host of IPv6 is in brackets."""
    host, colon, port = text.rpartition(":")
    if not colon or "]" in port:
        host, port = text, _PORT
    if host.startswith("[") and host.endswith("]"):
        return Endpoint(address.parse_any(host), names.port(port))
    ends = f"{host[:1]}{host[-1:]}"
    is_host = len(ends) > 0 and fields.ALPHANUMERIC.issuperset(ends)
    if not is_host or len(host) > _MOST_OF_HOST or not _HOST.issuperset(host):
        raise UsageError(f"{quoted(text)} is not HOST:PORT", _HINT)
    if names.reads_as_address(host) and fields.v4(host) is None:
        host = address.parse(host)
    return Endpoint(host, names.port(port))
