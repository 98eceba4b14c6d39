"""Several runtimes in one process at once: on one database, on many, and as replicas of one service."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import TypeAlias

import asyncpg

from benchmarks import candidate, limit_noop
from benchmarks.databases import Databases, databases
from benchmarks.limit_noop import HEAD_ROWS
from benchmarks.line import Line, line
from benchmarks.measure import MILLISECONDS, Comparison, Row, at_most, compare, seconds
from benchmarks.statements import small_tables
from roost import MigrationStep, Plugin, PluginMigrationService

REPLICAS = 32
NOTHING_TO_DO_GOAL = 2.5
AFTER_THE_FIRST = 0.06
"""Seconds: so long after the first replica the last one may be ready."""
DELAYS = (0.0, 0.005)
RUNTIMES, DATABASES = 3, 20
STEPS = 50
WAITERS = 8
ROWS = "CREATE TABLE indexed AS SELECT n, md5(n::text) AS text FROM generate_series(1, 300000) AS n"
INDEX = "CREATE INDEX CONCURRENTLY of_text ON indexed (text)"
ROUNDS = 5
NOTHING_TO_DO_ROUNDS = 15

Look: TypeAlias = Callable[[], Awaitable[object]]


async def together() -> AsyncIterator[Row]:
    """Compare replicas with one alone, and several at once with one after another."""
    plugin = candidate.make_plugin(small_tables(STEPS))
    async with databases() as some:
        for delay in DELAYS:
            async with line(await some.empty(), delay=delay) as distance:
                async for row in _with_nothing_to_do(some, distance, plugin):
                    yield row
                yield await _with_work(some, distance, plugin)
        yield await _with_an_index(some)
        yield await _on_one_database(some, plugin)
        yield await _on_many_databases(some, plugin)


async def _with_nothing_to_do(some: Databases, distance: Line, plugin: Plugin) -> AsyncIterator[Comparison]:
    """Compare replicas with one; and the limit with itself, as so many connections at once take their time whoever makes them."""
    near = await some.empty()
    await candidate.migrate(near, plugin)
    url = distance.to(near)
    ours: Look = partial(candidate.migrate, url, plugin)
    limit: Look = partial(limit_noop.look, url, HEAD_ROWS)
    goal = NOTHING_TO_DO_GOAL if distance.delay else None
    for who, look, own_goal in ((f"{REPLICAS} replicas, nothing to do", ours, goal), (f"{REPLICAS} times connect and a COPY", limit, None)):
        yield await compare(
            f"{who}, {distance.delay * 1000:.0f} ms, beside one",
            goal=own_goal,
            candidate=partial(seconds, partial(_replicas, look)),
            limit=partial(seconds, look),
            rounds=NOTHING_TO_DO_ROUNDS,
        )


async def _replicas(look: Look) -> None:
    await asyncio.gather(*(look() for _ in range(REPLICAS)))


async def _with_work(some: Databases, distance: Line, plugin: Plugin) -> Comparison:
    spread = [await _spread(distance.to(await some.empty()), plugin) for _ in range(ROUNDS)]
    name = f"{REPLICAS} replicas with work, {distance.delay * 1000:.0f} ms, last after first"
    return at_most(name, max(spread), AFTER_THE_FIRST, unit=MILLISECONDS)


async def _spread(url: str, plugin: Plugin) -> float:
    ready: list[float] = []

    async def replica() -> int:
        report = await candidate.migrate(url, plugin)
        ready.append(time.perf_counter())
        return len(report.steps)

    taken = await asyncio.gather(*(replica() for _ in range(REPLICAS)))
    assert sum(taken) == STEPS, taken
    return max(ready) - min(ready)


async def _with_an_index(some: Databases) -> Comparison:
    """Compare the build of an index beside waiting replicas, none of which may die of it, with the build alone."""
    index = MigrationStep("index", "Index", up=INDEX, version="1.0.0", transactional=False)

    class Migrations(PluginMigrationService):
        service_name = "index-migration"
        steps = (index,)

    plugin = Plugin(name="index", services=[Migrations])

    async def prepared() -> str:
        url = await some.empty()
        await _execute(url, ROWS)
        return url

    async def beside_waiters() -> float:
        url = await prepared()
        started = time.perf_counter()
        reports = await asyncio.gather(*(candidate.migrate(url, plugin) for _ in range(WAITERS + 1)))
        took = time.perf_counter() - started
        assert sum(len(report.steps) for report in reports) == 1, reports
        return took

    async def alone() -> float:
        return await seconds(partial(_execute, await prepared(), INDEX))

    return await compare(
        f"concurrent index, {WAITERS} waiters, beside the statement", goal=None, candidate=beside_waiters, limit=alone, rounds=ROUNDS
    )


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _on_one_database(some: Databases, plugin: Plugin) -> Comparison:
    async def at_once() -> float:
        return await seconds(partial(_at_once, [await some.empty()] * RUNTIMES, plugin))

    async def one_after_another() -> float:
        return await seconds(partial(_one_by_one, [await some.empty()] * RUNTIMES, plugin))

    name = f"{RUNTIMES} runtimes on one database, beside one by one"
    return await compare(name, goal=None, candidate=at_once, limit=one_after_another, rounds=ROUNDS)


async def _on_many_databases(some: Databases, plugin: Plugin) -> Comparison:
    async def at_once() -> float:
        return await seconds(partial(_at_once, [await some.empty() for _ in range(DATABASES)], plugin))

    async def one_after_another() -> float:
        return await seconds(partial(_one_by_one, [await some.empty() for _ in range(DATABASES)], plugin))

    return await compare(
        f"{DATABASES} databases at once, beside one by one", goal=None, candidate=at_once, limit=one_after_another, rounds=3
    )


async def _at_once(urls: Sequence[str], plugin: Plugin) -> None:
    await asyncio.gather(*(candidate.migrate(url, plugin) for url in urls))


async def _one_by_one(urls: Sequence[str], plugin: Plugin) -> None:
    for url in urls:
        await candidate.migrate(url, plugin)
