"""Hosts that etcd registers: its keys and values, and transactions on them.

Source: https://etcd.io/docs/v3.4/dev-guide/api_reference_v3/.
"""

from __future__ import annotations

from binascii import Error, a2b_base64, b2a_base64
from collections.abc import Callable, Iterator, Mapping

from dnet.errors import NoAnswerError, NotFoundError, StoreUnreachableError
from dnet.hosts import entries, record
from dnet.hosts.entries import Entry, View, Write
from dnet.hosts.place import Place
from dnet.hosts.record import Claim, Credentials, HostRecord, Roster
from dnet.registry.gateway import Gateway, Members, members
from dnet.typing import TypeVar
from dnet.values.names import quoted

T = TypeVar("T")

_MOST_LOST, _MOST_TRIES = 3, 50
_KEYS = b'"kvs"'
_GARBLED = "etcd's answer cannot be understood"


class Etcd:
    """The registry that is a prefix of the keys of etcd."""

    def __init__(self, place: Place, credentials: Credentials) -> None:
        self._gateway = Gateway(place, credentials)
        self._prefix = f"{place.path}/"
        # All that begin with the prefix: up to the one after its last character.
        self._range = {
            "key": _encoded(self._prefix),
            "range_end": _encoded(place.path + chr(ord("/") + 1)),
        }

    def read(self, fresh: bool = False) -> Roster:
        """All that is registered; without `fresh`, as any one of the members knows it."""
        return self._roster(*self._looked(fresh))

    def news(self, digest: str, fresh: bool = False) -> Roster | None:
        """The same; None where it is what it was, of which nothing is read then."""
        found, answer = self._looked(fresh, digest)
        return None if found == digest else self._roster(found, answer)

    def join(self, claim: Claim) -> HostRecord:
        """Registers a host, or finds what it has registered before."""
        return self._settled(lambda view, tries: entries.joining(view, claim, tries))

    def leave(self, name: str, token: str) -> bool:
        """Takes back what a host registered; False where nothing of it was there."""

        def decided(view: View, tries: int) -> Write | bool:
            return entries.leaving(view, name, token) or bool(tries)

        return self._settled(decided)

    def remove(self, name: str) -> None:
        """Takes a host out, and keeps its block back."""

        def decided(view: View, tries: int) -> Write | None:
            try:
                return entries.removing(view, name)
            except NotFoundError:
                if not tries:
                    raise
                return None

        self._settled(decided)

    def watch(self, after: int) -> Iterator[int]:
        """The revision of each change after one, and of what has been forgotten since."""
        while True:
            create = {**self._range, "start_revision": after + 1}
            for part in self._gateway.stream("/v3/watch", {"create_request": create}):
                result = _object(part.get("result"))
                forgotten = _number(result.get("compact_revision", 0))
                if forgotten:
                    after = forgotten - 1
                    break
                if result.get("canceled") or not result:
                    said = _object(part.get("error")).get("message") or result.get("cancel_reason")
                    raise StoreUnreachableError(f"etcd ends the watch: {quoted(str(said))}")
                if result.get("events"):
                    after = _number(_object(result.get("header")).get("revision"))
                    yield after
            else:
                raise NoAnswerError("etcd ended the connection of the watch")

    def _settled(self, decide: Callable[[View, int], Write | T]) -> T:
        """What is decided once nothing is left to write; each try rests on a look at what is there.

        What was asked for and not answered may have been done: the next look tells.
        """
        lost = 0
        view = self._view()
        for tries in range(_MOST_TRIES):
            found = decide(view, tries)
            if not isinstance(found, Write):
                return found
            try:
                view, is_written = self._written(found, view)
            except NoAnswerError:
                lost += 1
                if lost == _MOST_LOST:
                    raise
                view = self._view()
                continue
            if not is_written:
                self._gateway.patience.renew()  # It does answer; others were faster.
        raise StoreUnreachableError(
            "other hosts keep changing etcd", "try again later, with fewer hosts at once"
        )

    def _roster(self, digest: str, answer: Members) -> Roster:
        return entries.roster(self._viewed(answer))._replace(digest=digest)

    def _view(self) -> View:
        _, answer = self._looked(fresh=True)
        return self._viewed(answer)

    def _looked(self, fresh: bool, known: str = "") -> tuple[str, Members]:
        """All keys, with the digest of them; nothing but that where it is `known`."""
        body = {**self._range, "serializable": not fresh}

        def read(text: bytes) -> tuple[str, Members]:
            # Ahead of the keys are the revision, and which of the members has answered.
            _, there, keys = text.partition(_KEYS)
            found = record.digest(keys if there else text)
            return found, {} if found == known else members(text)

        return self._gateway.call("/v3/kv/range", body, read, alone=not fresh)

    def _viewed(self, answer: Members) -> View:
        found = {}
        for one in _objects(answer.get("kvs", [])):
            key = _decoded(one.get("key"))
            if not key.startswith(self._prefix):
                raise StoreUnreachableError(_GARBLED)
            entry = Entry(_decoded(one.get("value", "")), _number(one.get("mod_revision")))
            found[key.removeprefix(self._prefix)] = entry
        return View(_revision(answer), found)

    def _written(self, write: Write, view: View) -> tuple[View, bool]:
        """What is there once a write was done; or, where it was not, what has changed before."""
        compare = [
            {"key": self._key(key), "target": "MOD", "mod_revision": revision}
            for key, revision in write.seen.items()
        ]
        puts = [
            {"request_put": {"key": self._key(key), "value": _encoded(value)}}
            for key, value in write.put.items()
        ]
        deletes = [{"request_delete_range": {"key": self._key(key)}} for key in write.delete]
        look = [{"request_range": self._range}]
        body = {"compare": compare, "success": [*puts, *deletes], "failure": look}
        answer = self._gateway.call("/v3/kv/txn", body, members)
        if answer.get("succeeded") is True:
            return view.after(write, _revision(answer)), True
        for looked in _objects(answer.get("responses", [])):
            return self._viewed(_object(looked.get("response_range"))), False
        raise StoreUnreachableError(_GARBLED)

    def _key(self, key: str) -> str:
        return _encoded(self._prefix + key)


def _encoded(text: str) -> str:
    return b2a_base64(text.encode(errors="surrogateescape"), newline=False).decode()


def _decoded(value: object) -> str:
    if not isinstance(value, str):
        raise StoreUnreachableError(_GARBLED)
    try:
        return a2b_base64(value).decode(errors="surrogateescape")
    except (Error, ValueError):
        raise StoreUnreachableError(_GARBLED) from None


def _revision(answer: Members) -> int:
    return _number(_object(answer.get("header")).get("revision"))


def _number(value: object) -> int:
    """A number of 64 bits, which JSON has as a text."""
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise StoreUnreachableError(_GARBLED)
    return int(text)


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> Iterator[Mapping[str, object]]:
    if not isinstance(value, list):
        raise StoreUnreachableError(_GARBLED)
    return map(_object, value)
