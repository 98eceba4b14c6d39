"""What a declared schema's change costs a large table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from roost import DatabaseMigrationService, MigrationOrchestrator, Plugin
from tests.plugins.build import BOUND, QUICK, execute, make_runtime, names, query

ROWS = 1_000_000
TABLE = "CREATE TABLE readings (id int PRIMARY KEY, at date NOT NULL{column});"
FILES = "SELECT relname::text, relfilenode::bigint FROM pg_class WHERE relnamespace = 'readings'::regnamespace ORDER BY 1"


async def bring_about(url: str, text: str) -> list[str]:
    """Bring the plugin's schema about; return the steps that were run."""
    # After so many rows an autovacuum may be in the way for a while.
    config = replace(QUICK, lock_wait_budget=BOUND)
    runtime = make_runtime(url, Plugin("readings", schema=text), services=[DatabaseMigrationService], config=config)
    return names((await MigrationOrchestrator(runtime).run_all_migrations()).steps)


@pytest.mark.asyncio
async def test_a_column_with_a_constant_default_rewrites_nothing(database_url: str) -> None:
    """A column that may not be null, with a constant default, is added to a million rows without writing one of them."""
    await bring_about(database_url, TABLE.format(column=""))
    await execute(database_url, f"INSERT INTO readings.readings SELECT n, '2020-02-02' FROM generate_series(1, {ROWS}) AS n")
    before = await query(database_url, FILES)
    assert await bring_about(database_url, TABLE.format(column=", unit text NOT NULL DEFAULT 'metre'")) == ["declared-schema"]
    assert await query(database_url, FILES) == before
    assert await query(database_url, "SELECT unit, count(*) FROM readings.readings GROUP BY unit") == [("metre", ROWS)]


@pytest.mark.asyncio
async def test_a_volatile_default_does_rewrite(database_url: str) -> None:
    """The files tell: a column whose default differs from row to row does write the table anew."""
    await bring_about(database_url, TABLE.format(column=""))
    before = await query(database_url, FILES)
    await bring_about(database_url, TABLE.format(column=", token uuid NOT NULL DEFAULT gen_random_uuid()"))
    assert await query(database_url, FILES) != before
