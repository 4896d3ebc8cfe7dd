"""One entry of the connection tracking table, as `conntrack -L -o id` prints it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

# udp      17 29 src=10.0.0.9 dst=10.0.0.1 sport=1000 dport=53 [UNREPLIED] src=172.17.0.2
#     dst=10.0.0.9 sport=53 dport=1000 mark=0 zone=5 use=1 id=1833118012      (one line)
_LINE = re.compile(
    r"^(?P<proto>\S+) +(?P<number>\d+) (?:(?P<timeout>\d+) )?.*?"
    r"src=(?P<src>\S+) dst=(?P<dst>\S+)(?P<orig>.*?) "
    r"src=(?P<reply_src>\S+) dst=(?P<reply_dst>\S+)(?P<rest>.*)$",
    re.MULTILINE,
)
_SPORT = re.compile(r" sport=(\d+)")
_DPORT = re.compile(r" dport=(\d+)")
_ZONE = re.compile(r" zone=(\d+)")
_ZONE_REPLY = re.compile(r" zone-reply=(\d+)")
_ID = re.compile(r" use=\d+.* id=(\d+)")


class Entry(NamedTuple):
    """An entry: who sent the first packet to whom, and who answers.

    `proto` is the name conntrack gives the protocol, `unknown` where it has none; `number` the
    protocol's number; `timeout` the seconds it has left, None where it has none of its own. Ports
    are None for protocols without. `orig` is what stands behind the
    original addresses (`sport=1000 dport=53`, `type=8 code=0 id=77`), `rest` what stands behind
    those of the reply.
    """

    proto: str
    number: int
    timeout: int | None
    src: str
    dst: str
    dport: int | None
    reply_src: str
    reply_dst: str
    reply_sport: int | None
    orig: str
    rest: str

    def __str__(self) -> str:
        fields = "".join(f" {word}" for word in self._orig_words())
        return f"{self.proto} src={self.src} dst={self.dst}{fields}, answered by {self.reply_src}"

    def _orig_words(self) -> list[str]:
        return [word for word in self.orig.split() if word.partition("=")[0] in _TUPLE_KEYS]

    def orig_fields(self) -> dict[str, int]:
        """What beside the addresses identifies the original direction: `sport`, `type`, …."""
        return _fields(self._orig_words())

    @property
    def is_aimed_elsewhere(self) -> bool:
        """Whether somebody else answers than was asked, and knows who asked."""
        return self.dst != self.reply_src and self.src == self.reply_dst

    def reply_fields(self) -> dict[str, int]:
        """What beside the addresses identifies the reply direction: `sport`, `dport`, `type`, ….

        The numbers as given, hexadecimal ones (the keys of GRE) included.
        """
        # `id` is an echo request's only where its other direction has one too.
        known = self.orig_fields()
        return _fields(word for word in self.rest.split() if word.partition("=")[0] in known)

    def zone(self) -> tuple[int | None, int | None]:
        """The zone of the entry, and the one of its reply direction only."""
        return _number(_ZONE, self.rest), _number(_ZONE_REPLY, self.rest)

    def ident(self) -> int | None:
        """The kernel's number of the entry, a hash of its place in memory and original tuple."""
        return _number(_ID, self.rest)


_TUPLE_KEYS = ("sport", "dport", "srckey", "dstkey", "type", "code", "id")


def _fields(words: Iterable[str]) -> dict[str, int]:
    """The numbers by their names; of several of one name the first."""
    found: dict[str, int] = {}
    for key, _, value in (word.partition("=") for word in words):
        found.setdefault(key, int(value, 0))
    return found


def _number(pattern: re.Pattern[str], text: str) -> int | None:
    match = pattern.search(text)
    return int(match[1]) if match else None


def parse(listing: str) -> Iterator[Entry]:
    """The entries in the output of `conntrack -L -o id`; lines of another shape are passed over."""
    for match in _LINE.finditer(listing):
        proto, number, timeout, src, dst, orig, reply_src, reply_dst, rest = match.groups()
        yield Entry(
            proto=proto,
            number=int(number),
            timeout=int(timeout) if timeout else None,
            src=src,
            dst=dst,
            dport=_number(_DPORT, orig),
            reply_src=reply_src,
            reply_dst=reply_dst,
            reply_sport=_number(_SPORT, rest),
            orig=orig,
            rest=rest,
        )
