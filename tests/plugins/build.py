"""Short ways to say what a test needs: a plugin with steps, a runtime, a look at the database from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg

from roost import (
    MigrationConfig,
    MigrationOrchestrator,
    MigrationReport,
    MigrationStep,
    Plugin,
    PluginMigrationService,
    RepeatableStep,
    Runtime,
)

BOUND = 120.0
"""Seconds after which a test gives up on the server or on another process, on a machine that is busy with others; it takes one or two."""

QUICK = MigrationConfig(retry_delay=0.01, retry_max_delay=0.02, run_lock_timeout=BOUND, lock_wait_budget=0.5)
"""Tries anew at once, and gives up soon; only for its turn it waits for as long as a turn may take."""

NOTICED_SECONDS = 30.0
"""Within so long a server notices that a client is gone; it takes a tenth of a second."""

RESIDUE = """
SELECT 'advisory lock' FROM pg_locks
WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
UNION ALL
SELECT 'idle in transaction' FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'
UNION ALL
SELECT 'invalid index' FROM pg_index WHERE NOT indisvalid
"""


def make_plugin(
    name: str, *steps: MigrationStep, repeatable: Sequence[RepeatableStep] = (), schema: str | None = None, **fields: Any
) -> Plugin:
    """Return a plugin with these steps and whatever else it is to have."""
    members = {"service_name": f"{name}-migration", "steps": steps, "repeatable": repeatable, "schema": schema}
    service = type(f"{name.title()}Migrations", (PluginMigrationService,), members)
    return Plugin(name=name, services=[service, *fields.pop("services", ())], **fields)


def make_runtime(url: str, *plugins: Plugin, config: MigrationConfig = QUICK, **fields: Any) -> Runtime:
    """Return a runtime of these plugins that is not started."""
    return Runtime(plugins=plugins, database=url, config=config, **fields)


async def migrate(url: str, *plugins: Plugin, config: MigrationConfig = QUICK) -> MigrationReport:
    """Migrate by an orchestrator of its own."""
    return await MigrationOrchestrator(make_runtime(url, *plugins, config=config)).run_all_migrations()


async def query(url: str, sql: str, *args: object) -> list[Any]:
    """Ask from another connection; rows of one column come as values, others as tuples."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(sql, *args)
    finally:
        await connection.close()
    return [row[0] if len(row) == 1 else tuple(row) for row in rows]


async def execute(url: str, script: str) -> None:
    """Run statements on another connection."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(script)
    finally:
        await connection.close()


async def until(url: str, sql: str, *args: object) -> None:
    """Ask from another connection until there is a row."""
    connection = await asyncpg.connect(url)
    try:
        async with asyncio.timeout(BOUND):
            while await connection.fetchrow(sql, *args) is None:
                pass
    finally:
        await connection.close()


async def traces(url: str) -> list[str]:
    """Return what runs hold at this moment: locks, transactions, and indexes that are not whole."""
    return await query(url, RESIDUE)


async def residue(url: str) -> list[str]:
    """Return what runs that have ended left behind: it should be nothing, once the server has noticed that they are gone."""
    due = asyncio.get_running_loop().time() + NOTICED_SECONDS
    while (left := await traces(url)) and asyncio.get_running_loop().time() < due:
        pass
    return left


async def history(url: str, plugin: str | None = None) -> list[tuple[str, str | None, bool]]:
    """Return (plugin, step, success) in the order in which they were written."""
    return await query(url, "SELECT plugin, step, success FROM roost.history WHERE $1::text IS NULL OR plugin = $1 ORDER BY id", plugin)


async def applied(url: str) -> list[tuple[str, str]]:
    """Return (plugin, step) of what is applied, in order."""
    return await query(url, "SELECT plugin, step FROM roost.applied WHERE state = 'done' ORDER BY position")


def names(steps: Sequence[Any]) -> list[str]:
    """Return the ids of steps or of step reports."""
    return [getattr(step, "step", None) or step.id for step in steps]
