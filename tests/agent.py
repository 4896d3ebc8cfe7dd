"""The processes that listen and connect, each inside one network namespace of a test.

One reads a JSON request a line and answers each with one JSON line, so that a test may hold
any number of servers and open connections in a namespace without starting a process for each.
A question is a number, and a server answers with that, its own name and the client address it
saw: `7 web 10.0.0.2:4711`. It ends when its socket does, that is with the test itself.

All of them are forked from the one that is started, which takes a fraction of the time. Over its
standard input, a socket, that one is given another socket with the namespace to enter and the
first port of an agent, and answers with its process; or a process that is about to end, and
answers once it has.

The connections of an agent come from ports in order, from its first one. Two that came
from the same one, whether of this namespace or behind the same address, would perhaps be one
to the container that they are for: of a mapped range the kernel then chooses another port.

It runs with `python -I -S`: the standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import json
import os
import select
import selectors
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

Request = dict[str, Any]
KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
# A UDP question is repeated, because nobody else does it where a packet is lost.
UDP_REPEAT_SECONDS = 0.25
CLONE_NEWNET = 0x40000000
_numbers = itertools.count()


def family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def answer_to(asked: bytes, name: str, peer: tuple[str, int]) -> bytes:
    seen = peer[0].removeprefix("::ffff:")  # An IPv4 client of a server of both families.
    return b"%s %s" % (asked, f"{name} {seen}:{peer[1]}".encode())


class Servers(threading.Thread):
    """Every listening socket of the namespace, served by one thread."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.selector = selectors.DefaultSelector()
        self.sockets: dict[tuple[str, str, int], socket.socket] = {}
        self.connections: set[socket.socket] = set()

    def listen(self, proto: str, address: str, port: int, name: str) -> None:
        listener = socket.socket(family(address), KINDS[proto])
        try:
            if proto == "tcp":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
            if proto == "tcp":
                listener.listen(64)
        except OSError:
            listener.close()
            raise
        self.sockets[proto, address, port] = listener
        self.selector.register(listener, selectors.EVENT_READ, (proto, name))

    def close(self, proto: str, address: str, port: int) -> None:
        listener = self.sockets.pop((proto, address, port))
        self.selector.unregister(listener)
        listener.close()

    def run(self) -> None:
        while True:
            for key, _ in self.selector.select():
                with contextlib.suppress(OSError):
                    self.serve(key.fileobj, *key.data)  # type: ignore[arg-type]

    def serve(self, ready: socket.socket, kind: str, name: str) -> None:
        if kind == "tcp":
            connection, _ = ready.accept()
            self.connections.add(connection)
            self.selector.register(connection, selectors.EVENT_READ, ("connection", name))
        elif kind == "udp":
            asked, peer = ready.recvfrom(2048)
            ready.sendto(answer_to(asked, name, peer), peer)
        else:
            self.answer(ready, name)

    def answer(self, connection: socket.socket, name: str) -> None:
        try:
            asked = connection.recv(2048)
            if asked:
                connection.sendall(answer_to(asked, name, connection.getpeername()))
        except OSError:
            asked = b""
        if not asked:
            self.selector.unregister(connection)
            self.connections.discard(connection)
            connection.close()

    def tell(self) -> None:
        for connection in tuple(self.connections):
            connection.sendall(b"unasked")


def question(client: socket.socket, proto: str, seconds: float) -> str | None:
    """What the other end answers on a connected socket within `seconds`, None for nothing.

    The second answer to a question that was repeated is none to the next question.
    """
    deadline, number = time.monotonic() + seconds, str(next(_numbers))
    while (left := deadline - time.monotonic()) > 0:
        try:
            client.send(number.encode())
            client.settimeout(left if proto == "tcp" else min(left, UDP_REPEAT_SECONDS))
            answered, _, answer = client.recv(2048).decode().partition(" ")
        except TimeoutError:
            continue
        except OSError:
            return None
        if answered in ("", number):
            return answer or None
    return None


