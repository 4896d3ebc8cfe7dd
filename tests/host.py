"""A machine of a test on which the installed `dnet` runs, with a state folder of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from typing import Any, NamedTuple

from tests import snapshot, zygote
from tests.contract import STATUS
from tests.node import Completed, Node

TABLES = ("filter", "nat", "raw", "mangle")


@dataclass(frozen=True)
class Refusal:
    """How `dnet` said no."""

    status: int
    code: str | None
    message: str
    hint: str | None


def read_refusal(done: Completed) -> Refusal:
    """The error of a finished `dnet`, whose form is checked here once for every test.

    One line `dnet: error: …` on stderr and at most one hint, or one JSON line; nothing on stdout.
    """
    assert done.stdout == "", done
    lines = done.stderr.splitlines()
    if done.stderr.startswith("{"):
        assert len(lines) == 1, done
        document = json.loads(done.stderr)
        assert document.keys() == {"error"}, done
        error = document["error"]
        assert {"code", "message"} <= error.keys() <= {"code", "message", "hint"}, done
        assert STATUS[error["code"]] == done.returncode, done
        return Refusal(done.returncode, error["code"], error["message"], error.get("hint"))
    assert 1 <= len(lines) <= 2, done
    assert lines[0].startswith("dnet: error: "), done
    assert all(line.startswith("dnet: hint: ") for line in lines[1:]), done
    hint = lines[1].removeprefix("dnet: hint: ") if lines[1:] else None
    return Refusal(done.returncode, None, lines[0].removeprefix("dnet: error: "), hint)


class Call(NamedTuple):
    """How a program is called."""

    words: Sequence[str]
    stdin: str = ""
    env: Mapping[str, str] = {}


class Host(Node):
    """A namespace with `dnet` and one iptables variant on its PATH.

    `resolv_conf` is the text that stands in /etc/resolv.conf for the commands run here; without
    one they see the machine's own.
    """

    def __init__(
        self,
        netns: str,
        env: Mapping[str, str],
        folder: Path,
        variant: str,
        resolv_conf: str | None = None,
    ) -> None:
        self.state_dir = folder / "state"
        super().__init__(netns, {**env, "DNET_STATE_DIR": str(self.state_dir)})
        self.variant = variant
        self._resolv_conf = folder / "resolv.conf" if resolv_conf is not None else None
        if self._resolv_conf and resolv_conf is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self._resolv_conf.write_text(resolv_conf)

    def argv(self, *command: str) -> list[str]:
        """The command line that runs `command` on this machine."""
        entered = super().argv(*command)
        if self._resolv_conf is None:
            return entered
        bind = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
        return ["unshare", "--mount", "sh", "-c", bind, str(self._resolv_conf), *entered]

    # --- dnet ------------------------------------------------------------------------------

    def dnet(
        self,
        *args: str | int,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
        after: float | None = None,
        number: int = SIGKILL,
    ) -> Completed:
        """A finished `dnet`, whatever became of it; never with a traceback.

        It gets the signal of that number `after` so many seconds. With DNET_REHEARSE in its
        environment it changes nothing, and prints the store there would be.
        """
        # Python reads its own variables when it starts.
        if any(name.startswith("PYTHON") for name in env or ()):
            return _sound(self.try_run("dnet", *map(str, args), stdin=stdin, env=env))
        one = {"words": [*map(str, args)], "env": dict(env or {}), "stdin": stdin}
        (done,) = self._run({"commands": [one], "after": after, "number": number})
        return done

    def program(
        self,
        name: str,
        *words: str,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        """A finished program of those that a container runtime calls, whatever became of it."""
        one = {"program": name, "words": [*words], "env": dict(env or {}), "stdin": stdin}
        (done,) = self._run({"commands": [one]})
        return done

    def programs(self, name: str, calls: Sequence[Call], at_once: int) -> list[Completed]:
        """What became of every one of these calls, as many as that at a time."""
        commands = [{"program": name, **call._asdict()} for call in calls]
        return self._run({"commands": commands, "at_once": at_once})

    def dnets(self, commands: Sequence[Sequence[str]], at_once: int) -> list[Completed]:
        """What became of every one of these `dnet`, as many as that at a time."""
        return self._run({"commands": [{"words": words} for words in commands], "at_once": at_once})

    def _run(self, job: zygote.Job) -> list[Completed]:
        place: zygote.Job = {"netns": str(self.path), "env": self.env}
        if self._resolv_conf:
            place["resolv_conf"] = str(self._resolv_conf)
        return [_sound(done) for done in zygote.run({**place, **job})]

    def without(self, programs: str, line: str) -> Completed:
        """A finished `dnet` that finds none of some programs, wherever it looks."""
        hide = (
            'for path in $(which -a $0); do mount --bind /dev/null "$path" || exit; done;'
            'exec dnet "$@"'
        )
        words = ("unshare", "--mount", "sh", "-c", hide, programs, *line.split())
        return _sound(self.try_run(*words))

    def ok(self, *args: str | int, stdin: str = "", env: Mapping[str, str] | None = None) -> str:
        """What a `dnet` that succeeds prints, without the last newline."""
        done = self.dnet(*args, stdin=stdin, env=env)
        assert done.returncode == 0, f"dnet {args} exited {done.returncode}\n{done.stderr}"
        return done.stdout.strip()

    def quiet(self, *args: str | int) -> None:
        """A `dnet` that succeeds and has nothing to say, on either stream."""
        done = self.dnet(*args)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done

    def json(self, *args: str | int) -> Any:
        """The one document that a `dnet … --json` prints."""
        return json.loads(self.ok(*args, "--json"))

    def keys(self, *args: str | int) -> list[str]:
        """The bare keys that a list prints with `--quiet`."""
        return self.ok(*args, "--quiet").split()

    def fails(self, status: int, *args: str | int, code: str | None = None) -> Refusal:
        """The error of a `dnet` that must exit with `status`; with `code`, told in JSON."""
        done = self.dnet(*args, *(["--json"] if code else []))
        assert done.returncode == status, f"dnet {args} exited {done.returncode}: {done.stderr}"
        refusal = read_refusal(done)
        assert refusal.code == code, refusal
        return refusal

    # --- the kernel ------------------------------------------------------------------------

    def rules(self, table: str = "filter") -> list[str]:
        """The lines of `iptables -S` for a table."""
        return self.run("iptables", "-t", table, "-S").splitlines()

    def iptables(self, *rules: str) -> None:
        """Runs `iptables` once for each text of arguments, as an administrator would."""
        self.run(" && ".join(f"iptables {rule}" for rule in rules))

    def listing(self) -> str:
        """`iptables -S` of every table in which anything is, each under its command line.

        Then the same of ip6tables; the table filter of iptables is there in any case.
        """
        commands = [
            _listing_command(program, table)
            for program in ("iptables", "ip6tables")
            for table in TABLES
        ]
        tables = self.run("\n".join(f"echo '# {command}'; {command}" for command in commands))
        first, *others = ["# " + section for section in tables.split("# ")[1:]]
        return first + "".join(one for one in others if "-A" in one or "-N" in one)

    def table(self) -> str:
        """`nft list table inet dnet`, in which the elements of each set are sorted.

        Versions of nft behind 1.0.6 have a name for one priority more.
        """
        listed = self.run("nft", "list", "table", "inet", "dnet")
        named = listed.replace("hook output priority dstnat", "hook output priority -100")
        return snapshot.sorted_elements(named)

    def snapshot(self) -> str:
        """Rules, chains, devices, addresses, routes and sysctls, to compare two moments."""
        return self._toy_rules() + snapshot.parse(self.run(snapshot.COMMAND))

    def _toy_rules(self) -> str:
        file = Path(self.env.get("DNET_TOY", "/nonexistent"))
        return "".join(sorted(file.read_text().splitlines(True))) if file.exists() else ""

    def store(self) -> dict[str, str]:
        """Every file of the state folder with its contents."""
        return snapshot.folder(self.state_dir)

    def everything(self) -> tuple[str, dict[str, str]]:
        """All that a refused command, or one with --dry-run, must leave as it is."""
        return self.snapshot(), self.store()


def _sound(done: Completed) -> Completed:
    assert "Traceback" not in done.stderr, done.stderr
    return done


def _listing_command(program: str, table: str) -> str:
    return f"{program} -S" if table == "filter" else f"{program} -t {table} -S"
