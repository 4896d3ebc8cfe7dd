"""Hosts that join, go, are removed, killed and cut off in any order, and what a plain model says.

The model is what etcd has, read by curl: whose each block is. After every command no block is two
hosts' and none was handed out ahead of its turn; once everything is whole again, and every host
has synced, the kernel of each leads to exactly the others, and every container reaches every other.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests import figures
from tests import lab as labs
from tests.etcd import Cluster
from tests.node import Completed, Node
from tests.pool import DEVICE, Machines

POOL, BLOCKS = "10.244.0.0/21", [f"10.244.{number}.0/24" for number in range(8)]
PREFIX = "/dnet/walk"
HOSTS = ("a", "b", "c", "d")
CONTAINERS = 2
COMMANDS = 10
RANK = {"": 0, "left": 1, "retired": 2}
DONE, CONFLICT, EXHAUSTED, UNREACHABLE, KILLED = 0, 4, 5, 7, -9
NOT_FOUND = 3


class Registered(NamedTuple):
    """What etcd has: the block of each host, and for each other block what became of it."""

    blocks: dict[str, str]
    freed: dict[str, str]


class Land(Machines):
    """Four hosts, the wire between them, three nodes of etcd on it, and containers."""

    def __init__(self, lab: labs.Lab, chance: Any) -> None:
        super().__init__(lab, HOSTS)
        self.chance = chance
        self.switch.ip("address add 10.0.0.254/24 dev br0")
        self.etcd = Cluster(self.switch, lab.folder / "etcd", 3, listen="0.0.0.0")
        self.etcd.start()
        self.url = self.etcd.url(prefix=PREFIX, host="10.0.0.254")
        self.cut: set[str] = set()
        self.unfinished: dict[str, tuple[str, ...]] = {}
        self.log: list[str] = []
        self.ended: Counter[str] = Counter()
        self.nodes: dict[str, Node] = {}
        for name in HOSTS:
            for number in range(CONTAINERS):
                node = self.nodes[f"{name}{number}"] = lab.node()
                node.listen("tcp", 80, f"{name}{number}")
        self.before = self.registered()

    # --- what is there -----------------------------------------------------------------------

    def registered(self) -> Registered:
        """What etcd has by now."""
        body = {"key": _text(f"{PREFIX}/"), "range_end": _text(f"{PREFIX}0")}
        answer: Any = self.etcd.ask("/v3/kv/range", body, self.etcd.alive[0])
        there = {
            b64decode(one["key"]).decode().removeprefix(f"{PREFIX}/"): b64decode(one["value"])
            for one in answer.get("kvs", [])
        }
        blocks, freed = {}, {}
        for key, value in there.items():
            kind, _, name = key.partition("/")
            if kind == "hosts":
                blocks[name] = str(json.loads(value)["block"])
            elif kind == "blocks":
                word, colon, owner = value.decode().rpartition(":")
                if colon:
                    freed[name.replace("-", "/")] = word
                else:
                    assert f"hosts/{owner}" in there, there
        return Registered(blocks, freed)

    def is_member(self, name: str) -> bool:
        """Whether a host takes itself for one of the pool."""
        listed = self.hosts[name].json("host", "list")
        return bool(listed) and listed[0]["state"] in ("self", "removed")

    def addresses(self, name: str) -> dict[str, str]:
        """The containers of a host, with their addresses."""
        there = self.hosts[name].json("interface", "list")
        return {one["id"]: one["ip"] for one in there}

    def reaches_etcd(self, name: str) -> bool:
        return name not in self.cut and bool(self.etcd.alive)

    # --- commands ----------------------------------------------------------------------------

    def run(self, name: str, *words: str, allowed: tuple[int, ...]) -> Completed:
        """A command, killed at times, which ends as it may, and changes what it may."""
        after = self.chance.random() * 0.25 if self.chance.random() < 0.15 else None
        done = self.hosts[name].dnet(*words, after=after)
        self.note(f"{name}: {' '.join(words)} -> {done.returncode} {done.stderr.strip()}")
        self.ended[f"{' '.join(words[: 1 + (words[0] == 'host')])} {done.returncode}"] += 1
        assert done.returncode in (*allowed, *((KILLED,) if after is not None else ()))
        if done.returncode == KILLED:
            self.unfinished[name] = words
        self.look()
        return done

    def note(self, line: str) -> None:
        self.log.append(line)

    def look(self) -> None:
        """Asserts that no block is two hosts', and each that is somebody's now was next."""
        if not self.etcd.has_quorum:
            return
        now, before = self.registered(), self.before
        self.before = now
        assert len(set(now.blocks.values())) == len(now.blocks), now
        assert not set(now.blocks.values()) & now.freed.keys(), now
        taken = {one for name, one in now.blocks.items() if before.blocks.get(name) != one}
        free = set(BLOCKS) - set(before.blocks.values())
        ranks = {one: RANK[before.freed.get(one, "")] for one in free}
        assert taken <= free, (before, now)
        assert all(one in taken for one in free for new in taken if ranks[one] < ranks[new]), (
            before,
            now,
        )

    def command(self) -> None:
        """Any one of them, on any host."""
        name = self.chance.choice(HOSTS)
        getattr(self, f"do_{self.chance.choice(_COMMANDS)}")(name)

    def do_join(self, name: str) -> None:
        words = ("host", "join", name, "--store", self.url, "--pool", POOL)
        can = self.reaches_etcd(name)
        self.run(name, *words, allowed=(DONE, CONFLICT, EXHAUSTED, UNREACHABLE) if can else (7,))

    def do_storm(self, _: str) -> None:
        """All at once."""
        for name in HOSTS:
            if self.unfinished.get(name):
                return
        jobs = [("host", "join", name, "--store", self.url, "--pool", POOL) for name in HOSTS]
        for name, words in zip(HOSTS, jobs, strict=True):
            self.unfinished[name] = words
        with self.threads() as threads:
            done = [
                *threads.map(lambda one: self.hosts[one[2]].dnet(*one), jobs),
            ]
        for one in done:
            self.note(f"storm -> {one.returncode} {one.stderr.strip()}")
            assert one.returncode in (DONE, CONFLICT, EXHAUSTED, UNREACHABLE)
        self.unfinished.clear()
        self.look()

    @staticmethod
    def threads() -> Any:
        from concurrent.futures import ThreadPoolExecutor

        return ThreadPoolExecutor(len(HOSTS))

    def do_sync(self, name: str) -> None:
        can = self.reaches_etcd(name)
        allowed = (DONE, CONFLICT, UNREACHABLE) if can else (UNREACHABLE,)
        self.run(name, "host", "sync", allowed=(*allowed, NOT_FOUND))

    def do_leave(self, name: str) -> None:
        forced = ("--force",) if self.chance.random() < 0.3 else ()
        can = (DONE, CONFLICT, NOT_FOUND, UNREACHABLE)
        self.run(name, "host", "leave", *forced, allowed=can)

    def do_remove(self, name: str) -> None:
        other = self.chance.choice([one for one in HOSTS if one != name])
        can = (DONE, CONFLICT, NOT_FOUND, UNREACHABLE)
        self.run(name, "host", "remove", other, "--yes", allowed=can)

    def do_attach(self, name: str) -> None:
        """Needs nobody: neither etcd nor another host."""
        if not self.is_member(name):
            return
        one = f"{name}{self.chance.randrange(CONTAINERS)}"
        was = self.hosts[name].json("host", "list")[0]["state"]
        done = self.run(
            name, "attach", one, "--netns", self.nodes[one].netns, allowed=(DONE, CONFLICT)
        )
        if done.returncode == CONFLICT:
            assert was == "removed" or one in self.addresses(name)

    def do_detach(self, name: str) -> None:
        one = f"{name}{self.chance.randrange(CONTAINERS)}"
        self.run(name, "detach", one, "--if-exists", allowed=(DONE,))

    def do_cut_link(self, name: str) -> None:
        self.note(f"{name} is cut off")
        self.cut.add(name)
        self.switch.ip(f"link set eth{HOSTS.index(name)} down")

    def do_heal_link(self, name: str) -> None:
        self.note(f"{name} is not cut off")
        self.cut.discard(name)
        self.switch.ip(f"link set eth{HOSTS.index(name)} up")

    def do_kill_etcd(self, _: str) -> None:
        if self.etcd.alive:
            one = self.chance.choice(self.etcd.alive)
            self.note(f"etcd {one} is killed")
            self.etcd.kill(one)

    def do_join_while_etcd_dies(self, name: str) -> None:
        """A node that is killed under a question; what became of it, the next one tells."""
        if not self.etcd.alive or name in self.unfinished:
            return
        words = ("host", "join", name, "--store", self.url, "--pool", POOL)
        with self.threads() as threads:
            asked = threads.submit(self.hosts[name].dnet, *words)
            self.do_kill_etcd(name)
            done = asked.result()
        self.note(f"{name}: join -> {done.returncode} {done.stderr.strip()}")
        self.ended[f"join while etcd dies {done.returncode}"] += 1
        assert done.returncode in (DONE, CONFLICT, EXHAUSTED, UNREACHABLE)
        self.look()

    def do_start_etcd(self, _: str) -> None:
        dead = [one for one in range(3) if one not in self.etcd.alive]
        if dead:
            one = self.chance.choice(dead)
            self.note(f"etcd {one} starts")
            self.etcd.start(one)
            self.look()

    # --- rest --------------------------------------------------------------------------------

    def settle(self) -> None:
        """Everything whole again, what was killed run again, and every host synced."""
        self.note("whole again")
        for name in HOSTS:
            self.do_heal_link(name)
        if dead := [one for one in range(3) if one not in self.etcd.alive]:
            self.etcd.start(*dead)
        for name, words in list(self.unfinished.items()):
            again = (*words, "--if-exists") if words[0] == "detach" else words
            self.finished(name, *again, allowed=(DONE, NOT_FOUND, CONFLICT, EXHAUSTED))
        self.unfinished.clear()
        for name in filter(self.is_member, HOSTS):
            self.finished(name, "host", "sync", allowed=(DONE, CONFLICT))
            if self.hosts[name].json("host", "list")[0]["state"] == "removed":
                self.begin_anew(name)
        for name in self.registered().blocks:
            if not self.is_member(name):
                self.reclaim(name)
        for name in filter(self.is_member, HOSTS):
            self.finished(name, "host", "sync", allowed=(DONE,))
        self.look()

    def finished(self, name: str, *words: str, allowed: tuple[int, ...]) -> None:
        """A command that nobody kills, again until etcd has answered in time."""
        for _ in range(20):
            done = self.hosts[name].dnet(*words)
            self.note(f"{name}: {' '.join(words)} -> {done.returncode} {done.stderr.strip()}")
            if done.returncode != UNREACHABLE:
                break
        assert done.returncode in allowed, self.told()

    def begin_anew(self, name: str) -> None:
        """A host that was removed forgets the pool."""
        for one in self.addresses(name):
            self.finished(name, "detach", one, allowed=(DONE,))
        self.finished(name, "host", "leave", "--force", allowed=(DONE,))

    def reclaim(self, name: str) -> None:
        """A record that a host has left behind goes, by the host's own hand or another's."""
        others = [one for one in HOSTS if self.is_member(one)]
        if others:
            self.finished(others[0], "host", "remove", name, "--yes", allowed=(DONE,))
        else:
            words = ("host", "join", name, "--store", self.url, "--pool", POOL)
            self.finished(name, *words, allowed=(DONE, CONFLICT))

    def told(self) -> str:
        return "\n".join(self.log[-60:])

    def differences(self) -> Iterator[str]:
        """What is not as etcd and the model say."""
        blocks = self.registered().blocks
        members = {name: blocks.get(name, "") for name in HOSTS if self.is_member(name)}
        for name in HOSTS:
            peers = {other: block for other, block in members.items() if other != name}
            yield from self.wrong_on(name, members.get(name), peers)
        yield from self.unheard(list(members))

    def wrong_on(self, name: str, block: str | None, peers: dict[str, str]) -> Iterator[str]:
        """What is wrong on a host of that block, or of none, with those peers."""
        host = self.hosts[name]
        if block is None:
            if host.run("ip", "-j", "route", "show", "proto", "68").strip() not in ("", "[]"):
                yield f"{name} is in no pool, and has its routes"
            return
        own, *others = host.json("host", "list")
        if own["block"] != block:
            yield f"{name} has {own['block']}, and etcd {block}"
        known = {one["name"]: one["block"] for one in others if one["state"] == "peer"}
        if known != peers:
            yield f"{name} knows {known}, and etcd {peers}"
        yield from self.astray(name, peers)
        checked = host.dnet("check")
        if checked.returncode:
            yield f"{name}: {checked.stdout}{checked.stderr}"

    def unheard(self, members: list[str]) -> Iterator[str]:
        """Which containers have one address, or do not reach each other."""
        there = [(one, ip) for name in members for one, ip in self.addresses(name).items()]
        if len({ip for _, ip in there}) < len(there):
            yield f"an address twice: {there}"
        plugged = [(one, ip) for one, ip in there if self.plugged(one)]
        for one, _ in plugged:
            questions = [("tcp", ip, 80, 3.0) for _, ip in plugged]
            for (other, ip), answer in zip(
                plugged, self.nodes[one].ask_all(questions), strict=True
            ):
                if (answer or "").split(" ")[0] != other:
                    yield f"{one} asks {other} at {ip}, and gets {answer}"

    def plugged(self, one: str) -> bool:
        """Whether a container is there, and not only its address."""
        return "eth0" in self.nodes[one].run("ip", "-o", "link")

    def astray(self, name: str, peers: dict[str, str]) -> Iterator[str]:
        """Where the kernel of a host leads that is not a peer, or does not lead to one."""
        host = self.hosts[name]
        routes = {
            one["dst"]
            for one in json.loads(host.run("ip", "-j", "route", "show", "proto", "68"))
            if one.get("type") != "unreachable"
        }
        entries = {
            one["dst"]
            for one in json.loads(host.run("bridge", "-j", "fdb", "show", "dev", DEVICE))
            if "dst" in one
        }
        neighbours = {
            one["dst"]
            for one in json.loads(host.run("ip", "-j", "neigh", "show", "dev", DEVICE))
            if "PERMANENT" in one["state"]
        }
        for what, has, should in (
            ("routes", routes, set(peers.values())),
            ("forwarding", entries, {f"10.0.0.{self.number(one)}" for one in peers}),
            ("neighbours", neighbours, {one.partition("/")[0] for one in peers.values()}),
        ):
            if has != should:
                yield f"{name} has {what} {has}, and its peers are {should}"

    def close(self) -> None:
        with suppress(KeyError):
            self.etcd.close()


_COMMANDS = (
    *("join",) * 5,
    *("sync",) * 4,
    *("attach",) * 5,
    *("detach",) * 2,
    *("leave", "remove", "storm"),
    *("cut_link", "cut_link", "heal_link", "join_while_etcd_dies"),
    *("kill_etcd", "kill_etcd", "start_etcd", "start_etcd"),
)


def _text(text: str) -> str:
    return b64encode(text.encode()).decode()


@pytest.mark.timeout(3000)
def test_any_program_of_commands_ends_as_the_model_says(
    tmp_path: Path, variant_folders: Path
) -> None:
    rounds = figures.amount(1, 100)
    with (
        labs.opened(tmp_path, variant_folders, "nft") as lab,
        figures.tally("hosts", "commands", "differences") as tally,
    ):
        land = Land(lab, figures.chance("hosts"))
        try:
            for number in range(rounds):
                with tally.trial(f"round {number}", COMMANDS):
                    for _ in range(COMMANDS):
                        land.command()
                    land.settle()
                    found = [*land.differences()]
                    assert not found, "\n".join([*found, land.told()])
                    land.log.clear()
        except AssertionError as error:
            raise AssertionError(f"{error}\n{land.told()}") from None
        finally:
            print("exit statuses:", dict(sorted(land.ended.items())))
            land.close()
