"""One question over HTTP, by the clock: HTTP/1.0, which is never answered in chunks (RFC 1945)."""

from __future__ import annotations

import _socket  # Under `socket`, and loaded in a thirtieth of its time.
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import TracebackType

from dnet.errors import out_of_files
from dnet.hosts.place import Endpoint
from dnet.typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    import ssl

MOST_BYTES = 64 << 20  # Twice of what the largest pool comes to.
_MOST_HEAD = 16 << 10
_PIECE = 1 << 18
_MOST_ADDRESSES = 3
_LATE = "no answer in time"
_NO_HTTP = "does not speak HTTP"
# Whether the other end is there still is asked after ten seconds of silence, three times; tcp(7).
_KEEP_ALIVE = ((_socket.TCP_KEEPIDLE, 10), (_socket.TCP_KEEPINTVL, 5), (_socket.TCP_KEEPCNT, 3))


class SilentError(Exception):
    """An endpoint does not answer, or not in a way that could be understood; says why in words."""


class LateError(SilentError):
    """It has not answered in time, and may do so yet."""


class Deadline:
    """The moment until which all of something has to be done."""

    def __init__(self, seconds: float) -> None:
        self._end = monotonic() + seconds

    def left(self) -> float:
        """The seconds until then. Raises LateError where there are none."""
        left = self._end - monotonic()
        if left <= 0:
            raise LateError(_LATE)
        return left

    @property
    def is_over(self) -> bool:
        """Whether there are none."""
        return monotonic() >= self._end

    def part(self, of: int) -> Deadline:
        """An equal part of what is left, for the first of so many."""
        return Deadline(self.left() / of)


class Patience:
    """The seconds that all questions of a command have together, however long it does else."""

    def __init__(self, seconds: float) -> None:
        self._seconds = self._left = seconds

    def renew(self) -> None:
        """Begin anew, where an answer has shown that all is well."""
        self._left = self._seconds

    @contextmanager
    def asking(self) -> Iterator[Deadline]:
        """Until when a question has to be answered."""
        begun = monotonic()
        try:
            yield Deadline(self._left)
        finally:
            self._left -= monotonic() - begun


class Question(NamedTuple):
    """What is posted to an endpoint; `headers` are whole lines."""

    path: str
    body: bytes
    headers: tuple[str, ...] = ()

    def text(self, endpoint: Endpoint) -> bytes:
        """The question as it is sent."""
        lines = (
            f"POST {self.path} HTTP/1.0",
            f"Host: {endpoint}",
            "Content-Type: application/json",
            f"Content-Length: {len(self.body)}",
            *self.headers,
        )
        return "\r\n".join((*lines, "", "")).encode() + self.body


class Answer:
    """An answer whose head has come; a context manager that ends the connection.

    Raises SilentError throughout.
    """

    def __init__(self, connection: _socket.socket, deadline: Deadline) -> None:
        self._connection = connection
        self._deadline: Deadline | None = deadline
        self._rest = b""
        while b"\r\n\r\n" not in self._rest:
            piece = self._piece()
            self._rest += piece
            if len(self._rest) > _MOST_HEAD + _PIECE or not piece:
                raise SilentError(_NO_HTTP)
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        version, _, status = head.partition(b"\r\n")[0].partition(b" ")
        if not version.startswith(b"HTTP/1.") or not status[:3].isdigit():
            raise SilentError(_NO_HTTP)
        self.status = int(status[:3])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._connection.close()

    def whole(self) -> bytes:
        """All of it, up to the end of the connection."""
        pieces, length = [self._rest], len(self._rest)
        while piece := self._piece():
            pieces.append(piece)
            length += len(piece)
            _bounded(length)
        return b"".join(pieces)

    def lines(self) -> Iterator[bytes]:
        """Its lines as they come: the first within the time, the others however long that takes."""
        self._connection.setsockopt(_socket.SOL_SOCKET, _socket.SO_KEEPALIVE, 1)
        for option, value in _KEEP_ALIVE:
            self._connection.setsockopt(_socket.IPPROTO_TCP, option, value)
        begun, length, piece = list[bytes](), 0, self._rest
        while True:
            *ended, rest = piece.split(b"\n")
            for line in ended:
                self._deadline = None
                yield b"".join([*begun, line])
                begun, length = [], 0
            begun.append(rest)
            length += len(rest)
            _bounded(length)
            piece = self._piece()
            if not piece:
                return

    def _piece(self) -> bytes:
        """What comes next within the time; nothing at the end."""
        if self._deadline is None:
            self._connection.settimeout(None)
        else:
            self._connection.settimeout(self._deadline.left())
        with _in_words():
            return self._connection.recv(_PIECE)


