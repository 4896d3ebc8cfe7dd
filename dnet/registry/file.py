"""Hosts that a file lists, which people or their tools keep the same on all of them."""

from __future__ import annotations

from collections.abc import Iterator

from dnet.errors import ConflictError, NotFoundError, StoreUnreachableError, UsageError
from dnet.hosts import fields, lines, pools, record
from dnet.hosts.record import Claim, HostRecord, Roster
from dnet.registry import files

MOST_BYTES = 1 << 20


class File:
    """The registry that is a file. What would be written there, people write."""

    def __init__(self, path: str) -> None:
        self._path = path

    def read(self, fresh: bool = False) -> Roster:
        """All of its lines."""
        return _roster(self._text())

    def news(self, digest: str, fresh: bool = False) -> Roster | None:
        """The same; None where they are what they were."""
        text = self._text()
        return None if _digest(text) == digest else _roster(text)

    def _text(self) -> str:
        try:
            return files.public(self._path, MOST_BYTES)
        except StoreUnreachableError as error:
            raise error.with_hint(f"keep the file the same on every host; {lines.FORM}") from None

    def join(self, claim: Claim) -> HostRecord:
        """The line of a host that is in there.

        Raises NotFoundError, ConflictError for one that says something else, UsageError where the
        pool is not told.
        """
        pool = pools.founded(claim.pool)
        host = next((one for one in self.read().hosts if one.name == claim.name), None)
        if host is None:
            raise NotFoundError(
                f"{self._path} has no line for {claim.name}",
                f"add one, on every host: {claim.name} {claim.underlay} BLOCK {claim.transport}",
            )
        if misfit := pools.misfit(pool, host.block):
            raise ConflictError(f"the block {host.block} of {self._path} {misfit}")
        for there, here in (host.underlay, claim.underlay), (host.transport, claim.transport):
            if there != here:
                raise ConflictError(
                    f"{self._path} has {host.name} with {there}, but this host has {here}",
                    "change the line, on every host, or the option: "
                    f"--underlay {host.underlay} --transport {host.transport}",
                )
        return host

    def leave(self, name: str, token: str) -> bool:
        """False: a line stays until somebody takes it out."""
        return False

    def remove(self, name: str) -> None:
        """Raises UsageError."""
        raise UsageError(
            f"{self._path} is a file, which dnet only reads",
            f"delete the line of {fields.parse_name(name)} there, on every host",
        )

    def watch(self, after: int) -> Iterator[int]:
        """Raises UsageError."""
        raise UsageError(
            f"{self._path} is a file, which dnet cannot watch",
            "use a timer to run dnet host sync",
        )


def _roster(text: str) -> Roster:
    return lines.roster(text)._replace(digest=_digest(text))


def _digest(text: str) -> str:
    return record.digest(text.encode(errors="surrogateescape"))
