"""What differs between the two versions of IP."""

from __future__ import annotations

from dnet.typing import NamedTuple


class Family(NamedTuple):
    """A version of IP.

    `name` is what /proc/sys/net and conntrack(8) call it, `nft` what nft(8) does; `number` is the
    kernel's (AF_INET and AF_INET6, include/linux/socket.h, which netfilter's NFPROTO_ numbers are
    too). `any` stands for every address, `loopback` is the host's own, out of the network `local`.
    """

    version: int
    name: str
    nft: str
    number: int
    bits: int
    any: str
    loopback: str
    local: str

    @property
    def xtables(self) -> str:
        """The program of iptables(8) for it, and what those of its kind begin with."""
        return f"{self.nft}tables"


Families = tuple[Family, ...]

V4 = Family(4, "ipv4", "ip", 2, 32, "0.0.0.0", "127.0.0.1", "127.0.0.0/8")
V6 = Family(6, "ipv6", "ip6", 10, 128, "::", "::1", "::1/128")
FAMILIES = (V4, V6)
WILDCARDS = frozenset(one.any for one in FAMILIES)


def of(address: str) -> Family:
    """The family of an address, with or without a prefix length."""
    return V6 if ":" in address else V4
