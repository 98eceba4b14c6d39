"""When two shapes of a schema say that it holds something else."""

from __future__ import annotations

import pytest

from roost.migrations._shape import shapes_differ


@pytest.mark.parametrize(
    ("before", "now", "differ"),
    [
        ("1:18:aa", "1:18:aa", False),
        ("1:18:aa", "1:18:bb", True),
        ("1:17:aa", "1:18:bb", False),
        ("0:18:aa", "1:18:bb", False),
    ],
)
def test_only_shapes_in_the_same_words_are_compared(before: str, now: str, *, differ: bool) -> None:
    """Another server, or a ledger of another version, may write the same thing in other words, so that nothing can be told."""
    assert shapes_differ(before, now) is differ
