"""Ledgers that somebody changed, that a newer roost made, or that are none."""

from __future__ import annotations

import asyncpg
import pytest

from roost import MigrationOrchestrator, MigrationStep
from roost.errors import (
    InvalidPluginVersion,
    LedgerDenied,
    LedgerTooNew,
    RoostError,
    StepEscaped,
    StepOutcomeUnknown,
    StepsMissing,
    StepsOutOfOrder,
)
from roost.migrations import StepsChanged
from roost.postgres import parse_url
from tests.plugins.build import applied, execute, make_plugin, make_runtime, migrate, names, query, residue
from tests.plugins.fix_postgres import MakeDatabase

FIRST = MigrationStep("first", "First", up="CREATE TABLE first (id int)", version="1.0.0")
SECOND = MigrationStep("second", "Second", up="CREATE TABLE second (id int)", version="1.1.0")
THIRD = MigrationStep("third", "Third", up="CREATE TABLE third (id int)", version="1.2.0")


async def tampered(url: str, sql: str) -> tuple[list[str], list[object]]:
    """Apply two steps, change the ledger, and run code with a third; return the steps that were run and the changes that were told."""
    await migrate(url, make_plugin("p", FIRST, SECOND))
    await execute(url, sql)
    runtime = make_runtime(url, make_plugin("p", FIRST, SECOND, THIRD))
    told: list[object] = []
    runtime.events.subscribe(lambda event: told.extend(event.steps), StepsChanged)
    report = await MigrationOrchestrator(runtime).run_all_migrations()
    return names(report.steps), told


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("UPDATE roost.applied SET fingerprint = 'sql:beef', normal_form = 'beef' WHERE step = 'first'", ["first"]),
        ("UPDATE roost.applied SET chain = 'beef'", []),
        ("UPDATE roost.plugin SET chain = 'beef'", []),
        ("UPDATE roost.plugin SET settled = 'beef'", []),
        ("UPDATE roost.applied SET version = 'beef'", []),
        ("DELETE FROM roost.plugin", []),
        ("DELETE FROM roost.run", []),
        ("DELETE FROM roost.history", []),
    ],
)
async def test_a_tampered_ledger_runs_nothing_twice(database_url: str, sql: str, told: list[str]) -> None:
    """A changed fingerprint is drift and is told; changed hashes, versions or lost accounts of runs do not bring back what is applied."""
    assert await tampered(database_url, sql) == (["third"], told)
    assert await applied(database_url) == [("p", "first"), ("p", "second"), ("p", "third")]
    assert await residue(database_url) == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("DELETE FROM roost.applied WHERE step = 'first'", StepsOutOfOrder),
        ("UPDATE roost.applied SET step = 'stranger' WHERE step = 'first'", StepsMissing),
        ("UPDATE roost.plugin SET version = 'beef'", InvalidPluginVersion),
        ("UPDATE roost.applied SET state = 'escaped' WHERE step = 'first'", StepEscaped),
        ("UPDATE roost.applied SET state = 'intent' WHERE step = 'second'", StepOutcomeUnknown),
        ("DROP TABLE roost.meta", LedgerDenied),
        ("DELETE FROM roost.meta", LedgerDenied),
    ],
)
async def test_a_tampered_ledger_is_refused(database_url: str, sql: str, error: type[RoostError]) -> None:
    """What fits no plan any more is refused by what is wrong with it, and nothing is run."""
    with pytest.raises(error):
        await tampered(database_url, sql)
    assert await query(database_url, "SELECT to_regclass('third')") == [None]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_states_that_there_are_not(database_url: str) -> None:
    """The server itself refuses a state that no roost has written."""
    await migrate(database_url, make_plugin("p", FIRST))
    with pytest.raises(asyncpg.CheckViolationError):
        await execute(database_url, "UPDATE roost.applied SET state = 'perhaps'")


@pytest.mark.asyncio
async def test_a_newer_ledger_that_may_be_read(database_url: str) -> None:
    """Where the newer roost says that this one may read: status, history and a start with nothing to do; nothing is written into it."""
    await migrate(database_url, make_plugin("p", FIRST))
    await execute(database_url, "UPDATE roost.meta SET schema_version = schema_version + 1")
    before = await query(database_url, "SELECT r::text FROM roost.run r UNION ALL SELECT p::text FROM roost.plugin p")
    orchestrator = MigrationOrchestrator(make_runtime(database_url, make_plugin("p", FIRST)))
    assert (await orchestrator.run_all_migrations()).done == ("p-migration",)
    assert (await orchestrator.get_migration_status()).services[0].version == "1.0.0"
    assert [record.step for record in await orchestrator.get_migration_history()] == ["first"]
    with pytest.raises(LedgerTooNew, match="pip install -U roost"):
        await migrate(database_url, make_plugin("p", FIRST, SECOND))
    assert await query(database_url, "SELECT r::text FROM roost.run r UNION ALL SELECT p::text FROM roost.plugin p") == before
    assert await query(database_url, "SELECT to_regclass('second')") == [None]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_a_newer_ledger_that_may_not_be_read(database_url: str) -> None:
    """Where the newer roost says that this one would misread it, status and history refuse as a run does."""
    await migrate(database_url, make_plugin("p", FIRST))
    await execute(database_url, "UPDATE roost.meta SET schema_version = schema_version + 1, oldest_reader = schema_version + 1")
    orchestrator = MigrationOrchestrator(make_runtime(database_url, make_plugin("p", FIRST, SECOND)))
    for ask in (orchestrator.run_all_migrations, orchestrator.get_migration_status, orchestrator.get_migration_history):
        with pytest.raises(LedgerTooNew):
            await ask()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "make", ["CREATE SCHEMA roost", "CREATE SCHEMA roost; CREATE TABLE roost.run (mine int); CREATE TABLE roost.plugin (name int)"]
)
async def test_a_schema_roost_of_somebody_else(database_url: str, make: str) -> None:
    """It is refused as what it is, and nothing of it or beside it is touched."""
    await execute(database_url, make)
    relations = (
        "SELECT c.oid::regclass::text, relfilenode FROM pg_class c WHERE relnamespace IN ('roost'::regnamespace, 'public'::regnamespace)"
    )
    before = await query(database_url, relations)
    with pytest.raises(LedgerDenied, match="a schema roost exists that is not a ledger"):
        await migrate(database_url, make_plugin("p", FIRST))
    assert await query(database_url, relations) == before
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_tables_named_like_the_ledgers_in_the_template(new_database: MakeDatabase) -> None:
    """A new database that has such tables in public from the start, and a search path to them, gets its ledger beside them."""
    template = await new_database()
    tables = ("applied", "history", "meta", "plugin", "run")
    await execute(template, "; ".join(f"CREATE TABLE {name} (x int PRIMARY KEY, name int)" for name in tables))
    url = await new_database(f"TEMPLATE {parse_url(template).database}")
    await execute(url, f"ALTER DATABASE {parse_url(url).database} SET search_path = public, roost, pg_temp")
    assert names((await migrate(url, make_plugin("p", FIRST, SECOND))).steps) == ["first", "second"]
    counts = [await query(url, f"SELECT (SELECT count(*) FROM public.{name}), (SELECT count(*) > 0 FROM roost.{name})") for name in tables]
    assert counts == [[(0, True)]] * 5
