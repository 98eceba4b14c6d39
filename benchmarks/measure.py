"""Runs a candidate and its limit by turns, and says how their times compare."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

ROUNDS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What was measured.

    Attributes:
        name: The job.
        goal: The greatest ratio that is good enough.
        candidate: Seconds of each round.
        limit: Seconds of each round; round k of both ran one after the other.
    """

    name: str
    goal: float
    candidate: tuple[float, ...]
    limit: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """The median of the rounds' ratios: each compares two neighbours in time, so that a busy machine harms it least."""
        return statistics.median(self.ratios)

    @property
    def ratios(self) -> tuple[float, ...]:
        """The candidate's time over the limit's, round by round."""
        return tuple(ours / theirs for ours, theirs in zip(self.candidate, self.limit, strict=True))

    @property
    def is_met(self) -> bool:
        """Whether the goal is met."""
        return self.ratio <= self.goal

    def __str__(self) -> str:
        """Return a line of a table."""
        spread = f"{min(self.ratios):.2f}-{max(self.ratios):.2f}"
        ours, theirs = statistics.median(self.candidate) * 1000, statistics.median(self.limit) * 1000
        verdict = "ok" if self.is_met else "MISSED"
        return f"{self.name:<34}{ours:>10.1f}{theirs:>10.1f}{self.ratio:>8.2f}  {spread:<12}{self.goal:>6.2f}  {verdict}"


HEADER = f"{'job (median of rounds, ms)':<34}{'roost':>10}{'limit':>10}{'ratio':>8}  {'spread':<12}{'goal':>6}"


async def compare(
    name: str,
    *,
    goal: float,
    candidate: Callable[[], Awaitable[float]],
    limit: Callable[[], Awaitable[float]],
    rounds: int = ROUNDS,
) -> Comparison:
    """Run both by turns; who begins changes from round to round. Each returns its own seconds."""
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(rounds):
        for is_candidate in (number % 2 == 0, number % 2 != 0):
            gc.collect()
            (ours if is_candidate else theirs).append(await (candidate if is_candidate else limit)())
    return Comparison(name=name, goal=goal, candidate=tuple(ours), limit=tuple(theirs))


async def seconds(work: Callable[[], Awaitable[object]]) -> float:
    """Return how long a piece of work takes."""
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started
