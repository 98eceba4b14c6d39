"""What one step leaves in its session, the next one does not find: each leak by SQL and by a function, inside a transaction and outside."""

from __future__ import annotations

import pytest

from roost import MigrationContext, MigrationStep
from tests.plugins.build import applied, make_plugin, migrate, names, query, residue

STATE = """
SELECT 'setting ' || name || ' ' || setting FROM pg_catalog.pg_settings WHERE name <> 'application_name'
UNION ALL SELECT 'user ' || current_user || ' ' || session_user
UNION ALL SELECT 'own setting ' || coalesce(nullif(current_setting('my.own', true), ''), 'none')
UNION ALL SELECT 'listens to ' || pg_listening_channels()
UNION ALL SELECT 'cursor ' || name FROM pg_catalog.pg_cursors WHERE is_holdable
UNION ALL SELECT 'prepared ' || name FROM pg_catalog.pg_prepared_statements WHERE from_sql
UNION ALL SELECT 'temporary ' || relname FROM pg_catalog.pg_class WHERE relnamespace = pg_catalog.pg_my_temp_schema() AND relkind = 'r'
UNION ALL SELECT 'lock ' || locktype || ' ' || coalesce(objid::text, '') || ' ' || mode FROM pg_catalog.pg_locks
    WHERE pid = pg_catalog.pg_backend_pid() AND locktype = 'advisory'
"""
"""All that a step could find of another one in its session."""

LEAKS = {
    "a setting": "SET work_mem = '1MB'",
    "a limit": "SET statement_timeout = '1h'; SET lock_timeout = '1h'; SET idle_in_transaction_session_timeout = '1h'",
    "a search path": "SET search_path = nowhere, pg_temp, public",
    "a setting of one's own": "SET my.own = 'leak'; SELECT set_config('my.other', 'leak', false)",
    "session characteristics": "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY",
    "a role": "SET ROLE pg_monitor",
    "an authorization": "SET SESSION AUTHORIZATION pg_monitor",
    "a disabled trigger": "SET session_replication_role = replica",
    "an encoding": "SET client_encoding = 'LATIN1'",
    "old strings": "SET escape_string_warning = off; SET standard_conforming_strings = off",
    "row security": "SET row_security = off; SET default_tablespace = 'pg_global'",
    "no flush": "SET synchronous_commit = off",
    "a subscription": "LISTEN leak",
    "a temporary table": "CREATE TEMP TABLE first (id int); CREATE TEMP TABLE applied (id int)",
    "a temporary function": "CREATE FUNCTION pg_temp.now() RETURNS int LANGUAGE sql AS 'SELECT 1 / 0'",
    "a lock": "SELECT pg_advisory_lock(4711); SELECT pg_advisory_lock_shared(4712)",
    "the run's own lock": "SELECT pg_advisory_unlock_all()",
    "a prepared statement": "PREPARE leak AS SELECT 1",
    "a cursor": "DECLARE leak CURSOR WITH HOLD FOR SELECT 1",
    "a sequence's value": "CREATE SEQUENCE leaking; SELECT nextval('leaking')",
    "no role at all": "RESET ALL; RESET ROLE; RESET SESSION AUTHORIZATION",
}


def chain(leak: object, found: list[list[str]], **fields: object) -> list[MigrationStep]:
    """Return steps that look, leak, look and then write once more."""

    async def look(ctx: MigrationContext) -> None:
        found.append(sorted(row[0] for row in await ctx.fetch(STATE)))

    first = MigrationStep("first", "First", up="CREATE TABLE first (id int)", version="1.0.0")
    leaking = MigrationStep("leak", "Leak", up=leak, version="2.0.0", **fields)  # type: ignore[arg-type]  # either form
    last = MigrationStep("last", "Last", up="INSERT INTO first VALUES (1)", version="4.0.0")
    return [
        first,
        MigrationStep("before", "B", up=look, version="1.1.0"),
        leaking,
        MigrationStep("after", "A", up=look, version="3.0.0"),
        last,
    ]


async def check(url: str, leak: object, **fields: object) -> None:
    """See that the session is the same after a step as before it, and that the step after that finds its own table."""
    found: list[list[str]] = []
    steps = chain(leak, found, **fields)
    assert names((await migrate(url, make_plugin("p", *steps))).steps) == [step.id for step in steps]
    assert len(found[0]) > 300
    assert found[1] == found[0]
    assert await query(url, "SELECT id FROM public.first") == [1]
    assert await applied(url) == [("p", step.id) for step in steps]
    assert await residue(url) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("by", ["SQL", "a function"])
async def test_nothing_leaks(database_url: str, leak: str, by: str) -> None:
    """After the step that leaks, the next one finds the session as the one before it did, and the ledger is whole."""

    async def function(ctx: MigrationContext) -> None:
        await ctx.execute(LEAKS[leak])

    await check(database_url, LEAKS[leak] if by == "SQL" else function)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "sql", ["SET work_mem = '1MB'", "SET ROLE pg_monitor", "SET search_path = nowhere", "LISTEN leak", "SELECT pg_advisory_lock(4711)"]
)
async def test_nothing_leaks_from_outside_a_transaction(database_url: str, sql: str) -> None:
    """A step that ran outside a transaction leaves no more behind than one inside."""
    await check(database_url, sql, transactional=False)


@pytest.mark.asyncio
@pytest.mark.parametrize("leak", [leak for leak in LEAKS if leak != "the run's own lock"])
async def test_nothing_leaks_from_a_step_that_fails(database_url: str, leak: str) -> None:
    """A step that leaks and then fails, and is tried again, finds nothing of its first attempt."""
    found: list[list[str]] = []
    tries: list[int] = []

    async def fail_once(ctx: MigrationContext) -> None:
        tries.append(1)
        found.append(sorted(row[0] for row in await ctx.fetch(STATE)))
        await ctx.execute(LEAKS[leak])
        if len(tries) == 1:
            await ctx.execute("DO $$BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END$$")

    first = MigrationStep("first", "First", up="CREATE TABLE first (id int)", version="1.0.0")
    assert names((await migrate(database_url, make_plugin("p", first, MigrationStep("f", "F", up=fail_once, version="1.1.0")))).steps) == [
        "first",
        "f",
    ]
    assert len(tries) == 2
    assert found[1] == found[0]
    assert await residue(database_url) == []
