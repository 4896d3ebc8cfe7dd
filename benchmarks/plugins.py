"""dnet's plugin of CNI beside bridge + host-local + portmap: `python -m benchmarks.plugins`.

Each call is a process, as for a container runtime. What needs no container is beside the bare
interpreter, started as it is for the plugin: /usr/bin/python3 -IS.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import engines
from benchmarks.clock import Way, progress, take_turns
from benchmarks.ground import Host, containers, host
from benchmarks.peers import Peer, ports

PYTHON = ("/usr/bin/python3", "-IS")
_CHECKOUT = Path(__file__).parents[1]
_CODE = f"""
import sys
sys.path[:0] = [{str(_CHECKOUT)!r}]
from dnet.plugins.cni import main
main()
"""
FEW, MANY, ROUNDS = 30, 200, 25


def dnet_cni(machine: Host) -> Peer:
    """One process for each ADD and DEL, with a published port."""

    def call(command: str, name: str, port: int) -> float:
        mapping = {"hostPort": port, "containerPort": 80, "protocol": "tcp"}
        return _call(machine, command, name, {"runtimeConfig": {"portMappings": [mapping]}})

    return Peer(
        "dnet-cni",
        lambda names: [call("ADD", *one) for one in ports(names)],
        lambda names: [call("DEL", *one) for one in ports(names)],
    )


def _call(machine: Host, command: str, name: str, more: dict[str, object]) -> float:
    config = {
        "cniVersion": "1.1.0",
        "name": "bench",
        "type": "dnet",
        "bridge": "lab0",
        "address": "172.17.42.1/16",
        "stateDir": str(machine.folder / "state"),
        **more,
    }
    return machine.run(
        *PYTHON,
        "-c",
        _CODE,
        text=json.dumps(config),
        CNI_COMMAND=command,
        CNI_CONTAINERID=name,
        CNI_NETNS=f"/run/netns/{name}",
        CNI_IFNAME="eth0",
    ).seconds


def _whole(folder: Path, make: Callable[[Host], Peer | None], count: int) -> str:
    """The medians of the first, the last and all of so many ADDs and DELs, in ms."""
    with host("bench-plugins", folder) as machine, containers(count) as names:
        peer = make(machine)
        if peer is None:
            return "not installed"
        added, removed = peer.add(names), peer.remove(names)
    few = statistics.median(added[:FEW]) * 1000
    last = statistics.median(added[-FEW:]) * 1000
    return (
        f"ADD of {FEW} {few:.0f}, of the last {FEW} of {count} {last:.0f}, "
        f"DEL {statistics.median(removed) * 1000:.0f}"
    )


def _alone(folder: Path) -> dict[str, float]:
    """What needs no container, in bare interpreters."""
    with host("bench-plugins", folder) as machine, containers(1) as (name,):
        ways: dict[str, Way] = {
            "bare": lambda: machine.run(*PYTHON, "-c", "pass").seconds,
            "VERSION": lambda: _call(machine, "VERSION", "gone", {}),
            "STATUS, no store": lambda: _call(machine, "STATUS", "gone", {}),
            "DEL of nothing, no store": lambda: _call(machine, "DEL", "gone", {}),
        }
        found = take_turns(ways, ROUNDS)
        dnet_cni(machine).add([name])
        ways = {
            "bare": ways["bare"],
            "STATUS": ways["STATUS, no store"],
            "DEL of nothing": ways["DEL of nothing, no store"],
        }
        again = take_turns(ways, ROUNDS)
    bare = (found.pop("bare") + again.pop("bare")) / 2
    return {key: seconds / bare for key, seconds in (found | again).items()}


def main() -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        progress("what needs no container")
        for what, times in _alone(folder).items():
            print(f"{what}: {times:.1f} times a bare interpreter")
        for called, make in (
            ("bridge + host-local + portmap", engines.cni),
            ("dnet-cni", dnet_cni),
        ):
            progress(called)
            print(f"{called}, ms: {_whole(folder, make, MANY)}")


if __name__ == "__main__":
    main()
