"""The tables in Markdown, and the machine they were measured on."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.comparisons import Comparison
from benchmarks.figures import Figure
from dnet import __version__

METHOD = """\
Every figure is a median. What is compared takes turns: in each round every way has one turn, so
that whatever else the machine does falls on all of them. Times are wall-clock times of whole
processes, from before they start until they have ended, in network namespaces of their own with
an empty firewall, and with the store on a disk. × is the multiple of `python -c pass` in the
environment that dnet runs in, measured in the same rounds.

- *dnet, a command each* is measured on the last five of N, with the others active, and counted
  N times.
- *two iptables calls* are what Docker 0.11.1 ran for a mapping, one after the other; its address
  took no process.
- *CNI* is the plugins bridge with host-local, then portmap, as a runtime calls them; *netavark*
  is called as podman does, which finds the address itself beforehand. Both work on one container
  after the other, so one pass serves for every N: its first N additions, its last N removals.
- The first packet of a connection is the time of sendto(2) on a socket never used before, over
  a veth pair: the kernel carries the packet through the host's rules to the container's socket
  before the call returns.
"""

FLOORS = """\
What no work on dnet can take away. In `attach` and `detach` the kernel has its part as well: with
`ip -batch` it takes about 1.5 ms to put a veth pair into a bridge, and 20 ms to delete one.
"""


def machine() -> str:
    """What it was measured on."""
    rows = [
        ("date", time.strftime("%Y-%m-%d", time.gmtime())),
        ("processor", f"{_processor()}, {os.cpu_count()} cores"),
        ("kernel", platform.release()),
        ("Python", platform.python_version()),
        ("dnet", __version__),
        ("iptables", _said("iptables", "--version")),
        *((name, version) for name in _PEERS if (version := _debian(name))),
        *((name, _library(name)) for name in ("click",)),
        ("load when it began", f"{os.getloadavg()[0]:.1f}"),
    ]
    return table(("", ""), rows)


_PEERS = ("containernetworking-plugins", "netavark")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _said(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()


def _debian(package: str) -> str:
    return _said("dpkg-query", "-W", "-f", "${Version}", package)


def _library(name: str) -> str:
    from importlib.metadata import version

    return version(name)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, its columns aligned."""
    lines = [list(headings), *([*row] for row in rows)]
    widths = [max(3, *map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    return "".join(
        f"| {' | '.join(cell.ljust(w) for cell, w in zip(line, widths, strict=True))} |\n"
        for line in lines
    )


def promises(figures: Iterable[Figure]) -> str:
    """The figures beside what was promised."""
    rows = [
        (
            figure.work,
            _amount(figure.measured, figure.unit),
            "" if figure.seconds is None else milliseconds(figure.seconds),
            ""
            if figure.promised is None
            else f"{'≥' if figure.at_least else '≤'} {figure.promised:g} {figure.unit}".strip(),
            "" if figure.promised is None else "yes" if figure.kept else "**no**",
        )
        for figure in figures
    ]
    return table(("work", "measured", "time", "promised", "kept"), rows)


def floors(figures: Iterable[Figure]) -> str:
    """The figures that nothing was promised of."""
    rows = [
        (one.work, _amount(one.measured, one.unit), milliseconds(one.seconds or 0))
        for one in figures
    ]
    return table(("work", "measured", "time"), rows)


def _amount(value: float, unit: str) -> str:
    return f"{value:.0f} {unit}" if value >= 100 else f"{value:.2f} {unit}".strip()


def milliseconds(seconds: float) -> str:
    """A time as it is read."""
    number = seconds * 1000
    return f"{number:,.0f} ms" if number >= 100 else f"{number:.3g} ms"


def compare(comparison: Comparison) -> str:
    """Each way's time for one container, and how many times that of the first way it is."""
    adding, removing = (_half(comparison, half) for half in (0, 1))
    return f"### {comparison.title}\n\nadd, each:\n\n{adding}\nremove, each:\n\n{removing}"


def _half(comparison: Comparison, half: int) -> str:
    rows = []
    for count, times in comparison.rows:
        each = {
            name: seconds / count
            for name, halves in times.items()
            if (seconds := halves[half]) is not None
        }
        first = each[comparison.names[0]]
        others = (each.get(name) for name in comparison.names[1:])
        rows.append(
            [
                f"{count:,}",
                milliseconds(first),
                *(
                    "–" if one is None else f"{milliseconds(one)} ({one / first:.1f})"
                    for one in others
                ),
            ]
        )
    return table(("N", *comparison.names), rows)


def document(
    about: str,
    figures: Iterable[Figure],
    compared: Iterable[Comparison],
    lowest: Iterable[Figure],
    missing: Sequence[str],
) -> str:
    """The whole document."""
    notes = "".join(f"\nWithout {name}, which was not to be had here.\n" for name in missing)
    return "\n".join(
        [
            "# Benchmarks\n",
            "Written by `scripts/bench`. Ratios of one run hold better than its absolute times.\n",
            f"## Machine\n\n{about}{notes}",
            f"## What was promised\n\n{promises(figures)}",
            "## Next to the others\n\n"
            "The time for one of N; in parentheses the multiple of the first column.\n",
            *(compare(one) for one in compared),
            f"## Floors\n\n{FLOORS}\n{floors(lowest)}",
            f"## Method\n\n{METHOD}",
        ]
    )
