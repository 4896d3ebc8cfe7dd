"""Runs `dnet` in this interpreter and notes what it loads, starts and locks, as JSON in a file.

Started as a script: REPORT ARGUMENT... It imports nothing before `dnet` does that the
interpreter has not loaded by itself.
"""

from __future__ import annotations

import sys

_LOCK_EX = 2  # include/uapi/asm-generic/fcntl.h
_STARTS = ("subprocess.Popen", "os.posix_spawn", "os.exec", "os.fork", "os.forkpty", "os.system")


class Observer:
    """Notes audit events (PEP 578): processes that are started, and locks that are taken."""

    def __init__(self) -> None:
        self.processes: list[list[str]] = []
        self.locks = 0

    def __call__(self, event: str, values: tuple[object, ...]) -> None:
        if event in _STARTS:
            words = values[1] if len(values) > 1 else []
            self.processes.append([str(word) for word in words] or [event])  # type: ignore[attr-defined]
        elif event == "fcntl.flock" and isinstance(values[1], int) and values[1] & _LOCK_EX:
            self.locks += 1


def run(report: str, arguments: list[str]) -> None:
    """Run dnet, and write the report when it ends."""
    before = set(sys.modules)
    observer = Observer()
    sys.addaudithook(observer)
    from dnet.cli.main import main

    try:
        main(arguments)
    finally:
        modules = sorted(set(sys.modules) - before)
        import json

        with open(report, "w", encoding="utf-8") as file:
            noted = {"processes": observer.processes, "locks": observer.locks}
            json.dump({"modules": modules, **noted}, file)


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2:])
