"""Bad input by the thousand, in one process: `python -m tests.fuzz lines|stores COUNT SEED`.

Runs in namespaces of its own (network, mounts, processes), in a folder where it may write. Prints
what went wrong as a JSON list, and how far it is on stderr.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

from dnet.cli.main import main
from dnet.cli.tree import root
from tests.contract import STATUS
from tests.fuzzlines import Lines
from tests.fuzzstores import mutated

_BARE = ("all", "default", "lo")
DOCUMENTED = {0, 129, 130, 143, *STATUS.values()}
FOLDER = Path("state")
_PASSING = ("lock", "names.new")
BASE = (
    "bridge init dnet0 --address 172.17.42.1/16 --no-icc",
    "bridge init dnet1 --address 10.1.0.1/24 --chain SECOND",
    "interface allocate web --bridge dnet0 --expose 80/tcp",
    "interface allocate db --bridge dnet1 --expose 5432/tcp",
    "attach in --netns one --bridge dnet0 -p 8080:80",
    "map add web 127.0.0.1:81:81/udp 7000-7009:7000-7009",
    "link add in web",
    "link add host db",
    "ip request --bridge dnet0 --owner other",
    "port allocate --bridge dnet1 --owner web",
)
BATCH = (
    "ip request",
    "interface allocate q",
    "map add q 80",
    "link add q web",
    "nonsense '",
    "check",
)
ON_STORES = (
    *("ip list", "interface list --json", "map list", "link list", "port list --json", "show"),
    *("show --json", "link env in", "ip list --available -q", "bridge show dnet0 --format env"),
    *("check", "restore --dry-run", "reset --yes --dry-run", "ip request --bridge dnet0"),
    *("map add web 9999:99", "interface release web", "gc", "bridge init dnet0 --icc", "restore"),
)


class Done(NamedTuple):
    """How a command ended; `crash` is the traceback of one that did not end as it should."""

    status: int
    out: str
    err: str
    crash: str = ""


def run(words: list[str], stdin: str = "") -> Done:
    """`dnet` with these words, its streams as they are in a process of its own."""
    kept = sys.stdin, sys.stdout, sys.stderr
    out = io.TextIOWrapper(io.BytesIO(), "utf-8")
    err = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace")
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin.encode(errors="surrogateescape")), "utf-8")
    sys.stdout, sys.stderr = out, err
    status, crash = 99, ""
    try:
        main(words)
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:
        crash = traceback.format_exc()
    finally:
        sys.stdin, sys.stdout, sys.stderr = kept
    return Done(status, said(out), said(err), crash)


def said(stream: io.TextIOWrapper) -> str:
    """What was written to a stream."""
    stream.flush()
    return stream.buffer.getvalue().decode(errors="replace")  # type: ignore[attr-defined, no-any-return]


def files() -> dict[str, bytes]:
    """The state folder, but for the lock and the names that lie ready."""
    there = (path for path in FOLDER.glob("*") if path.is_file())
    return {path.name: path.read_bytes() for path in there if path.name not in _PASSING}


def complaint(done: Done, before: dict[str, bytes], *, may_change: bool) -> str | None:
    """What is wrong with the way a command ended."""
    if done.crash:
        return done.crash
    if done.status not in DOCUMENTED:
        return f"status {done.status}"
    odd = [line for line in done.err.splitlines() if not line.startswith(("dnet: ", '{"error": '))]
    if odd and "Usage: " not in done.err:
        return f"stderr {odd[0]!r}"
    if done.status and not done.err and not done.out:
        return "no word of what is wrong"
    if done.status and not may_change and files() != before:
        return f"status {done.status}, and another store"
    return None


def bare() -> None:
    """Take away everything, by other means than dnet's."""
    tables = "".join(f"*{table}\nCOMMIT\n" for table in ("filter", "nat", "raw"))
    subprocess.run(["iptables-restore"], input=tables, text=True, check=True)
    subprocess.run(
        "for d in $(ip -o link | sed 's/^[0-9]*: //;s/[@:].*//'); do"
        " [ $d = lo ] || ip link delete $d; done; rm -rf state; mkdir state",
        shell=True,
        check=True,
        stderr=subprocess.DEVNULL,
    )


def fuzz_lines(count: int, chance: Random, wrong: Callable[[str], None]) -> None:
    """Generated command lines on a store that changes under them."""
    lines = Lines(root(), chance)
    Path("lines").write_bytes(os.fsencode("\n".join(BATCH)))
    for number in range(count):
        if number % 1000 == 500:
            build()
        words = lines.line()
        before = files()
        done = run(words, stdin="\n".join(chance.choices(BATCH, k=3)))
        # What can be done of a batch is done, when that was asked for.
        found = complaint(done, before, may_change="--keep-going" in words)
        if found:
            wrong(f"{words!r} ({number}): {found}\n{done.err}")
        is_last = number == count - 1
        if (number % 100 == 99 or is_last) and (told := differences(run(["check"]))):
            wrong(f"check after line {number}: {told}")
        if number % 500 == 499 or is_last:
            progress("lines", number)
            done = run(["reset", "--yes"])
            if done.status or left():
                wrong(f"reset after line {number}: {done} {left()}")
            bare()


def differences(done: Done) -> list[str]:
    """What check finds, but for ports that are published on an address which is elsewhere."""
    elsewhere = " is not an address of this host, so ports published on it do not answer: "
    found = [line for line in done.out.splitlines() if elsewhere not in line]
    return found if done.status in (0, 1) else [str(done)]


def build() -> None:
    """A store with something of everything."""
    for text in BASE:
        done = run(text.split())
        assert done.status == 0, (text, done)


def left() -> list[str]:
    """The rules, chains and devices there are."""
    saved = subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout
    rules = [line for line in saved.splitlines() if line.startswith("-A") or " - [" in line]
    return rules + [name for name in os.listdir("/proc/sys/net/ipv4/conf") if name not in _BARE]


def progress(kind: str, number: int) -> None:
    """How far it is."""
    print(f"fuzz: {number + 1} {kind}", file=sys.stderr, flush=True)


def fuzz_stores(count: int, chance: Random, wrong: Callable[[str], None]) -> None:
    """Damaged stores, each with a few commands that meet it."""
    base: dict[str, bytes] = {}
    for number in range(count):
        if not base:
            bare()
            build()
            base = files()
        name = chance.choice(("state.json",) * 6 + ("journal.json", "state.json.prev"))
        text = mutated(base["state.json"], chance)
        (FOLDER / name).write_bytes(text)
        for line in chance.choices(ON_STORES, k=3):
            before = files()
            done = run(line.split())
            # What restore could not finish, the next command goes on with.
            found = complaint(done, before, may_change=line == "restore")
            if found:
                wrong(f"{line} ({number}) on {name} {text!r}: {found}\n{done.err}")
            if files() != before:
                base = {}
        for path in FOLDER.glob("*.json*"):
            path.unlink()
        for one, data in base.items():
            (FOLDER / one).write_bytes(data)
        if number % 500 == 499:
            progress("stores", number)


def begin(kind: str, count: int, seed: str) -> None:
    """Try so many of a kind, and print what went wrong."""
    found: list[str] = []
    chance = Random(f"{seed} {kind}")
    FOLDER.mkdir(exist_ok=True)
    os.environ["DNET_STATE_DIR"] = str(FOLDER.absolute())
    {"lines": fuzz_lines, "stores": fuzz_stores}[kind](count, chance, found.append)
    print(json.dumps(found))


if __name__ == "__main__":
    begin(sys.argv[1], int(sys.argv[2]), sys.argv[3])
