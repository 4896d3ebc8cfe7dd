"""Hundreds of hosts that join one pool and sync, twenty at a time, each a process of its own."""

from __future__ import annotations

import json
import statistics
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from dnet.hosts.record import PEER
from dnet.registry.door import open_registry
from tests import etcd as labs
from tests import figures
from tests.lab import Lab

AT_ONCE = 20
MEMBER = Path(__file__).parents[1] / "member.py"


def test_all_have_a_block_of_their_own_and_believe_one_another(lab: Lab, tmp_path: Path) -> None:
    node, many = lab.node(), figures.amount(25, 500)
    with (
        figures.tally("many hosts", "hosts", "without their own block") as tally,
        labs.running(node, tmp_path / "etcd") as cluster,
    ):

        def member(number: int) -> dict[str, Any]:
            words = (sys.executable, str(MEMBER), cluster.url(), str(number))
            found: dict[str, Any] = json.loads(node.run(*words))
            return found

        with ThreadPoolExecutor(AT_ONCE) as threads:
            members = [*threads.map(member, range(1, many + 1))]
            again = [*threads.map(member, range(1, many + 1))]
        with labs.inside(node):
            there = open_registry(cluster.url()).read(fresh=True)
        blocks = {one["record"][2] for one in members}
        with tally.trial("blocks", many):
            assert len(blocks) == many
            assert [one["record"] for one in again] == [one["record"] for one in members]
            assert {one["peers"] for one in again} == {many - 1}
            assert not any(one["refused"] for one in (*members, *again))
            assert len([one for one in there.hosts if one.state == PEER]) == many
        counted = cluster.ask(
            "/v3/kv/range", {"key": "AA==", "range_end": "AA==", "count_only": True}
        )
        for what, of in (("join", members), ("sync", again), ("cpu", again)):
            ms = sorted(one[what] * 1000 for one in of)
            print(
                f"{what}: median {statistics.median(ms):.1f} ms, all but 5 % {ms[-many // 20]:.1f}"
            )
        print(f"{counted['count']} keys, revision {there.revision}")
        assert counted["count"] == str(2 * many + 1)
