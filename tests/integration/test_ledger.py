"""The ledger's own form: made once, brought to this version once, and refused where it is newer."""

from __future__ import annotations

import asyncio
import os
from importlib.resources import files

import asyncpg
import pytest

from roost import MigrationOrchestrator, MigrationStep, PluginMigrationService, Runtime
from roost.errors import LedgerDenied, LedgerTooNew
from roost.migrations import RunFinished, RunStarted, run_trace_id
from roost.migrations import _ledger as ledger
from roost.migrations import _ledger_run as ledger_run
from roost.postgres import CHANNEL
from roost.testing import FaultProxy
from tests.plugins.build import BOUND, execute, make_plugin, migrate, names, query, residue

STEP = MigrationStep("make", "Make", up="CREATE TABLE things (id int)", version="1.0.0")
SCRIPTS = files("roost.migrations") / "sql"
OLD_FUNCTIONS = """
CREATE FUNCTION roost.fence(run_number bigint, lock_key bigint) RETURNS void LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''old''; END';
CREATE FUNCTION roost.settle(plugin_name text, declaration text) RETURNS void LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''old''; END';
"""


SINCE_VERSION_3 = """
ALTER TABLE roost.applied DROP COLUMN statements_done, DROP COLUMN normal_form, DROP COLUMN shape_before,
    DROP CONSTRAINT applied_state_check, ADD CONSTRAINT applied_state_check CHECK (state IN ('done', 'intent', 'escaped'));
DROP TABLE roost.repeatable;
"""
SINCE_VERSION_4 = "DROP TABLE roost.snapshot;"
SINCE_VERSION_5 = "ALTER TABLE roost.run DROP COLUMN trace_id;"


async def make_older(url: str, version: int) -> None:
    """Make a ledger as an older version had it: without what came since, and with functions of other forms."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute((SCRIPTS / "tables.sql").read_text("utf-8"))
        since = SINCE_VERSION_5 + (SINCE_VERSION_4 if version < 4 else "") + (SINCE_VERSION_3 if version < 3 else "")
        await connection.execute(f"{since}; {OLD_FUNCTIONS}; UPDATE roost.meta SET schema_version = {version}")
    finally:
        await connection.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("version", [1, 2, 3, 4])
async def test_an_older_ledger_is_brought_to_this_version_by_one_of_many(database_url: str, version: int) -> None:
    """Its rows stay, its functions are those of this version, and of several runs at once exactly one does it."""
    await make_older(database_url, version)
    await query(database_url, "INSERT INTO roost.plugin (name, version, settled) VALUES ('old', '1.0.0', 'digest') RETURNING 1")
    reports = await asyncio.gather(*[migrate(database_url, make_plugin("p", STEP)) for _ in range(4)])
    assert [name for report in reports for name in names(report.steps)] == ["make"]
    assert await query(database_url, "SELECT schema_version, oldest_reader FROM roost.meta") == [(ledger.LEDGER_VERSION, 1)]
    assert await query(database_url, "SELECT version FROM roost.plugin WHERE name = 'old'") == ["1.0.0"]
    functions = "SELECT proname, count(*) FROM pg_proc WHERE pronamespace = 'roost'::regnamespace GROUP BY proname HAVING count(*) > 1"
    assert await query(database_url, functions) == []
    assert await residue(database_url) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("version", [1, 2, 3, 4])
async def test_an_upgraded_ledger_is_as_a_new_one(database_url: str, version: int) -> None:
    """The functions, the tables' columns and what these may hold are the same, whichever way the ledger came about."""
    forms = (
        "SELECT string_agg(p.oid::regprocedure || md5(p.prosrc), ',' ORDER BY p.oid::regprocedure::text) || (SELECT string_agg("
        "table_name || column_name || data_type, ',' ORDER BY table_name, column_name) FROM information_schema.columns "
        "WHERE table_schema = 'roost') || (SELECT string_agg(conname || pg_get_constraintdef(oid), ',' ORDER BY conname) "
        "FROM pg_constraint WHERE connamespace = 'roost'::regnamespace) FROM pg_proc AS p WHERE pronamespace = 'roost'::regnamespace"
    )
    await make_older(database_url, version)
    await migrate(database_url, make_plugin("p", STEP))
    upgraded = await query(database_url, forms)
    await execute(database_url, "DROP SCHEMA roost CASCADE")
    await migrate(database_url, make_plugin("q", MigrationStep("q", "Q", up="SELECT 1", version="1.0.0")))
    assert await query(database_url, forms) == upgraded


