"""Ten thousand applied steps beside a hundred: time and memory of a start with nothing to do, and memory of one with one more step."""

from __future__ import annotations

import gc
import tempfile
import tracemalloc
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

from benchmarks import candidate
from benchmarks.databases import Databases
from benchmarks.measure import KIBIBYTES, Comparison, compare, seconds
from benchmarks.statements import next_to_nothing
from roost import Plugin

FEW, MANY = 100, 10_000
TIME_GOAL = 2.0
MEMORY_GOAL = 1.3
ROUNDS = 15

Declare: TypeAlias = Callable[[int, int], Plugin]
"""Returns a plugin with so many steps, and so many more that belong to a later version."""


def in_code(count: int, more: int) -> Plugin:
    """Declare all steps in a list."""
    return candidate.make_plugin(next_to_nothing(count + more))


def in_files(folder: Path, count: int, more: int) -> Plugin:
    """Declare each step in a file, and a manifest for all of them."""
    return candidate.make_plugin_of_files(folder / f"{count}-{more}", next_to_nothing(count + more))


def ways(folder: Path) -> dict[str, Declare]:
    """Return how steps are declared; those that are computed, or stand in files, are only made where they are to be run."""
    return {"SQL in code": in_code, "computed": candidate.make_computing_plugin, "files": partial(in_files, folder)}


async def many_applied(some: Databases) -> AsyncIterator[Comparison]:
    """Compare for each way in which steps are declared."""
    with tempfile.TemporaryDirectory() as folder:
        for way, declare in ways(Path(folder)).items():
            async for row in _many_applied(some, way, declare):
                yield row


async def _many_applied(some: Databases, way: str, declare: Declare) -> AsyncIterator[Comparison]:
    few, many = declare(FEW, 0), declare(MANY, 0)
    few_url, many_url = await some.empty(), await some.empty()
    await candidate.migrate(few_url, few)
    await candidate.migrate(many_url, many)
    yield await compare(
        f"nothing to do, {MANY:,}, {way}, beside {FEW}",
        goal=TIME_GOAL,
        candidate=partial(seconds, partial(candidate.migrate, many_url, many)),
        limit=partial(seconds, partial(candidate.migrate, few_url, few)),
        rounds=ROUNDS,
    )
    yield _memory(f"memory, {MANY:,}, {way}, beside {FEW}", await _peak(many_url, many), await _peak(few_url, few))
    many_and_one, few_and_one = declare(MANY, 1), declare(FEW, 1)
    yield _memory(
        f"memory, one more than {MANY:,}, {way}",
        await _peak(many_url, many_and_one, steps=1),
        await _peak(few_url, few_and_one, steps=1),
    )


def _memory(name: str, many: float, few: float) -> Comparison:
    return Comparison(name=name, goal=MEMORY_GOAL, candidate=(many,), limit=(few,), unit=KIBIBYTES)


async def _peak(url: str, plugin: Plugin, *, steps: int = 0) -> float:
    """Return the most bytes that a start holds beside what was there before it, such as the steps as they are declared."""
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        report = await candidate.migrate(url, plugin)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(report.steps) == steps, len(report.steps)
    return peak - before