class Agent:
    """One method a request; each returns what goes into the answer."""

    def __init__(self, first_port: int) -> None:
        self.servers = Servers()
        self.servers.start()
        self.ports = itertools.count(first_port)
        self.flows: dict[int, tuple[str, socket.socket]] = {}

    def listen(self, proto: str, address: str, port: int, name: str) -> None:
        self.servers.listen(proto, address, port, name)

    def unlisten(self, proto: str, address: str, port: int) -> None:
        self.servers.close(proto, address, port)

    def bound(self, proto: str, address: str, source: list[Any] | None) -> socket.socket:
        """An unconnected socket, bound to `source`, or to a port that no other one had."""
        client = socket.socket(family(address), KINDS[proto])
        try:
            if source:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                client.bind((source[0], source[1]))
            else:
                client.bind(("", next(self.ports)))
            return client
        except OSError:
            client.close()
            raise

    def open(
        self, proto: str, address: str, port: int, source: list[Any] | None, seconds: float
    ) -> int | None:
        """A number for a connected socket, or None where nobody let it connect."""
        client = self.bound(proto, address, source)
        client.settimeout(seconds)
        try:
            # The plain pair would lose the device of a link-local address.
            client.connect(socket.getaddrinfo(address, port, type=client.type)[0][4])
        except OSError:
            client.close()
            return None
        flow = client.fileno()
        self.flows[flow] = (proto, client)
        return flow

    def say(self, flow: int, seconds: float) -> str | None:
        proto, client = self.flows[flow]
        return question(client, proto, seconds)

    def tell(self) -> None:
        self.servers.tell()

    def hear(self, flow: int, seconds: float) -> str | None:
        client = self.flows[flow][1]
        client.settimeout(seconds)
        try:
            return client.recv(2048).decode()
        except OSError:
            return None

    def close(self, flow: int) -> None:
        self.flows.pop(flow)[1].close()

    def ask(
        self, proto: str, address: str, port: int, source: list[Any] | None, seconds: float
    ) -> str | None:
        flow = self.open(proto, address, port, source, seconds)
        if flow is None:
            return None
        try:
            return self.say(flow, seconds)
        finally:
            self.close(flow)

    def do(self, request: Request) -> Any:
        return getattr(self, request.pop("do"))(**request)

    def together(self, requests: list[Request]) -> list[Any]:
        with ThreadPoolExecutor(len(requests) or 1) as pool:
            return list(pool.map(self.do, requests))


def serve(connection: socket.socket, netns: str, first_port: int) -> None:
    """Be an agent until nobody asks any more."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(netns) as namespace:
        if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns", netns)
    agent = Agent(first_port)
    with connection.makefile("rw") as stream:
        for line in stream:
            request = json.loads(line)
            try:
                answer = {"result": agent.do(request)}
            except OSError as error:
                answer = {"error": f"{error} ({request})"}
            print(json.dumps(answer), file=stream, flush=True)


def forked(parent: socket.socket, file: int, netns: str, first_port: int) -> int:
    """The process of a new agent."""
    pid = os.fork()
    if not pid:
        try:
            parent.close()
            serve(socket.socket(fileno=file), netns, first_port)
            os._exit(0)
        finally:
            os._exit(1)
    os.close(file)
    return pid


def wait_for(pid: int, seconds: float) -> int:
    """Let an agent end, and kill one that does not within some seconds; its process."""
    watched = os.pidfd_open(pid)
    if not select.select([watched], [], [], seconds)[0]:
        os.kill(pid, signal.SIGKILL)
    os.close(watched)
    os.waitpid(pid, 0)
    return pid


def main() -> None:
    with socket.socket(fileno=0) as parent:
        while True:
            text, files, _, _ = socket.recv_fds(parent, 4096, 1)
            if not text:
                break
            asked = json.loads(text)
            pid = forked(parent, files[0], *asked) if files else wait_for(*asked)
            parent.send(json.dumps(pid).encode())


if __name__ == "__main__":
    main()
