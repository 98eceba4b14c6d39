"""Narrow windows, held open: a connection that breaks in the middle of a COMMIT, waiters that are older than `deadlock_timeout`."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import asyncpg

from roost import MigrationStep, Plugin
from roost.errors import RoostError
from roost.testing import FaultProxy
from tests.crash import reference_plan as plan
from tests.crash.cases import Baseline, Case, Place
from tests.plugins.build import make_plugin, migrate, query

COMMIT_SECONDS = 0.3
BOUND = 40.0
"""Seconds after which something is said to hang; each takes about one."""

WAITERS = 8

SLOW_COMMIT = f"""
CREATE SCHEMA hindrance;
CREATE FUNCTION hindrance.sleep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM public.effects) = {{number}} THEN PERFORM pg_sleep({COMMIT_SECONDS}); END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION hindrance.hinder() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_regclass('public.effects') IS NOT NULL AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'slow') THEN
        CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON public.effects DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION hindrance.sleep();
    END IF;
END $$;
CREATE EVENT TRIGGER hinder ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION hindrance.hinder();
"""
"""Lets the COMMIT of the step with the n-th effect take a while: a deferred trigger runs in it."""

CLEAR = "DROP EVENT TRIGGER hinder; DROP SCHEMA hindrance CASCADE"
IN_COMMIT = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


def commits(base: Baseline) -> list[Case]:
    """Return each way to break a connection in the COMMIT of each step."""
    return [
        Case(
            kind=f"{base.line}commits",
            name=f"{base.line}{way} in commit {number}",
            attempt=partial(_in_commit, base, way, number),
        )
        for way in ("reset", "terminate", "cancel")
        for number in range(1, len(plan.STEPS) + 1)
    ]


def waiters() -> list[Case]:
    """Return waiters that wait for longer than PostgreSQL needs to look for a deadlock."""
    return [
        Case(kind="waiters", name="waiters behind a long step", attempt=partial(_waiters, _long(), 0.0)),
        Case(kind="waiters", name="waiters behind CREATE INDEX CONCURRENTLY", attempt=partial(_waiters, _long(_INDEX), 1.0)),
    ]


async def _in_commit(base: Baseline, way: str, number: int, place: Place) -> str:
    await _execute(place.direct, SLOW_COMMIT.format(number=number))
    async with FaultProxy(place.url) as proxy:
        run = asyncio.ensure_future(plan.migrate_whole(proxy.url, look_at=place.direct))
        was_seen = await _until_in_commit(place.direct, run)
        if was_seen and way == "cancel":
            run.cancel()
        elif was_seen and way == "terminate":
            await _execute(place.direct, TERMINATE)
        elif was_seen:
            await proxy.__aexit__(None, None, None)  # both sides hear no more than that the connection is gone
        recovery = asyncio.ensure_future(plan.migrate(place.url))
        await asyncio.wait({run, recovery}, timeout=BOUND)
        found = [f"the {name} hangs" for name, task in (("run", run), ("recovery", recovery)) if not task.done()]
        for task in (run, recovery):
            task.cancel()
        ended, recovered = await asyncio.gather(run, recovery, return_exceptions=True)
    if isinstance(ended, BaseException) and not isinstance(ended, RoostError) and way != "cancel":
        found.append(f"the run raised {ended!r}")
    if isinstance(recovered, BaseException):
        found.append(f"the recovery raised {recovered!r}")
    await _execute(place.direct, CLEAR)
    found += await plan.violations(place.direct, expected=base.catalogue, is_pooled=place.is_pooled)
    at = f"in commit {number}" if was_seen else "never"
    return f"[{at}] {type(ended).__name__}: {'; '.join(found) or 'ok'}"


async def _until_in_commit(url: str, run: asyncio.Future[Any]) -> bool:
    connection = await asyncpg.connect(url)
    try:
        async with asyncio.timeout(BOUND):
            while not run.done():
                if await connection.fetchval(IN_COMMIT):
                    return True
                await asyncio.sleep(0.005)
    finally:
        await connection.close()
    return False


_INDEX = MigrationStep("index", "Index", up="CREATE INDEX CONCURRENTLY effect ON effects (step)", version="1.0.0", transactional=False)


def _long(*more: MigrationStep) -> Plugin:
    """Return a plugin whose first step takes eight times as long as a deadlock may go unnoticed."""
    long = f"CREATE TABLE effects (step text); {plan.effect('long')}; SELECT pg_sleep(0.4)"
    return make_plugin(
        "long",
        MigrationStep("long", "Long", up=long, version="1.0.0"),
        *more,
        MigrationStep("after", "After", up=plan.effect("after"), version="1.0.0"),
    )


async def _waiters(plugin: Plugin, snapshot_seconds: float, place: Place) -> str:
    name = place.direct.split("/")[3].split("?")[0]
    await _execute(place.direct, f"ALTER DATABASE {name} SET deadlock_timeout = '50ms'")
    snapshot = asyncio.create_task(_hold_snapshot(place.direct, snapshot_seconds))
    ends = await asyncio.gather(*(migrate(place.url, plugin) for _ in range(WAITERS)), return_exceptions=True)
    await snapshot
    await query(place.direct, "SELECT pg_stat_force_next_flush()::text")
    deadlocks = await query(place.direct, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    effects = sorted(await query(place.direct, "SELECT step FROM effects"))
    found = [f"a waiter raised {end!r}" for end in ends if isinstance(end, BaseException)]
    found += [] if deadlocks == [0] else [f"{deadlocks} deadlocks"]
    found += [] if effects == ["after", "long"] else [f"effects: {effects}"]
    found += await plan.left_behind(place.direct, is_pooled=place.is_pooled)
    return f"{WAITERS} waiters: {'; '.join(found) or 'ok'}"


async def _hold_snapshot(url: str, seconds: float) -> None:
    """Hold a snapshot that CREATE INDEX CONCURRENTLY waits for."""
    if not seconds:
        return
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction(isolation="repeatable_read"):
            await connection.fetchval("SELECT 1")
            await asyncio.sleep(seconds)
    finally:
        await connection.close()


async def _execute(url: str, script: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(script)
    finally:
        connection.terminate()
