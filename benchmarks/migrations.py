"""Migrations of a real database, beside bare asyncpg."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

from benchmarks import candidate, limit_apply, limit_noop
from benchmarks.measure import Comparison, compare, seconds
from roost.postgres import EmbeddedPostgres
from roost.testing import RoundTripProxy

APPLY_GOAL = 1.4
NOOP_GOAL = 1.5
HEAD_ROWS = "SELECT name, settled FROM roost.plugin"
_numbers = itertools.count(1)


async def migrations() -> AsyncIterator[Comparison]:
    """Compare on a server of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        async with EmbeddedPostgres(Path(directory) / "data") as server:
            yield await cold_apply(server, 100)
            yield await cold_apply(server, 1000)
            yield await nothing_to_do(server, 1000)


def small_steps(count: int) -> list[str]:
    """Return statements that make one small table each."""
    return [f"CREATE TABLE t{number} (id int PRIMARY KEY, name text NOT NULL)" for number in range(count)]


async def cold_apply(server: EmbeddedPostgres, count: int) -> Comparison:
    """Compare the first migration of an empty database."""
    statements = small_steps(count)
    plugin = candidate.make_plugin(statements)

    async def on_empty(apply: Callable[[str], Awaitable[object]]) -> float:
        url = await server.create_database(f"apply_{next(_numbers)}")
        return await seconds(partial(apply, url))

    async def by_limit(url: str) -> None:
        await limit_apply.apply(url, statements)

    async def by_roost(url: str) -> None:
        report = await candidate.migrate(url, plugin)
        assert len(report.steps) == count

    async with RoundTripProxy(await server.create_database(f"apply_{next(_numbers)}")) as proxy:
        await limit_apply.apply(proxy.url, statements)
        assert proxy.round_trips == count + limit_apply.EXTRA_TRIPS, proxy.round_trips
    return await compare(
        f"cold apply, {count} steps", goal=APPLY_GOAL, candidate=partial(on_empty, by_roost), limit=partial(on_empty, by_limit)
    )


async def nothing_to_do(server: EmbeddedPostgres, count: int) -> Comparison:
    """Compare a start that finds everything applied."""
    plugin = candidate.make_plugin(small_steps(count))
    url = await server.create_database(f"noop_{next(_numbers)}")
    await candidate.migrate(url, plugin)
    async with RoundTripProxy(url) as proxy:
        await candidate.migrate(proxy.url, plugin)
        assert proxy.round_trips == limit_noop.TRIPS, proxy.round_trips
        proxy.reset()
        await limit_noop.look(proxy.url, HEAD_ROWS)
        assert proxy.round_trips == limit_noop.TRIPS, proxy.round_trips
    return await compare(
        f"nothing to do, {count} steps",
        goal=NOOP_GOAL,
        candidate=lambda: seconds(partial(candidate.migrate, url, plugin)),
        limit=lambda: seconds(partial(limit_noop.look, url, HEAD_ROWS)),
        rounds=45,
    )
