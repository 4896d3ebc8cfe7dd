"""etcd's JSON gateway: a question to one of several endpoints, in their order, by the clock.

Source: https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from dnet.errors import DnetError, NoAnswerError, StoreUnreachableError, UsageError
from dnet.hosts.place import ETCDS, Endpoint, Place
from dnet.hosts.record import Credentials
from dnet.registry import files, http
from dnet.registry.http import Answer, Deadline, LateError, Patience, Question, SilentError
from dnet.typing import TYPE_CHECKING, TypeVar
from dnet.values import jsontext
from dnet.values.names import quoted

if TYPE_CHECKING:
    import ssl

T = TypeVar("T")
Members = Mapping[str, object]

SECONDS = 2.5  # All questions to all endpoints together; three are promised for a command.
_MOST_SECRET = 1 << 16

# One that has no leader then says so at once, where it would try for seconds.
_LEADER = "Grpc-Metadata-hasleader: true"
_OK, _FULL, _NOT_FOUND, _LATE, _FAULTS = 200, 429, 404, 408, 500
_NO_LEADER = "it has no leader, because too few of its members reach each other"


class Gateway:
    """The endpoints of one etcd.

    All raise StoreUnreachableError: NoAnswerError where what was asked for may have been done.
    """

    def __init__(self, place: Place, credentials: Credentials) -> None:
        """Raises PermissionDeniedError for secrets that others can read, UsageError."""
        self._endpoints = list(place.endpoints)
        self._login = _login(place, credentials.user) if credentials.user else None
        self._tls = _context(credentials) if place.scheme == ETCDS else None
        self._tokens: dict[Endpoint, str] = {}
        self.patience = Patience(SECONDS)

    def call(self, path: str, body: Members, read: Callable[[bytes], T], alone: bool = False) -> T:
        """What is read of the first answer; see `members`.

        `alone` for what one can answer that does not reach the others.
        """
        question = _question(path, body, *() if alone else (_LEADER,))
        with self.patience.asking() as deadline:
            return self._first(deadline, lambda *at: read(self._whole(question, *at)))

    def stream(self, path: str, body: Members) -> Iterator[Members]:
        """Each line of an answer that has no end, until the connection ends."""
        question = _question(path, body, _LEADER)
        with self._first(Deadline(SECONDS), lambda *at: self._begun(question, *at)) as answer:
            try:
                yield from map(members, answer.lines())
            except SilentError as error:
                raise NoAnswerError(f"etcd does not answer: {error}") from None

    def _first(self, deadline: Deadline, ask: Callable[[Endpoint, Deadline], T]) -> T:
        """What the first of the endpoints comes to, each with its share of the time.

        What the others have left over goes to those that were late.
        """
        silent: dict[Endpoint, str] = {}
        asked = self._endpoints
        while asked:
            late = []
            for at, endpoint in enumerate(asked):
                try:
                    found = ask(endpoint, deadline.part(len(asked) - at))
                except SilentError as error:
                    silent[endpoint] = str(error)
                    if isinstance(error, LateError) and not deadline.is_over:
                        late.append(endpoint)
                    continue
                self._endpoints.sort(key=lambda one: one in silent and one != endpoint)
                return found
            asked = late
        why = "; ".join(f"{endpoint}: {reason}" for endpoint, reason in silent.items())
        raise NoAnswerError(
            f"etcd cannot be reached: {why}", "this host keeps working; try again later"
        )

    def _whole(self, question: Question, endpoint: Endpoint, deadline: Deadline) -> bytes:
        with self._begun(question, endpoint, deadline) as answer:
            return answer.whole()

    def _begun(self, question: Question, endpoint: Endpoint, deadline: Deadline) -> Answer:
        """The answer of an endpoint, which is not that it cannot or will not."""
        if self._login is not None and endpoint not in self._tokens:
            login = _question("/v3/auth/authenticate", self._login)
            with self._asked(login, endpoint, deadline) as answer:
                self._tokens[endpoint] = _header(members(answer.whole()).get("token"))
        token = self._tokens.get(endpoint)
        if token is not None:
            question = question._replace(headers=(*question.headers, f"Authorization: {token}"))
        return self._asked(question, endpoint, deadline)

    def _asked(self, question: Question, endpoint: Endpoint, deadline: Deadline) -> Answer:
        answer = http.ask(endpoint, self._tls, question, deadline)
        if answer.status == _OK:
            return answer
        with answer:
            raise _refusal(endpoint, answer.status, _said(answer.whole()))


def _question(path: str, body: Members, *headers: str) -> Question:
    return Question(path, jsontext.dumps(body).encode(), headers)


def _refusal(endpoint: Endpoint, status: int, said: str) -> DnetError | SilentError:
    """What an endpoint's answer other than the one that was asked for comes to.

    The statuses are grpc-gateway's for the codes of etcd's api/v3rpc/rpctypes/error.go.
    """
    if "no leader" in said:
        return SilentError(_NO_LEADER)
    if status == _FULL:
        return StoreUnreachableError(
            f"the store of etcd at {endpoint} is full",
            "make room: etcdctl compact, etcdctl defrag, then etcdctl alarm disarm",
        )
    if status == _NOT_FOUND:
        return SilentError("does not speak etcd's v3 API")
    if status == _LATE or status >= _FAULTS:
        return SilentError(f"answers {status} {said}".rstrip())
    return StoreUnreachableError(
        f"etcd refuses, says {endpoint}: {said or status}",
        "check the user, its password, what its role may read and write, and the certificates",
    )


def _said(body: bytes) -> str:
    """What an answer says is wrong, as far as it says it in etcd's way, of 3.4 or of 3.5."""
    try:
        answer = members(body)
    except SilentError:
        return ""
    said = str(answer.get("error") or answer.get("message") or "")
    return quoted(said.removeprefix("etcdserver: "))


def members(text: bytes) -> Members:
    """The members of the JSON object that an answer is. Raises SilentError."""
    try:
        found = jsontext.loads(text.decode())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise SilentError("its answer is not etcd's")
    return found


def _header(token: object) -> str:
    """A text that can stand in a line of a head."""
    if not isinstance(token, str) or not (token.isascii() and token.isprintable() and token):
        raise SilentError("its answer is not etcd's")
    return token


def _login(place: Place, path: str) -> Members:
    """Who to log in as. Raises UsageError where others could listen."""
    if place.scheme != ETCDS and not all(one.is_loopback for one in place.endpoints):
        raise UsageError(
            f"the password would be sent to {place} unencrypted", "use etcds://, which is TLS"
        )
    user, colon, password = files.secret(path, _MOST_SECRET).rstrip("\r\n").partition(":")
    if not (user and colon):
        raise StoreUnreachableError(f"{path} is not one line USER:PASSWORD")
    return {"name": user, "password": password}


def _context(credentials: Credentials) -> ssl.SSLContext:
    """TLS with the certificates of files, which verifies the name of the other end."""
    import ssl

    named = [one for one in (credentials.ca, credentials.cert, credentials.key) if one]
    try:
        context = ssl.create_default_context(cafile=credentials.ca or None)
        if credentials.cert:
            key = credentials.key or credentials.cert
            files.secret(key, _MOST_SECRET)
            # Nobody is asked for what a key is encrypted with.
            context.load_cert_chain(credentials.cert, key, password=bytes)
    except OSError as error:
        why = getattr(error, "reason", None) or error.strerror
        raise StoreUnreachableError(
            f"cannot use {' with '.join(named)}: {str(why).replace('_', ' ').lower()}",
            "they are files in PEM form, and the key is one without a password",
        ) from None
    return context
