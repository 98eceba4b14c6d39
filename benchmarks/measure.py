"""Runs a candidate and its limit by turns, and says how their figures compare."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

ROUNDS = 9
NAME_WIDTH = 50
HEADER = f"{'job (median of rounds)':<{NAME_WIDTH}}{'roost':>9}{'limit':>9}{'':<9}{'ratio':>6}  {'spread':<12}{'goal':>6}"


@dataclass(frozen=True, slots=True)
class Unit:
    """In what a figure is printed, and by what it is multiplied for that."""

    name: str
    factor: float


MILLISECONDS = Unit("ms", 1e3)
MICROSECONDS_EACH = Unit("µs each", 1e6)
NANOSECONDS_EACH = Unit("ns each", 1e9)
BYTES_EACH = Unit("B each", 1)
KIBIBYTES = Unit("KiB", 1 / 1024)
TRIPS = Unit("trips", 1)


class Row(Protocol):
    """A line of the table."""

    @property
    def is_met(self) -> bool:
        """Whether its goal is met; a line without one meets it."""


@dataclass(frozen=True, slots=True)
class Note:
    """A line without a goal."""

    text: str

    @property
    def is_met(self) -> bool:
        """There is nothing to miss."""
        return True

    def __str__(self) -> str:
        """Return the line."""
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What was measured.

    Attributes:
        name: The job.
        goal: The greatest ratio that is good enough; None where the ratio is only for information.
        candidate: Seconds (or bytes, or trips) of each round.
        limit: The same; round k of both ran one after the other.
        unit: In what they are printed.
    """

    name: str
    goal: float | None
    candidate: tuple[float, ...]
    limit: tuple[float, ...]
    unit: Unit = MILLISECONDS

    @property
    def ratio(self) -> float:
        """The median of the rounds' ratios: each compares two neighbours in time, so that a busy machine harms it least."""
        return statistics.median(self.ratios)

    @property
    def ratios(self) -> tuple[float, ...]:
        """The candidate's figure over the limit's, round by round."""
        return tuple(ours / theirs for ours, theirs in zip(self.candidate, self.limit, strict=True))

    @property
    def is_met(self) -> bool:
        """Whether the goal is met."""
        return self.goal is None or self.ratio <= self.goal

    def __str__(self) -> str:
        """Return a line of a table."""
        spread = f"{min(self.ratios):.2f}-{max(self.ratios):.2f}"
        ours, theirs = (statistics.median(figures) * self.unit.factor for figures in (self.candidate, self.limit))
        line = f"{self.name:<{NAME_WIDTH}}{ours:>9.1f}{theirs:>9.1f} {self.unit.name:<8}{self.ratio:>6.2f}  {spread:<12}"
        return line.rstrip() if self.goal is None else f"{line}{self.goal:>6.2f}  {'ok' if self.is_met else 'MISSED'}"


async def compare(
    name: str,
    *,
    goal: float | None,
    candidate: Callable[[], Awaitable[float]],
    limit: Callable[[], Awaitable[float]],
    rounds: int = ROUNDS,
    unit: Unit = MILLISECONDS,
) -> Comparison:
    """Run both by turns; each returns its own seconds."""
    figures = await by_turns({"candidate": candidate, "limit": limit}, rounds=rounds)
    return Comparison(name=name, goal=goal, candidate=figures["candidate"], limit=figures["limit"], unit=unit)


def at_most(name: str, found: float, most: float, *, unit: Unit) -> Comparison:
    """Compare what is counted and not timed, so found once, with the most that is good enough."""
    return Comparison(name=name, goal=1.0, candidate=(found,), limit=(most,), unit=unit)


async def by_turns(jobs: Mapping[str, Callable[[], Awaitable[float]]], *, rounds: int) -> dict[str, tuple[float, ...]]:
    """Run all jobs in each round, there and back, so that who begins changes from round to round; return each one's figures."""
    figures: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(rounds):
        for name in jobs if number % 2 == 0 else reversed(list(jobs)):
            gc.collect()
            figures[name].append(await jobs[name]())
    return {name: tuple(found) for name, found in figures.items()}


async def seconds(work: Callable[[], Awaitable[object]]) -> float:
    """Return how long a piece of work takes."""
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started
