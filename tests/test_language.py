"""What users read is in the words of the field: habits that made a sentence be read twice."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from generate.tree import ROOT, Node, walk

HOME = Path(__file__).parents[1]
# architecture.md is for whoever changes dnet; rules.md is made from its source and from listings.
_OTHERS = ("architecture", "rules")
PAGES = [
    HOME / "README.md",
    HOME / "generate" / "rules.md",
    *(page for page in sorted((HOME / "docs").glob("*.md")) if page.stem not in _OTHERS),
    *sorted((HOME / "man" / "src").glob("*.[78]")),
]
HABITS = {
    r"one a line|a line each": "one per line",
    r"is no error": "is not an error",
    r"\banew\b": "again",
    r"c[oa]me loose": "was disconnected",
    r"\bbeside\b": "next to",
    r"belongs? into": "belongs in",
    r"\bin force\b": "active",
    r"\bg[ia]ven? back\b": "released",
    r"\b(?:nobody|somebody|everybody else)'s\b": "whose it is, by a noun",
    r"(?:^|[.:] )(?:Named|Said|Told) (?:is|are)\b": "the subject first",
    r"\b(?:any number of times|else the next one)\b": "repeatable, or the default",
}


def habits(text: str) -> list[str]:
    """The habits that a text has, with what would be better."""
    return [
        f"{found[0]}: {better}"
        for habit, better in HABITS.items()
        for found in re.finditer(habit, text, re.IGNORECASE | re.MULTILINE)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_without_them(page: Path) -> None:
    assert habits(page.read_text()) == []


@pytest.mark.parametrize("node", list(walk(ROOT)), ids=lambda node: " ".join(node.path) or "dnet")
def test_a_help_is_without_them(node: Node) -> None:
    helps = (getattr(option, "help", None) or "" for option in node.options)
    assert habits("\n".join((node.command.help or "", *helps))) == []
