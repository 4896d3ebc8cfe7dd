"""Measures everything, prints the tables and writes them down."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from benchmarks import comparisons, figures, first_packet, floors, ipv6, nftables, report
from benchmarks.comparisons import BATCH, SOURCE, Comparison, Size
from benchmarks.figures import Figure

FULL = Size(15, 3, (1, 50, 200), 100, (1000, 10000))
QUICK = Size(5, 2, (1, 20), 50, (1000,))
PEERS = {"CNI": 10.0, "netavark": 7.0}
"""How many times faster than each dnet is to be."""


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="Less of everything: two or three minutes."
    )
    parser.add_argument("--output", default="docs/benchmarks.md", help="The file to write.")
    parser.add_argument("--folder", required=True, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    size, folder = (QUICK if chosen.quick else FULL), Path(chosen.folder)
    about = report.machine()
    promised = list(_figures(folder, size))
    mapped, attached = comparisons.mapped(folder, size), comparisons.attached(folder, size)
    promised += _against_peers(mapped, attached, size)
    lowest = list(floors.floors(folder, size.rounds // 2 + 1))
    missing = [name for name in PEERS if name not in attached.names]
    text = report.document(about, promised, [mapped, attached], lowest, missing)
    print(text)
    output = Path(chosen.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text)


def _figures(folder: Path, size: Size) -> Iterator[Figure]:
    yield from figures.single_commands(folder, size.rounds)
    yield from figures.each(folder, size.rounds * 4)
    yield from figures.flat(folder, size.rounds)
    yield from first_packet.first_packet(folder, size.rounds)
    yield from nftables.nftables(folder, size.rounds)
    yield from ipv6.ipv6(folder, size.rounds)
    yield from figures.large(folder, max(size.few, size.rounds // 2))


def _against_peers(mapped: Comparison, attached: Comparison, size: Size) -> Iterator[Figure]:
    thousand, many = mapped.add(1000), attached.add(size.attached)
    work = (
        "`batch`: 1,000 × (`interface allocate` + `map add`), times faster than two iptables calls"
    )
    yield _faster(work, thousand[SOURCE], thousand[BATCH], 10)
    for peer, least in PEERS.items():
        if peer in many:
            work = f"`batch`: {size.attached} × `attach` with a port, times faster than {peer}"
            yield _faster(work, many[peer], many[BATCH], least)


def _faster(work: str, theirs: float, ours: float, least: float) -> Figure:
    return Figure(work, theirs / ours, least, "", ours, at_least=True)


main()
