"""Which tracked connections are meant, as a value."""

from __future__ import annotations

from dnet.typing import Final, NamedTuple
from dnet.values.family import V4, V6, Family

LOCAL: Final = "LOCAL"
"""In `Flow.orig_dst` and `orig_src`: every address of the host itself, of the family `Flow.of`."""

Ports = tuple[int, int]


class Flow(NamedTuple):
    """Which entries to delete: those that agree with every field that is not None.

    `proto` is a protocol's name; addresses are text without a prefix; ports are inclusive ranges
    and agree only with entries of protocols that have ports. The original direction is that of
    the first packet, before any translation; the reply direction that of the answers, so
    `reply_src` and `reply_sports` say who really answers. `either` is an address in any of the
    four places. `hold` keeps the place of each deleted entry with one that translates nothing, so
    that its peers' next packets mean what they would mean to a host that never had the mapping.
    `spared` are entries that stay all the same.
    """

    proto: str | None = None
    orig_dst: str | None = None
    orig_dports: Ports | None = None
    orig_src: str | None = None
    reply_src: str | None = None
    reply_sports: Ports | None = None
    either: str | None = None
    hold: bool = False
    direct: bool = False
    spared: tuple[Flow, ...] = ()
    of: Family = V4

    @property
    def names_something(self) -> bool:
        """Whether it names an address or a port: without one it would stand for everybody's."""
        return any(self[1 : self._fields.index("hold")])

    @property
    def shown(self) -> str:
        """The `conntrack -D` commands that delete the same entries, joined by `; `.

        What a single command cannot say is written as if it could: `-d LOCAL` stands for each
        address of the host, `! -s` for what is spared, a range of ports for each port, and two
        subnets for what goes from one to the other directly, along no link.
        """
        words = ["-f", self.of.name] if self.orig_dst == LOCAL and self.of is V6 else []
        if self.proto:
            words += ["-p", self.proto]
        addresses = (("-s", self.orig_src), ("-d", self.orig_dst), ("-r", self.reply_src))
        for option, address in addresses:
            if address:
                words += [option, address]
        for option, ports in (
            ("--orig-port-dst", self.orig_dports),
            ("--reply-port-src", self.reply_sports),
        ):
            if ports:
                words += [option, "-".join(map(str, dict.fromkeys(ports)))]
        if not self.direct:
            words += [f"! -s {one.orig_src}" for one in self.spared if one.orig_src]
        command = " ".join(["conntrack", "-D", *words])
        if self.either is None:
            return command
        return "; ".join(f"{command} {place} {self.either}" for place in ("-s", "-d", "-r", "-q"))
