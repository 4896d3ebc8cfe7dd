"""Measures everything, prints the tables and writes them down."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks import engines, figures, first_packet, peers, report
from benchmarks.clock import progress
from benchmarks.figures import Figure
from benchmarks.ground import Host, containers, host
from benchmarks.peers import Peer
from benchmarks.report import Comparison


class Size(NamedTuple):
    """How much is measured: rounds of small things, of large things, and the N."""

    rounds: int
    few: int
    counts: tuple[int, ...]
    attached: int
    own_counts: tuple[int, ...]


FULL = Size(15, 5, (1, 50, 200), 100, (1000, 10000))
QUICK = Size(5, 3, (1, 20), 20, (1000,))
BATCH = "dnet batch"


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="Less of everything: one or two minutes."
    )
    parser.add_argument("--output", default="docs/benchmarks.md", help="The file to write.")
    parser.add_argument("--folder", required=True, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    size, folder = (QUICK if chosen.quick else FULL), Path(chosen.folder)
    about = report.machine()
    mapped, attached = _mapped(folder, size), _attached(folder, size)
    promised = [*_figures(folder, size), *_against_peers(mapped, attached, size)]
    note = "" if len(attached.names) == 4 else "\nWithout a peer that is not to be had here.\n"
    text = report.document(
        [
            f"## Machine\n\n{about}{note}",
            f"## What was promised\n\n{report.promises(promised)}",
            "## Beside the others\n\n"
            "The time for one of N; in parentheses the multiple of the first column.\n",
            report.compare(mapped),
            report.compare(attached),
        ]
    )
    print(text)
    output = Path(chosen.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text)


def _figures(folder: Path, size: Size) -> Iterator[Figure]:
    yield from figures.single_commands(folder, size.rounds)
    yield from figures.each(folder, size.rounds * 4)
    yield from figures.flat(folder, size.rounds)
    yield from first_packet.first_packet(folder, size.rounds)
    yield from figures.large(folder, size.few)


def _against_peers(mapped: Comparison, attached: Comparison, size: Size) -> Iterator[Figure]:
    thousand = dict(mapped.rows)[1000]
    ours = thousand[BATCH][0]
    name = mapped.names[-1]
    yield Figure(
        "`batch`: 1,000 × (`interface allocate` + `map add`), times faster than two iptables calls",
        thousand[name][0] / ours,
        10,
        "",
        ours,
        at_least=True,
    )
    many = dict(attached.rows)[size.attached]
    for peer, least in (("CNI", 10.0), ("netavark", 7.0)):
        if peer in many:
            yield Figure(
                f"`batch`: {size.attached} × `attach` with a port, times faster than {peer}",
                many[peer][0] / many[BATCH][0],
                least,
                "",
                many[BATCH][0],
                at_least=True,
            )


def _mapped(folder: Path, size: Size) -> Comparison:
    """An address and a published port, without a container."""
    makers = (peers.dnet_batch, peers.dnet_single, peers.source)
    rows = []
    for count in (*size.counts, *size.own_counts):
        chosen = makers if count < 1000 else makers[::2] if count == 1000 else makers[:1]
        names = [f"c{number}" for number in range(count)]
        rows.append((count, _turns(folder, chosen, names, _rounds(size, count))))
    title = "An address and a published port"
    return Comparison(title, (BATCH, "dnet, a command each", "two iptables calls"), rows)


def _attached(folder: Path, size: Size) -> Comparison:
    """A container with a veth pair, an address, a route and a published port."""
    makers = (peers.attach_batch, peers.attach_single, engines.cni, engines.netavark)
    rows = []
    for count in sorted({*size.counts, size.attached}):
        with containers(count) as names:
            rows.append((count, _turns(folder, makers, names, _rounds(size, count))))
    found = dict.fromkeys(name for _, times in rows for name in times)
    title = "A container with a veth pair, an address, a route and a published port"
    return Comparison(title, tuple(found), rows)


def _rounds(size: Size, count: int) -> int:
    return size.rounds if count == 1 else size.few if count < 100 else 3


def _turns(
    folder: Path, makers: tuple[Callable[[Host], Peer | None], ...], names: list[str], rounds: int
) -> dict[str, tuple[float, float]]:
    """The medians of each way's two halves; in every round each has its turn."""
    progress(f"{len(names)} of {', '.join(maker.__name__ for maker in makers)}")
    times: dict[str, tuple[list[float], list[float]]] = {}
    for _ in range(rounds):
        for maker in makers:
            with host(f"host-{maker.__name__.replace('_', '-')}", folder) as made:
                if maker.__name__.startswith(("dnet", "attach")):
                    made.dnet("bridge", "init", "--address", "172.17.42.1/16")
                peer = maker(made)
                if peer is None:
                    continue
                adding, removing = times.setdefault(peer.name, ([], []))
                adding.append(peer.add(names))
                removing.append(peer.remove(names))
    return {name: (statistics.median(a), statistics.median(r)) for name, (a, r) in times.items()}


main()
