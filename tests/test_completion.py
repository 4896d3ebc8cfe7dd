"""What the shells complete: the same in all of them, without a program being started."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from dnet.cli.commands.completion import SCRIPTS
from dnet.store import nametext
from generate.__main__ import HOME
from generate.completion import completions
from tests import shells
from tests.shells import Terminal
from tests.unit.test_nametext import lab

FOLDER = HOME / "completions"
BASH_COMPLETION = Path("/usr/share/bash-completion/bash_completion")

COMMANDS = (
    "attach batch bridge check completion detach firewall gc host interface ip link map plugin "
    "port probe reset restore show"
)
CHANGES = "--dry-run -j --json --format -h --help"

# A name that a device may have, and that no shell may carry out.
TRAP = "x$(>trap)"

ELSEWHERE = f"""\
bridge far0
bridge {TRAP}
mapping [::]:8080/tcp
mapping [::1]:9000-9009/udp
"""

# What is typed, and what is offered. FOLDER has a file, a folder and the store of elsewhere.
CASES = {
    "": COMMANDS,
    "b": "batch bridge",
    "nonsense ": "",
    "map ": "add list remove stats",
    "map nonsense ": "",
    "completion ": "bash fish zsh",
    # global options, and their values
    "-": "--state-dir --lock-timeout -v --verbose --version -h --help",
    "-v --lock-timeout 5 b": "batch bridge",
    "--lock-timeout ": "",
    "--state-dir FOLDER/": "FOLDER/elsewhere",
    "--state-dir FOLDER/elsewhere bridge show ": f"far0 {TRAP}",
    "--state-dir=FOLDER/elsewhere bridge show f": "far0",
    "--state-dir FOLDER/nowhere bridge show ": "",
    # bridges
    "bridge show ": "dnet0",
    "bridge remove ": "dnet0",
    "bridge init ": "dnet0",
    "ip request --bridge ": "dnet0",
    "ip request --bridge=": "--bridge=dnet0",
    "ip request --bridge=d": "--bridge=dnet0",
    # interfaces
    "interface show ": "web db",
    "interface release w": "web",
    "interface allocate ": "",
    "attach ": "web db",
    "detach ": "web db",
    "attach new --netns FOLDER/l": "FOLDER/lines",
    "attach web --link ": "db",
    "ip request --owner ": "web db",
    "gc --owner web --owner ": "web db",
    # targets
    "map add ": "web db 172.17.0.9",
    "map add web ": "",
    "map list ": "web db 172.17.0.9",
    "map stats ": "web db 172.17.0.9",
    "map stats --format ": "text json prometheus",
    "map add web 80 --from ": "any",
    "map remove --all 1": "172.17.0.9",
    # addresses and endpoints
    "ip release ": "172.17.0.9",
    "ip request --ip ": "",
    "port release ": "0.0.0.0:7000/tcp",
    "map remove ": "0.0.0.0:8080/tcp 0.0.0.0:9000-9009/udp",
    "map remove 0.0.0.0:": "0.0.0.0:8080/tcp 0.0.0.0:9000-9009/udp",
    "map remove 0.0.0.0:8": "0.0.0.0:8080/tcp",
    "map remove --if-exists 0.0.0.0:8080/tcp ": "0.0.0.0:9000-9009/udp",
    "--state-dir FOLDER/elsewhere map remove ": "[::]:8080/tcp [::1]:9000-9009/udp",
    # what is asked for by name
    "ip list ": "web db 172.17.0.9",
    "port list ": "web db 0.0.0.0:7000/tcp 0.0.0.0:8080/tcp 0.0.0.0:9000-9009/udp",
    "link list ": "web db host",
    "show ": "web db host",
    # links
    "link add ": "web db host",
    "link add web ": "db",
    "link remove ": "web host web:db host:db",
    "link remove web:": "web:db",
    "link remove web ": "db",
    "link remove db ": "",
    "link env ": "web host",
    # files
    "batch FOLDER/": "FOLDER/elsewhere FOLDER/lines",
    "batch --each FOLDER/l": "FOLDER/lines",
    # words
    "map list --format ": "text json env",
    "map list --format=": "--format=text --format=json --format=env",
    "show --format ": "text json dot hosts batch",
    "port allocate --proto ": "tcp udp sctp",
    "bridge init --allocation ": "round-robin reuse",
    # options
    "link list -": "--bridge -q --quiet -j --json --format -h --help",
    "link list --": "--bridge --quiet --json --format --help",
    "link list -q --format json --bridge=dnet0 -": "-j --json -h --help",
    "bridge list ": "-q --quiet -j --json --format -h --help",
    "link add web db -p 80/tcp --alias x -": f"-p --port {CHANGES}",
    "link add web db --port=80/tcp --p": "--port",
    "bridge init --no-icc --i": "--ip --ip-forward --iptables --ipv6 --isolate",
    "bridge init --address 10.0.0.1/24 --i": "--icc --ip-forward --iptables --ipv6 --isolate",
    "map remove -- ": "0.0.0.0:8080/tcp 0.0.0.0:9000-9009/udp",
    "map remove -- --i": "",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with something to complete, and the state folder; every shell is in there."""
    folder = tmp_path_factory.mktemp("shells")
    (folder / "state").mkdir()
    (folder / "state" / "names").write_text(nametext.write(lab()))
    (folder / "files" / "elsewhere").mkdir(parents=True)
    (folder / "files" / "elsewhere" / "names").write_text(ELSEWHERE)
    (folder / "files" / "lines").touch()
    (folder / "far").symlink_to(folder / "files" / "elsewhere")
    yield folder
    assert not (folder / "trap").exists()


