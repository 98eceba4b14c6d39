"""Histories of other tools: made by Alembic, dbmate and Django themselves, and by the tables that the others document."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import asyncpg
import pytest

from roost import MigrationOrchestrator, Plugin, Runtime, SqlMigrationService
from roost.errors import (
    ClaimNotFound,
    HistoryNotFound,
    HistoryNotInCode,
    HistoryUnfinished,
    HistoryUnreadable,
    RoostError,
    StepsLeftOut,
)
from roost.interop import HistoryTool, _importing, import_history
from roost.postgres import parse_url
from tests.plugins.alembic_project import AlembicProject

BOUND = 120.0
Ask: TypeAlias = Callable[[str], Awaitable[list[Any]]]


@pytest.fixture
def ask(database_url: str) -> Ask:
    """Run a query, or several statements; rows come as tuples."""

    async def run(query: str) -> list[Any]:
        connection = await asyncpg.connect(database_url)
        try:
            if not query.startswith(("SELECT", "TABLE")):
                await connection.execute(query)
                return []
            return [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    return run


def runtime_of(folder: Path, url: str) -> Runtime:
    """Return a runtime whose plugin ``notes`` has the SQL files of a folder."""

    class NotesMigrations(SqlMigrationService):
        directory: ClassVar[Path] = folder

    return Runtime(plugins=[Plugin("notes", version="1.0.0", services=[NotesMigrations])], database=url)


def process(*command: str | Path, cwd: Path) -> str:
    """Run a command of another tool and return what it printed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=BOUND, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def up(runtime: Runtime) -> list[str]:
    """Migrate, and return the steps that were run."""
    return [step.step for step in (await MigrationOrchestrator(runtime).run_all_migrations()).steps]


@pytest.mark.asyncio
async def test_dbmate(tmp_path: Path, database_url: str, ask: Ask) -> None:
    """The files that dbmate has run count as applied, the next one runs under roost, and dbmate's own table stays as it was."""
    (tmp_path / "20240101000000_notes.sql").write_text("-- migrate:up\nCREATE TABLE notes (id int);\n-- migrate:down\nDROP TABLE notes;\n")
    (tmp_path / "20240102000000_kind.sql").write_text("-- migrate:up\nALTER TABLE notes ADD kind text;\n-- migrate:down\n")
    dbmate = Path(sys.executable).parent / "dbmate"
    await asyncio.to_thread(process, dbmate, "--url", database_url, "-d", tmp_path, "--no-dump-schema", "up", cwd=tmp_path)
    before = await ask("SELECT * FROM schema_migrations")
    claimed = await import_history(runtime_of(tmp_path, database_url), "notes", tool="dbmate")
    assert claimed.steps == ("20240101000000_notes", "20240102000000_kind")
    assert claimed.version == "1.0.0"
    assert claimed.found == ("table public.notes", "column public.notes.id", "column public.notes.kind")
    assert await ask("SELECT * FROM schema_migrations") == before
    again = await import_history(runtime_of(tmp_path, database_url), "notes", tool="dbmate")
    assert (again.steps, again.run) == ((), None)
    assert await ask("SELECT count(*) FROM roost.run") == [(1,)]
    (tmp_path / "20240103000000_more.sql").write_text("-- migrate:up\nCREATE TABLE more ();\n")
    assert await up(runtime_of(tmp_path, database_url)) == ["20240103000000_more"]


DJANGO = """
import sys
import django
from django.conf import settings
from django.core.management import call_command

settings.configure(
    INSTALLED_APPS=["notes"],
    DATABASES={"default": %r},
)
django.setup()
call_command(*sys.argv[1:])
"""
MODELS = """
from django.db import models


class Note(models.Model):
    body = models.TextField()
"""


