"""What somebody may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def closest(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return the known names that look like a misspelt one, nearest first."""
    return tuple(difflib.get_close_matches(name, list(known), n=3))
