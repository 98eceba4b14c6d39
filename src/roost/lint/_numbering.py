"""Numbers at the beginnings of files' names: those that are missing, and those that two branches have both taken. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from roost.lint._finding import LintText, Remark

_NUMBER = re.compile(r"[0-9]+(?![0-9.])")
_SHORTEST_DATE = 8

NUMBER_RULES: dict[str, tuple[str, str]] = {
    "number-twice": (
        "two branches have taken it, and which of the two files runs first is up to the rest of their names",
        "give the one that no database has yet the next free number, as roost new --renumber does",
    ),
    "number-gap": (
        "a file may have been lost, or be still on a branch; once it comes, it is out of order for databases that have the later ones",
        "look for it; where there never was one, say so: -- roost: ignore-file number-gap: why",
    ),
}
"""What is said of numbers: why, and what to do."""


def number_remarks(texts: Sequence[LintText]) -> Iterator[tuple[LintText, Remark]]:
    """Yield what is to be said of the numbers of a service's files, each with the file.

    Times count as numbers that may be taken twice, but have no gaps; nor has a row of numbers of which most leave some out.

    Args:
        texts: The versioned steps of one service, in order; those that are no files are passed over.
    """
    numbered = [(match[0], text) for text in texts if text.path is not None and (match := _NUMBER.match(text.step)) is not None]
    distances = Counter(int(later) - int(earlier) for (earlier, _), (later, _) in pairwise(numbered) if int(later) > int(earlier))
    goes_by_ones = 2 * distances[1] >= distances.total()
    for (before, earlier), (number, text) in pairwise(numbered):
        if int(number) == int(before):
            yield text, _remark("number-twice", f"{text.step} has the number of {earlier.step}")
        elif goes_by_ones and len(number) < _SHORTEST_DATE and int(number) > int(before) + 1:
            missing = str(int(before) + 1).zfill(len(number))
            last = str(int(number) - 1).zfill(len(number))
            yield text, _remark("number-gap", f"{missing if missing == last else f'{missing} to {last}'} missing before {text.step}")


def _remark(rule: str, what: str) -> Remark:
    why, safer = NUMBER_RULES[rule]
    return Remark(rule=rule, severity="warning", what=what, why=why, safer=safer)
