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
from contextlib import contextmanager, suppress

from benchmarks.ground import Host, make_namespaces, remove_namespaces
from dnet.host import netns

HOST, HOST6 = "10.99.0.1", "2001:db8:99::1"
EVERYBODY, EVERYBODY6 = "0.0.0.0", "::"
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
            (name, "addr add 2001:db8:99::2/64 dev eth0 nodad"),
            (host.name, f"addr add {HOST}/24 dev wire"),
            (host.name, f"addr add {HOST6}/64 dev wire nodad"),
            (host.name, "link set wire up"),
        ):
            subprocess.run(["ip", "-n", place, *line.split()], check=True)
        yield f"/run/netns/{name}"
    finally:
        remove_namespaces([name])


@contextmanager
def echo_in(namespace: str, address: str = EVERYBODY) -> Iterator[None]:
    """A server in a namespace that sends every packet back."""
    with open(f"/run/netns/{namespace}") as file, netns.inside(file.fileno()):
        server = subprocess.Popen([sys.executable, "-m", "benchmarks.packets", address])
    try:
        yield
    finally:
        server.kill()
        server.wait()


def seconds_of_first_packets(client: str, address: str = HOST) -> float:
    """The median time of sending the first packet of a connection from a namespace."""
    times = []
    with open(client) as file, netns.inside(file.fileno()):
        _send_until_answered(address)
        for _ in range(PACKETS):
            times.append(_send_one(address))
    return statistics.median(times)


def seconds_until_answered(client: str, address: str, port: int) -> float:
    """How long it takes from now on until a server answers somebody in a namespace."""
    begin = time.perf_counter()
    with open(client) as file, netns.inside(file.fileno()):
        while time.perf_counter() < begin + 5:
            with suppress(OSError):
                _send_one(address, port, timeout=0.01)
                return time.perf_counter() - begin
    raise TimeoutError(f"nobody answers at {address}")


def _socket(address: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.socket(family, socket.SOCK_DGRAM)


def _send_one(address: str, port: int = PORT, timeout: float = 5) -> float:
    """Send a packet, and see that it is answered. Raises TimeoutError."""
    with _socket(address) as sender:
        sender.settimeout(timeout)
        sender.connect((address, port))
        begin = time.perf_counter()
        sender.send(b"x")
        seconds = time.perf_counter() - begin
        assert sender.recv(1) == b"x"
    return seconds


def _send_until_answered(address: str) -> None:
    """The server takes a moment to start."""
    for _ in range(100):
        try:
            _send_one(address)
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"nobody answers at {address}, port {PORT}")


def _serve(address: str) -> None:
    with _socket(address) as server:
        server.bind((address, 80))
        while True:
            data, client = server.recvfrom(16)
            server.sendto(data, client)


if __name__ == "__main__":
    _serve(sys.argv[1])
