"""``roost import`` as a process: what it writes, what it refuses, and how that is told."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.plugins.roost_process import Roost, roost_in, write_project

PROJECT = """
from pathlib import Path

from roost import MigrationStep, Plugin, PluginMigrationService, Runtime, SqlMigrationService


class NotesMigrations(SqlMigrationService):
    directory = Path(__file__).parent / "goose"


class TagsMigrations(PluginMigrationService):
    steps = [MigrationStep("tags", "Make tags", up="CREATE TABLE tags (id int)", version="1.0.0")]


notes = Plugin(name="notes", version="1.0.0", services=[NotesMigrations])
runtime = Runtime(plugins=[notes])
both = Runtime(plugins=[notes, Plugin(name="tags", services=[TagsMigrations])])
"""
TABLE = """
CREATE TABLE goose_db_version (id serial PRIMARY KEY, version_id bigint NOT NULL, is_applied boolean NOT NULL, tstamp timestamp);
INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true), (1, true);
CREATE TABLE notes (id int);
"""


@pytest.fixture
def roost(tmp_path: Path, database_url: str) -> Roost:
    """Run ``roost`` on the test's database, in a directory with a runtime of goose's files; its standard input is no terminal."""
    write_project(tmp_path, PROJECT)
    (tmp_path / "goose").mkdir()
    for name, sql in (("1_make", "CREATE TABLE notes (id int);"), ("2_kind", "ALTER TABLE notes ADD kind text;"), ("3_more", "SELECT 1;")):
        (tmp_path / "goose" / f"{name}.sql").write_text(f"-- +goose Up\n{sql}\n")
    return roost_in(tmp_path, ROOST_DATABASE_URL=database_url)


def on_database(url: str, sql: str) -> list[Any]:
    """Run a query, or several statements; rows come as tuples."""

    async def ask() -> list[Any]:
        connection = await asyncpg.connect(url)
        try:
            if not sql.startswith("SELECT"):
                await connection.execute(sql)
                return []
            return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    return asyncio.run(ask())


def told(process: subprocess.CompletedProcess[str]) -> tuple[int, str, str]:
    """Return the exit code, and the last two lines of standard error: what happened and the next thing to do."""
    error, hint = process.stderr.splitlines()[-2:]
    return process.returncode, error, hint


def test_an_import(roost: Roost, database_url: str) -> None:
    """It looks, wants a word of confirmation, writes, and says so; repeated, it has nothing to do; `up` goes on behind it."""
    on_database(database_url, TABLE)
    code, error, hint = told(roost("import", "--from", "goose"))
    assert (code, error.startswith("error: Import of plugin notes refused"), error.endswith("confirm it on: 1_make")) == (7, True, True)
    assert hint == "hint: nothing was written; look at it with --dry-run, and pass --yes to go ahead"
    looked = roost("import", "--from", "goose", "--dry-run")
    assert (looked.returncode, looked.stdout.splitlines()) == (
        0,
        [
            "step 1_make would count as applied; plugin notes would be at no version yet",
            "found in the database: table public.notes, column public.notes.id",
        ],
    )
    assert on_database(database_url, "SELECT to_regnamespace('roost')::text") == [(None,)]
    done = roost("import", "--from", "goose", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "schema_version": 1,
        "command": "import",
        "dry_run": False,
        "plugin": "notes",
        "steps": ["1_make"],
        "version": None,
        "run": 1,
        "found": ["table public.notes", "column public.notes.id"],
        "not_checked": [],
    }
    again = roost("import", "--from", "goose")
    assert (again.returncode, again.stdout) == (0, "nothing to import: the ledger has all that goose has run for plugin notes\n")
    assert roost("up").stdout.startswith("2 steps run in ")
    assert on_database(database_url, "SELECT version_id FROM goose_db_version ORDER BY id") == [(0,), (1,)]


@pytest.mark.parametrize(
    ("sql", "arguments", "expected"),
    [
        (
            "SELECT 1",
            ("--from", "goose"),
            (
                2,
                "error: The history of goose can't be imported: the database has no table goose_db_version",
                "hint: where the table has another name, say so with --table schema.name; see which database it is with: roost status",
            ),
        ),
        (
            "INSERT INTO goose_db_version (version_id, is_applied) VALUES (3, true)",
            ("--from", "goose", "--unchecked"),
            (
                4,
                "error: Migration step '3_more' of plugin notes can't be claimed: 2_kind comes before it and would be left out",
                "hint: nothing was written; let what has run the others run these too, and claim again",
            ),
        ),
        (
            "INSERT INTO goose_db_version (version_id, is_applied) VALUES (7, true)",
            ("--from", "goose"),
            (
                4,
                "error: The history of goose in public.goose_db_version can't be imported: plugin notes has no steps for 7",
                "hint: bring all migrations that the database has into the plugin's code, under the names or numbers that they have there",
            ),
        ),
        (
            "",
            ("--from", "django", "--table", "goose_db_version"),
            (
                2,
                "error: The history of django in public.goose_db_version can't be imported: it has no column app, name",
                "hint: look whether it is django's; else say which with --table schema.name",
            ),
        ),
        (
            "",
            ("--from", "goose", "--plugin", "note"),
            (2, "error: No plugin 'note' has migrations in this runtime", "hint: did you mean notes?"),
        ),
        (
            "",
            ("shop:both", "--from", "goose"),
            (2, "error: Several plugins have migrations", "hint: say with --plugin whose history it is: notes, tags"),
        ),
    ],
)
def test_what_is_refused(roost: Roost, database_url: str, sql: str, arguments: tuple[str, ...], expected: tuple[int, str, str]) -> None:
    """Each is told in two lines, whatever else is said, and makes no ledger."""
    on_database(database_url, sql if sql.startswith("SELECT") else f"{TABLE}; {sql}")
    assert told(roost("import", *arguments, "--yes")) == expected
    document = json.loads(roost("import", *arguments, "--yes", "--json").stdout)
    assert (document["exit_code"], document["error"]["message"]) == (expected[0], expected[1].removeprefix("error: "))
    assert on_database(database_url, "SELECT to_regnamespace('roost')::text") == [(None,)]


@pytest.mark.parametrize("arguments", [(), ("--from", "liquibase")])
def test_no_tool(roost: Roost, arguments: tuple[str, ...]) -> None:
    """Without a tool, and with one that roost does not know, it is a usage error that names the option."""
    done = roost("import", *arguments)
    assert (done.returncode, "--from" in done.stderr, "Traceback" in done.stderr) == (2, True, False)
