"""Command lines as nobody would type them, from what the commands say of themselves."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

import click

_IDS = ("a", "b", "web", "db", "vm-1", "host", "x" * 128, "x" * 129)
_BRIDGES = ("dnet0", "dnet1", "br2", "lo", "one2345678901234", "..", "dnet0/x")
_CIDRS = ("172.17.42.1/16", "10.1.0.1/24", "10.2.0.1/29", "10.3.0.6/30", "10.1.0.1/31", "1.2.3.4/7")
_RANGES = ("172.17.5.0/24", "10.1.0.128/25", "10.2.0.0/29", "172.17.0.1/24", "0.0.0.0/0")
_IPS = (
    "172.17.0.2",
    "172.17.0.9",
    "10.1.0.2",
    "10.2.0.3",
    "127.0.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "::1",
)
_PORTS = ("80", "53/udp", "8080-8089", "65535", "0", "65536", "1-65535/sctp", "5432/tcp", "80/icmp")
_SPECS = (
    *("80", "8080:80", "127.0.0.1:8081:81/udp", "9000-9003:80-83", "9000-9100:80", "127.0.0.1::90"),
    *(":80", "8080:", "1:2:3:4", "9000-9003:80-82", "[::1]:80:80", "8080:80/TCP", "0:0"),
)
# What an option or argument of that name is given, most of the time.
_VALUES = {
    "address": _CIDRS,
    "range": _RANGES,
    "ip": _IPS,
    "ips": _IPS,
    "host_ip": _IPS,
    "binding_ip": _IPS,
    "mtu": ("1500", "1400", "68", "67", "0", "65536"),
    "chain": ("DNET", "SECOND", "FORWARD", "ACCEPT", "C" * 29, "DNET-USER", "D N"),
    "port_range": ("40000-40100", "40000-40000", "2-1", "49153-65535"),
    "allocation": ("reuse", "round-robin", "random"),
    "count": ("1", "2", "3", "0", "-1", "100000"),
    "proto": ("tcp", "udp", "sctp", "icmp"),
    "port": _PORTS,
    "ports": _PORTS,
    "expose": _PORTS,
    "publish": _SPECS,
    "specs": _SPECS,
    "endpoints": (*_SPECS, *_PORTS),
    "netns": ("one", "one", "two", "/run/netns/one", "1", "99999999", "/etc/hosts", "nowhere"),
    "ifname": ("eth0", "eth1", "lo", "x" * 16, "a b"),
    "mac": ("02:42:ac:11:00:09", "01:00:00:00:00:00", "zz"),
    "bridge": _BRIDGES,
    "name": _BRIDGES,
    "parent": (*_IDS, "a:b", "web:db"),
    "child": _IDS,
    "link": ("db", "web:alias", "a:", ":a"),
    "links": ("db", "web:alias", "a:", ":a"),
    "target": (*_IDS, *_IPS),
    "form": ("text", "json", "env", "dot", "xml"),
    "file": ("-", "lines", "nowhere", "."),
    "shell": ("bash", "zsh", "fish", "csh"),
}
_ODD = (
    *("", " ", "-", "--", "-h", "--json", "-q", "--dry-run", "--if-exists", "--force", "--all"),
    *(
        "ü",
        "\u202e",
        "\udcff",  # The byte 0xff, as Python has it from the command line.
        "a\nb",
        "\t",
        "'",
        '"',
        "$(x)",
        "%s",
        "{}",
        "\\",
        "٣",
        "1_000",
        "+1",
    ),
    *("9" * 400, "-1", "1e3", "0x10", "NaN", "None", "null", "*", "😀", "x" * 5000, "=", "a=b"),
)
# It goes on until somebody ends it.
_ENDLESS = "--watch"
# Only these: whatever a folder is called is made where it is not there.
_BEFORE = (
    *((), (), (), (), (), ("-v",), ("--lock-timeout", "5"), ("--lock-timeout", "nan")),
    *(("--lock-timeout", "-1"), ("--state-dir", "lines"), ("--state-dir", ""), ("--version",)),
)


class Shape(NamedTuple):
    """A command: the words that name it, and what it can be given."""

    words: tuple[str, ...]
    parameters: tuple[click.Parameter, ...]


def shapes(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[Shape]:
    """Every command below a group."""
    with click.Context(group, info_name="dnet", resilient_parsing=True) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            if isinstance(command, click.Group):
                yield from shapes(command, (*words, name))
            else:
                yield Shape((*words, name), tuple(command.params))


class Lines:
    """Makes command lines: most of them nearly right, some of them not at all."""

    def __init__(self, group: click.Group, chance: Random) -> None:
        self._shapes = list(shapes(group))
        self._chance = chance

    def line(self) -> list[str]:
        """The words of one command line."""
        shape = self._chance.choice(self._shapes)
        words = list(shape.words)
        for parameter in shape.parameters:
            words += self._words_of(parameter)
        while self._chance.random() < 0.15:
            self._spoil(words)
        return [*self._chance.choice(_BEFORE), *(one for one in words if one != _ENDLESS)]

    def _words_of(self, parameter: click.Parameter) -> Iterator[str]:
        if isinstance(parameter, click.Option):
            if self._chance.random() < 0.25:
                yield self._chance.choice([*parameter.opts, *parameter.secondary_opts])
                if not parameter.is_flag:
                    yield self._value(parameter)
        elif parameter.nargs == -1:
            yield from (
                self._value(parameter) for _ in range(self._chance.choice((0, 1, 1, 1, 2, 3)))
            )
        elif parameter.required or self._chance.random() < 0.7:
            yield self._value(parameter)

    def _value(self, parameter: click.Parameter) -> str:
        if self._chance.random() < 0.08:
            return self._chance.choice(_ODD)
        return self._chance.choice(_VALUES.get(str(parameter.name), _IDS))

    def _spoil(self, words: list[str]) -> None:
        at = self._chance.randrange(len(words))
        way = self._chance.choice(("drop", "double", "swap", "odd", "cut", "join"))
        if way == "drop":
            words[at:] = words[at + 1 :] or [""]
        elif way == "double":
            words.insert(at, words[at])
        elif way == "swap":
            words.insert(self._chance.randrange(len(words)), words.pop(at))
        elif way == "odd":
            words.insert(at, self._chance.choice(_ODD))
        elif way == "cut":
            words[at] = words[at][: self._chance.randint(0, len(words[at]))]
        else:
            words[at : at + 2] = ["=".join(words[at : at + 2])]
