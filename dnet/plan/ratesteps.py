"""The steps that limit what passes a device, `shown` by tc(8): see dnet.plan.devicesteps."""

from __future__ import annotations

from dnet.typing import NamedTuple
from dnet.values import rates
from dnet.values.names import for_shell as word


class SetRate(NamedTuple):
    """Let a device send so many bits a second, in whatever it has to send: a token bucket.

    `burst` may go at once, and `limit` wait for its turn, in bytes (tc-tbf(8)).
    """

    device: str
    bits: int
    burst: int
    limit: int
    why: str = ""

    @property
    def shown(self) -> str:
        how = f"rate {rates.shown(self.bits)} burst {self.burst} limit {self.limit}"
        return f"tc qdisc replace dev {word(self.device)} root tbf {how}"


class DeleteRate(NamedTuple):
    """Take that back."""

    device: str
    why: str = ""

    @property
    def shown(self) -> str:
        return f"tc qdisc delete dev {word(self.device)} root"


class AddIfb(NamedTuple):
    """Make a device that passes on what another one receives, so that it can be limited there."""

    device: str
    why: str

    @property
    def shown(self) -> str:
        return f"ip link add name {word(self.device)} up type ifb"


class AddIngress(NamedTuple):
    """Let what a device receives be looked at."""

    device: str
    why: str = ""

    @property
    def shown(self) -> str:
        return f"tc qdisc add dev {word(self.device)} ingress"


class DeleteIngress(NamedTuple):
    """Take that back, and what is done there."""

    device: str
    why: str = ""

    @property
    def shown(self) -> str:
        return f"tc qdisc delete dev {word(self.device)} ingress"


class Redirect(NamedTuple):
    """Let all that a device receives go by another one."""

    device: str
    by: str
    why: str

    @property
    def shown(self) -> str:
        match, how = "u32 match u32 0 0", f"mirred egress redirect dev {word(self.by)}"
        return (
            f"tc filter add dev {word(self.device)} parent ffff: protocol all prio 1 "
            f"{match} action {how}"
        )


RateStep = SetRate | DeleteRate | AddIfb | AddIngress | DeleteIngress | Redirect
