"""What a registry knows of the hosts of a pool, as values."""

from __future__ import annotations

from collections.abc import Iterator

from dnet import __version__
from dnet.typing import Literal, NamedTuple, Protocol

Transport = Literal["vxlan", "route"]
Standing = Literal["peer", "left", "removed"]

PEER: Standing = "peer"
LEFT: Standing = "left"
REMOVED: Standing = "removed"


class HostRecord(NamedTuple):
    """A host of a pool, or what one has left behind.

    Of one that has left or was removed only the name, the block and the revision are known; the
    other texts are empty.

    Attributes:
        underlay: the address that the other hosts reach it by, IPv4 or IPv6.
        block: its part of the pool, CIDR.
        token: what it made of chance when it joined; nobody else's has the same. Empty where the
            registry keeps none.
        revision: that of the registry when this was written; higher is later, 0 in a file.
    """

    name: str
    underlay: str
    block: str
    transport: Transport
    token: str = ""
    revision: int = 0
    state: Standing = PEER


class Pool(NamedTuple):
    """What all hosts of a pool share.

    Attributes:
        subnet: the pool, CIDR.
        block_prefix: the prefix length of a host's part of it.
        vni, port: the number and the UDP port of the VXLAN between them (RFC 7348).
    """

    subnet: str
    block_prefix: int
    vni: int
    port: int


class Wanted(NamedTuple):
    """What a host that joins says of the pool; None for what it leaves to those before it."""

    subnet: str | None = None
    block_prefix: int | None = None
    vni: int | None = None
    port: int | None = None


class Claim(NamedTuple):
    """A host that would join, with the token that is in its own store already.

    `moved` lets one that has joined be reached by another address from now on.
    """

    name: str
    underlay: str
    transport: Transport
    token: str
    pool: Wanted = Wanted()
    moved: bool = False


class Roster(NamedTuple):
    """All that a registry says at one revision, which is 0 for a file.

    `pool` is None where nobody has joined, and in a file; `refused` are sentences on what could
    not be read. `digest` follows from all that was said, but for the revision.
    """

    revision: int
    pool: Pool | None
    hosts: tuple[HostRecord, ...]
    refused: tuple[str, ...] = ()
    digest: str = ""


class Credentials(NamedTuple):
    """Paths of files with what proves who is who, empty for none; never the secrets themselves.

    Attributes:
        ca: certificates (PEM) that the registry's may be signed by; empty for the system's.
        cert, key: the host's own certificate and its key. Only its owner may read the key.
        user: a line `USER:PASSWORD`. Only its owner may read it.
    """

    ca: str = ""
    cert: str = ""
    key: str = ""
    user: str = ""


NO_CREDENTIALS = Credentials()


def digest(said: bytes) -> str:
    """What follows from what a registry has said, and as good as never from anything else.

    Another version of dnet may believe otherwise, and reads it again.
    """
    from _blake2 import blake2s  # Under hashlib, and loaded in a tenth of its time.

    return blake2s(said, digest_size=16, key=__version__.encode()).hexdigest()


class Registry(Protocol):
    """Where the hosts of a pool are registered.

    All of these raise StoreUnreachableError, where nobody answers or what is answered cannot be
    used, within three seconds for all that one of these is asked, and PermissionDeniedError for a
    file of secrets that others may read.
    """

    def read(self, fresh: bool = False) -> Roster:
        """All that is registered; `fresh` for no older than this moment, else at little cost."""

    def news(self, digest: str, fresh: bool = False) -> Roster | None:
        """The same; None, at less cost, where a roster of that digest said it already."""

    def join(self, claim: Claim) -> HostRecord:
        """Registers a host for good, or finds the record that it has made before.

        Raises ConflictError for a name, address or token that another host has, and where the
        pool is another one; ExhaustedError where no block is left; NotFoundError where only a
        person can write, and has not.
        """

    def leave(self, name: str, token: str) -> bool:
        """Takes back what a host registered; False where nothing of its own is there any more."""

    def remove(self, name: str) -> None:
        """Takes a host out for good, and keeps its block back as long as there are others.

        Raises NotFoundError for no such host, UsageError where only a person can write.
        """

    def watch(self, after: int) -> Iterator[int]:
        """The revision of every change after one, as long as the connection lasts.

        Raises UsageError where nobody tells of changes.
        """
