"""SCTP by real packets: what is published answers, in both families."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count

from tests import sctp
from tests.lab import Lab
from tests.node import Node

HERE, HERE6 = "10.99.0.1", "2001:db8:99::1"
ALL = [*range(7000, 7010), 80, 81]
_sources = count(40000)


@contextmanager
def serving(node: Node, name: str) -> Iterator[None]:
    """Answers in both families, as soon as the first answer is there."""
    ports = map(str, ALL)
    words = [sys.executable, "-I", "-S", sctp.__file__, "serve", name]
    rest = list(ports)
    with ExitStack() as stack:
        started = [stack.enter_context(node.started(*words, ip, *rest)) for ip in ("0.0.0.0", "::")]
        for ip in ("127.0.0.1", "::1"):
            while not asked(node, ip, 80):
                assert all(one.poll() is None for one in started)
        yield
        for one in started:
            one.kill()


def asked(node: Node, ip: str, port: int) -> str:
    """The answer, without the port of who asked: on lo a raw socket hears itself, too."""
    words = [sys.executable, "-I", "-S", sctp.__file__, "ask", ip, str(port), str(next(_sources))]
    return node.run(*words).strip().rpartition(":")[0]


def test_sctp_answers_where_it_is_published(every: Lab) -> None:
    host = every.host()
    client, web, sibling = every.outside(host), every.node(), every.node()
    host.ip(f"address add {HERE6}/64 dev eth0 nodad")
    client.ip("address add 2001:db8:99::2/64 dev eth0 nodad")
    init = "bridge init dnet0 --address 172.17.42.1/16 --address6 fd00:17::1/64 --no-icc"
    host.ok(*init.split())
    ports = ("-p", "8080:80/sctp", "-p", "9000-9009:7000-7009/sctp")
    host.ok("attach", "web", "--netns", web.netns, *ports)
    host.ok("attach", "sibling", "--netns", sibling.netns)
    with serving(web, "web"):
        for port in (8080, 9000, 9005, 9009):
            assert asked(client, HERE, port) == "web 10.99.0.2"
            assert asked(client, HERE6, port) == "web 2001:db8:99::2"
        assert asked(host, "127.0.0.1", 8080) == "web 172.17.42.1"
        assert asked(sibling, HERE, 8080) == "web 172.17.42.1"
        assert asked(web, HERE6, 8080) == "web fd00:17::1"
        if host.variant == "nftables":
            assert asked(host, "::1", 8080) == "web fd00:17::1"
        assert asked(sibling, "172.17.0.2", 81) == ""
        host.ok("link", "add", "sibling", "web", "-p", "81/sctp")
        assert asked(sibling, "172.17.0.2", 81) == "web 172.17.0.3"
        assert asked(sibling, "fd00:17::2", 81) == "web fd00:17::3"
        assert asked(sibling, "172.17.0.2", 80) == ""
        host.ok("map", "remove", "8080/sctp", "[::]:8080/sctp")
        assert asked(client, HERE, 8080) == asked(client, HERE6, 8080) == ""
    host.quiet("check")
