"""The text of the store: one JSON document, a line for each part, under a checksum."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from zlib import crc32

from dnet.errors import ForeignStateError, StateUnreadableError
from dnet.model import fields
from dnet.model.state import TABLES_OF_BRIDGES, State
from dnet.model.table import Raw
from dnet.typing import TYPE_CHECKING, Any
from dnet.values.jsontext import dumps, loads

if TYPE_CHECKING:
    _Piece = bytes | memoryview

_CHECKSUM = '{"checksum": "%08x",\n'
_CHECKSUM_LENGTH = len(_CHECKSUM % 0)
_NOWHERE = slice(0, 0)


def write(state: State) -> bytes:
    """The text of a state.

    Of a table that only grew what was read is taken over: ten thousand rows are not put into words
    because one comes.
    """
    pieces, checksum = list(_body(state)), 0
    for piece in pieces:
        checksum = crc32(piece, checksum)
    return b"".join([(_CHECKSUM % checksum).encode(), *pieces])


def _body(state: State) -> Iterator[_Piece]:
    lines, separator = _lines(state.text), ""
    for part, value in state.document().items():
        name = f"{dumps(part)}: ".encode()
        yield separator.encode() + name
        line = lines.get(name, _NOWHERE)
        if part in TABLES_OF_BRIDGES:
            yield from _of_bridges(state, part, value, line)
        else:
            yield from _value(value, state.appended(part), memoryview(state.text)[line])
        separator = ",\n"
    yield b"}\n"


def _of_bridges(state: State, part: str, tables: dict[str, Raw], line: slice) -> Iterator[_Piece]:
    separator = "{"
    for bridge, rows in tables.items():
        name = f"{dumps(bridge)}: "
        yield f"{separator}{name}".encode()
        before = _rows_of_bridge(state.text, name, line)
        yield from _value(rows, state.appended(part, bridge), before)
        separator = ", "
    yield b"}" if tables else b"{}"


def _value(value: Any, appended: Raw | None, before: _Piece) -> Iterator[_Piece]:
    """What stands for a value: for a table that only grew what was read of it, and the new rows."""
    if appended is None or len(before) <= len("{}"):
        yield dumps(value).encode()
    elif appended:
        yield before[:-1]
        yield f", {dumps(appended)[1:]}".encode()
    else:
        yield before


def _lines(text: bytes) -> dict[bytes, slice]:
    """Where in a text what stands, by the beginnings of its lines: a name and a colon."""
    found, begin = {}, _CHECKSUM_LENGTH
    while begin < len(text):
        value, end = text.index(b" ", begin) + 1, text.index(b"\n", begin)
        found[text[begin:value]] = slice(value, end - 1)
        begin = end + 1
    return found


def _rows_of_bridge(text: bytes, name: str, line: slice) -> _Piece:
    begin = text.find(f"{name}{{".encode(), line.start, line.stop)
    if begin < 0:
        return b""
    begin += len(name)
    # The rows are flat, and no name in them has a brace.
    return memoryview(text)[begin : text.index(b"}", begin) + 1]


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
    return State(document, data)


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
