"""A host of a pool as far as the registry goes, a process of its own: joins, then syncs.

Prints as JSON its record, how many peers it believes, and what each of the two took, in seconds.
"""

from __future__ import annotations

import json
import sys
from time import perf_counter, process_time

from dnet.hosts import admission, fields
from dnet.hosts.admission import Here
from dnet.hosts.record import Claim, Pool, Wanted
from dnet.registry import gateway
from dnet.registry.door import open_registry

# Hundreds on a busy machine are to be counted, and not to be told that it is busy.
PATIENCE = 120.0


def main(url: str, number: int, pool: Pool) -> None:
    setattr(gateway, "SECONDS", PATIENCE)  # noqa: B010
    underlay = f"192.0.{number >> 8}.{number & 255}"
    token = fields.token(number)
    began, used = perf_counter(), process_time()
    record = open_registry(url).join(Claim(f"h{number}", underlay, "vxlan", token, Wanted(*pool)))
    joined = perf_counter()
    roster = open_registry(url).read()
    found = admission.admit(roster, Here(record, pool, (underlay,), (), {}))
    synced = perf_counter()
    told = {
        "record": record,
        "peers": len(found.peers),
        "refused": found.refused,
        "join": joined - began,
        "sync": synced - joined,
        "cpu": process_time() - used,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Pool("10.0.0.0/14", 24, 4242, 4789))
