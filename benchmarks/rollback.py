"""Undoing a plugin's steps, beside bare asyncpg that sends one message a step."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial

from benchmarks import candidate, limit_apply
from benchmarks.databases import Databases, databases
from benchmarks.line import line
from benchmarks.measure import TRIPS, Comparison, Row, at_most, compare, seconds
from benchmarks.statements import small_tables
from roost import MigrationOrchestrator, Runtime

GOAL = 1.15
COUNT = 100
ROUNDS = 15
MOST_TRIPS = 10
WAYS_BACK = [f"DROP TABLE t{number}" for number in range(COUNT)]


async def rollback() -> AsyncIterator[Row]:
    """Compare on the server's own socket, and count the round trips."""
    async with databases() as some:
        yield await compare(
            f"rollback, {COUNT} steps, beside one by one",
            goal=GOAL,
            candidate=partial(_undone_by_roost, some),
            limit=partial(_undone_by_limit, some),
            rounds=ROUNDS,
        )
        yield await _trips(some)


def _runtime(url: str) -> Runtime:
    return Runtime(plugins=[candidate.make_plugin(small_tables(COUNT), ways_back=WAYS_BACK)], database=url)


async def _undo(runtime: Runtime) -> None:
    (service,) = runtime.get_services_by_type("migration")
    report = await service.rollback()
    assert len(report.steps) == COUNT, len(report.steps)


async def _undone_by_roost(some: Databases) -> float:
    url = await some.empty()
    await MigrationOrchestrator(_runtime(url)).run_all_migrations()
    return await seconds(partial(_undo, _runtime(url)))


async def _undone_by_limit(some: Databases) -> float:
    url = await some.empty()
    await limit_apply.apply(url, small_tables(COUNT))
    ways_back: Sequence[str] = list(reversed(WAYS_BACK))
    return await seconds(partial(limit_apply.send, url, ways_back))


async def _trips(some: Databases) -> Comparison:
    """Count those of an open session; what the limit takes proves that the counter is right."""
    url = await some.empty()
    await MigrationOrchestrator(_runtime(url)).run_all_migrations()
    async with line(url, delay=0) as near:
        other = await some.empty()
        await limit_apply.apply(other, small_tables(COUNT))
        await limit_apply.send(near.to(other), list(reversed(WAYS_BACK)))
        found = await near.counts()
        assert found == (1, COUNT), found
        await _undo(_runtime(near.to(url)))
        _, trips = await near.counts()
    return at_most(f"rollback, {COUNT} steps, round trips", trips, MOST_TRIPS, unit=TRIPS)