@pytest.mark.asyncio
async def test_django(tmp_path: Path, database_url: str, ask: Ask) -> None:
    """An app of Django's, whose SQL Django writes out into files of the same names, counts as applied as far as Django has migrated it."""
    url = parse_url(database_url)
    host, port = url.hosts[0] if url.hosts else ("", None)
    django = {"ENGINE": "django.db.backends.postgresql", "NAME": url.database, "USER": url.user, "HOST": host, "PORT": port or ""}
    (tmp_path / "manage.py").write_text(DJANGO % {**django, "PASSWORD": url.password or "", "OPTIONS": dict(url.params)})
    (tmp_path / "notes" / "migrations").mkdir(parents=True)
    for name in ("notes/__init__.py", "notes/migrations/__init__.py"):
        (tmp_path / name).touch()

    def manage(*arguments: str) -> str:
        return process(sys.executable, "manage.py", *arguments, cwd=tmp_path)

    def written(name: str) -> None:
        (files / f"{name}.up.sql").write_text(manage("sqlmigrate", "notes", name))

    files = tmp_path / "files"
    files.mkdir()
    (tmp_path / "notes" / "models.py").write_text(MODELS)
    await asyncio.to_thread(manage, "makemigrations", "notes")
    await asyncio.to_thread(manage, "migrate")
    await asyncio.to_thread(written, "0001_initial")
    (tmp_path / "notes" / "models.py").write_text(f"{MODELS}    kind = models.TextField(null=True)\n")
    await asyncio.to_thread(manage, "makemigrations", "notes", "-n", "kind")
    await asyncio.to_thread(written, "0002_kind")
    claimed = await import_history(runtime_of(files, database_url), "notes", tool="django")
    assert (claimed.steps, claimed.version) == (("0001_initial",), None)
    assert "table public.notes_note" in claimed.found
    assert await up(runtime_of(files, database_url)) == ["0002_kind"]
    assert await ask("SELECT name::text FROM django_migrations WHERE app = 'notes'") == [("0001_initial",)]
    assert await ask("SELECT kind FROM notes_note") == []


@pytest.mark.asyncio
async def test_alembic(tmp_path: Path, database_url: str, ask: Ask) -> None:
    """Of two branches that Alembic has run, one to its head, what lies below the heads counts as applied; the rest runs under roost."""
    project = AlembicProject.init(tmp_path, database_url)
    project.revision("notes", up='op.create_table("notes", sa.Column("id", sa.Integer()))')
    project.revision("kind", up='op.add_column("notes", sa.Column("kind", sa.Text()))')
    project.revision("early", "--head", "notes", "--splice", up='op.create_table("early", sa.Column("id", sa.Integer()))')
    project.revision("tags", "--head", "notes", "--splice", up='op.create_table("tags", sa.Column("id", sa.Integer()))')
    project.revision("zebras", "--head", "notes", "--splice")
    project.alembic("upgrade", "kind")
    project.alembic("upgrade", "tags")
    claimed = await import_history(project.runtime(), "notes", tool="alembic")
    assert (set(claimed.steps), claimed.steps[0]) == ({"notes", "kind", "tags"}, "notes")
    assert set(claimed.not_checked) == {f"{name}: a Python function" for name in claimed.steps}
    assert (await import_history(project.runtime(), "notes", tool="alembic")).steps == ()
    assert set(await up(project.runtime())) == {"early", "zebras"}
    assert project.current() == ["early", "kind", "tags", "zebras"]
    project.revision("late", "--head", "tags")
    project.alembic("upgrade", "late")
    assert (await import_history(project.runtime(), "notes", tool="alembic")).steps == ("late",)
    await ask("INSERT INTO alembic_version VALUES ('strange')")
    with pytest.raises(HistoryNotInCode) as caught:
        await import_history(project.runtime(), "notes", tool="alembic")
    assert caught.value.entries == ("strange",)


