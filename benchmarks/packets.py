"""The first packet of a connection, through the rules of a host, as a client outside sees it.

A UDP packet from a port that was never used is a connection of its own. Over a veth pair the
kernel carries it all the way, through the host's chains into the container's socket, before
sendto(2) returns, so the time of that call is the time of the rules, with no process in it that
has to be woken up.
"""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.ground import Host, make_namespaces, remove_namespaces
from dnet.host import netns

HOST = "10.99.0.1"
PORT = 19999
PACKETS = 400


@contextmanager
def client_of(host: Host) -> Iterator[str]:
    """A namespace on a wire of its own to a host: its path."""
    name = f"{host.name}-client"
    make_namespaces([name])
    try:
        wire = f"link add eth0 type veth peer name wire netns {host.name}"
        for place, line in (
            (name, wire),
            (name, "addr add 10.99.0.2/24 dev eth0"),
            (name, "link set eth0 up"),
            (host.name, f"addr add {HOST}/24 dev wire"),
            (host.name, "link set wire up"),
        ):
            subprocess.run(["ip", "-n", place, *line.split()], check=True)
        yield f"/run/netns/{name}"
    finally:
        remove_namespaces([name])


@contextmanager
def echo_in(namespace: str) -> Iterator[None]:
    """A server in a namespace that sends every packet back."""
    with open(f"/run/netns/{namespace}") as file, netns.inside(file.fileno()):
        server = subprocess.Popen([sys.executable, "-m", "benchmarks.packets"])
    try:
        yield
    finally:
        server.kill()
        server.wait()


def seconds_of_first_packets(client: str) -> float:
    """The median time of sending the first packet of a connection from a namespace."""
    times = []
    with open(client) as file, netns.inside(file.fileno()):
        _send_until_answered()
        for _ in range(PACKETS):
            times.append(_send_one())
    return statistics.median(times)


def _send_one() -> float:
    """Send a packet, and see that it is answered. Raises TimeoutError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.settimeout(5)
        sender.connect((HOST, PORT))
        begin = time.perf_counter()
        sender.send(b"x")
        seconds = time.perf_counter() - begin
        assert sender.recv(1) == b"x"
    return seconds


def _send_until_answered() -> None:
    """The server takes a moment to start."""
    for _ in range(100):
        try:
            _send_one()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"nobody answers at {HOST}:{PORT}")


def _serve() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("0.0.0.0", 80))
        while True:
            data, client = server.recvfrom(16)
            server.sendto(data, client)


if __name__ == "__main__":
    _serve()
