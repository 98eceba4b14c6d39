"""The first migration of an empty database, beside bare asyncpg."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial

from benchmarks import candidate, limit_apply, limit_one_message
from benchmarks.databases import Databases, databases
from benchmarks.line import Line, line
from benchmarks.measure import TRIPS, Comparison, Row, at_most, compare, seconds
from benchmarks.python_steps import python_steps
from benchmarks.statements import small_tables
from benchmarks.the_line_itself import the_line_itself

ONE_BY_ONE_GOAL = 1.15
ONE_MESSAGE_GOAL = 1.3
MOST_TRIPS = 10
COUNTS = {100: 15, 1000: 5}
"""Rounds, for each number of steps."""
FEW = 100
DELAYS = {0.001: None, 0.005: ONE_MESSAGE_GOAL}
"""Goals, for each delay that a line adds each way, in seconds."""
AT_A_DISTANCE = 9

Apply = Callable[[str, Sequence[str]], Awaitable[object]]


async def cold_apply() -> AsyncIterator[Row]:
    """Compare at no distance with one message a step, at a distance with one message for all; count the round trips."""
    async with databases() as some:
        for count, rounds in COUNTS.items():
            yield await beside_one_by_one(some, count, rounds=rounds)
        async for row in the_line_itself(some, list(DELAYS)):
            yield row
        for delay, goal in DELAYS.items():
            async with line(await some.empty(), delay=delay) as distance:
                yield await beside_one_message(some, distance, goal=goal)
        async with line(await some.empty(), delay=0) as near:
            yield await trips(some, near)
            async for row in python_steps(some, near):
                yield row


async def beside_one_by_one(some: Databases, count: int, *, rounds: int) -> Comparison:
    """Compare on the server's own socket."""
    statements = small_tables(count)
    return await compare(
        f"cold apply, {count:,} steps, beside one by one",
        goal=ONE_BY_ONE_GOAL,
        candidate=partial(_on_empty, some, roost(statements), statements),
        limit=partial(_on_empty, some, limit_apply.apply, statements),
        rounds=rounds,
    )


async def beside_one_message(some: Databases, distance: Line, *, goal: float | None) -> Comparison:
    """Compare at the end of a line."""
    statements = small_tables(FEW)
    return await compare(
        f"cold apply, {FEW} steps, {distance.delay * 1000:.0f} ms, beside one message",
        goal=goal,
        candidate=partial(_on_empty, some, roost(statements), statements, distance=distance),
        limit=partial(_on_empty, some, limit_one_message.apply, statements, distance=distance),
        rounds=AT_A_DISTANCE,
    )


async def trips(some: Databases, near: Line) -> Comparison:
    """Count, and prove with limits whose trips are known that the count is right."""
    statements = small_tables(FEW)
    for limit, known in ((limit_apply.apply, FEW + limit_apply.EXTRA_TRIPS), (limit_one_message.apply, 1)):
        await limit(near.to(await some.empty()), statements)
        found = await near.counts()
        assert found == (1, known), found
    await candidate.migrate(near.to(await some.empty()), candidate.make_plugin(statements))
    _, found_trips = await near.counts()
    return at_most(f"cold apply, {FEW} steps, round trips", found_trips, MOST_TRIPS, unit=TRIPS)


def roost(statements: Sequence[str]) -> Apply:
    """Return what applies statements by roost; the plugin is made beforehand, as an import would."""
    plugin = candidate.make_plugin(statements)

    async def apply(url: str, _: Sequence[str]) -> None:
        report = await candidate.migrate(url, plugin)
        assert len(report.steps) == len(statements), len(report.steps)

    return apply


async def _on_empty(some: Databases, apply: Apply, statements: Sequence[str], *, distance: Line | None = None) -> float:
    url = await some.empty()
    return await seconds(partial(apply, url if distance is None else distance.to(url), statements))
