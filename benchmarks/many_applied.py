"""Ten thousand applied steps beside a hundred: time and memory of a start with nothing to do, and of one with one more step."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import TypeAlias

from benchmarks import candidate
from benchmarks.databases import Databases
from benchmarks.measure import KIBIBYTES, Comparison, compare, seconds
from benchmarks.statements import next_to_nothing
from roost import MigrationReport, Plugin

FEW, MANY = 100, 10_000
TIME_GOAL = 2.0
MEMORY_GOAL = 1.3
ROUNDS = 15

Declare: TypeAlias = Callable[[Sequence[candidate.Body]], Plugin]
DECLARATIONS: dict[str, Declare] = {"SQL in code": candidate.make_plugin}
"""The ways in which steps are declared."""


async def many_applied(some: Databases) -> AsyncIterator[Comparison]:
    """Compare for each way in which steps are declared."""
    for way, declare in DECLARATIONS.items():
        few, many = declare(next_to_nothing(FEW)), declare(next_to_nothing(MANY))
        few_url, many_url = await some.empty(), await some.empty()
        await candidate.migrate(few_url, few)
        await candidate.migrate(many_url, many)
        name = f"{MANY:,} applied, {way}"
        yield await compare(
            f"{name}, beside {FEW}",
            goal=TIME_GOAL,
            candidate=partial(seconds, partial(candidate.migrate, many_url, many)),
            limit=partial(seconds, partial(candidate.migrate, few_url, few)),
            rounds=ROUNDS,
        )
        yield Comparison(
            name=f"{name}, memory, beside {FEW}",
            goal=MEMORY_GOAL,
            candidate=(await _peak(many_url, many),),
            limit=(await _peak(few_url, few),),
            unit=KIBIBYTES,
        )
        one_more = [declare(next_to_nothing(count + 1)) for count in (MANY, FEW)]
        yield Comparison(
            name=f"{name}, one more, memory, beside {FEW}",
            goal=MEMORY_GOAL,
            candidate=(await _peak(many_url, one_more[0], steps=1),),
            limit=(await _peak(few_url, one_more[1], steps=1),),
            unit=KIBIBYTES,
        )


async def _peak(url: str, plugin: Plugin, *, steps: int = 0) -> float:
    """Return the most bytes that a start holds beside what was there before it, such as the steps as they are declared."""
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        report: MigrationReport = await candidate.migrate(url, plugin)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(report.steps) == steps, len(report.steps)
    return peak - before
