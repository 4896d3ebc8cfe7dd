"""The picture of a packet's ways is true: packets go each of them."""

from __future__ import annotations

from generate import ways
from tests.lab import Lab
from tests.world import send_loopback_packets

_BRIDGE, _HERE, _OUTSIDE = "172.17.42.1", "10.99.0.1", "10.99.0.2"
_TARGETS = {
    "published": (_HERE, 8080),
    "loopback": ("127.0.0.1", 8080),
    "container": ("172.17.0.2", 80),
}


def test_packets_go_the_ways_of_the_picture(every: Lab) -> None:
    host = every.host()
    outside = every.outside(host)
    web, sibling, other = every.node(), every.node(), every.node()
    host.ok("bridge", "init", "dnet0", "--address", f"{_BRIDGE}/16")
    host.ok("bridge", "init", "dnet1", "--address", "172.18.42.1/16")
    host.ok("attach", "web", "--netns", web.netns, "-p", "8080:80")
    host.ok("attach", "db", "--netns", sibling.netns)
    host.ok("attach", "other", "--bridge", "dnet1", "--netns", other.netns)
    web.listen("tcp", 80, "web")
    senders = {"outside": outside, "host": host, "sibling": sibling, "itself": web, "other": other}
    for way in sorted(ways.WAYS, key=lambda one: one.stopped):
        sender, target = senders[way.origin], _TARGETS[way.target]
        if not way.stopped:
            seen = _BRIDGE if way.seen == "bridge" else _OUTSIDE
            assert f"{sender.ask('tcp', *target)}".startswith(f"web {seen}:"), way
            continue
        if way.target == "loopback":
            send_loopback_packets(sender, _HERE if sender is outside else _BRIDGE)
        sender.misses("tcp", *target)
