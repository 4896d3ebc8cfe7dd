"""The pictures of the documents are as they would be drawn now, and can be seen."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from generate import terminal, ways
from generate.__main__ import HOME

PICTURES = terminal.make() | ways.make()


@pytest.mark.parametrize("path", PICTURES)
def test_it_is_up_to_date(path: str) -> None:
    assert (HOME / path).read_text() == PICTURES[path], "run scripts/generate"


@pytest.mark.parametrize("path", PICTURES)
def test_its_texts_are_within_it(path: str) -> None:
    root = ElementTree.fromstring(PICTURES[path])
    width, height = (float(root.attrib[name]) for name in ("width", "height"))
    texts = list(root.iter("{http://www.w3.org/2000/svg}text"))
    assert texts
    for text in texts:
        assert 0 < float(text.attrib["x"]) < width
        assert 0 < float(text.attrib["y"]) < height
