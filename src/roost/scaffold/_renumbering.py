"""Which files get another number, where two branches gave the same one. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from roost.errors import RenumberRefused
from roost.scaffold._numbering import next_prefixes, numbered

if TYPE_CHECKING:
    from roost.scaffold._numbering import Numbered


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A file's old and new name."""

    old: str
    new: str


def plan_renumbering(
    names: Collection[str],
    *,
    applied: Collection[str] | None,
    keep: Sequence[str] = (),
    now: datetime,
    directory: str,
    by_number: bool = False,
) -> tuple[Move, ...]:
    """Return the moves after which no two steps have the same number; the two files of a pair move together.

    Of the steps that share a number an applied one keeps it, else the one that is to keep it, else the first by name.

    Args:
        names: The SQL files of the folder.
        applied: The steps that the database has; None where nobody was asked.
        keep: Steps, or their files, that keep their numbers.
        now: The time, in UTC, for folders that use timestamps.
        directory: The folder, for errors.
        by_number: Whether the files run in the order of their numbers, and not of their names.

    Raises:
        RenumberRefused: Nobody says which step keeps its number, or that is another one than the applied one.
        NumberUnclear: There is no next number.
    """
    kept = {step_of(name) for name in keep}
    unknown = kept - {step_of(name) for name in names}
    if unknown:
        raise RenumberRefused(directory=directory, steps=tuple(sorted(unknown)), reason="no file here is that step")
    moving: list[str] = []
    for steps in _sharing(names):
        done = [step for step in steps if applied is not None and step in applied]
        wanted = [step for step in steps if step in kept]
        if done and set(wanted) - set(done):
            what = f"{', '.join(done)} is applied and keeps the number"
            raise RenumberRefused(directory=directory, steps=tuple(wanted), reason=what)
        if len(wanted) > 1:
            raise RenumberRefused(directory=directory, steps=tuple(wanted), reason="only one of them can keep the number")
        if applied is None and not wanted:
            raise RenumberRefused(
                directory=directory,
                steps=tuple(steps),
                reason="they have the same number, and without a database nobody knows which of them is applied somewhere",
            )
        staying = set(done or wanted or steps[:1])
        moving += [step for step in steps if step not in staying]
    prefixes = next_prefixes(names, len(moving), now=now, directory=directory, by_number=by_number)
    new = dict(zip(moving, prefixes, strict=True))
    moves = [Move(old=one.name, new=new[step_of(one.name)] + one.rest) for one in _taken_apart(names) if step_of(one.name) in new]
    return tuple(sorted(moves, key=lambda move: move.new))


def step_of(name: str) -> str:
    """Return the step that a file is, or a half of."""
    stem = name.removesuffix(".sql")
    return stem.removesuffix(".up").removesuffix(".down")


def _sharing(names: Collection[str]) -> list[list[str]]:
    """Return the steps that share a number, group by group."""
    groups: dict[tuple[int, ...], set[str]] = defaultdict(set)
    for one in _taken_apart(names):
        groups[one.key].add(step_of(one.name))
    return [sorted(groups[key]) for key in sorted(groups) if len(groups[key]) > 1]


def _taken_apart(names: Collection[str]) -> list[Numbered]:
    return [one for one in map(numbered, sorted(names)) if one is not None]
