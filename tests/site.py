"""A machine in the middle of its work, made again and again, and told apart from any other.

What a command leaves behind that was killed or refused is found by comparison: the store and
the kernel are as they were before it or as they are after it, and nothing in between.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from signal import SIGKILL
from typing import Any, NamedTuple

from tests import lab as labs
from tests.lab import Lab
from tests.node import Completed, Node

# A store's own account of when and where, which differs from one machine to the next.
_PASSING = ("checksum", "serial", "boot_id", "netns", "variant", "generation")
# Settings that stay on once dnet has needed them, for others may have begun to rely on them.
_STAYING = re.compile(r"^sysctl (ip_forward|\.\./bridge/.*|conf/(all|default)/.*) .*\n", re.M)
_STAYING_KEYS = (
    "net/ipv4/ip_forward",
    "net/ipv6/conf/all/forwarding",
    "net/ipv6/conf/dnet0/accept_dad",
    "net/bridge/bridge-nf-call-iptables",
    "net/bridge/bridge-nf-call-ip6tables",
    "net/bridge/bridge-nf-filter-vlan-tagged",
)
_STAYING_INSIDE = tuple(
    f"net/ipv6/conf/eth0/{name}" for name in ("accept_ra", "autoconf", "accept_dad")
)
# What an attachment has on the host has an address that the kernel makes up.
_VETH = re.compile(r"^(device (?:veth|ifb)[0-9a-f]{10} \w+) \S+", re.M)
_INSIDE = ("address show", "route show", "link show up")
_FOREIGN = (
    "-A INPUT -p tcp --dport 22 -j ACCEPT",
    "-N FOREIGN",
    "-A FOREIGN -s 192.0.2.0/24 -j DROP",
    "-A FORWARD -j FOREIGN",
    "-t nat -A POSTROUTING -o eth9 -j MASQUERADE",
    "-t raw -A PREROUTING -i eth9 -p udp -j ACCEPT",
)

UNDERLAY, HOSTS = "10.55.0.1", "hosts"
PEERS = f"a {UNDERLAY} 10.244.1.0/24\nb 10.55.0.2 10.244.2.0/24\nc 10.55.0.3 10.244.3.0/24\n"


class Setting(NamedTuple):
    """A setting of a namespace, by its path under /proc/sys."""

    node: Node
    key: str
    value: str


class View(NamedTuple):
    """What the store says, and what the kernel does."""

    store: Any
    kernel: str

    def __str__(self) -> str:
        return json.dumps(self.store, indent=1) + "\n" + self.kernel

    def has_to_be_one_of(self, *others: View) -> None:
        """Asserts that it is, or says what tells it from each."""
        if self not in others:
            told = (
                difflib.unified_diff(str(other).splitlines(), str(self).splitlines(), n=1)
                for other in others
            )
            raise AssertionError("\n\n".join("\n".join(lines) for lines in told))


class Site:
    """A host with rules of others, and two namespaces that containers may be in."""

    def __init__(self, lab: Lab) -> None:
        self.host = lab.host()
        self.one, self.two = lab.node(), lab.node()
        self.host.iptables(*_FOREIGN)
        self._names = {self.one.netns: "ONE", self.two.netns: "TWO"}
        # This host is reached by an address of its own; the file is as a case leaves it.
        self.host.ip(f"address add {UNDERLAY}/32 dev lo")
        hosts = lab.folder / HOSTS
        hosts.parent.mkdir(parents=True, exist_ok=True)
        hosts.write_text(PEERS)
        self._names[f"file://{hosts}"] = "HOSTS"

    # --- dnet ------------------------------------------------------------------------------

    def words_of(self, line: str) -> tuple[str, ...]:
        """The words of a command line in which ONE and TWO stand for the namespaces.

        HOSTS stands for a registry of three hosts, of which this one is `a`.
        """
        names = {short: name for name, short in self._names.items()}
        return tuple(names.get(word, word) for word in line.split())

    def dnet(
        self,
        line: str,
        env: Mapping[str, str] | None = None,
        after: float | None = None,
        number: int = SIGKILL,
    ) -> Completed:
        """A finished `dnet`, whatever became of it; see Host."""
        return self.host.dnet(*self.words_of(line), env=env, after=after, number=number)

    def ok(self, line: str) -> str:
        """What a `dnet` that succeeds prints."""
        done = self.dnet(line)
        assert done.returncode == 0, done
        return done.stdout

    def quiet(self, line: str) -> None:
        """A `dnet` that succeeds and has nothing to say, on either stream."""
        done = self.dnet(line)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done

    def foretold(self, line: str) -> Any:
        """The store's document as a command would leave it, None where it would be refused."""
        done = self.dnet(line, {"DNET_REHEARSE": "1"})
        return json.loads(done.stdout) if done.returncode == 0 else None

    # --- what there is ---------------------------------------------------------------------

    def document(self) -> Any:
        """The store's document, None where there is none."""
        path = self.host.state_dir / "state.json"
        return json.loads(path.read_text()) if path.exists() else None

    def kernel(self) -> str:
        """Rules, devices, addresses, routes and sysctls, on the host and in the namespaces."""
        lines = ordered(_STAYING.sub("", self.host.snapshot()))
        for node in (self.one, self.two):
            inside = node.ip(*_INSIDE, options=("-4", "-o"))
            lines += re.sub(r"@if\d+|^\d+: |: <.*", "", inside, flags=re.M)
        for node in (self.host, self.one, self.two):
            lines += node.ipv6()
        return lines

    def view(self) -> View:
        """Store and kernel."""
        return View(settled(self.document()), self.kernel())

    def staying(self) -> list[Setting]:
        """The settings that stay on once dnet has needed them, of the host and of containers."""
        places: list[tuple[Node, tuple[str, ...]]] = [(self.host, _STAYING_KEYS)]
        places += [(node, _STAYING_INSIDE) for node in (self.one, self.two)]
        return [
            Setting(node, key, value)
            for node, keys in places
            for key, value in node.sysctls(keys).items()
        ]

    def set_back(self, settings: Iterable[Setting]) -> None:
        """Let the settings that are there be as they were."""
        there = {(one.node.netns, one.key): one.value for one in self.staying()}
        for node, key, value in settings:
            if there.get((node.netns, key), value) != value:
                node.sysctl(key, value)

    def files(self) -> dict[str, str]:
        """Every file of the state folder but the lock, with its contents."""
        return self.host.store()

    @property
    def has_journal(self) -> bool:
        """Whether a command has not ended as it should."""
        return (self.host.state_dir / "journal.json").exists()


