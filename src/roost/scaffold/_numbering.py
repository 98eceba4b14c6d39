"""What stands before the names of new files, so that they come behind those that are there. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from roost.errors import NumberUnclear

FIRST = "0001_"
_PREFIX = re.compile(r"(\d+(?:\.\d+)*)([_-]|\.(?!\d))")
_STAMPS = {14: "%Y%m%d%H%M%S", 12: "%Y%m%d%H%M"}


@dataclass(frozen=True, slots=True)
class Numbered:
    """The name of a file, taken apart.

    Attributes:
        name: The whole name.
        number: What it begins with, such as ``"0007"``, ``"20251130123000"`` or ``"1.2"``.
        sign: What follows that.
        rest: The remainder.
    """

    name: str
    number: str
    sign: str
    rest: str

    @property
    def key(self) -> tuple[int, ...]:
        """What the number is worth."""
        return tuple(int(part) for part in self.number.split("."))


def numbered(name: str) -> Numbered | None:
    """Take a file's name apart; None where it begins with no number."""
    found = _PREFIX.match(name)
    return None if found is None else Numbered(name, found[1], found[2], name[found.end() :])


def next_prefixes(names: Collection[str], count: int, *, now: datetime, directory: str, by_number: bool = False) -> tuple[str, ...]:
    """Return what the names of new files begin with, in the way of those that are there: numbers, timestamps, or versions.

    Args:
        names: The SQL files of the folder.
        count: How many are asked for.
        now: The time, in UTC, for folders that use timestamps.
        directory: The folder, for the error.
        by_number: Whether the files run in the order of their numbers, and not of their names.

    Raises:
        NumberUnclear: A file has no number, or a new one would not come behind it.
    """
    there = {name: numbered(name) for name in names}
    without = sorted(name for name, found in there.items() if found is None)
    if without:
        raise NumberUnclear(
            directory=directory, file=without[0], reason="its name begins with no number, and files run in the order of names"
        )
    if not there:
        return tuple(f"{number:0{len(FIRST) - 1}}_" for number in range(1, count + 1))
    last = max((one for one in there.values() if one is not None), key=lambda one: one.key)
    prefixes = tuple(f"{number}{last.sign}" for number in _following(last.number, count, now=now))
    if by_number:
        return prefixes
    highest = max(there)
    behind = [prefix for prefix in prefixes if prefix <= highest[: len(prefix)]]
    if behind or list(prefixes) != sorted(prefixes):
        reason = f"{(behind or prefixes)[0]}… would stand before it in the order of names: give the files that are there a wider number"
        raise NumberUnclear(directory=directory, file=highest, reason=f"{reason}, as long as none of them is applied")
    return prefixes


def _following(last: str, count: int, *, now: datetime) -> list[str]:
    stamp = _STAMPS.get(len(last))
    if stamp is not None and _is_stamp(last, stamp):
        step = timedelta(seconds=1) if stamp.endswith("%S") else timedelta(minutes=1)
        first = max(now.replace(tzinfo=None), datetime.strptime(last, stamp) + step)  # noqa: DTZ007 -- both are UTC without saying so
        return [(first + step * index).strftime(stamp) for index in range(count)]
    *front, end = last.split(".")
    return [".".join((*front, f"{int(end) + index:0{len(end)}}")) for index in range(1, count + 1)]


def _is_stamp(number: str, stamp: str) -> bool:
    try:
        datetime.strptime(number, stamp)  # noqa: DTZ007 -- only whether it is one
    except ValueError:
        return False
    return True
