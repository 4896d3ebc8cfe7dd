"""A file of hosts: `NAME UNDERLAY BLOCK [TRANSPORT]` on a line, and comments behind a #."""

from __future__ import annotations

from dnet.errors import UsageError
from dnet.hosts import fields
from dnet.hosts.record import HostRecord, Roster
from dnet.values.names import quoted

FORM = "a line is NAME UNDERLAY BLOCK [vxlan|route]"


def roster(text: str) -> Roster:
    """What a file says; a line that cannot be read is refused, and the rest holds.

    A byte order mark, which some editors put ahead of it, says nothing.
    """
    hosts: dict[str, HostRecord] = {}
    refused = []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            host = _host(words)
            if host.name in hosts:
                raise UsageError(f"{host.name} has a line already")
            hosts[host.name] = host
        except UsageError as error:
            refused.append(f"line {number} is refused: {error}")
    return Roster(0, None, tuple(hosts.values()), tuple(refused))


def _host(words: list[str]) -> HostRecord:
    if len(words) not in (3, 4):
        raise UsageError(f"{quoted(' '.join(words))}: {FORM}")
    name, underlay, block = words[:3]
    return HostRecord(
        fields.parse_name(name),
        fields.parse_underlay(underlay),
        fields.parse_block(block),
        fields.parse_transport(words[3] if len(words) > 3 else fields.TRANSPORTS[0]),
    )
