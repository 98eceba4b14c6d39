"""Section I: dry run, status, modes."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime

import pytest

from roost import DatabaseMigrationService, MigrationOrchestrator, MigrationStep, Plugin, run_plugin_migrations
from roost.errors import StepFailed
from roost.postgres import parse_url
from tests.plugins.build import execute, history, make_plugin, make_runtime, migrate, query, residue
from tests.plugins.catalogue import catalogue_of
from tests.plugins.declared import RECORD_DDL, STEP, bring_about, declaring, defined

S1 = MigrationStep("s1", "Create a", up="CREATE TABLE a (id int PRIMARY KEY)", down="DROP TABLE a", version="1.0.0")
S2 = MigrationStep("s2", "Add a note", up="ALTER TABLE a ADD note text", down="ALTER TABLE a DROP note", version="2.0.0")
S3 = MigrationStep("s3", "Create b", up="CREATE TABLE b (id int PRIMARY KEY, a_id int REFERENCES a)", down="DROP TABLE b", version="3.0.0")
DEMO = (S1, S2, S3)
NARROW = "CREATE TABLE t (id int PRIMARY KEY)"
WIDE = "CREATE TABLE t (id int PRIMARY KEY, note text)"


@pytest.mark.asyncio
async def test_DY_01_a_dry_run_writes_nothing(database_url: str) -> None:
    """DY-01: on an empty database it gives the statements in order, no history row, and the catalogue is what it was.

    The same holds for a rollback, and for a role that may only read the ledger.
    """
    before = await catalogue_of(database_url)
    runtime = make_runtime(database_url, make_plugin("demo", *DEMO))
    report = await MigrationOrchestrator(runtime).run_all_migrations(dry_run=True)
    assert [(step.step, step.sql) for step in report.steps] == [(step.id, step.up) for step in DEMO]
    undone = await runtime.get_service("demo-migration").rollback(dry_run=True)
    assert undone.steps == ()
    assert await MigrationOrchestrator(runtime).get_migration_history() == []
    assert await catalogue_of(database_url) == before
    assert await query(database_url, "SELECT to_regnamespace('roost')") == [None]
    assert await residue(database_url) == []
    await _as_reader(database_url)


async def _as_reader(database_url: str) -> None:
    await migrate(database_url, make_plugin("demo", *DEMO[:2]))
    role = f"reader_{os.getpid()}"
    await execute(database_url, f"CREATE ROLE {role} LOGIN")
    try:
        await MigrationOrchestrator(make_runtime(database_url, make_plugin("demo", *DEMO))).grant(role)
        before = await catalogue_of(database_url), await history(database_url)
        runtime = make_runtime(replace(parse_url(database_url), user=role, password=None).dsn, make_plugin("demo", *DEMO))
        report = await MigrationOrchestrator(runtime).run_all_migrations(dry_run=True)
        undone = await runtime.get_service("demo-migration").rollback(dry_run=True)
        assert (await catalogue_of(database_url), await history(database_url)) == before
    finally:
        await execute(database_url, f"DROP OWNED BY {role}; DROP ROLE {role}")
    assert [step.sql for step in report.steps] == [S3.up]
    assert [(step.step, step.sql) for step in undone.steps] == [("s2", S2.down), ("s1", S1.down)]


@pytest.mark.asyncio
async def test_DY_04_a_dry_run_of_a_loss(database_url: str) -> None:
    """DY-04: a dry run tells what would be blocked, and what it would have done for others; it neither raises nor writes."""
    await bring_about(database_url, {"lossy": WIDE, "other": NARROW})
    before = await catalogue_of(database_url), await history(database_url)
    schemas = {"lossy": NARROW, "other": WIDE}
    report = await bring_about(database_url, schemas, dry_run=True)
    assert [(block.plugin, block.losses) for block in report.blocked] == [("lossy", ("t.note",))]
    assert [(step.plugin, step.step) for step in report.steps] == [("other", STEP)]
    assert 'ADD COLUMN "note" text' in (report.steps[0].sql or "")
    allowed = await bring_about(database_url, schemas, dry_run=True, allow={"t.note"})
    assert (allowed.blocked, [step.plugin for step in allowed.steps]) == ((), ["lossy", "other"])
    assert 'DROP COLUMN "note"' in (allowed.steps[0].sql or "")
    assert (await catalogue_of(database_url), await history(database_url)) == before
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_DY_05_status_of_a_plugin(database_url: str) -> None:
    """DY-05: not run before the first run; after it run, with the number of its snapshots in the history, and the last one.

    The same holds for a plugin that declares a schema; it also tells what differs from what was declared.
    """
    orchestrator = MigrationOrchestrator(make_runtime(database_url, make_plugin("demo", *DEMO)))
    (status,) = (await orchestrator.get_migration_status()).services
    assert (status.has_migrations, status.version, status.last_run, status.pending) == (True, None, None, 3)
    assert await orchestrator.get_migration_history("demo") == []
    await orchestrator.run_all_migrations()
    (status,) = (await orchestrator.get_migration_status()).services
    records = await orchestrator.get_migration_history("demo")
    assert (status.version, status.pending, len(records)) == ("3.0.0", 0, 3)
    assert isinstance(status.last_run, datetime)
    assert (records[0].step, records[0].executed_at) == ("s3", status.last_run)
    await _of_a_declared_schema(database_url)


async def _of_a_declared_schema(database_url: str) -> None:
    for number, declared in enumerate((NARROW, WIDE)):
        service = declaring(database_url, {"notes": declared}).get_service(DatabaseMigrationService)
        status = await service.get_status("notes")
        assert (status.plugin, status.schema, status.has_run, status.snapshots) == ("notes", "notes", number > 0, number)
        await bring_about(database_url, {"notes": declared})
        later = await service.get_status("notes")
        assert (later.has_run, later.snapshots, later.drift) == (True, number + 1, ())
        assert isinstance(later.last_run, datetime)
        assert status.last_run is None or status.last_run < later.last_run
    await execute(database_url, "ALTER TABLE notes.t DROP note")
    (drift,) = (await service.get_status("notes")).drift
    assert "note" in str(drift)


@pytest.mark.asyncio
async def test_DY_06_reset_forgets_and_drops_nothing(database_url: str) -> None:
    """DY-06: reset clears a plugin's history and leaves its tables; the next run finds them as declared, and defines nothing."""
    schemas = {"one": NARROW, "two": NARROW}
    await bring_about(database_url, schemas)
    await bring_about(database_url, {**schemas, "one": WIDE})
    await execute(database_url, "INSERT INTO one.t VALUES (1, 'kept')")
    service = declaring(database_url, {**schemas, "one": WIDE}).get_service(DatabaseMigrationService)
    await service.reset("one")
    status, other = await service.get_status("one"), await service.get_status("two")
    assert (status.has_run, status.snapshots, status.last_run) == (False, 0, None)
    assert (other.has_run, other.snapshots) == (True, 1)
    assert await service.get_migration_history("one") == []
    assert await residue(database_url) == []
    before = await catalogue_of(database_url)
    await execute(database_url, RECORD_DDL)
    await bring_about(database_url, {**schemas, "one": WIDE})
    assert await defined(database_url) == []
    await execute(database_url, "DROP EVENT TRIGGER note; DROP EVENT TRIGGER note_dropped; DROP SCHEMA noted CASCADE")
    assert await catalogue_of(database_url) == before
    assert await query(database_url, "SELECT id, note FROM one.t") == [(1, "kept")]
    assert (await service.get_status("one")).has_run


@pytest.mark.asyncio
@pytest.mark.filterwarnings("ignore:run_plugin_migrations is deprecated:DeprecationWarning")
async def test_DY_07_verbose_in_development(database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """DY-07: what is done is told by default in development and not in production; what is refused is the same in both."""
    told: dict[str | None, str] = {}
    refused: dict[str | None, str] = {}
    for environment in ("development", "production", None):
        if environment is None:
            monkeypatch.delenv("ROOST_ENV", raising=False)
        else:
            monkeypatch.setenv("ROOST_ENV", environment)
        plugin: Plugin = make_plugin(f"demo-{environment}", MigrationStep("one", "One", up="SELECT 1", version="1.0.0"))
        await run_plugin_migrations(database_url, [plugin])
        told[environment] = capsys.readouterr().err
        failing = make_plugin("failing", MigrationStep("bad", "Bad", up="SELECT nope", version="1.0.0"))
        with pytest.raises(StepFailed) as caught:
            await run_plugin_migrations(database_url, [failing])
        refused[environment] = str(caught.value)
        capsys.readouterr()
    assert "demo-development 1/1 up one: One" in told["development"]
    assert (told["production"], told[None]) == ("", "")
    assert len(set(refused.values())) == 1
