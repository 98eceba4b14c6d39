"""Roles and databases with settings of their own, and tables that others use."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest
import pytest_asyncio

from roost import MigrationConfig, MigrationContext, MigrationOrchestrator, MigrationStep
from roost.errors import (
    LedgerDenied,
    StepFailed,
)
from roost.migrations import StepRetried
from roost.postgres import parse_url
from tests.plugins.build import BOUND, execute, make_plugin, make_runtime, migrate, names, query, residue

FIRST = MigrationStep("first", "First", up="CREATE TABLE first (id int)", version="1.0.0")
SECOND = MigrationStep("second", "Second", up="CREATE TABLE second (id int)", version="1.1.0")
THIRD = MigrationStep("third", "Third", up="CREATE TABLE third (id int)", version="1.2.0")


@pytest_asyncio.fixture
async def role(postgres_url: str, database_url: str) -> AsyncIterator[str]:
    """The name of another role, and of its group with ``_group`` behind it; settings of both and of the database end with the test."""
    name = f"roost_other_{os.getpid()}"
    groups = f"{name}, {name}_group"
    await execute(database_url, f"CREATE ROLE {name} LOGIN; CREATE ROLE {name}_group")
    yield name
    await execute(postgres_url, f"ALTER DATABASE {parse_url(database_url).database} RESET ALL")
    await execute(
        database_url, f"REASSIGN OWNED BY {groups} TO CURRENT_USER; DROP OWNED BY {groups}; DROP ROLE {name}; DROP ROLE {name}_group"
    )


def url_for(role: str, url: str) -> str:
    """Return the URL of the same database for another role."""
    return replace(parse_url(url), user=role).dsn


async def grant(url: str, role: str) -> None:
    """Let a role create in a database and in its schema public."""
    await execute(url, f"GRANT ALL ON DATABASE {parse_url(url).database} TO {role}; GRANT ALL ON SCHEMA public TO {role}")


@pytest.mark.asyncio
async def test_no_right_to_make_the_ledger(database_url: str, role: str) -> None:
    """The role is named, and what would help; nothing is left."""
    with pytest.raises(LedgerDenied, match=f"Role {role} .*permission denied for database") as caught:
        await migrate(url_for(role, database_url), make_plugin("p", FIRST))
    assert "migration_url" in caught.value.hint
    assert await query(database_url, "SELECT to_regclass('first'), to_regnamespace('roost')") == [(None, None)]
    assert await residue(database_url) == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("setting", "value", "in_a_step"),
    [
        ("statement_timeout", "1ms", "0"),
        ("lock_timeout", "1ms", "200ms"),
        ("idle_in_transaction_session_timeout", "1ms", "0"),
        ("idle_session_timeout", "1ms", "0"),
        ("default_transaction_isolation", "serializable", "read committed"),
        ("default_transaction_read_only", "on", "off"),
        ("default_transaction_deferrable", "on", "on"),
        ("search_path", "nowhere", "public, pg_temp"),
        ("synchronous_commit", "off", "off"),
        ("client_encoding", "LATIN1", "UTF8"),
        ("standard_conforming_strings", "off", "on"),
        ("backslash_quote", "on", "on"),
        ("check_function_bodies", "off", "off"),
        ("plpgsql.extra_errors", "all", "all"),
        ("plpgsql.variable_conflict", "use_variable", "use_variable"),
        ("row_security", "off", "off"),
        ("DateStyle", "German", "German, DMY"),
        ("bytea_output", "escape", "escape"),
        ("extra_float_digits", "-15", "-15"),
        ("quote_all_identifiers", "on", "on"),
        ("session_replication_role", "replica", "replica"),
        ("default_tablespace", "pg_default", "pg_default"),
    ],
)
async def test_settings_of_role_and_database(database_url: str, role: str, setting: str, value: str, in_a_step: str) -> None:
    """Limits and modes that are meant for applications reach no step; the others do, as their owner wants, and break no ledger."""
    await grant(database_url, role)
    url = url_for(role, database_url)
    for target in (f"ROLE {role}", f"DATABASE {parse_url(url).database}"):
        await execute(database_url, f"ALTER {target} SET {setting} = '{value}'")
    seen: list[str] = []

    async def look(ctx: MigrationContext) -> None:
        seen.append((await ctx.fetchval("SELECT current_setting($1)", setting)).replace('"', ""))
        await ctx.execute("INSERT INTO first VALUES (1)")

    steps = [FIRST, SECOND, MigrationStep("look", "Look", up=look, version="1.2.0")]
    assert names((await migrate(url, make_plugin("p", *steps))).steps) == ["first", "second", "look"]
    bad = MigrationStep("bad", "Bad", up="SELECT 'é\\' || E'\\n', nothing", version="1.3.0")
    with pytest.raises(StepFailed, match="nothing"):
        await migrate(url, make_plugin("p", *steps, bad))
    assert seen == [in_a_step]
    (service,) = make_runtime(url, make_plugin("p", *steps)).get_services_by_type("migration")
    records = await service.get_migration_history()
    assert [(record.step, record.success) for record in records] == [("bad", False), ("look", True), ("second", True), ("first", True)]
    assert all(0 <= record.duration < BOUND and record.started_at <= record.executed_at for record in records)


@pytest.mark.asyncio
async def test_a_limit_on_whole_transactions(database_url: str, role: str) -> None:
    """PostgreSQL 17 and later can limit a transaction as well; a role's limit ends no step of a migration."""
    await grant(database_url, role)
    known = await query(database_url, "SELECT count(*) FROM pg_settings WHERE name = 'transaction_timeout'")
    if known == [1]:
        await execute(database_url, f"ALTER ROLE {role} SET transaction_timeout = '50ms'")
    slow = MigrationStep("slow", "Slow", up="SELECT pg_sleep(0.2)", version="1.1.0")
    assert names((await migrate(url_for(role, database_url), make_plugin("p", FIRST, slow))).steps) == ["first", "slow"]


