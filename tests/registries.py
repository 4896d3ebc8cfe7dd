"""Servers that are no etcd, or one that is not reached as it should be, for a client to survive."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Serve = Callable[[socket.socket], None]
_HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n"


@contextmanager
def serving(serve: Serve, address: str = "127.0.0.1") -> Iterator[int]:
    """The port at an address at which each connection is served so, until the test goes on.

    The listener is of the network that this thread is in.
    """
    with socket.create_server((address, 0)) as listener:
        open_ones: list[socket.socket] = []
        ended = threading.Event()

        def accept() -> None:
            with suppress(OSError):
                while not ended.is_set():
                    connection, _ = listener.accept()
                    open_ones.append(connection)
                    threading.Thread(target=one, args=(connection,), daemon=True).start()

        def one(connection: socket.socket) -> None:
            with suppress(OSError):
                serve(connection)

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            ended.set()
            for connection in open_ones:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                connection.close()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def request(connection: socket.socket) -> bytes:
    """A whole request, head and body."""
    text = b""
    while b"\r\n\r\n" not in text:
        text += connection.recv(65536)
    head, _, body = text.partition(b"\r\n\r\n")
    (length,) = (line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    while len(body) < int(length.split(b":")[1]):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def saying(text: bytes, whole: bool = False) -> Serve:
    """One answer to everything: the body of a 200, or all of it."""

    def serve(connection: socket.socket) -> None:
        request(connection)
        connection.sendall(text if whole else _HEAD + text)
        connection.close()

    return serve


def silent(connection: socket.socket) -> None:
    """Takes the question, and never says a word."""
    request(connection)


def trickling(connection: socket.socket) -> None:
    """Goes on for ever, a byte at a time."""
    request(connection)
    connection.sendall(_HEAD)
    pause = threading.Event()
    while True:
        connection.sendall(b" ")
        pause.wait(0.01)


def flooding(connection: socket.socket) -> None:
    """More than anybody could hold."""
    request(connection)
    connection.sendall(_HEAD)
    while True:
        connection.sendall(b" " * (1 << 20))


def endless_head(connection: socket.socket) -> None:
    """A head of a gigabyte."""
    request(connection)
    connection.sendall(b"HTTP/1.0 200 OK\r\n")
    while True:
        connection.sendall(b"X: y\r\n" * 10_000)


class Past:
    """Stands ahead of the real server at a port, and may say again what that has said before."""

    def __init__(self, to: int) -> None:
        self._to = to
        self.said: list[bytes] = []
        self.again: int | None = None

    def __call__(self, connection: socket.socket) -> None:
        text = request(connection)
        if self.again is None:
            self.said.append(_answered(self._to, text))
        connection.sendall(self.said[-1 if self.again is None else self.again])
        connection.close()


def _answered(to: int, text: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", to)) as server:
        server.sendall(text)
        answer = b""
        while piece := server.recv(65536):
            answer += piece
    return answer


class Late:
    """Stands ahead of the real server at a port, and answers in its own good time."""

    def __init__(self, to: int, seconds: float = 0.0) -> None:
        self._to, self.seconds = to, seconds

    def __call__(self, connection: socket.socket) -> None:
        text = request(connection)
        threading.Event().wait(self.seconds)
        connection.sendall(_answered(self._to, text))
        connection.close()


def forwarding(to: int, lose: Callable[[bytes], bool]) -> Serve:
    """What stands ahead of the real server at a port, and loses the answers to some requests."""

    def serve(connection: socket.socket) -> None:
        text = request(connection)
        answer = _answered(to, text)
        if not lose(text):
            connection.sendall(answer)
        connection.close()

    return serve