FLYWAY = """
CREATE SCHEMA app;
CREATE TABLE app.flyway_schema_history (
    installed_rank INT NOT NULL PRIMARY KEY, version VARCHAR(50), description VARCHAR(200) NOT NULL, type VARCHAR(20) NOT NULL,
    script VARCHAR(1000) NOT NULL, checksum INTEGER, installed_by VARCHAR(100) NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT now(), execution_time INTEGER NOT NULL, success BOOLEAN NOT NULL
);
INSERT INTO app.flyway_schema_history VALUES
    (2, '1.10', 'b', 'SQL', 'V1_10__b.sql', 5, 'me', now(), 1, true), (1, '1', 'a', 'SQL', 'V1__a.sql', 4, 'me', now(), 1, true);
"""
GOOSE = """
CREATE TABLE goose_db_version (
    id integer PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, version_id bigint NOT NULL, is_applied boolean NOT NULL,
    tstamp timestamp NOT NULL DEFAULT now()
);
INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true), (1, true), (2, true);
"""
GOLANG_MIGRATE = """
CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL);
INSERT INTO schema_migrations VALUES (2, false);
"""
RAILS = """
CREATE TABLE schema_migrations (version character varying NOT NULL PRIMARY KEY);
CREATE TABLE ar_internal_metadata (key character varying NOT NULL PRIMARY KEY, value character varying);
INSERT INTO schema_migrations VALUES ('20240101000000'), ('20240102000000');
"""
ELIZAOS = """
CREATE SCHEMA migrations;
CREATE TABLE migrations._migrations (id SERIAL PRIMARY KEY, plugin_name TEXT NOT NULL, hash TEXT NOT NULL, created_at BIGINT NOT NULL);
CREATE TABLE migrations._journal (
    plugin_name TEXT PRIMARY KEY, version TEXT NOT NULL, dialect TEXT NOT NULL DEFAULT 'postgresql', entries JSONB NOT NULL DEFAULT '[]'
);
INSERT INTO migrations._journal VALUES ('@org/notes', '7', 'postgresql', '[{"idx": 0, "tag": "0000_x"}, {"idx": 1, "tag": "0001_y"}]');
"""
GOOSE_UP = "-- +goose Up\n"
CASES: dict[HistoryTool, tuple[str, tuple[str, ...], str]] = {
    "flyway": (FLYWAY, ("V1__a.sql", "V1_10__b.sql", "V2__c.sql"), ""),
    "goose": (GOOSE, ("1_a.sql", "2_b.sql", "10_c.sql"), GOOSE_UP),
    "golang-migrate": (GOLANG_MIGRATE, ("1_a.up.sql", "2_b.up.sql", "10_c.up.sql"), ""),
    "rails": (RAILS, ("20240101000000_a.sql", "20240102000000_b.sql", "20240103000000_c.sql"), ""),
    "elizaos": (ELIZAOS, ("0000_a.sql", "0001_b.sql", "0002_c.sql"), ""),
}


def bodies(folder: Path, names: tuple[str, ...], head: str) -> None:
    """Write files that make the tables a, b and c."""
    for name, table in zip(names, "abc", strict=True):
        (folder / name).write_text(f"{head}CREATE TABLE {table} ();\n")


@pytest.mark.asyncio
@pytest.mark.parametrize("tool", CASES)
async def test_documented_tables(tmp_path: Path, database_url: str, ask: Ask, tool: HistoryTool) -> None:
    """What the table says is claimed when the database has it, the rest runs, and the table is left as it was."""
    ddl, names, head = CASES[tool]
    bodies(tmp_path, names, head)
    await ask(ddl)
    app = "@org/notes" if tool == "elizaos" else None
    with pytest.raises(ClaimNotFound):
        await import_history(runtime_of(tmp_path, database_url), "notes", tool=tool, app=app)
    await ask("CREATE TABLE a (); CREATE TABLE b ();")
    looked = await import_history(runtime_of(tmp_path, database_url), "notes", tool=tool, app=app, dry_run=True)
    assert await ask("SELECT to_regnamespace('roost')::text") == [(None,)]
    claimed = await import_history(runtime_of(tmp_path, database_url), "notes", tool=tool, app=app)
    ids = [name.removesuffix(".sql").removesuffix(".up") for name in names]
    assert (claimed.steps, looked.steps, looked.run) == (tuple(ids[:2]), tuple(ids[:2]), None)
    assert await up(runtime_of(tmp_path, database_url)) == ids[2:]


async def refused(folder: Path, url: str, tool: HistoryTool, **options: Any) -> RoostError:
    """Return the error with which an import is refused; no ledger is made then."""
    with pytest.raises(RoostError) as caught:
        await import_history(runtime_of(folder, url), "notes", tool=tool, check=False, **options)
    connection = await asyncpg.connect(url)
    try:
        assert await connection.fetchval("SELECT to_regnamespace('roost')::text") is None
    finally:
        await connection.close()
    return caught.value