@pytest.mark.asyncio
async def test_a_role_that_becomes_another_at_once(database_url: str, role: str) -> None:
    """ALTER ROLE … SET role: ledger and tables belong to the role that it becomes, after a step that became yet another one too."""
    group = f"{role}_group"
    await grant(database_url, group)
    await execute(database_url, f"GRANT {group} TO {role}; ALTER ROLE {role} SET role = {group}")
    steps = FIRST, MigrationStep("role", "Role", up="RESET ROLE; SET ROLE none", version="1.1.0"), THIRD
    assert names((await migrate(url_for(role, database_url), make_plugin("p", *steps))).steps) == ["first", "role", "third"]
    owners = "SELECT DISTINCT tableowner::text FROM pg_tables WHERE schemaname IN ('public', 'roost')"
    assert await query(database_url, owners) == [group]


@pytest.mark.asyncio
async def test_a_busy_table_that_is_free_in_time(database_url: str) -> None:
    """A step whose table is locked tries again in short turns, and succeeds once the table is free; its tries are counted."""
    await migrate(database_url, make_plugin("p", FIRST))
    more = MigrationStep("second", "Second", up="ALTER TABLE first ADD more int", version="1.1.0")
    config = MigrationConfig(lock_timeout=0.02, lock_wait_budget=60, max_retries=1)
    runtime = make_runtime(database_url, make_plugin("p", FIRST, more), config=config)
    retried: list[int] = []
    runtime.events.subscribe(lambda event: retried.append(event.attempt), StepRetried)
    blocker = await asyncpg.connect(database_url)
    try:
        await blocker.execute("BEGIN; LOCK TABLE first IN ACCESS SHARE MODE")
        running = asyncio.create_task(MigrationOrchestrator(runtime).run_all_migrations())
        async with asyncio.timeout(BOUND):
            while len(retried) < 3:
                await blocker.fetchval("SELECT 1")
        await blocker.execute("COMMIT")
        assert names((await running).steps) == ["second"]
    finally:
        await blocker.close()
    assert retried == list(range(1, len(retried) + 1))
    assert await query(database_url, "SELECT attempts FROM roost.history WHERE step = 'second'") == [len(retried) + 1]
    assert await residue(database_url) == []
