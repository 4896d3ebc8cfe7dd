"""nftables beside iptables, and beside a rule for each port, as its peers have there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from benchmarks import packets
from benchmarks.clock import Way, progress, take_turns
from benchmarks.figures import LINES, MANY, Figure, host_with, ratio
from benchmarks.first_packet import with_server
from benchmarks.ground import Host, containers

IPTABLES, NFTABLES = "iptables", "nftables"
FIREWALLS = (IPTABLES, NFTABLES)
_RULE_A_PORT = "a rule a port"


def nftables(folder: Path, rounds: int) -> Iterator[Figure]:
    """Everything that is promised of it."""
    yield from _first_packets(folder, rounds)
    yield from _single(folder, rounds)
    yield from _many(folder, max(3, rounds // 2))


def _first_packets(folder: Path, rounds: int) -> Iterator[Figure]:
    progress("first packets with nftables")
    with containers(3) as names, ExitStack() as stack:

        def made(name: str, container: str, mappings: int) -> tuple[Host, str]:
            server = with_server(name, folder, container, mappings, NFTABLES)
            return stack.enter_context(server)

        alone = made("alone", names[0], 0)
        mapped = made("mapped", names[1], MANY - 1)
        ruled = made(_RULE_A_PORT.replace(" ", "-"), names[2], 0)
        _rule_a_port(ruled[0])
        hosts = {"alone": alone, "mapped": mapped, _RULE_A_PORT: ruled}
        ways = {
            name: partial(packets.seconds_of_first_packets, client)
            for name, (_, client) in hosts.items()
        }
        times = take_turns(ways, max(5, rounds // 3))
    work = "nftables: first packet of a connection, 10,000 mappings against 1"
    yield ratio(work, times, "mapped", "alone", 1.3)
    work = "nftables: first packet to the last of 10,000 ports, times faster than a rule a port"
    faster = times[_RULE_A_PORT] / times["mapped"]
    yield Figure(work, faster, 8, "", times["mapped"], at_least=True)


def _rule_a_port(made: Host) -> None:
    """What Docker, netavark and the CNI plugins have there, ahead of the port that is tried."""
    rules = "\n".join(
        f"meta l4proto udp udp dport {port} dnat ip to 172.17.0.2:80"
        for port in range(10000, 10000 + MANY)
    )
    chain = "type nat hook prerouting priority -110; policy accept;"
    made.run(
        "nft", "-f", "-", text=f"table inet peer {{\nchain ports {{\n{chain}\n{rules}\n}}\n}}\n"
    )


def _single(folder: Path, rounds: int) -> Iterator[Figure]:
    progress("single commands with nftables")
    with _hosts(folder, 10) as few, _hosts(folder, MANY, "many") as many:
        ways = {f"add {name}": _adding(made) for name, made in few.items()}
        ways["add many"] = _adding(many[NFTABLES])
        # What has been added was no check's to see: the first one after it reads everything.
        ways |= {f"check {name}": _checking(made, after=_seen) for name, made in many.items()}
        ways["check changed"] = _checking(many[NFTABLES], after=_somebody_else)
        times = take_turns(ways, rounds)
    few_added = f"add {NFTABLES}"
    yield ratio("nftables: `map add`, against iptables", times, few_added, f"add {IPTABLES}", 1.03)
    work = "nftables: `map add` with 10,000 mappings against 10"
    yield ratio(work, times, "add many", few_added, 1.4)
    theirs = f"check {IPTABLES}"
    work = "nftables: `check` of 10,000 mappings, against iptables"
    yield ratio(work, times, f"check {NFTABLES}", theirs, 0.65)
    yield ratio(f"{work}, after a change of others'", times, "check changed", theirs, 0.8)


def _many(folder: Path, rounds: int) -> Iterator[Figure]:
    progress("ten thousand at once with nftables")
    with _hosts(folder, 0) as hosts, _hosts(folder, 0, "bare") as bare:
        ways: dict[str, Way] = {f"batch {name}": _batching(made) for name, made in hosts.items()}
        ways |= {f"restore {name}": _restoring(made) for name, made in hosts.items()}
        for name, made in hosts.items():
            made.batch(iter(LINES))
            ways[f"rules {name}"] = _loading(bare[name], _listing(made, name))
        times = take_turns(ways, rounds)
    for what, work, most in (
        ("batch", "`batch`: 10,000 `map add`, against iptables", 0.85),
        ("rules", "the rules of that batch alone, against iptables'", 0.5),
        ("restore", "`restore` of 10,000 mappings, against iptables", 0.7),
    ):
        yield ratio(f"nftables: {work}", times, f"{what} {NFTABLES}", f"{what} {IPTABLES}", most)


@contextmanager
def _hosts(folder: Path, mappings: int, prefix: str = "few") -> Iterator[dict[str, Host]]:
    """A host with each firewall."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(host_with(f"{prefix}-{name}", folder, mappings, name))
            for name in FIREWALLS
        }


def _adding(made: Host) -> Way:
    """Each time another port: the kernel has the next change wait until what went is freed."""
    ports = iter(range(2000, 9000))
    return lambda: made.dnet("map", "add", "web", f"{next(ports)}:80").seconds


def _checking(made: Host, after: Callable[[Host], None] | None = None) -> Way:
    def way() -> float:
        if after:
            after(made)
        return made.dnet("check").seconds

    return way


def _seen(made: Host) -> None:
    made.dnet("check")


def _somebody_else(made: Host) -> None:
    made.run("nft", "add", "table", "ip", "others")
    made.run("nft", "delete", "table", "ip", "others")


def _batching(made: Host) -> Way:
    def way() -> float:
        made.dnet("map", "remove", "--all", "web")
        return made.batch(iter(LINES)).seconds

    return way


def _restoring(made: Host) -> Way:
    def way() -> float:
        made.run("nft", "flush", "ruleset")
        return made.dnet("restore").seconds

    return way


def _listing(made: Host, name: str) -> tuple[list[str], str]:
    """The words that load the rules of a host, and their text."""
    if name == NFTABLES:
        return ["nft", "-f", "-"], made.run("nft", "list", "table", "inet", "dnet").output
    return ["iptables-restore"], made.run("iptables-save").output


def _loading(made: Host, what: tuple[list[str], str]) -> Way:
    words, text = what

    def way() -> float:
        made.run("nft", "flush", "ruleset")
        return made.run(*words, text=text).seconds

    return way