@pytest.mark.asyncio
async def test_what_is_refused(tmp_path: Path, database_url: str, ask: Ask) -> None:
    """A table that is not there, is another tool's, or has several places; a gap; what failed; what the code lacks: nothing is written."""
    bodies(tmp_path, ("1_a.sql", "2_b.sql", "3_c.sql"), "")
    error = await refused(tmp_path, database_url, "goose")
    assert isinstance(error, HistoryNotFound)
    assert (await refused(tmp_path, database_url, "elizaos")).message.endswith("no table migrations._journal")
    await ask(GOLANG_MIGRATE)
    error = await refused(tmp_path, database_url, "dbmate")
    assert isinstance(error, HistoryUnreadable)
    assert error.reason == "it has a column dirty, as another tool's has"
    error = await refused(tmp_path, database_url, "goose", table="public.schema_migrations")
    assert isinstance(error, HistoryUnreadable)
    assert error.reason == "it has no column version_id, is_applied, id"
    await ask("UPDATE schema_migrations SET dirty = true")
    assert isinstance(await refused(tmp_path, database_url, "golang-migrate"), HistoryUnfinished)
    await ask("CREATE SCHEMA other; CREATE TABLE other.schema_migrations (version text)")
    error = await refused(tmp_path, database_url, "rails")
    assert isinstance(error, HistoryUnreadable)
    assert error.reason == "there is one in each of the schemas other, public"
    await ask("INSERT INTO other.schema_migrations VALUES ('1'), ('3')")
    error = await refused(tmp_path, database_url, "rails", table="other.schema_migrations")
    assert isinstance(error, StepsLeftOut)
    assert (error.steps, error.before) == (("2_b",), "3_c")
    await ask("INSERT INTO other.schema_migrations VALUES ('2'), ('4')")
    error = await refused(tmp_path, database_url, "rails", table="other.schema_migrations")
    assert isinstance(error, HistoryNotInCode)
    assert error.entries == ("4",)


@pytest.mark.asyncio
async def test_what_the_ledger_has_is_not_claimed_again(tmp_path: Path, database_url: str, ask: Ask) -> None:
    """An import goes on behind what was imported before, also where a version is reached by it."""
    bodies(tmp_path, ("1_a.sql", "2_b.sql", "3_c.sql"), "")
    await ask("CREATE TABLE schema_migrations (version text); INSERT INTO schema_migrations VALUES ('1')")
    first = await import_history(runtime_of(tmp_path, database_url), "notes", tool="rails", check=False)
    await ask("INSERT INTO schema_migrations VALUES ('2'), ('3')")
    second = await import_history(runtime_of(tmp_path, database_url), "notes", tool="rails", check=False)
    assert (first.steps, first.version) == (("1_a",), None)
    assert (second.steps, second.version) == (("2_b", "3_c"), "1.0.0")
    assert await up(runtime_of(tmp_path, database_url)) == []
    history = await MigrationOrchestrator(runtime_of(tmp_path, database_url)).get_migration_history()
    assert json.dumps([(record.step, record.attempts) for record in history]) == '[["3_c", 0], ["2_b", 0], ["1_a", 0]]'


@pytest.mark.asyncio
async def test_a_table_that_can_not_be_read(tmp_path: Path, database_url: str, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """A history that others keep locked is not waited for without end; one that writes when it is read, or may not be read, is told."""
    await ask("CREATE TABLE schema_migrations (version text)")
    monkeypatch.setattr(_importing, "_BEGIN", _importing._BEGIN.replace("'10s'", "'50ms'"))
    holder = await asyncpg.connect(database_url)
    try:
        await holder.execute("BEGIN; LOCK TABLE schema_migrations IN ACCESS EXCLUSIVE MODE")
        assert "kept it locked" in (await refused(tmp_path, database_url, "dbmate")).message
    finally:
        await holder.close()
    await ask("DROP TABLE schema_migrations; CREATE SEQUENCE s; CREATE VIEW schema_migrations AS SELECT nextval('s')::text AS version")
    assert "in a read-only transaction" in (await refused(tmp_path, database_url, "dbmate")).message
