"""What somebody may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def closest(name: str, known: Iterable[str], *, likeness: float = 0.6) -> tuple[str, ...]:
    """Return the known names that look like a misspelt one, nearest first; at a likeness of 1 they are the same."""
    return tuple(difflib.get_close_matches(name, list(known), n=3, cutoff=likeness))