def typed(case: str, folder: Path) -> str:
    """The line of a case."""
    return "dnet " + case.replace("FOLDER", str(folder / "files"))


def offered(case: str, folder: Path) -> list[str]:
    """What a shell is to offer."""
    return sorted(CASES[case].replace("FOLDER", str(folder / "files")).split())


def environment(folder: Path) -> dict[str, str]:
    """Where the names are; and no program is to be found."""
    return {"PATH": "/nonexistent", "HOME": str(folder), "DNET_STATE_DIR": str(folder / "state")}


def program(name: str) -> str:
    """Where a shell is."""
    path = shutil.which(name)
    assert path is not None
    return path


def inserted(terminal: Terminal, line: str, key: str) -> list[str]:
    """What a key puts in place of the last word that inserts all that could stand there."""
    before = shlex.split(line)[1:]
    last = "" if line.endswith(" ") else before.pop()
    words = terminal.words(line + key)
    assert words[: len(before)] == before, words
    found = words[len(before) :]
    return [] if found == [last] else found


def plain(words: list[str]) -> list[str]:
    """In order, without the signs that there is more to come."""
    return sorted(word.rstrip("/=") for word in words if word)


def test_they_are_as_they_would_be_written_now() -> None:
    for path, text in completions().items():
        assert (HOME / path).read_text() == text, f"{path}: run scripts/generate"


@pytest.mark.parametrize(("shell", "name"), SCRIPTS.items())
def test_dnet_prints_the_script_of_a_shell(shell: str, name: str) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("dnet"), "completion", shell],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ((FOLDER / name).read_text(), "")


# Keys at a terminal, where a tabulator completes what there is one of, and what is there then.
BACK = "\x02" * len(" --dry-run")
KEYS = {
    "map remove 0.0.0.0:8\t": "map remove 0.0.0.0:8080/tcp",
    'map remove "0.0.0.0:8\t': "map remove 0.0.0.0:8080/tcp",
    "map remove '0.0.0.0:8\t": "map remove 0.0.0.0:8080/tcp",
    f"map remove 0.0.0.0:8 --dry-run{BACK}\t": "map remove 0.0.0.0:8080/tcp --dry-run",
    "link remove web:\t--dry\t": "link remove web:db --dry-run",
    "--state-dir=FOLDER/else\t bri\tsh\tf\t": "--state-dir=FOLDER/elsewhere bridge show far0",
    "--state-dir far bridge show x\t": f"--state-dir far bridge show {TRAP}",
}


def pressed(terminal: Terminal, keys: str, folder: Path) -> list[str]:
    """The words of a line that was typed with tabulators, without the sign for a folder."""
    return [word.rstrip("/") for word in terminal.words(typed(keys, folder))]


def expected(keys: str, folder: Path) -> list[str]:
    """The words there are to be."""
    return KEYS[keys].replace("FOLDER", str(folder / "files")).split()


# bash

INSERT_ALL = "\033*"  # readline's insert-completions


def opened_bash(folder: Path, setup: str) -> AbstractContextManager[Terminal]:
    """An interactive bash that has nothing of its own but this line."""
    command = [program("bash"), "--norc", "--noprofile", "-i"]
    return shells.opened(command, folder, environment(folder), setup)


@pytest.fixture(scope="module")
def plain_bash(folder: Path) -> Iterator[Terminal]:
    """A bash that reads the script."""
    with opened_bash(folder, f". {FOLDER / 'dnet.bash'}") as terminal:
        yield terminal


@pytest.fixture(scope="module")
def bash_completion(folder: Path) -> Iterator[Terminal]:
    """A bash with the package bash-completion, which finds the script where it is installed."""
    installed = folder / ".local/share/bash-completion/completions"
    installed.mkdir(parents=True)
    shutil.copy(FOLDER / "dnet.bash", installed / "dnet")
    with opened_bash(folder, f". {BASH_COMPLETION}") as terminal:
        yield terminal