@pytest.mark.asyncio
@pytest.mark.parametrize("version", [1, 2, 3, 4])
async def test_an_older_ledger_is_read_before_anybody_upgrades_it(database_url: str, version: int) -> None:
    """Status, history, a dry run and a dry rollback say what is in it, and leave it as it is."""
    await make_older(database_url, version)
    await execute(
        database_url,
        "INSERT INTO roost.run (id, host, pid, application_version, open) VALUES ('r', 'h', 1, '1', false); "
        "INSERT INTO roost.plugin (name, version, chain) VALUES ('p', '1.0.0', 'c'); "
        "INSERT INTO roost.applied (plugin, step, version, state, fingerprint, chain, breaking, requires, down_sql, run) "
        "VALUES ('p', 'make', '1.0.0', 'done', 'f', 'c', false, '{}', 'DROP TABLE things', 1); "
        "INSERT INTO roost.history (run, service, plugin, step, version, direction, success, attempts, started_at, executed_at, duration) "
        "VALUES (1, 'p-migration', 'p', 'make', '1.0.0', 'up', true, 1, now(), now(), 0)",
    )
    later = MigrationStep("later", "Later", up="SELECT 1", version="1.1.0")
    runtime = Runtime(plugins=[make_plugin("p", STEP, later)], database=database_url)
    orchestrator = MigrationOrchestrator(runtime)
    (status,) = (await orchestrator.get_migration_status()).services
    assert (status.version, status.pending) == ("1.0.0", 1)
    assert [(record.step, record.trace_id) for record in await orchestrator.get_migration_history()] == [("make", None)]
    assert names((await orchestrator.run_all_migrations(dry_run=True)).steps) == ["later"]
    (service,) = orchestrator.get_migration_services()
    assert isinstance(service, PluginMigrationService)
    assert [step.sql for step in (await service.rollback(dry_run=True)).steps] == ["DROP TABLE things"]
    assert await query(database_url, "SELECT schema_version FROM roost.meta") == [version]


@pytest.mark.asyncio
async def test_a_run_keeps_the_trace_that_it_belongs_to(database_url: str) -> None:
    """What is set while the run's beginning is told stands in the history of all its steps; a rollback has its own; unset it is None."""
    orchestrator = MigrationOrchestrator(
        runtime := Runtime(
            plugins=[make_plugin("p", MigrationStep("a", "A", up="SELECT 1", down="SELECT 2", version="1.0.0"))], database=database_url
        )
    )
    traces = iter(["0af7651916cd43dd8448eb211c80319c", "it's another"])
    end = runtime.events.subscribe(lambda _: run_trace_id.set(next(traces)), RunStarted)
    runtime.events.subscribe(lambda _: run_trace_id.set(None), RunFinished)
    await orchestrator.run_all_migrations()
    (service,) = orchestrator.get_migration_services()
    assert isinstance(service, PluginMigrationService)
    await service.rollback(steps=1)
    end()
    await orchestrator.run_all_migrations()
    traced = [(record.direction, record.trace_id) for record in await orchestrator.get_migration_history()]
    assert traced == [("up", None), ("down", "it's another"), ("up", "0af7651916cd43dd8448eb211c80319c")]


@pytest.mark.asyncio
async def test_who_reads_an_older_ledger_reads_the_upgraded_one(database_url: str) -> None:
    """A role that was granted the tables by name needs no other grant for the one that is new."""
    role = f"reader_{os.getpid()}"
    await make_older(database_url, 2)
    await execute(database_url, f"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA roost TO {role}")
    try:
        await execute(database_url, f"GRANT SELECT ON ALL TABLES IN SCHEMA roost TO {role}")
        await migrate(database_url, make_plugin("p", STEP))
        assert await query(database_url, f"SELECT has_table_privilege('{role}', 'roost.repeatable', 'SELECT')") == [True]
        assert await query(database_url, f"SELECT has_table_privilege('{role}', 'roost.repeatable', 'INSERT')") == [False]
    finally:
        await execute(database_url, f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.mark.asyncio
async def test_the_functions_have_sound_bodies(database_url: str) -> None:
    """PostgreSQL's own check, which the making of a ledger leaves out, finds nothing."""
    connection = await asyncpg.connect(database_url, server_settings={"check_function_bodies": "on", "plpgsql.extra_errors": "all"})
    try:
        for name in ("tables", *ledger_run.FUNCTIONS):
            await connection.execute((SCRIPTS / f"{name}.sql").read_text("utf-8"))
        assert await connection.fetchval("SELECT count(*) FROM pg_proc WHERE pronamespace = 'roost'::regnamespace") > 10
    finally:
        await connection.close()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "script", ["DELETE FROM roost.meta", "DROP SCHEMA roost CASCADE; CREATE SCHEMA roost; CREATE TABLE roost.plugin (name int)"]
)
async def test_what_is_no_ledger_any_more_is_refused(database_url: str, script: str) -> None:
    """A ledger that lost its version, and somebody else's table of the same name, are one clear error."""
    await migrate(database_url, make_plugin("p", STEP))
    await execute(database_url, script)
    with pytest.raises(LedgerDenied, match="not a ledger"):
        await migrate(database_url, make_plugin("q", STEP))
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_a_ledger_that_refuses_a_run_leaves_nobody_waiting(database_url: str) -> None:
    """The run has its turn already: it gives the lock back and wakes who waits, before the server can notice that it is gone."""
    await migrate(database_url, make_plugin("p", STEP))
    await execute(database_url, "UPDATE roost.meta SET schema_version = 99")
    woken = asyncio.Event()
    waiter = await asyncpg.connect(database_url)
    try:
        await waiter.add_listener(CHANNEL, lambda *_: woken.set())
        async with FaultProxy(database_url) as proxy:
            with pytest.raises(LedgerTooNew):
                await migrate(proxy.url, make_plugin("q", STEP))
        asked = [message.text for message in proxy.messages if message.kind == "Q"]
        assert [text.startswith("SELECT pg_catalog.pg_advisory_unlock") for text in asked][-2:] == [False, True]
        async with asyncio.timeout(BOUND):
            await woken.wait()
    finally:
        await waiter.close()
    assert await residue(database_url) == []
