"""What generators write: it passes squawk, is applied, and taken back so that nothing is left of it."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import pytest

from roost import MigrationOrchestrator, MigrationStep, Plugin, PluginMigrationService, Runtime, SqlMigrationService
from roost.errors import StepOutcomeUnknown
from roost.migrations import load_sql_steps
from roost.postgres import MigrationSession, parse_url
from roost.scaffold import (
    Draft,
    add_column,
    backfill,
    create_index,
    create_table,
    empty_step,
    enum_value,
    foreign_key,
    next_prefixes,
    python_module,
    sql_files,
)
from roost.schema import objects_in
from tests.plugins.build import BOUND, QUICK, execute, query, until

Drafts: TypeAlias = tuple[Draft, ...]

BEFORE = """
CREATE SCHEMA app;
SET search_path = app;
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TABLE owner (id bigint PRIMARY KEY, email text);
CREATE TABLE note (id bigint PRIMARY KEY, title text, kind text, owner_id bigint);
INSERT INTO owner SELECT n FROM generate_series(1, 3) n;
INSERT INTO note SELECT n, 'note ' || n, CASE WHEN n % 5 = 0 THEN 'old' END, 1 FROM generate_series(1, 2500) n;
"""
SET_BY_ROOST = "require-lock-timeout,require-statement-timeout"
"""Rules about what roost sets for each step by itself."""

GENERATED: dict[str, Callable[[], Drafts]] = {
    "step": lambda: empty_step("nothing yet"),
    "table": lambda: create_table("tag", ["name:text:not-null:unique", "weight:numeric(12, 2)", "at:timestamptz", "user:text[]"]),
    "table-with-key": lambda: create_table("app.tag", ["id:uuid", "Name:text"]),
    "add-column": lambda: add_column("note", "rank", "bigint"),
    "add-column-not-null": lambda: add_column("app.note", "rank", "bigint", default="0", not_null=True),
    "add-column-negative": lambda: add_column("note", "rank", "numeric(6, 2)", default="-1.5", not_null=True),
    "add-column-volatile": lambda: add_column("note", "token", "uuid", default="gen_random_uuid()"),
    "index": lambda: create_index("note", ["kind", "lower(title)"]),
    "index-unique": lambda: create_index("app.note", ["title"], unique=True),
    "backfill": lambda: backfill("note", "kind", "'new ' || title"),
    "enum-value": lambda: enum_value("mood", "so-so"),
    "enum-value-placed": lambda: enum_value("app.mood", "it's", before="happy"),
    "foreign-key": lambda: foreign_key("note", "owner_id", "owner"),
    "foreign-key-to-column": lambda: foreign_key("note", "owner_id", "app.owner.id"),
}
each_generator = pytest.mark.parametrize("kind", GENERATED)


def write(folder: Path, drafts: Drafts) -> Path:
    """Write drafts as SQL files, as the command does."""
    prefixes = next_prefixes((), len(drafts), now=datetime.now(UTC), directory=str(folder))
    for name, text in sql_files(drafts, prefixes=prefixes).items():
        (folder / name).write_text(text, "utf-8")
    return folder


def of_files(folder: Path) -> type[SqlMigrationService]:
    return type("Migrations", (SqlMigrationService,), {"service_name": "generated-migration", "directory": folder, "schema": "app"})


def of_module(folder: Path, drafts: Drafts) -> type[PluginMigrationService]:
    """Write drafts as a module, and bind what it holds."""
    ((name, text),) = python_module(drafts, version="1.0.0").items()
    (folder / name).write_text(text, "utf-8")
    subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "E,F,W,I", "--ignore", "E501", folder / name], check=True
    )
    scope: dict[str, Any] = {}
    exec(compile(text, name, "exec"), scope)  # noqa: S102 -- what it is for
    steps: list[MigrationStep] = scope["steps"]
    return type("Migrations", (PluginMigrationService,), {"service_name": "generated-migration", "steps": steps, "schema": "app"})


async def shape(url: str) -> list[Any]:
    """Return what the schema holds."""
    session = await MigrationSession.open(parse_url(url), application_name="test", attempts=1, delay=0.0)
    try:
        return sorted(await objects_in(session, ["app"]))
    finally:
        session.terminate()


async def there_and_back(url: str, service: type[PluginMigrationService], *, steps: int) -> None:
    """Apply, and take back, where that can be; hold what is left against what was there before."""
    await execute(url, BEFORE)
    before = await shape(url)
    runtime = Runtime(plugins=[Plugin("generated", version="1.0.0", services=[service])], database=url, config=QUICK)
    orchestrator = MigrationOrchestrator(runtime)
    planned = await orchestrator.run_all_migrations(dry_run=True)
    assert len((await orchestrator.run_all_migrations()).steps) == steps
    if all(step.irreversible is None for step in planned.steps):
        assert len((await runtime.get_service(service).rollback()).steps) == steps
        assert await shape(url) == before
        assert len((await orchestrator.run_all_migrations()).steps) == steps
    await runtime.stop()


@each_generator
def test_sql_lints_clean(kind: str, tmp_path: Path) -> None:
    """Nothing is found by squawk in what is run but for limits, which roost sets itself, and what is answered."""
    for step in load_sql_steps(write(tmp_path, GENERATED[kind]())):
        answered = ",".join((SET_BY_ROOST, *re.findall(r"-- roost: ignore ([\w-]+): ", str(step.up))))
        command = [str(Path(sys.executable).parent / "squawk"), "--reporter", "json", "--exclude", answered]
        command += ["--assume-in-transaction"] if step.transactional else []
        done = subprocess.run(command, input=str(step.up), capture_output=True, text=True, check=False)
        assert (done.returncode, json.loads(done.stdout or "[]")) == (0, []), done.stderr


@each_generator
@pytest.mark.asyncio
async def test_sql_files_lead_there_and_back(kind: str, tmp_path: Path, database_url: str) -> None:
    """Each file is applied by roost, and taken back so that the schema is as it was, and applied again."""
    drafts = GENERATED[kind]()
    await there_and_back(database_url, of_files(write(tmp_path, drafts)), steps=len(drafts))


@each_generator
@pytest.mark.asyncio
async def test_modules_lead_there_and_back(kind: str, tmp_path: Path, database_url: str) -> None:
    """So does each Python module, which needs no formatting of its imports either."""
    drafts = GENERATED[kind]()
    await there_and_back(database_url, of_module(tmp_path, drafts), steps=len(drafts))


@pytest.mark.parametrize("form", ["sql", "python"])
@pytest.mark.asyncio
async def test_a_backfill_fills_what_is_empty(form: str, tmp_path: Path, database_url: str) -> None:
    """All rows without a value get one, by batches; those that have one keep it."""
    drafts = GENERATED["backfill"]()
    service = of_files(write(tmp_path, drafts)) if form == "sql" else of_module(tmp_path, drafts)
    await there_and_back(database_url, service, steps=1)
    counts = "SELECT count(*) FILTER (WHERE kind = 'old'), count(*) FILTER (WHERE kind = 'new ' || title), count(*) FROM app.note"
    assert await query(database_url, counts) == [(500, 2000, 2500)]
    if form == "sql":
        assert await query(database_url, "SELECT count(DISTINCT xmin::text) FROM app.note WHERE kind <> 'old'") == [2]


@pytest.mark.asyncio
async def test_a_backfill_that_dies_goes_on(tmp_path: Path, database_url: str) -> None:
    """What was committed stays; the step is in doubt, and after the repair that its comment names the next run fills the rest."""
    await execute(database_url, BEFORE)
    service = of_files(write(tmp_path, GENERATED["backfill"]()))
    patient = replace(QUICK, lock_timeout=BOUND, lock_wait_budget=BOUND)
    runtime = Runtime(plugins=[Plugin("generated", version="1.0.0", services=[service])], database=database_url, config=patient)
    orchestrator = MigrationOrchestrator(runtime)
    other = await asyncpg.connect(database_url)
    await other.execute("BEGIN; SELECT FROM app.note WHERE id = 1999 FOR UPDATE")
    run = asyncio.create_task(orchestrator.run_all_migrations())
    waiting = "FROM pg_stat_activity WHERE query LIKE '%roost_batch%' AND wait_event_type = 'Lock'"
    await until(database_url, f"SELECT {waiting}")
    await query(database_url, f"SELECT pg_terminate_backend(pid) {waiting}")
    with pytest.raises(StepOutcomeUnknown):
        await run
    filled = "SELECT count(*) FROM app.note WHERE kind LIKE 'new %'"
    assert await query(database_url, filled) == [1000]
    await other.close()
    await orchestrator.repair("generated", "0001_fill_note_kind", done=False)
    await orchestrator.run_all_migrations()
    assert await query(database_url, filled) == [2000]
    await runtime.stop()


@pytest.mark.asyncio
async def test_a_key_that_was_validated_is_one_that_was_not(tmp_path: Path, database_url: str) -> None:
    """The way back of the second step leaves what the first one had made."""
    service = of_files(write(tmp_path, GENERATED["foreign-key"]()))
    await there_and_back(database_url, service, steps=2)
    is_valid = "SELECT convalidated FROM pg_constraint WHERE conname = 'note_owner_id_fkey'"
    assert await query(database_url, is_valid) == [True]
    runtime = Runtime(plugins=[Plugin("generated", version="1.0.0", services=[service])], database=database_url, config=QUICK)
    await runtime.get_service(service).rollback(steps=1)
    await runtime.stop()
    assert await query(database_url, is_valid) == [False]


@pytest.mark.asyncio
async def test_values_of_an_enum_stand_where_they_were_put(tmp_path: Path, database_url: str) -> None:
    """A value is before or after the one that was said, else the last."""
    drafts = (*enum_value("mood", "last"), *enum_value("mood", "first", before="sad"), *enum_value("mood", "second", after="first"))
    await there_and_back(database_url, of_files(write(tmp_path, drafts)), steps=3)
    assert await query(database_url, "SELECT enum_range(NULL::app.mood)::text") == ["{first,second,sad,happy,last}"]


@pytest.mark.asyncio
async def test_reserved_words_are_those_of_the_server(database_url: str) -> None:
    """Every word that the server takes as a name only in quotes is put into quotes."""
    words = await query(database_url, "SELECT word FROM pg_get_keywords() WHERE catcode IN ('R', 'T') ORDER BY 1")
    assert [word for word in words if f'"{word}"' not in create_table(word, [])[0].sql] == []
