"""The text of the store: one JSON document, a line for each part, under a checksum."""

from __future__ import annotations

from collections.abc import Callable
from zlib import crc32

from dnet.errors import ForeignStateError, StateUnreadableError
from dnet.model import fields
from dnet.model.state import State
from dnet.typing import Any
from dnet.values.jsontext import dumps, loads

_CHECKSUM = '{"checksum": "%08x",\n'
_CHECKSUM_LENGTH = len(_CHECKSUM % 0)


def write(state: State) -> str:
    """The text of a state."""
    parts = (f"{dumps(key)}: {dumps(value)}" for key, value in state.document().items())
    body = ",\n".join(parts) + "}\n"
    return _CHECKSUM % crc32(body.encode()) + body


def read(data: bytes) -> State:
    """The state that a text stands for; one that dnet did not write itself is examined first.

    Raises ValueError, RecursionError, StateUnreadableError; ForeignStateError for a newer one.
    """
    text = data.decode(errors="surrogateescape")
    if _is_edited(data):
        return State(_examined(text))
    document = loads(text)
    _refuse_newer(document)
    if unknown := fields.unknown(document):
        raise _newer(f"{unknown} is unknown")
    return State(document)


def _is_edited(data: bytes) -> bool:
    # A view, for a store of ten thousand mappings takes as long to copy as to sum up.
    sum_of_body = crc32(memoryview(data)[_CHECKSUM_LENGTH:])
    return data[:_CHECKSUM_LENGTH] != (_CHECKSUM % sum_of_body).encode()


def _examined(text: str) -> dict[str, Any]:
    from dnet.store import integrity

    document: dict[str, Any] = _parsed(text, integrity.unique)
    _refuse_newer(document)
    integrity.verify(document)
    return document


def _parsed(text: str, unique: Callable[[list[tuple[str, Any]]], Any]) -> Any:
    """The document in a text. Raises StateUnreadableError with where it is damaged, and how."""
    import json

    if not text.strip("\0"):
        raise StateUnreadableError(
            f"damaged: the file {'contains only zero bytes' if text else 'is empty'}"
        )
    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise StateUnreadableError(f"damaged at {where}") from None
    except RecursionError:
        raise StateUnreadableError("damaged: it is nested too deeply") from None
    except ValueError:  # int() takes no more than sys.get_int_max_str_digits.
        raise StateUnreadableError("damaged: a number has too many digits") from None


def _refuse_newer(document: object) -> None:
    version = document.get("schema") if isinstance(document, dict) else None
    if type(version) is int and version > fields.SCHEMA:
        raise _newer(f"schema {version}, not {fields.SCHEMA}")


def _newer(why: str) -> ForeignStateError:
    return ForeignStateError(
        f"it is from a newer version of dnet ({why})", "use the version that wrote it"
    )
