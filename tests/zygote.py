"""`dnet` loaded once, and forked for each command: a process of its own in a fifth of the time.

A suite of thousands of commands would else spend most of its time on starting interpreters. What
runs is `dnet` from its first line on, in the network namespace and with the environment of a
test. Started as a module, this answers jobs, a JSON document a line each. That `dnet` also loads
what it needs by itself is for tests/test_startup.py, and for all that runs it in a shell.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

from tests import namespaces, processes

Completed = subprocess.CompletedProcess[str]
Job = dict[str, Any]

ROOT = Path(__file__).parents[1]
PROGRAMS = {
    "dnet": "dnet.cli.main",
    "dnet-netavark": "dnet.plugins.netavark",
    "dnet-cni": "dnet.plugins.cni",
    "dnet-oci-hook": "dnet.plugins.oci",
}
TIMEOUT_SECONDS = 120


class Zygote:
    """A `dnet` that is loaded already."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.zygote", namespaces.HOME],
            pass_fds=[namespaces.HOME_FILE],
            env={**os.environ, "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            process_group=0,
        )

    def ask(self, job: Job) -> list[Completed]:
        """What became of every command of a job."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the zygote ended"
        return [Completed(*one) for one in json.loads(answer)]

    def close(self) -> None:
        """Let it end."""
        processes.end(self._process)

    def kill(self) -> None:
        """End it, with what it has forked."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()


_idle: list[Zygote] = []


def run(job: Job) -> list[Completed]:
    """What became of every command of a job, carried out by a zygote that has nothing to do."""
    zygote = _idle.pop() if _idle else Zygote()
    try:
        found = zygote.ask(job)
    except BaseException:
        zygote.kill()
        raise
    _idle.append(zygote)
    return found


@atexit.register
def _close() -> None:
    for zygote in _idle:
        zygote.close()


# --- in the process that is forked ------------------------------------------------------------


class Child:
    """A forked `dnet`."""

    def __init__(self, command: Job, job: Job) -> None:
        self.words = command["words"]
        self._program = command.get("program", "dnet")
        self._files = [os.memfd_create(name) for name in ("stdin", "stdout", "stderr")]
        os.pwrite(self._files[0], command.get("stdin", "").encode(), 0)
        self.pid = os.fork()
        if not self.pid:
            try:
                self._be_dnet(job, job["env"] | command.get("env", {}))
            finally:
                os._exit(99)

    def _be_dnet(self, job: Job, env: Mapping[str, str]) -> None:
        namespaces.enter(job["netns"])
        if "resolv_conf" in job:
            namespaces.bind(job["resolv_conf"], "/etc/resolv.conf")
        for number, file in enumerate(self._files):
            os.dup2(file, number)
        os.environ.clear()
        os.environ.update(env)
        time.tzset()
        signal.alarm(TIMEOUT_SECONDS)
        sys.argv = [self._program, *self.words]
        if any(name.startswith("DNET_POINT_") for name in env):
            from tests import points

            if "DNET_POINT_LINKS" in env:
                points.without_links(env["DNET_POINT_LINKS"])
            points.watch(points.Points(dict(env)))
        if "DNET_TOY" in env:
            from tests import toy

            toy.install()
        if "DNET_REHEARSE" in env:
            rehearse()
        try:
            program(self._program)()
        except SystemExit as end:
            # Which Python would make the exit status of the process.
            sys.stdout.flush()
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


def program(name: str) -> Callable[[], Any]:
    """The main function of a program; one that a container runtime calls gets away from here."""
    if name != "dnet":
        from dnet.host.firewall import firewalld

        # It heeds no variable that would say where the bus is.
        setattr(firewalld, "_ADDRESS", os.environ["DBUS_SYSTEM_BUS_ADDRESS"])  # noqa: B010
    main: Callable[[], Any] = import_module(PROGRAMS[name]).main
    return main


def rehearse() -> None:
    """Let a change be decided and not carried out."""
    from dnet.transaction.driver import Driver

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
            child = Child(command, job)
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


def load() -> None:
    """Load all that any command would, in the way that it would."""
    import dnet

    for module in walk_packages(dnet.__path__, "dnet."):
        if module.name != "dnet.__main__":
            import_module(module.name)
    for name in ("netaddr", "tests.points"):
        import_module(name)


def serve() -> None:
    """Answer jobs until there are no more."""
    with os.fdopen(os.dup(0)) as jobs, os.fdopen(os.dup(1), "w") as answers:
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        load()
        gc.freeze()
        for line in jobs:
            answers.write(json.dumps(carry_out(json.loads(line))) + "\n")
            answers.flush()


if __name__ == "__main__":
    namespaces.enter(sys.argv[1])
    serve()
