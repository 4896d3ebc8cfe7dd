"""Bad input of every kind: the documented exit status, one clear line, and nothing changed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract import STATUS
from tests.host import Host, read_refusal
from tests.lab import Lab

Everything = tuple[str, dict[str, str]]
Command = tuple[str, ...]

INIT: Command = ("bridge", "init", "br9", "--chain", "B9")
IDS = ["", "a/b", "../a", "a\nb", "a b", ".a", "_a", "a:b", "a,b", "ä", "x" * 129, "host"]
ADDRESS_LIKE = ["10.0.0.1", "172.17.0.2", "1.2", "fe80::1", "::"]
NUMBERS = [
    "0",
    "-1",
    "65536",
    "99999999999",
    "abc",
    "",
    "8o",
    "1.5",
    "0x50",
    "\u0661",
    " 80",
    "+80",
]
RANGES = ["8010-8000", "8000-", "-8000", "8000-8010-8020", "0-80", "80-65536", "a-b"]
PROTOCOLS = ["tcpp", "", "icmp", "6", "tcp/udp"]
DEVICES = ["x" * 16, "", ".", "..", "a/b", "a b", "a\nb", "a\tb", "ä" * 8]
CHAINS = [
    "",
    "x" * 29,
    "a b",
    "a.b",
    "INPUT",
    "FORWARD",
    "POSTROUTING",
    "ACCEPT",
    "DNAT",
    "ä",
    "a\nb",
]
ADDRESSES = ["", "abc", "172.17.0", "172.17.0.256", "172.017.0.9", "172.17.0.9/16", "2886795273"]
CIDRS = {
    "malformed": ["172.17.42.1", "172.17.42.300/16", "172.17.42/16", "abc/16", "abc", "", "/16"],
    "prefix": [
        "172.17.42.1/33",
        "172.17.42.1/-1",
        "172.17.42.1/x",
        "172.17.42.1/",
        "10.5.0.1/24/8",
    ],
    "netmask": ["10.5.0.1/255.255.255.0"],
    "digits of another script": ["10.5.0.1/\u0662\u0664", "10.5.0.\u0661/24"],
    "leading zeros": ["10.05.0.1/24"],
    "no host part": ["172.30.0.0/16", "10.5.0.0/24"],
    "broadcast": ["172.30.255.255/16"],
    "too wide": ["10.5.0.1/7", "10.5.0.1/0"],
    "too narrow": ["10.5.0.1/31", "10.5.0.1/32"],
    "newline": ["10.5.0.1/24\n"],
}
SPECS = [
    *("", ":", "::", "80:", "x", "80:80:80", "8080:80:", "1.2.3.4:80", "1.2.3:8080:80"),
    *("[::1:8080:80", "8000-8010:9000-9005", "8080:9000-9005", "80/", "80/tcp/udp"),
    *("8080:0", "0:80", "65536:80", "80:65536", "abc:80", "80:abc", "80/tcpp", "8080:80/icmp"),
    *("8010-8000:80", "8000-8001:81-80", "65530-65540:80", "80\n", "80:80\n", "256.0.0.1:80:80"),
]
ENDPOINTS = ["", "abc", "0", "65536", "80/tcpp", "9010-9000", "1.2.3:80", "8080:80:80", "80/"]


def usage_errors() -> Iterator[Command]:
    """Command lines that are wrong in themselves, whatever the store holds."""
    for cidrs in CIDRS.values():
        yield from ((*INIT, "--address", cidr) for cidr in cidrs)
    yield from (("bridge", "init", name, "--address", "10.5.0.1/24") for name in DEVICES)
    good = (*INIT, "--address", "10.5.0.1/24")
    yield from ((*INIT[:3], "--address", "10.5.0.1/24", "--chain", name) for name in CHAINS)
    yield from ((*good, "--mtu", mtu) for mtu in ("", "abc", "-1", "0", "67", "65536", "\u0661500"))
    outside = ["10.6.0.0/24", "10.0.0.0/8", "10.5.0.1/26", "10.5.0.0", "10.5.0.0/33", "abc", ""]
    yield from ((*good, "--range", text) for text in outside)
    yield from ((*good, "--port-range", text) for text in (*RANGES, "80-80-", "abc", ""))
    yield from ((*good, "--binding-ip", text) for text in ("abc", "1.2.3", "", "::g"))
    yield (*good, "--allocation", "random")

    yield from (("ip", "request", "--ip", text) for text in (*ADDRESSES, "10.5.0.9", "192.0.2.1"))
    yield from (
        ("ip", "request", "--count", text) for text in ("0", "-1", "abc", "1.5", "\u0662", "")
    )
    yield ("ip", "request", "--ip", "172.17.0.9", "--count", "2")
    yield from (("ip", "request", "--owner", name) for name in ("", "a/b", "a\nb", "x" * 129))
    yield from (("ip", "release", text) for text in ADDRESSES)

    yield from (("interface", "allocate", name) for name in (*IDS, *ADDRESS_LIKE))
    yield from (("interface", "allocate", "new", "--ip", text) for text in (*ADDRESSES, "10.5.0.9"))
    exposed = [f"{number}/tcp" for number in NUMBERS] + [f"80/{proto}" for proto in PROTOCOLS]
    yield from (("interface", "allocate", "new", "--expose", text) for text in exposed)

    yield from (("port", "allocate", "--port", text) for text in (*NUMBERS, *RANGES))
    yield from (("port", "allocate", "--proto", text) for text in PROTOCOLS)
    yield from (("port", "allocate", "--host-ip", text) for text in ("abc", "1.2.3", ""))
    yield from (("port", "allocate", "--count", text) for text in ("0", "-1", "abc"))
    yield ("port", "allocate", "--port", "8080", "--count", "2")
    yield from (("port", "release", text) for text in ENDPOINTS)

    yield from (("map", "add", "web", text) for text in SPECS)
    yield ("map", "add", "web", "7000:80", "0:80")
    yield ("map", "add", "web")
    yield from (("map", "remove", text) for text in ENDPOINTS)
    yield ("map", "remove")
    yield ("map", "remove", "--all")

    yield from (("link", "add", "web", "db", "-p", f"{number}/tcp") for number in NUMBERS)
    yield from (("link", "add", "web", "db", "-p", f"80/{proto}") for proto in PROTOCOLS)
    yield from (
        ("link", "add", "web", "db", "--alias", name) for name in ("", "a b", "a\nb", "a/b")
    )
    yield ("link", "add", "web")
    yield ("link", "remove", "web")

    yield ("no-such-command",)
    yield ("bridge", "no-such-command")
    yield ("bridge", "list", "--no-such-option")
    yield ("bridge", "list", "--format", "xml")
    yield ("bridge", "list", "too", "many")
    yield from (("--lock-timeout", text, "bridge", "list") for text in ("abc", "\u0663", "nan"))


# What is well-formed but not there, not free, or somebody else's.
REFUSED: list[tuple[str, Command]] = [
    ("not-found", ("bridge", "show", "nobody")),
    ("not-found", ("bridge", "remove", "nobody")),
    ("not-found", ("ip", "request", "--bridge", "nobody")),
    ("not-found", ("ip", "release", "172.17.0.99")),
    ("not-found", ("ip", "release", "192.0.2.1")),
    ("not-found", ("interface", "show", "nobody")),
    ("not-found", ("interface", "release", "nobody")),
    ("not-found", ("interface", "allocate", "new", "--bridge", "nobody")),
    ("not-found", ("port", "release", "7777")),
    ("not-found", ("port", "release", "10.99.0.1:8080/udp")),
    ("not-found", ("map", "add", "nobody", "8081:80")),
    ("not-found", ("map", "add", "172.17.0.99", "8081:80")),
    ("not-found", ("map", "add", "192.0.2.1", "8081:80")),
    ("not-found", ("map", "remove", "7777")),
    ("not-found", ("map", "remove", "--all", "nobody")),
    ("not-found", ("map", "list", "nobody")),
    ("not-found", ("link", "add", "nobody", "db", "-p", "80/tcp")),
    ("not-found", ("link", "add", "web", "nobody", "-p", "80/tcp")),
    ("not-found", ("link", "remove", "db", "web")),
    ("not-found", ("link", "remove", "nobody:db")),
    ("not-found", ("link", "env", "nobody")),
    ("conflict", (*INIT, "--address", "172.17.200.1/24")),
    ("conflict", (*INIT, "--address", "172.16.0.1/12")),
    ("conflict", ("bridge", "init", "br0", "--chain", "OTHER")),
    ("conflict", ("bridge", "init", "br0", "--address", "10.5.0.1/24")),
    ("conflict", ("bridge", "remove", "br0")),
    ("conflict", ("ip", "release", "172.17.0.2")),
    ("conflict", ("interface", "allocate", "web", "--ip", "172.17.0.50")),
    ("conflict", ("port", "release", "8080")),
    ("conflict", ("link", "add", "web", "db", "-p", "81/tcp")),
    ("address-in-use", ("ip", "request", "--ip", "172.17.0.2")),
    ("address-in-use", ("ip", "request", "--ip", "172.17.42.1")),
    ("address-in-use", ("interface", "allocate", "new", "--ip", "172.17.0.2")),
    ("port-in-use", ("port", "allocate", "--port", "8080")),
    ("port-in-use", ("map", "add", "db", "8080:80")),
    ("port-in-use", ("map", "add", "db", "8000-8100:8000-8100")),
    ("port-in-use", ("link", "add", "host", "db", "-p", "8080/tcp")),
]
# Commands that print data, and so take --json, which has to tell the code.
SAYS_DATA = {"show", "list", "request", "allocate", "init", "env"}


@pytest.fixture(scope="module")
def busy(shared_lab: Lab) -> Host:
    """A machine that has something of everything, which no test of this module changes."""
    host = shared_lab.host()
    host.ok("bridge", "init", "br0", "--address", "172.17.42.1/16", "--no-icc")
    host.ok("interface", "allocate", "web", "--expose", "80/tcp")
    host.ok("interface", "allocate", "db", "--expose", "5432/tcp")
    host.ok("map", "add", "web", "8080:80")
    host.ok("link", "add", "web", "db")
    return host


@pytest.fixture(scope="module")
def before(busy: Host) -> Everything:
    """All that the tests of this module must leave as it is."""
    return busy.everything()


def named(command: Command) -> str:
    return " ".join(word[:20] or "''" for word in command).encode("unicode_escape").decode()


def label(value: str | Command) -> str:
    return value if isinstance(value, str) else named(value)


@pytest.mark.parametrize("command", list(usage_errors()), ids=named)
def test_a_bad_value(busy: Host, before: Everything, command: Command) -> None:
    busy.fails(STATUS["usage"], *command)
    assert busy.everything() == before


@pytest.mark.parametrize(
    ("code", "command"), REFUSED, ids=lambda x: "" if x in STATUS else named(x)
)
def test_a_refusal(busy: Host, before: Everything, code: str, command: Command) -> None:
    busy.fails(STATUS[code], *command)
    if command[1] in SAYS_DATA or command[:2] == ("map", "add"):
        busy.fails(STATUS[code], *command, code=code)
    assert busy.everything() == before


def test_nothing_is_made_on_a_machine_that_has_nothing(lab: Lab) -> None:
    host = lab.host()
    before = host.everything()
    host.fails(2, "bridge", "init", "br0", "--address", "10.5.0.0/24", code="usage")
    host.fails(3, "ip", "request", code="not-found")
    host.fails(3, "interface", "release", "web")
    host.fails(3, "map", "add", "web", "8080:80", code="not-found")
    assert host.everything() == before


# --- bytes that are no text ----------------------------------------------------------------------

# As in a locale such as de_DE.UTF-8, which a test cannot count on.
STRICT = {"PYTHONIOENCODING": "utf-8:strict"}


def test_a_batch_that_is_no_text(busy: Host, before: Everything, tmp_path: Path) -> None:
    """Named with its line, from a file as from standard input."""
    lines = tmp_path / "lines"
    lines.write_bytes(b"ip request\nip request \xff\n")
    for words in (f"dnet batch {lines}", f"dnet batch < {lines}"):
        done = busy.try_run("sh", "-c", words, env=STRICT)
        refusal = read_refusal(done)
        assert (refusal.status, "line 2" in refusal.message) == (STATUS["usage"], True), done
    assert busy.everything() == before


def test_a_path_that_is_no_text(lab: Lab, tmp_path: Path) -> None:
    """It comes out as the bytes it was."""
    host, node = lab.host(), lab.node()
    host.ok("bridge", "init", "dnet0")
    place = os.fsdecode(bytes(tmp_path) + b"/\xff")
    os.symlink(node.path, place)
    host.ok("attach", "web", "--netns", place, env=STRICT)
    for form in ((), ("--json",), ("--format", "env")):
        words = host.argv("dnet", "interface", "show", "web", *form)
        done = subprocess.run(words, env={**host.env, **STRICT}, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"/\xff" in done.stdout
    host.quiet("check")


def test_a_name_of_two_lines(busy: Host, before: Everything, tmp_path: Path) -> None:
    refusal = busy.fails(STATUS["failed"], "batch", "no\nsuch")
    assert "no\\nsuch: No such file" in refusal.message
    refusal = busy.fails(STATUS["not-found"], "--state-dir", f"{tmp_path}/a\nb", "bridge", "show")
    assert busy.everything() == before
