"""Network namespaces to measure in, and dnet in one of them with a store of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.clock import Ran, run
from dnet.host import netns

DNET = str(Path(sys.executable).with_name("dnet"))


class Host:
    """A machine of its own: a network namespace with an empty firewall, and a folder."""

    def __init__(self, name: str, folder: Path, firewall: str = "iptables") -> None:
        self.name = name
        self.folder = folder / name
        self.folder.mkdir()
        make_namespaces([name])
        self.path = f"/run/netns/{name}"
        self.env = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(self.folder),
            "DNET_STATE_DIR": str(self.folder / "state"),
            "DNET_FIREWALL": firewall,
        }
        self.run("ip", "link", "set", "lo", "up")

    def run(self, program: str, *arguments: str, text: str = "", **env: str) -> Ran:
        """Run a program there; nothing but the program is in its time."""
        found = program if "/" in program else shutil.which(program)
        assert found is not None, f"{program} is not there"
        with open(self.path) as file, netns.inside(file.fileno()):
            return run([found, *arguments], self.env | env, text)

    def dnet(self, *arguments: str, text: str = "") -> Ran:
        """Run dnet there."""
        return self.run(DNET, *arguments, text=text)

    def batch(self, lines: Iterator[str]) -> Ran:
        """Run `dnet batch` over lines."""
        return self.dnet("batch", "-", text="".join(f"{line}\n" for line in lines))

    def close(self) -> None:
        """Remove it."""
        remove_namespaces([self.name])
        shutil.rmtree(self.folder)


@contextmanager
def host(name: str, folder: Path, firewall: str = "iptables") -> Iterator[Host]:
    """A host that is gone afterwards."""
    made = Host(name, folder, firewall)
    try:
        yield made
    finally:
        made.close()


def make_namespaces(names: list[str]) -> None:
    """Make named network namespaces."""
    _batch([f"netns add {name}" for name in names])


def remove_namespaces(names: list[str]) -> None:
    """Remove named network namespaces with what is in them."""
    _batch([f"netns del {name}" for name in names])


def _batch(lines: list[str]) -> None:
    for line in lines:
        subprocess.run(["ip", *line.split()], check=True)


@contextmanager
def containers(count: int) -> Iterator[list[str]]:
    """Names of network namespaces, each with nothing but a loopback in it."""
    names = [f"c{number}" for number in range(count)]
    make_namespaces(names)
    try:
        yield names
    finally:
        remove_namespaces(names)
