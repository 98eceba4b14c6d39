"""What git leaves in a manifest when two branches each changed the files of a folder. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

CONFLICT = re.compile(rb"(?:<{7}|\|{7}|={7}|>{7})(?: .*)?")
"""A line that git puts between the sides of a conflict."""

_NUMBER = re.compile(r"\d+(?=[_.-])")


def sides_of(text: bytes) -> tuple[bytes, bytes]:
    """Return both sides of a text with conflicts in it, each as it was before the merge."""
    sides: tuple[list[bytes], list[bytes]] = ([], [])
    place: tuple[int, ...] = (0, 1)
    for line in text.split(b"\n"):
        if CONFLICT.fullmatch(line):
            # Between | and = git may show what both sides come from, which is neither's.
            place = {b"<": (0,), b"|": (), b"=": (1,), b">": (0, 1)}[line[:1]]
            continue
        for side in place:
            sides[side].append(line)
    return b"\n".join(sides[0]), b"\n".join(sides[1])


def same_number(names: Iterable[str]) -> tuple[str, ...]:
    """Return the files that begin with the same number as another step's file."""
    steps: dict[int, set[str]] = defaultdict(set)
    files: dict[int, list[str]] = defaultdict(list)
    for name in sorted(names):
        found = _NUMBER.match(name)
        if found is not None:
            steps[int(found[0])].add(name.removesuffix(".sql").removesuffix(".up").removesuffix(".down"))
            files[int(found[0])].append(name)
    return tuple(name for number, names_of in sorted(files.items()) if len(steps[number]) > 1 for name in names_of)
