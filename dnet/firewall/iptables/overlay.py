"""The rules of a bridge that is part of a pool of several hosts, as rules.py has those of one.

Text in the form iptables-save prints. All of them are in chains of dnet's own. What comes out of
VXLAN has to come from where it would be sent to, which is inside of a peer's block: rpfilter asks
the routes. What VXLAN itself is given, be it by broadcast, comes from a peer's underlay address,
and not from a container that says so. Nor does a container send to that of a peer, for which it
would be this host.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dnet.firewall.traffic import Pooled
from dnet.model.entities import Bridge

_ESTABLISHED = "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"


def forward(hosts: Pooled) -> Iterator[str]:
    """What passes between the containers and those of other hosts, behind links and isolation.

    With --no-icc it is what links let through, and the answers.
    """
    bridge, verdict = hosts.bridge.name, "ACCEPT" if hosts.bridge.icc else "DROP"
    forged = f"! -s {hosts.overlay.block}"
    if device := hosts.device:
        yield f"{forged} -o {device} -j DROP"
        yield f"-o {device} {_ESTABLISHED}"
        yield f"-i {device} -o {bridge} -j {verdict}"
        yield f"-i {bridge} -o {device} -j {verdict}"
        yield f"-i {device} -j DROP"
        yield f"-o {device} -j DROP"
        return
    out = f"-d {hosts.pool} -i {bridge} ! -o {bridge}"
    yield f"{forged} {out} -j DROP"
    yield f"{out} {_ESTABLISHED}"
    yield f"{out} -j {verdict}"
    yield f"-s {hosts.pool} ! -i {bridge} -o {bridge} -j {verdict}"


def postrouting(hosts: Pooled) -> Iterator[str]:
    """Between the hosts of a pool containers keep their addresses."""
    yield f"-s {hosts.overlay.block} -d {hosts.pool} -j ACCEPT"


def guard(hosts: Pooled) -> Iterator[str]:
    """What closes VXLAN to whoever is no peer."""
    yield f"-i {hosts.device} -m rpfilter --invert -j DROP"
    yield f"-p udp -m udp --dport {hosts.overlay.port} -j DNET-PEERS"


def peers(hosts: Pooled, bridges: Iterable[Bridge]) -> Iterator[str]:
    """Who may give it anything: the other hosts, and no container in their name or this host's."""
    yield from (f"-i {one.name} -j DROP" for one in bridges)
    yield from (f"-s {one}/32 -j RETURN" for one in hosts.hosts)
    yield from (f"-d {one}/32 -j DROP" for one in hosts.hosts)
    yield "-m addrtype ! --dst-type UNICAST -j DROP"
