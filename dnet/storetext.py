"""The text of the store: one JSON document, a line for each part, under a checksum."""

from __future__ import annotations

import json
from typing import Any
from zlib import crc32

from dnet.errors import ForeignStateError
from dnet.state import SCHEMA, State

_CHECKSUM = '{"checksum": "%08x",\n'
_CHECKSUM_LENGTH = len(_CHECKSUM % 0)


def write(state: State) -> str:
    """The text of a state."""
    parts = (f"{json.dumps(key)}: {json.dumps(value)}" for key, value in state.document().items())
    body = ",\n".join(parts) + "}\n"
    return _CHECKSUM % crc32(body.encode()) + body


def read(text: str) -> State:
    """The state of a text; one that dnet did not write itself is examined first.

    Raises ValueError, RecursionError, StateUnreadableError.
    """
    if _is_edited(text):
        return State(_examined(text))
    document = json.loads(text)
    _refuse_newer(document)
    return State(document)


def _is_edited(text: str) -> bool:
    body = text[_CHECKSUM_LENGTH:].encode(errors="surrogateescape")
    return text[:_CHECKSUM_LENGTH] != _CHECKSUM % crc32(body)


def _examined(text: str) -> dict[str, Any]:
    from dnet import integrity

    document: dict[str, Any] = json.loads(text, object_pairs_hook=integrity.unique)
    _refuse_newer(document)
    integrity.verify(document)
    return document


def _refuse_newer(document: object) -> None:
    version = document.get("schema") if isinstance(document, dict) else None
    if type(version) is int and version > SCHEMA:
        raise ForeignStateError(
            f"it is from a newer version of dnet (schema {version}, not {SCHEMA})",
            "use the version that wrote it",
        )
