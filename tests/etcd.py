"""The real etcd in a namespace of a lab: one node or several, on its loopback alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from tests import namespaces
from tests.node import Node

PREFIX = "/dnet/test"
_READY_SECONDS = 30.0
_names = count()


class Cluster:
    """Some nodes of one etcd, each of which can be killed and started again with its data."""

    def __init__(
        self,
        node: Node,
        folder: Path,
        nodes: int = 1,
        options: Sequence[str] = (),
        tls: str = "",
        listen: str = "127.0.0.1",
    ) -> None:
        self.node, self._folder, self._options, self._tls = node, folder, options, tls
        self._listen = listen
        self._first = 20000 + 20 * next(_names)
        self.size = nodes
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    def port(self, number: int = 0) -> int:
        """Where a node listens for clients; for its peers on the next one."""
        return self._first + 2 * number

    def url(self, *numbers: int, prefix: str = PREFIX, host: str = "127.0.0.1") -> str:
        """What names this store, by some of its nodes or all."""
        ends = [f"{host}:{self.port(one)}" for one in numbers or range(self.size)]
        return f"etcd{'s' if self._tls else ''}://{','.join(ends)}{prefix}"

    def prefix(self) -> str:
        """A URL that no other test has."""
        return self.url(prefix=f"{PREFIX}-{next(_names)}")

    def start(self, *numbers: int) -> None:
        """Lets nodes run, or all, and answer where enough of them do."""
        for one in numbers or range(self.size):
            self._running[one] = subprocess.Popen(
                self.node.argv("etcd", *self._arguments(one)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        if self.has_quorum:
            self.wait(*self._running)

    def kill(self, *numbers: int) -> None:
        """SIGKILL to nodes, or all."""
        for one in numbers or tuple(self._running):
            process = self._running.pop(one)
            process.kill()
            process.wait()

    @property
    def alive(self) -> list[int]:
        """The nodes that run."""
        return sorted(self._running)

    @property
    def has_quorum(self) -> bool:
        """Whether more than half of the nodes run."""
        return 2 * len(self._running) > self.size

    def pid(self, number: int = 0) -> int:
        """The process of a node."""
        return self._running[number].pid

    def wait(self, *numbers: int) -> None:
        """Until each of some nodes knows its leader and has what the others have."""
        end = time.monotonic() + _READY_SECONDS
        waiting = set(numbers)
        while waiting:
            assert time.monotonic() < end, f"etcd does not answer: {waiting}"
            waiting -= {one for one in waiting if self._is_ready(one)}
            time.sleep(0.02)

    def ask(self, path: str, body: object, number: int = 0) -> dict[str, object]:
        """An answer of the JSON gateway, got without dnet's own client."""
        scheme = "https" if self._tls else "http"
        where = f"{scheme}://127.0.0.1:{self.port(number)}{path}"
        words = ("curl", "-sk", *self._tls.split(), "--max-time", "5", "-d", "@-")
        found: dict[str, object] = json.loads(self.node.run(*words, where, stdin=json.dumps(body)))
        return found

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _is_ready(self, number: int) -> bool:
        scheme = "https" if self._tls else "http"
        where = f"{scheme}://127.0.0.1:{self.port(number)}/health"
        words = ("curl", "-sk", *self._tls.split(), "--max-time", "1", where)
        return '"true"' in self.node.try_run(*words).stdout

    def _arguments(self, number: int) -> Iterator[str]:
        scheme = "https" if self._tls else "http"
        peers = [f"n{one}=http://127.0.0.1:{self.port(one) + 1}" for one in range(self.size)]
        client = f"{scheme}://127.0.0.1:{self.port(number)}"
        _, _, peer = peers[number].partition("=")
        yield from ("--name", f"n{number}", "--data-dir", str(self._folder / f"n{number}"))
        listen = f"{scheme}://{self._listen}:{self.port(number)}"
        yield from ("--listen-client-urls", listen, "--advertise-client-urls", client)
        yield from ("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer)
        yield from ("--initial-cluster", ",".join(peers), "--log-level", "error")
        # Nobody's power fails here, and the machine's disk is slow for others.
        yield from ("--unsafe-no-fsync", "--heartbeat-interval", "50", "--election-timeout", "500")
        yield from self._options


@contextmanager
def running(
    node: Node, folder: Path, nodes: int = 1, options: Sequence[str] = (), tls: str = ""
) -> Iterator[Cluster]:
    """A cluster that answers, and is gone afterwards."""
    cluster = Cluster(node, folder, nodes, options, tls)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()


@contextmanager
def inside(node: Node) -> Iterator[None]:
    """Be in the network of a node with one thread, and those that it starts."""
    with open("/proc/thread-self/ns/net", "rb") as own:
        namespaces.enter(str(node.path))
        try:
            yield
        finally:
            namespaces.enter(f"/proc/self/fd/{own.fileno()}")


def certificates(folder: Path, names: str = "IP:127.0.0.1,DNS:localhost") -> Path:
    """A folder with ca.crt, and server and client certificates that it has signed, and keys."""
    folder.mkdir()
    lines = """
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key
            -out ca.crt -days 3650 -subj /CN=ca
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key
            -out server.csr -subj /CN=server
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout client.key
            -out client.csr -subj /CN=client
    """
    (folder / "names").write_text(f"subjectAltName={names}\n")
    signed = [
        f"openssl x509 -req -in {one}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 "
        f"-extfile names -out {one}.crt"
        for one in ("server", "client")
    ]
    for line in [*lines.replace("\n            ", " ").strip().split("\n"), *signed]:
        subprocess.run(line.split(), cwd=folder, check=True, capture_output=True)
    return folder
