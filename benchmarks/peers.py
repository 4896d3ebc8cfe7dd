"""How each system gives N containers an address and a published port, and takes them back.

Every way has the same two halves, each a function of the containers' names that gives the seconds
it took: of every container where each is done for itself, else of all at once. The host port of
the n-th container is 10000 + n, and it leads to port 80.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import mean
from typing import Any, NamedTuple

from benchmarks.ground import Host

FIRST_PORT = 10000
SAMPLE = 5

Half = Callable[[list[str]], list[float]]
Maker = Callable[[Host], Any]


class Peer(NamedTuple):
    """A way to do it: what it is called, and its two halves."""

    name: str
    add: Half
    remove: Half


def ports(names: list[str]) -> list[tuple[str, int]]:
    """Each name with its host port."""
    return [(name, FIRST_PORT + number) for number, name in enumerate(names)]


def _with_bridge(host: Host) -> None:
    host.dnet("bridge", "init", "--address", "172.17.42.1/16")


# --- an address and a published port ------------------------------------------------------------


def dnet_batch(host: Host) -> Peer:
    """`dnet batch` over `interface allocate` and `map add`."""
    _with_bridge(host)

    def add(names: list[str]) -> list[float]:
        lines = (
            f"interface allocate {name}\nmap add {name} {port}:80" for name, port in ports(names)
        )
        return [host.batch(lines).seconds]

    def remove(names: list[str]) -> list[float]:
        return [host.batch(f"interface release {name}" for name in names).seconds]

    return Peer("dnet batch", add, remove)


def dnet_single(host: Host) -> Peer:
    """The same commands, each on its own."""

    def add(name: str, port: int) -> float:
        allocating = host.dnet("interface", "allocate", name).seconds
        return allocating + host.dnet("map", "add", name, f"{port}:80").seconds

    return _sampled(
        dnet_batch(host), add, lambda name: host.dnet("interface", "release", name).seconds
    )


def _sampled(
    batch: Peer, add_one: Callable[[str, int], float], remove_one: Callable[[str], float]
) -> Peer:
    """A way that is a command each: the last few of N are done so, and stand for all of them."""

    def add(names: list[str]) -> list[float]:
        rest = names[:-SAMPLE]
        if rest:
            batch.add(rest)
        return [mean(add_one(*one) for one in ports(names)[-SAMPLE:])] * len(names)

    def remove(names: list[str]) -> list[float]:
        seconds = mean(remove_one(name) for name in names[-SAMPLE:])
        rest = names[:-SAMPLE]
        if rest:
            batch.remove(rest)
        return [seconds] * len(names)

    return Peer("dnet, a command each", add, remove)


def source(host: Host) -> Peer:
    """Docker 0.11.1's own two calls of iptables for a mapping (pkg/iptables/iptables.go).

    Its address took no process, in a daemon, and counts nothing here.
    """
    host.run("ip", "link", "add", "docker0", "type", "bridge")
    for rule in ("-N DOCKER", "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER"):
        host.run("iptables", "-t", "nat", *rule.split())

    def change(names: list[str], action: str) -> list[float]:
        return [
            sum(
                host.run("iptables", *rule.split()).seconds
                for rule in _source_rules(action, number, port)
            )
            for number, (_, port) in enumerate(ports(names))
        ]

    return Peer(
        "two iptables calls",
        lambda names: change(names, "-A"),
        lambda names: change(names, "-D"),
    )


def _source_rules(action: str, number: int, port: int) -> tuple[str, str]:
    ip = f"172.17.{number >> 8}.{number & 255}"
    return (
        f"-w -t nat {action} DOCKER -p tcp -d 0/0 --dport {port} ! -i docker0 "
        f"-j DNAT --to-destination {ip}:80",
        f"-w {action} FORWARD ! -i docker0 -o docker0 -p tcp -d {ip} --dport 80 -j ACCEPT",
    )


# --- a container with a veth pair, an address and a published port ------------------------------


def attach_batch(host: Host) -> Peer:
    """`dnet batch` over `attach`."""
    _with_bridge(host)

    def add(names: list[str]) -> list[float]:
        lines = (f"attach {name} --netns {name} -p {port}:80" for name, port in ports(names))
        return [host.batch(lines).seconds]

    def remove(names: list[str]) -> list[float]:
        return [host.batch(f"detach {name}" for name in names).seconds]

    return Peer("dnet batch", add, remove)


def attach_single(host: Host) -> Peer:
    """The same commands, each on its own."""

    def add(name: str, port: int) -> float:
        return host.dnet("attach", name, "--netns", name, "-p", f"{port}:80").seconds

    return _sampled(attach_batch(host), add, lambda name: host.dnet("detach", name).seconds)
