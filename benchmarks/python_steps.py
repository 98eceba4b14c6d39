"""Steps that are functions: the round trips that each costs beside those that its author awaits."""

from __future__ import annotations

from collections.abc import AsyncIterator

from benchmarks import candidate
from benchmarks.databases import Databases
from benchmarks.line import Line
from benchmarks.measure import TRIPS, Comparison, at_most
from roost import MigrationContext

MOST_TRIPS = 2
FEW, MANY = 10, 30
OWN_AWAITS = (1, 5)


async def python_steps(some: Databases, near: Line) -> AsyncIterator[Comparison]:
    """Count for steps of one await and of several; two numbers of steps part what a step costs from what the run does."""
    for own in OWN_AWAITS:
        few, many = [await _trips(some, near, own=own, count=count) for count in (FEW, MANY)]
        beside = (many - few) / (MANY - FEW) - own
        yield at_most(f"a Python step of {own} awaits, round trips beside", beside, MOST_TRIPS, unit=TRIPS)


async def _trips(some: Databases, near: Line, *, own: int, count: int) -> int:
    async def step(ctx: MigrationContext) -> None:
        for number in range(own):
            await ctx.execute(f"SELECT {number}")

    url = near.to(await some.empty())
    await near.counts()
    report = await candidate.migrate(url, candidate.make_plugin([step] * count))
    assert len(report.steps) == count, len(report.steps)
    _, found = await near.counts()
    return found
