"""`dnet` loaded once, and forked for each command: a process of its own in a tenth of the time.

Thousands of commands are killed, refused and raced against one another; what they do is what
`dnet` does from its first line on, and only the start of the interpreter is left out. Started as
a module in the network namespace of a test, it answers jobs, a JSON document a line each.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.node import Completed, Node

ROOT = Path(__file__).parents[1]
_LOADED = (
    *("dnet.driver", "dnet.maintenance", "dnet.integrity", "dnet.cli.lines", "dnet.cli.render"),
    *("dnet.cli.session", "dnet.host.conntrack", "dnet.host.ctnetlink", "dnet.host.delta"),
    *("dnet.host.flows", "dnet.host.foreign", "dnet.host.inside", "dnet.host.iptables"),
    *("dnet.host.machine", "dnet.host.netlink", "dnet.host.planner", "dnet.host.routes"),
    *("dnet.host.sockets", "dnet.lock", "filelock", "netaddr", "pyroute2", "tests.points"),
)
Job = dict[str, Any]


class Zygote:
    """The `dnet` of a namespace that is loaded already."""

    def __init__(self, node: Node) -> None:
        self._process = subprocess.Popen(
            node.argv(sys.executable, "-m", "tests.zygote"),
            env={**node.env, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def dnet(
        self,
        *words: str,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        after: float | None = None,
        number: int = signal.SIGKILL,
    ) -> Completed:
        """A finished `dnet`; it gets the signal of that number `after` so many seconds.

        With DNET_REHEARSE in its environment it changes nothing, and prints the store there
        would be.
        """
        one = {"words": words, "env": dict(env or {}), "stdin": stdin}
        (done,) = self._ask({"commands": [one], "after": after, "number": number})
        return done

    def dnets(self, commands: Sequence[Sequence[str]], at_once: int) -> list[Completed]:
        """As many as that at a time, until all have finished."""
        return self._ask({"commands": [{"words": words} for words in commands], "at_once": at_once})

    def _ask(self, job: Job) -> list[Completed]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the zygote ended"
        found = [Completed(*one) for one in json.loads(answer)]
        for one in found:
            assert "Traceback" not in one.stderr, one
        return found

    def close(self) -> None:
        """Let it end."""
        self._process.communicate()


# --- in the namespace --------------------------------------------------------------------------


class Child:
    """A forked `dnet`."""

    def __init__(self, command: Job) -> None:
        self.words = command["words"]
        self._files = [os.memfd_create(name) for name in ("stdin", "stdout", "stderr")]
        os.pwrite(self._files[0], command.get("stdin", "").encode(), 0)
        self.pid = os.fork()
        if not self.pid:
            try:
                self._be_dnet(command.get("env", {}))
            finally:
                os._exit(99)

    def _be_dnet(self, env: Mapping[str, str]) -> None:
        for number, file in enumerate(self._files):
            os.dup2(file, number)
        os.environ.update(env)
        sys.argv = ["dnet", *self.words]
        if any(name.startswith("DNET_POINT_") for name in env):
            from tests import points

            points.watch(points.Points(dict(env)))
        if "DNET_REHEARSE" in env:
            rehearse()
        from dnet.cli.main import main

        try:
            main()
        except SystemExit as end:
            # Which Python would make the exit status of the process.
            os._exit(int(end.code or 0))
        except BaseException:
            import traceback

            traceback.print_exc()

    def result(self, status: int) -> tuple[list[str], int, str, str]:
        """Its words, its exit status, and what it said on either stream."""
        said = [os.pread(file, os.fstat(file).st_size, 0).decode() for file in self._files[1:]]
        for file in self._files:
            os.close(file)
        return self.words, os.waitstatus_to_exitcode(status), said[0], said[1]


def rehearse() -> None:
    """Let a change be decided and not carried out."""
    from dnet.driver import Driver

    def change(driver: Driver, operation: Any) -> Any:
        print(json.dumps(driver.rehearse(operation).state.document()), flush=True)
        os._exit(0)

    setattr(Driver, "change", change)  # noqa: B010 - which mypy would not have


def carry_out(job: Job) -> list[Any]:
    """Run every command of a job; what became of each, in their order."""
    waiting = list(enumerate(job["commands"]))[::-1]
    running: dict[int, tuple[int, Child]] = {}
    results: list[Any] = [None] * len(waiting)
    while waiting or running:
        while waiting and len(running) < job.get("at_once", 1):
            index, command = waiting.pop()
            child = Child(command)
            running[child.pid] = index, child
            if job.get("after") is not None:
                send_after(child.pid, job["after"], job["number"])
        pid, status = os.waitpid(-1, 0)
        index, child = running.pop(pid)
        results[index] = child.result(status)
    return results


def send_after(pid: int, seconds: float, number: int) -> None:
    """Send a signal, unless the process ends before."""
    watched = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(watched, select.POLLIN)
    if not poll.poll(seconds * 1000):
        os.kill(pid, number)
    os.close(watched)


def serve() -> None:
    """Answer jobs until there are no more."""
    with os.fdopen(os.dup(0)) as jobs, os.fdopen(os.dup(1), "w") as answers:
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        from dnet.cli.main import COMMANDS

        for module in (*_LOADED, *(place for place, _ in COMMANDS.values())):
            import_module(module)
        gc.freeze()
        for line in jobs:
            answers.write(json.dumps(carry_out(json.loads(line))) + "\n")
            answers.flush()


if __name__ == "__main__":
    serve()
