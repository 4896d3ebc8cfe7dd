"""What is refused as bad input."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dnet.errors import UsageError


def refused(check: Callable[[str], object], text: str) -> UsageError:
    """What is raised for a text, which can be said at a terminal."""
    with pytest.raises(UsageError) as error:
        check(text)
    assert str(error.value).isprintable()
    return error.value
