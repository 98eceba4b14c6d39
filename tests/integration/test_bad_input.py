"""Texts, ledgers, roles and databases that are not as they should be: one clear error, or the right thing all the same."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from roost import MigrationOrchestrator, MigrationStep
from roost.errors import InvalidIdentifier, LedgerDenied, LedgerTooNew, StepFailed, StepsMissing
from roost.migrations import StepsChanged, load_sql_steps
from roost.postgres import parse_url
from tests.plugins.build import applied, execute, make_plugin, make_runtime, migrate, names, query, residue

FIRST = MigrationStep("first", "First", up="CREATE TABLE first (id int)", version="1.0.0")
SECOND = MigrationStep("second", "Second", up="CREATE TABLE second (id int)", version="1.1.0")


@pytest_asyncio.fixture
async def role(database_url: str) -> AsyncIterator[str]:
    """A role of the test's own, which may log in and nothing more."""
    name = f"roost_test_role_{os.getpid()}"
    await execute(database_url, f"CREATE ROLE {name} LOGIN")
    yield name
    await execute(database_url, f"DROP OWNED BY {name}; DROP ROLE {name}")


def as_role(url: str, role: str) -> str:
    """Return the URL for another role."""
    return replace(parse_url(url), user=role, password=None).dsn


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "text", ["", "   \n", ";", ";;\n;", "-- only a comment", "/* only /* a */ comment */", "-- a comment without an end of line;"]
)
async def test_texts_without_a_statement(database_url: str, text: str) -> None:
    """They do nothing, and are applied as what they are."""
    empty = MigrationStep("empty", "Empty", up=text, version="1.0.1")
    assert names((await migrate(database_url, make_plugin("p", FIRST, empty, SECOND))).steps) == ["first", "empty", "second"]
    assert (await migrate(database_url, make_plugin("p", FIRST, empty, SECOND))).run_id is None


@pytest.mark.asyncio
async def test_a_file_of_fifty_megabytes(database_url: str, tmp_path: Path) -> None:
    """It is one message and one transaction like any other."""
    line = "INSERT INTO big VALUES ('" + "x" * 1000 + "');\n"
    (tmp_path / "001_big.sql").write_text("CREATE TABLE big (body text);\n" + line * (50_000_000 // len(line)))
    steps = load_sql_steps(tmp_path, version="1.0.0")
    assert names((await migrate(database_url, make_plugin("p", FIRST, *steps, SECOND))).steps) == ["first", "001_big", "second"]
    assert await query(database_url, "SELECT count(*) FROM big") == [50_000_000 // len(line)]


@pytest.mark.asyncio
@pytest.mark.parametrize("text", ["SELECT $a$ open", "SELECT 'open", 'SELECT "open', "/* open", "SELECT (1", "SELECT $q$ a $q", "SELEC 1"])
async def test_texts_that_do_not_end(database_url: str, text: str) -> None:
    """Their own step fails, those before it stay, and those after it are not run, though they travel in the same message."""
    with pytest.raises(StepFailed) as caught:
        await migrate(database_url, make_plugin("p", FIRST, MigrationStep("open", "Open", up=text, version="1.0.1"), SECOND))
    assert (caught.value.step, caught.value.sqlstate) == ("open", "42601")
    assert await applied(database_url) == [("p", "first")]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_a_schema_name_that_the_server_would_cut(database_url: str) -> None:
    """Two names of more than 63 bytes could become one, so neither is used."""
    with pytest.raises(InvalidIdentifier, match="64 bytes"):
        await migrate(database_url, make_plugin("p", FIRST, schema="s" * 64))
    assert await query(database_url, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'sss%'") == [0]


@pytest.mark.asyncio
async def test_a_ledger_that_only_newer_ones_can_write(database_url: str) -> None:
    """It can still be read, and a start with nothing to do needs no more."""
    plugin = make_plugin("p", FIRST)
    await migrate(database_url, plugin)
    await execute(database_url, "UPDATE roost.meta SET schema_version = 99")
    assert (await migrate(database_url, plugin)).run_id is None
    assert len(await MigrationOrchestrator(make_runtime(database_url, plugin)).get_migration_history()) == 1
    with pytest.raises(LedgerTooNew, match="version 99"):
        await migrate(database_url, make_plugin("p", FIRST, SECOND))
    assert await query(database_url, "SELECT to_regclass('second')") == [None]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_a_row_of_the_ledger_that_was_edited(database_url: str) -> None:
    """Another fingerprint is told as a change and run by nobody; a row of another name is a step that the code lacks."""
    plugin = make_plugin("p", FIRST, SECOND)
    await migrate(database_url, plugin)
    unsettle = "UPDATE roost.plugin SET settled = 'edited'"
    await execute(database_url, f"UPDATE roost.applied SET fingerprint = 'sql:0', normal_form = '0' WHERE step = 'first'; {unsettle}")
    runtime = make_runtime(database_url, plugin)
    told: list[StepsChanged] = []
    runtime.events.subscribe(told.append, StepsChanged)
    assert (await MigrationOrchestrator(runtime).run_all_migrations()).steps == ()
    assert [event.steps for event in told] == [("first",)]
    await execute(database_url, f"UPDATE roost.applied SET step = 'third' WHERE step = 'first'; {unsettle}")
    with pytest.raises(StepsMissing, match="third"):
        await migrate(database_url, plugin)


@pytest.mark.asyncio
async def test_a_role_that_may_not_create_the_ledger(database_url: str, role: str) -> None:
    """The error names the role and the way around; nothing is left."""
    with pytest.raises(LedgerDenied, match=role) as caught:
        await migrate(as_role(database_url, role), make_plugin("p", FIRST))
    assert "migration_url" in caught.value.hint
    assert await query(database_url, "SELECT to_regnamespace('roost')") == [None]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_a_schema_of_that_name_which_is_no_ledger(database_url: str) -> None:
    """Somebody else's schema roost is left alone."""
    await execute(database_url, "CREATE SCHEMA roost; CREATE TABLE roost.birds (name text)")
    with pytest.raises(LedgerDenied, match="not a ledger"):
        await migrate(database_url, make_plugin("p", FIRST))
    assert await query(database_url, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'roost'") == ["birds"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "setting",
    [
        "default_transaction_read_only = on",
        "default_transaction_isolation = 'serializable'",
        "statement_timeout = '1ms'",
        "lock_timeout = '1ms'",
        "idle_in_transaction_session_timeout = '1ms'",
        "search_path = nowhere",
        "standard_conforming_strings = off",
        "client_encoding = 'LATIN1'",
        "synchronous_commit = off",
        "check_function_bodies = off",
    ],
)
async def test_settings_of_a_database_that_are_meant_for_others(database_url: str, setting: str) -> None:
    """The run's session has its own, and steps are run under them."""
    name = parse_url(database_url).database
    await execute(database_url, f'ALTER DATABASE "{name}" SET {setting}')
    sleep = MigrationStep(
        "sleep", "Sleep", up="CREATE TABLE slept AS SELECT pg_sleep(0.02)::text AS pause, 'it''s a \\ ä' AS text", version="1.0.1"
    )
    assert len((await migrate(database_url, make_plugin("p", FIRST, sleep, SECOND))).steps) == 3
    unlimited = f"{database_url}{'&' if '?' in database_url else '?'}options=-c%20statement_timeout%3D0"
    await execute(unlimited, f'BEGIN READ WRITE; ALTER DATABASE "{name}" RESET ALL; COMMIT')
    assert await query(database_url, "SELECT text FROM slept") == ["it's a \\ ä"]
    assert await query(database_url, "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1") == [
        "first",
        "second",
        "slept",
    ]
