from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from roost.lint._lines import Lines

TEXTS = st.text(st.sampled_from("aé😀\n\r "), max_size=12)


@given(before=TEXTS, after=TEXTS)
def test_a_place_is_the_same_however_it_is_counted(before: str, after: str) -> None:
    """Counted by line and bytes it is the place that it is by characters, and has that line."""
    lines = Lines(before + after)
    line, in_line = before.count("\n"), before.rpartition("\n")[2]
    assert lines.position(line, column=len(in_line.encode())) == len(before)
    assert lines.line_of(len(before)) == line


def test_behind_the_end() -> None:
    """A line or a column that is not there is the end of what is."""
    assert Lines("a\nb").position(7, column=0) == 3
    assert Lines("a\nb").position(0, column=9) == 1
    assert Lines("").position(0, column=0) == 0
