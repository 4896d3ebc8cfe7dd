"""Plain text as mdoc(7): the help's sentences, and what is shown as it stands."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Iterator
from inspect import cleandoc

_WIDTH = 78
_FOLD = 70
_INDENT = "    "
_SENTENCE = re.compile(r"(?<=[.!?]) +(?=[A-Z])")
_WORD = re.compile(r"(?P<open>[(\[]?)(?P<core>.*?)(?P<close>[.,:;)]*)\Z")
_LITERAL = str.maketrans(
    {
        "\\": "\\e",
        "-": "\\-",
        "'": "\\(aq",
        "`": "\\(ga",
        "^": "\\(ha",
        "~": "\\(ti",
    }
)


def prose(text: str, names: Collection[str] = ()) -> Iterator[str]:
    """Sentences, each from a line of its own on; an empty line begins a paragraph.

    A word that is made of `names`, which are a command's arguments, becomes one in the page,
    and one that begins with two dashes an option. A paragraph that Click is told not to rewrap
    is a display.
    """
    for number, paragraph in enumerate(re.split(r"\n\s*\n", cleandoc(text))):
        if paragraph.startswith("\b\n"):
            yield ".Bd -literal -offset 2n"
            yield from literal(paragraph.removeprefix("\b\n"))
            yield ".Ed"
            continue
        if number:
            yield ".Pp"
        for sentence in _SENTENCE.split(" ".join(paragraph.split())):
            yield from _marked(sentence, names)


def literal(text: str) -> Iterator[str]:
    """Lines to be shown as they stand; what is too long for a page is folded, and indented."""
    for line in text.splitlines():
        for piece in folded(line):
            safe = piece.translate(_LITERAL)
            yield f"\\&{safe}" if safe.startswith(".") else safe


def escaped(text: str) -> str:
    """A word or two for an argument of a macro, or within a line of text."""
    return text.replace("\\", "\\e").replace('"', "\\(dq")


def folded(line: str) -> list[str]:
    """A line in pieces that fit a page."""
    if len(line) <= _FOLD:
        return [line]
    return textwrap.wrap(
        line,
        _FOLD,
        subsequent_indent=_INDENT,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )


def _marked(sentence: str, names: Collection[str]) -> Iterator[str]:
    """A sentence as lines of text, and a line for each word that has a macro."""
    plain: list[str] = []
    for word in sentence.split(" "):
        macro = _macro(word, names)
        if macro is None:
            plain.append(word)
            continue
        yield from _wrapped(plain)
        plain = []
        yield macro
    yield from _wrapped(plain)


def _wrapped(words: list[str]) -> list[str]:
    text = escaped(" ".join(words))
    lines = textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return [f"\\&{line}" if line[0] in ".'" else line for line in lines]


def _macro(word: str, names: Collection[str]) -> str | None:
    found = _WORD.match(word)
    assert found is not None
    core, closing = found["core"], "".join(f" {mark}" for mark in found["close"])
    if core.startswith("--"):
        return f".Fl {core[1:]}{closing}"
    if names and set(re.findall(r"[A-Za-z_]+", found["open"] + core)) & set(names):
        return f".Ar {escaped(found['open'] + core)}{closing}"
    return None
