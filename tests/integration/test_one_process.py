"""Many runs in one process: on one database they take turns, on many they don't know of each other."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from roost import Database, MigrationContext, MigrationStep
from tests.plugins.build import applied, history, make_plugin, make_runtime, migrate, query, residue
from tests.plugins.fix_postgres import MakeDatabase

STEPS = 5


def chain(name: str) -> list[MigrationStep]:
    """Return steps of SQL that can each be taken once only, and one that is a function."""

    async def fill(ctx: MigrationContext) -> None:
        await ctx.execute(f"INSERT INTO {name}_0 SELECT current_database()")

    made = [
        MigrationStep(f"{name}_{i}", "A table", up=f"CREATE TABLE {name}_{i} (made_in text)", version="1.0.0") for i in range(STEPS - 1)
    ]
    return [*made, MigrationStep("fill", "Fill", up=fill, version="1.1.0")]


@pytest.mark.asyncio
async def test_three_runtimes_on_one_database(database_url: str) -> None:
    """They start at once in one loop: all are up, each step was taken once, and each finds its tables."""
    plugins = [make_plugin(name, *chain(name)) for name in ("x", "y")]
    runtimes = [make_runtime(database_url, *plugins) for _ in range(3)]
    await asyncio.gather(*[runtime.start() for runtime in runtimes])
    try:
        found = [await runtime.get_service(Database).fetchval("SELECT count(*) FROM x_0, y_0") for runtime in runtimes]
    finally:
        await asyncio.gather(*[runtime.stop() for runtime in runtimes])
    assert found == [1, 1, 1]
    assert len(await applied(database_url)) == 2 * STEPS
    assert Counter(await history(database_url)) == Counter(
        (plugin.name, step.id, True) for plugin in plugins for step in chain(plugin.name)
    )
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_three_runs_with_a_failing_one(database_url: str) -> None:
    """Of three at once in one loop one fails in a plugin of its own; the other two end well."""
    shared = make_plugin("p", *chain("p"))
    bad = make_plugin("bad", MigrationStep("bad", "Bad", up="SELECT nothing", version="1.0.0"))
    ends = await asyncio.gather(
        migrate(database_url, shared), migrate(database_url, shared, bad), migrate(database_url, shared), return_exceptions=True
    )
    assert [type(end).__name__ for end in ends] == ["MigrationReport", "StepFailed", "MigrationReport"]
    assert await history(database_url, "p") == [("p", step.id, True) for step in chain("p")]
    assert await history(database_url, "bad") == [("bad", "bad", False)]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_twenty_databases_at_once(new_database: MakeDatabase) -> None:
    """One process migrates twenty databases at once; each gets all and only its own, with the rows that its function wrote."""
    urls = [await new_database() for _ in range(20)]
    reports = await asyncio.gather(*[migrate(url, make_plugin("p", *chain("p"))) for url in urls])
    assert [len(report.steps) for report in reports] == [STEPS] * 20
    assert len({report.run_id for report in reports}) == 20
    for url in urls:
        assert await query(url, "SELECT made_in FROM p_0") == [url.partition("?")[0].rpartition("/")[2]]
        assert await history(url) == [("p", step.id, True) for step in chain("p")]
        assert await residue(url) == []