def settled(document: Any) -> Any:
    """A store without what differs from one run of the same commands to the next."""
    if document is None:
        return None
    bridges = {name: {**bridge, "created": "then"} for name, bridge in document["bridges"].items()}
    return {**document, **dict.fromkeys(_PASSING), "bridges": bridges}


def ordered(snapshot: str) -> str:
    """A snapshot with the rules of mappings and links sorted: no packet meets two of them.

    And without addresses that the kernel makes up.
    """
    found: list[str] = []
    lines = _VETH.sub(r"\1", snapshot).splitlines(keepends=True)
    for chain, group in groupby(lines, _chain_of):
        rules = list(group)
        found += sorted(rules) if chain and _is_of_mappings(chain) else rules
    return "".join(found)


def _chain_of(line: str) -> str | None:
    _, added, rule = line.partition(" -A ")
    return rule.split(" ", 1)[0] if added else None


def _is_of_mappings(chain: str) -> bool:
    of_bridges = r"(DNET|SECOND|THIRD)(-(tcp|udp|sctp)-[0-9]+)?"
    return bool(re.fullmatch(rf"{of_bridges}|DNET-(LINK|INPUT)", chain))


@contextmanager
def opened(
    folder: Path, variant_folders: Path, variant: str, env: Mapping[str, str] | None = None
) -> Iterator[Site]:
    """A site without a store, gone with all its namespaces afterwards."""
    with labs.opened(folder, variant_folders, variant, env) as lab:
        yield Site(lab)