def _bounded(length: int) -> None:
    if length > MOST_BYTES:
        raise SilentError("its answer is too long")


def ask(
    endpoint: Endpoint, tls: ssl.SSLContext | None, question: Question, deadline: Deadline
) -> Answer:
    """Post to an endpoint. Raises SilentError."""
    connection = _connected(endpoint, deadline)
    try:
        if tls is not None:
            connection.settimeout(deadline.left())
            with _in_words():
                connection = _wrapped(connection, tls, endpoint.host)
        connection.settimeout(deadline.left())
        with _in_words():
            connection.sendall(question.text(endpoint))
        return Answer(connection, deadline)
    except BaseException:
        connection.close()
        raise


def _wrapped(plain: _socket.socket, tls: ssl.SSLContext, name: str) -> _socket.socket:
    import socket  # Loaded by ssl anyway.

    seconds = plain.gettimeout()
    with socket.socket(fileno=plain.detach()) as whole:
        whole.settimeout(seconds)
        return tls.wrap_socket(whole, server_hostname=name)


_Address = tuple[int, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]


def _connected(endpoint: Endpoint, deadline: Deadline) -> _socket.socket:
    addresses = _resolved(endpoint, deadline)[:_MOST_ADDRESSES]
    why = SilentError("its name has no address")
    for at, (family, address) in enumerate(addresses):
        own = deadline.part(len(addresses) - at)
        with _in_words():
            connection = _socket.socket(family, _socket.SOCK_STREAM)
        try:
            connection.settimeout(own.left())
            with _in_words():
                connection.connect(address)
            return connection
        except SilentError as error:
            connection.close()
            why = error
        except BaseException:
            connection.close()
            raise
    raise why


def _resolved(endpoint: Endpoint, deadline: Deadline) -> list[_Address]:
    """Where an endpoint is. A name is looked up beside, as nothing else can end that in time.

    It is given as bytes, for which no codec of international names is loaded.
    """
    found: list[_Address] = []
    wrong: list[OSError] = []

    def resolve(flags: int = 0) -> None:
        try:
            there = _socket.getaddrinfo(
                endpoint.host.encode(), endpoint.port, type=_socket.SOCK_STREAM, flags=flags
            )
        except OSError as error:
            wrong.append(error)
        else:
            found.extend((int(one[0]), one[4]) for one in there)

    resolve(_socket.AI_NUMERICHOST)
    if not found:
        from threading import Thread

        wrong.clear()
        thread = Thread(target=resolve, daemon=True)
        thread.start()
        thread.join(deadline.left())
        if thread.is_alive():
            raise LateError("its name is not resolved in time")
    if wrong:
        raise SilentError(f"its name is not known ({wrong[0].strerror})")
    return found


@contextmanager
def _in_words() -> Iterator[None]:
    """What a socket raises, as the reason why an endpoint is silent."""
    try:
        yield
    except OSError as error:
        late = LateError(_LATE) if isinstance(error, TimeoutError) else None
        raise out_of_files(error) or late or SilentError(_words(error)) from None


def _words(error: OSError) -> str:
    verified = getattr(error, "verify_message", "")  # ssl.SSLCertVerificationError
    if verified:
        return f"its certificate is not trusted: {verified.rstrip('.')}"
    reason = getattr(error, "reason", None)  # ssl.SSLError
    if reason:
        return f"TLS failed: {str(reason).replace('_', ' ').lower()}"
    return (error.strerror or str(error)).lower()
