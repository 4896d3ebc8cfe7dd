"""A machine in the middle of its work, made again and again, and told apart from any other.

What a command leaves behind that was killed or refused is found by comparison: the store and
the kernel are as they were before it or as they are after it, and nothing in between.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from tests import lab as labs
from tests.lab import Lab
from tests.node import Completed

# A store's own account of when and where, which differs from one machine to the next.
_PASSING = ("checksum", "serial", "boot_id", "netns", "variant")
# Settings that stay on once dnet has needed them, for others may have begun to rely on them.
_STAYING = re.compile(r"^sysctl (ip_forward|\.\./bridge/.*|conf/(all|default)/.*) .*\n", re.M)
# The host's end of a veth pair has an address that the kernel makes up.
_VETH = re.compile(r"^(device veth[0-9a-f]{10} \w+) \S+", re.M)
_FOREIGN = (
    "-A INPUT -p tcp --dport 22 -j ACCEPT",
    "-N FOREIGN",
    "-A FOREIGN -s 192.0.2.0/24 -j DROP",
    "-A FORWARD -j FOREIGN",
    "-t nat -A POSTROUTING -o eth9 -j MASQUERADE",
    "-t raw -A PREROUTING -i eth9 -p udp -j ACCEPT",
)


class View(NamedTuple):
    """What the store says, and what the kernel does."""

    store: Any
    kernel: str

    def __str__(self) -> str:
        return json.dumps(self.store, indent=1) + "\n" + self.kernel

    def is_one_of(self, *others: View) -> bool:
        """Whether it is; the test fails with what tells it from each where it is not."""
        if self in others:
            return True
        for other in others:
            lines = difflib.unified_diff(str(other).splitlines(), str(self).splitlines(), n=1)
            print("\n".join(lines), "\n")
        return False


class Site:
    """A host with rules of others, and two namespaces that containers may be in."""

    def __init__(self, lab: Lab) -> None:
        self.host = lab.host()
        self.one, self.two = lab.node(), lab.node()
        self.host.iptables(*_FOREIGN)
        self._names = {self.one.netns: "ONE", self.two.netns: "TWO"}

    def words_of(self, line: str) -> tuple[str, ...]:
        """The words of a command line in which ONE and TWO stand for the namespaces."""
        names = {short: name for name, short in self._names.items()}
        return tuple(names.get(word, word) for word in line.split())

    def build(self, lines: Sequence[str]) -> None:
        """Get somewhere by the commands that lead there."""
        for line in lines:
            self.host.ok(*self.words_of(line))

    def take_over(self, store: Any) -> None:
        """Have a store that was kept of such a machine, with its kernel side."""
        if store is not None:
            text = json.dumps(store | dict.fromkeys(("boot_id", "netns", "variant")))
            for name, short in self._names.items():
                text = text.replace(f'"{short}"', f'"{name}"')
            self.host.state_dir.mkdir(parents=True)
            (self.host.state_dir / "state.json").write_text(text)
            self.host.ok("restore")

    def store(self) -> Any:
        """The store's document in a form that machines have in common, None where there is none."""
        path = self.host.state_dir / "state.json"
        if not path.exists():
            return None
        text = path.read_text()
        for name, short in self._names.items():
            text = text.replace(f'"{name}"', f'"{short}"')
        document = json.loads(text)
        for bridge in document["bridges"].values():
            bridge["created"] = "then"
        for interface in document["interfaces"].values():
            interface.pop("cookie", None)
        return document | {"serial": 0}

    def kernel(self) -> str:
        """Rules, devices, addresses, routes and sysctls, on the host and in the namespaces."""
        lines = ordered(_VETH.sub(r"\1", _STAYING.sub("", self.host.snapshot())))
        for node in (self.one, self.two):
            inside = node.run("ip -o -4 address; ip -4 route; ip -o link show up | cut -d: -f2")
            lines += re.sub(r"@if\d+|^\d+: ", "", inside, flags=re.M)
        return lines

    def view(self) -> View:
        """Store and kernel."""
        store = self.store()
        passing = dict.fromkeys(_PASSING)
        return View(store and store | passing, self.kernel())

    def passes_points(self, words: tuple[str, ...], env: Mapping[str, str]) -> Completed:
        """A `dnet` whose points are counted (tests/points.py)."""
        root = {"PYTHONPATH": str(Path(__file__).parents[1])}
        return self.host.try_run("python", "-m", "tests.points", *words, env={**root, **env})

    @property
    def has_journal(self) -> bool:
        """Whether a command has not ended as it should."""
        return (self.host.state_dir / "journal.json").exists()


def ordered(snapshot: str) -> str:
    """A snapshot with the rules of mappings and links sorted: no packet meets two of them."""
    found: list[str] = []
    for chain, group in groupby(snapshot.splitlines(keepends=True), _chain_of):
        lines = list(group)
        found += sorted(lines) if chain and _is_of_mappings(chain) else lines
    return "".join(found)


def _chain_of(line: str) -> str | None:
    words = line.split(" ", 3)
    return words[2] if words[1:2] == ["-A"] else None


def _is_of_mappings(chain: str) -> bool:
    return bool(re.fullmatch(r"(DNET|SECOND|THIRD)(-(tcp|udp|sctp)-[0-9]+)?|DNET-LINK", chain))


@contextmanager
def opened(folder: Path, variant_folders: Path, variant: str) -> Iterator[Site]:
    """A site without a store, gone with all its namespaces afterwards."""
    with labs.opened(folder, variant_folders, variant) as lab:
        yield Site(lab)
