"""What ten thousand mappings cost the first packet of a connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks import packets
from benchmarks.clock import progress, take_turns
from benchmarks.figures import MANY, Figure
from benchmarks.ground import Host, containers, host


def first_packet(folder: Path, rounds: int) -> Iterator[Figure]:
    """The first packet of a connection, with one mapping and with many."""
    progress("first packets")
    with (
        containers(3) as names,
        with_server("alone", folder, names[0], 0) as alone,
        with_server("dispatched", folder, names[1], MANY - 1) as dispatched,
        with_server("linear", folder, names[2], 0) as linear,
    ):
        _make_linear(linear[0])
        hosts = (alone, dispatched, linear)
        ways = {made.name: partial(packets.seconds_of_first_packets, up) for made, up in hosts}
        times = take_turns(ways, max(3, rounds // 3))
    for name, most, what in (
        ("dispatched", 2.0, "10,000 mappings against 1"),
        ("linear", None, "10,000 rules in one chain, as the source has them, against 1 mapping"),
    ):
        work = f"first packet of a connection, {what}"
        yield Figure(work, times[name] / times["alone"], most, "", times[name])


@contextmanager
def with_server(
    name: str,
    folder: Path,
    container: str,
    mappings: int,
    firewall: str = "iptables",
    address: str = packets.EVERYBODY,
) -> Iterator[tuple[Host, str]]:
    """A host whose port PORT leads to an echo server, and its client's namespace.

    By the address that the server listens on it has IPv6 or not.
    """
    options = ["--ipv6"] if address == packets.EVERYBODY6 else []
    with host(name, folder, firewall) as made, packets.client_of(made) as client:
        made.dnet("bridge", "init", "--address", "172.17.42.1/16", *options)
        made.dnet("attach", "web", "--netns", container)
        lines = (f"map add web {port}:80/udp" for port in range(10000, 10000 + mappings))
        made.batch(lines)
        made.dnet("map", "add", "web", f"{packets.PORT}:80/udp")
        with packets.echo_in(container, address):
            yield made, client


def _make_linear(made: Host) -> None:
    """Put the rules that the source would have made ahead of the one there is."""
    nat = "\n".join(
        f"-A DNET -p udp -m udp --dport {port} -j DNAT --to-destination 172.17.0.2:80"
        for port in range(10000, 10000 + MANY)
    )
    forward = "\n".join(
        f"-A FORWARD -d 172.17.{number >> 8}.{number & 255}/32 ! -i dnet0 -o dnet0 "
        "-p udp -m udp --dport 80 -j ACCEPT"
        for number in range(3, MANY)
    )
    text = f"*nat\n-F DNET\n{nat}\nCOMMIT\n*filter\n-F FORWARD\n{forward}\nCOMMIT\n"
    made.run("iptables-restore", "--noflush", text=text)
