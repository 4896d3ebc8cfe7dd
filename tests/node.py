"""A network namespace of a test: commands run in it, servers in it, connections from it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tests import namespaces, processes, snapshot
from tests.agents import Agent

T = TypeVar("T")
# Long enough for a machine under load: an answer that comes ends the wait.
ANSWER_SECONDS = 3.0
# Long enough for an answer within one machine, short enough to wait out a few hundred times.
SILENCE_SECONDS = 0.4

Completed = subprocess.CompletedProcess[str]


class Node:
    """A named network namespace with its loopback up.

    What runs in it enters the network namespace alone: /sys still shows the machine's own
    devices, as for a program that called setns(2), which is the harder case for `dnet`.
    """

    def __init__(self, netns: str, env: Mapping[str, str]) -> None:
        self.netns = netns
        self.path = Path("/run/netns") / netns
        self.env = dict(env)
        self._agent: Agent | None = None
        self._devices = 0

    # --- commands --------------------------------------------------------------------------

    def argv(self, *command: str) -> list[str]:
        """The command line that runs `command` in this namespace."""
        return ["nsenter", f"--net={self.path}", "--", *command]

    def try_run(
        self, *command: str, stdin: str = "", env: Mapping[str, str] | None = None
    ) -> Completed:
        """A finished command, whatever became of it. One word with spaces goes to a shell."""
        words = ("sh", "-c", command[0]) if len(command) == 1 and " " in command[0] else command
        return subprocess.run(
            self.argv(*words),
            input=stdin,
            env={**self.env, **(env or {})},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @contextmanager
    def started(
        self, *command: str, env: Mapping[str, str] | None = None
    ) -> Iterator[subprocess.Popen[str]]:
        """A command that runs in here; nobody reads what it says, and its end is waited for."""
        with (
            subprocess.Popen(
                self.argv(*command),
                env={**self.env, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                text=True,
            ) as process,
            processes.killed_where_it_fails(process),
        ):
            while process.poll() is None and not processes.is_inside(process.pid, self.path):
                time.sleep(processes.POLL_SECONDS)
            yield process

    def run(self, *command: str, stdin: str = "") -> str:
        """What a command prints; the test fails where the command does."""
        done = self.try_run(*command, stdin=stdin)
        assert done.returncode == 0, f"{command} exited {done.returncode}\n{done.stderr}"
        return done.stdout

    def ip(self, *lines: str, options: Sequence[str] = ()) -> str:
        """What `ip` prints to some lines, all of them in one process, with the same options."""
        done = subprocess.run(
            ["ip", "-n", self.netns, *options, "-batch", "-"],
            input="\n".join(lines) + "\n",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"ip {lines}: {done.stderr}"
        return done.stdout

    def ipv6(self) -> str:
        """What it has of IPv6 beyond its links, to compare two moments."""
        return snapshot.ipv6(self.ip(*snapshot.IPV6, options=("-6", "-o")))

    def device(self, prefix: str = "eth") -> str:
        """A device name that this namespace has not used yet."""
        self._devices += 1
        return f"{prefix}{self._devices - 1}"

    def sysctl(self, key: str, value: str | int | None = None) -> str:
        """The value of a sysctl of this namespace, with slashes; set first where one is given."""
        path = Path("/proc/sys", key)

        def set_and_read() -> str:
            if value is not None:
                path.write_text(f"{value}\n")
            return path.read_text().strip()

        return self.within(set_and_read)

    def sysctls(self, keys: Iterable[str]) -> dict[str, str]:
        """The values of those sysctls that there are."""
        paths = {key: Path("/proc/sys", key) for key in keys}
        return self.within(
            lambda: {key: path.read_text().strip() for key, path in paths.items() if path.exists()}
        )

    def within(self, act: Callable[[], T]) -> T:
        """What a function returns that is called in this namespace, in a thread of its own."""
        return namespaces.within(self.path, act)

    # --- servers and connections -----------------------------------------------------------

    def _request(self, do: str, **arguments: Any) -> Any:
        if self._agent is None:
            self._agent = Agent(self.path)
        return self._agent.ask({"do": do, **arguments})

    @property
    def agent_pid(self) -> int:
        """The process that holds every server and open connection of this namespace."""
        assert self._agent is not None
        return self._agent.pid

    def listen(self, proto: str, port: int, name: str = "host", address: str = "0.0.0.0") -> None:
        """A server that answers `NAME CLIENT_IP:CLIENT_PORT`. Raises OSError as bind(2) does."""
        self._request("listen", proto=proto, address=address, port=port, name=name)

    def unlisten(self, proto: str, port: int, address: str = "0.0.0.0") -> None:
        """Ends what `listen` began with the same arguments."""
        self._request("unlisten", proto=proto, address=address, port=port)

    def ask(
        self,
        proto: str,
        address: str,
        port: int,
        timeout: float = ANSWER_SECONDS,
        source: tuple[str, int] | None = None,
    ) -> str | None:
        """The answer to a real connection from here, None where there is none.

        `timeout` is in seconds, each for connecting and for the answer; `source` is the own
        address and port.
        """
        answer: str | None = self._request(
            "ask", proto=proto, address=address, port=port, seconds=timeout, source=source
        )
        return answer

    def ask_all(self, questions: Sequence[tuple[str, str, int, float]]) -> list[str | None]:
        """The answers to several connections at once: protocol, address, port, timeout of each."""
        keys = ("proto", "address", "port", "seconds")
        asked = [dict(zip(keys, q, strict=True), do="ask", source=None) for q in questions]
        answers: list[str | None] = self._request("together", requests=asked)
        return answers

    def say_all(self, flows: Sequence[Flow], timeout: float) -> list[str | None]:
        """The answers to one more question on each of several open connections, at once."""
        said = [{"do": "say", "flow": flow.number, "seconds": timeout} for flow in flows]
        answers: list[str | None] = self._request("together", requests=said)
        return answers

    def reaches(self, name: str, proto: str, address: str, port: int) -> None:
        """Asserts that the server called `name` answers there."""
        answer = self.ask(proto, address, port)
        assert answer is not None, f"no answer from {address}:{port}/{proto}"
        assert answer.split()[0] == name

    def misses(self, proto: str, address: str, port: int) -> None:
        """Asserts that nobody answers there."""
        answer = self.ask(proto, address, port, timeout=SILENCE_SECONDS)
        assert answer is None, f"{address}:{port}/{proto} answered {answer!r}"

    def miss_all(self, *places: tuple[str, str, int]) -> None:
        """Asserts that nobody answers at any of several places: protocol, address, port of each."""
        asked = [(*place, SILENCE_SECONDS) for place in places]
        answered = zip(places, self.ask_all(asked), strict=True)
        assert [(place, answer) for place, answer in answered if answer is not None] == []

    def tell(self) -> None:
        """Lets the TCP servers say `unasked` on every connection they have."""
        self._request("tell")

    def open(self, proto: str, address: str, port: int) -> Flow:
        """A connection that stays open, so that one flow can be asked more than once."""
        number = self._request(
            "open", proto=proto, address=address, port=port, seconds=ANSWER_SECONDS, source=None
        )
        assert number is not None, f"no connection to {address}:{port}/{proto}"
        return Flow(self, number)

    def close(self) -> None:
        """Ends the servers and connections of this namespace."""
        if self._agent is not None:
            self._agent.close()
            self._agent = None


class Flow:
    """One open connection, of which every question has the same source and destination port."""

    def __init__(self, node: Node, number: int) -> None:
        self._node, self.number = node, number

    def say(self, timeout: float = ANSWER_SECONDS) -> str | None:
        """The answer to one more question within `timeout` seconds, None where there is none."""
        answer: str | None = self._node._request("say", flow=self.number, seconds=timeout)
        return answer

    def hear(self, timeout: float = ANSWER_SECONDS) -> str | None:
        """What the other end says unasked within `timeout` seconds, None for nothing."""
        heard: str | None = self._node._request("hear", flow=self.number, seconds=timeout)
        return heard

    def close(self) -> None:
        """Ends the connection."""
        self._node._request("close", flow=self.number)
