"""Tells places in a text: by characters, as we count them, by line and bytes, as squawk does, by line, as people do. Pure."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate


class Lines:
    """The lines of a text.

    Args:
        sql: The text; its lines end with line feeds.
    """

    def __init__(self, sql: str) -> None:
        """Find where each line begins."""
        self._lines = sql.split("\n")
        self._starts = [0, *accumulate(len(line) + 1 for line in self._lines[:-1])]

    def position(self, line: int, *, column: int) -> int:
        """Return how many characters come before a place.

        Args:
            line: Its line, counted from 0; one behind the last is its end.
            column: How many bytes of the line come before it.
        """
        if line >= len(self._lines):
            return self._starts[-1] + len(self._lines[-1])
        return self._starts[line] + len(self._lines[line].encode()[:column].decode(errors="ignore"))

    def line_of(self, position: int) -> int:
        """Return the line of a place, counted from 0."""
        return bisect_right(self._starts, position) - 1
