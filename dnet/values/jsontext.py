"""JSON as text, by what `json` itself calls for it.

`json` loads regular expressions with it, which take as long as the rest of a short command. It is
left to read what is no document, as it knows what to say of that.
"""

from __future__ import annotations

from dnet.typing import Any


class _Defaults:
    """What json.JSONDecoder tells the scanner where it is told nothing itself."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float = parse_constant = float
    parse_int = int


def loads(text: str) -> Any:
    """The value that a text stands for, as of json.loads. Raises ValueError, RecursionError."""
    try:
        value, end = _scan(text, 0)
    except (StopIteration, SystemError):
        pass  # It has no error to raise where json.decoder is not loaded, Modules/_json.c.
    else:
        if not text[end:].strip(" \t\n\r"):
            return value
    import json

    return json.loads(text)


def dumps(value: object) -> str:
    """One line of JSON in ASCII, as of json.dumps. Raises TypeError for what is none of JSON's."""
    return "".join(_in_ascii(value, 0))


def dumps_as_is(value: object) -> str:
    """One line of JSON, whose strings have every character that they can have."""
    return "".join(_as_is(value, 0))


def _refuse(value: object) -> None:
    raise TypeError(f"{type(value).__name__} is no type of JSON's")


try:
    import _json

    def _encoder(quote: Any) -> _json.make_encoder:
        return _json.make_encoder(None, _refuse, quote, None, ": ", ", ", False, False, True)

    _scan = _json.make_scanner(_Defaults)  # type: ignore[arg-type]
    _in_ascii, _as_is = _encoder(_json.encode_basestring_ascii), _encoder(_json.encode_basestring)
except (ImportError, AttributeError, TypeError):  # A Python that is made otherwise.
    import json

    _scan = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
    _in_ascii, _as_is = (  # type: ignore[assignment]
        json.JSONEncoder(ensure_ascii=ascii_only).iterencode for ascii_only in (True, False)
    )
