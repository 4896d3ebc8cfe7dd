"""What has passed through mappings, as the table `inet dnet` counts it."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from functools import cache

from dnet.firewall.nftables import elements, layout, wire
from dnet.firewall.nftables.layout import TRACE, WHOLE, Object
from dnet.host.firewall import nf_tables
from dnet.typing import NamedTuple
from dnet.values.endpoint import Endpoint

Counter = tuple[int, int]
"""Packets, and bytes of them at the network layer."""


class Passed(NamedTuple):
    """What has passed to the container, and what from it."""

    there: Counter
    back: Counter


def read(endpoints: Iterable[Endpoint]) -> list[Passed | None]:
    """What has passed through the mapping of each endpoint; None where it is not counted.

    Raises OSError.
    """
    counted = cache(_counted)
    found: list[Passed | None] = []
    for endpoint in endpoints:
        there, back = (counted(one.holder).get(one.key) for one in elements.counters(endpoint))
        found.append(Passed(there, back) if there and back else None)
    return found


def _counted(holder: str) -> dict[str, Counter]:
    """The counters of a set, where there is one, by its elements."""
    declared = layout.objects(WHOLE)[Object("set", holder)]
    try:
        listed = list(nf_tables.counted(TRACE.name, holder))
    except OSError as error:
        if error.errno == errno.ENOENT:
            return {}
        raise
    keys = (key for key, _ in wire.texts(declared, [raw for raw, _ in listed]))
    return dict(zip(keys, (counter for _, counter in listed), strict=True))