@pytest.fixture(params=["plain_bash", "bash_completion"])
def bash(request: pytest.FixtureRequest) -> Terminal:
    """Each of them."""
    found: Terminal = request.getfixturevalue(request.param)
    return found


def test_bash(bash: Terminal, folder: Path) -> None:
    for case in CASES:
        line = typed(case, folder)
        first, *others = inserted(bash, line, INSERT_ALL) or [""]
        # All but the first stand for themselves, without what they were to be put after.
        lead = re.sub(r"[^:=]*\Z", "", line.rpartition(" ")[2])
        found = [first, *(lead + other for other in others)]
        assert plain(found) == offered(case, folder), case


def test_bash_at_a_terminal(bash: Terminal, folder: Path) -> None:
    for keys in KEYS:
        assert pressed(bash, keys, folder) == expected(keys, folder), keys


def test_bash_where_words_end_elsewhere(bash: Terminal, folder: Path) -> None:
    """Some take the colon out of COMP_WORDBREAKS, once for all."""
    assert bash.words("breaks=$COMP_WORDBREAKS COMP_WORDBREAKS=${COMP_WORDBREAKS//:}; dnet") == []
    try:
        for keys in KEYS:
            assert pressed(bash, keys, folder) == expected(keys, folder), keys
    finally:
        bash.words("COMP_WORDBREAKS=$breaks; dnet")


@pytest.mark.parametrize("begun", ["[", "[::", "[::]", "[::]:", "[::]:80", '"[::]:'])
def test_bash_completes_an_address_that_stands_in_brackets(bash: Terminal, begun: str) -> None:
    line = f"dnet --state-dir far map remove [::1]:9000-9009/udp {begun}\t"
    assert bash.words(line)[-2:] == ["[::1]:9000-9009/udp", "[::]:8080/tcp"]


def test_zsh_completes_an_address_that_stands_in_brackets(zsh: Terminal) -> None:
    assert zsh.words("dnet --state-dir far map remove \\[::]:\t")[-1] == "[::]:8080/tcp"


def test_bash_completes_no_name_into_quotes_that_would_do_something_there(bash: Terminal) -> None:
    line = 'dnet --state-dir far bridge show "x\t"'
    assert bash.words(line) == ["--state-dir", "far", "bridge", "show", "x"]


def test_bash_after_sudo(bash_completion: Terminal) -> None:
    bash_completion.words('sudo() { "$@"; }; dnet')
    assert bash_completion.words("sudo dnet link remove web:\t") == ["link", "remove", "web:db"]


# zsh

INSERT_ALL_BY_ZSH = "\x14"
ZSH_SETUP = (
    "unsetopt zle_bracketed_paste prompt_sp",
    f"fpath=({FOLDER} $fpath); autoload -Uz compinit; compinit -D -u",
    "zstyle ':completion:all-matches:*' insert yes",
    "zstyle ':completion:all-matches::::' completer _all_matches _complete",
    "zle -C all-matches complete-word _generic; bindkey '^T' all-matches",
)


@pytest.fixture(scope="module")
def zsh(folder: Path) -> Iterator[Terminal]:
    """An interactive zsh with its completion system, and a key that inserts all of it."""
    with shells.opened(
        [program("zsh"), "-f", "-i"], folder, environment(folder), *ZSH_SETUP
    ) as terminal:
        yield terminal


def test_zsh(zsh: Terminal, folder: Path) -> None:
    for case in CASES:
        found = inserted(zsh, typed(case, folder), INSERT_ALL_BY_ZSH)
        assert plain(found) == offered(case, folder), case


def test_zsh_after_sudo(zsh: Terminal) -> None:
    zsh.words('sudo() { "$@"; }; dnet')
    assert zsh.words("sudo dnet link remove web:\t") == ["link", "remove", "web:db"]


def test_zsh_at_a_terminal(zsh: Terminal, folder: Path) -> None:
    for keys in KEYS:
        assert pressed(zsh, keys, folder) == expected(keys, folder), keys


# fish


def test_fish(folder: Path) -> None:
    asked = [f"source {FOLDER / 'dnet.fish'}"]
    asked += [f"complete -C {shlex.quote(typed(case, folder))}; echo" for case in CASES]
    done = subprocess.run(
        [program("fish"), "--no-config", "--command", "\n".join(asked)],
        env=environment(folder),
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    answers = [[line.split("\t")[0] for line in part.splitlines()] for part in blocks(done.stdout)]
    assert len(answers) == len(CASES)
    for case, found in zip(CASES, answers, strict=True):
        assert plain(found) == offered(case, folder), case


def blocks(text: str) -> list[str]:
    """What stands before each empty line."""
    return re.split(r"^\n", text, flags=re.M)[:-1]
