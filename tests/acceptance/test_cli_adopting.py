"""The commands that take over a database, as processes: what they write, what they refuse, and how that is told."""

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
from roost import MigrationStep, Plugin, PluginMigrationService, Runtime


async def fill(ctx):
    await ctx.execute("INSERT INTO notes VALUES (1)")


class NotesMigrations(PluginMigrationService):
    steps = [
        MigrationStep("make", "Make notes", up="CREATE TABLE notes (id int)", down="DROP TABLE notes", version="1.0.0"),
        MigrationStep("fill", "Fill notes", up=fill, version="1.1.0"),
        MigrationStep("kind", "Tell kinds", up="ALTER TABLE notes ADD kind text", version="1.2.0"),
    ]


class TagsMigrations(PluginMigrationService):
    steps = [MigrationStep("tags", "Make tags", up="CREATE TABLE tags (id int)", version="1.0.0", requires=("notes:make",))]


runtime = Runtime(plugins=[Plugin(name="notes", services=[NotesMigrations]), Plugin(name="tags", services=[TagsMigrations])])
"""


@pytest.fixture
def roost(tmp_path: Path, database_url: str) -> Roost:
    """Run ``roost`` on the test's database, in a directory with a runtime; its standard input is no terminal."""
    write_project(tmp_path, PROJECT)
    return roost_in(tmp_path, ROOST_DATABASE_URL=database_url)


def on_database(url: str, sql: str) -> list[Any]:
    """Run a query; rows come as tuples."""

    async def ask() -> list[Any]:
        connection = await asyncpg.connect(url)
        try:
            return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    return asyncio.run(ask())


def told(process: subprocess.CompletedProcess[str]) -> tuple[int, str, str]:
    """Return the exit code, and the last two lines of standard error: what happened and the next thing to do."""
    error, hint = process.stderr.splitlines()[-2:]
    return process.returncode, error, hint


def test_a_baseline(roost: Roost, database_url: str) -> None:
    """It looks, wants a word of confirmation, writes, and `up` runs only what is above; history and status say what nobody ran."""
    code, error, _ = told(roost("baseline", "notes", "--to", "1.1.0"))
    assert (code, error.endswith(" of plugin notes make: make: table public.notes is not there")) == (1, True)
    on_database(database_url, "CREATE TABLE notes (id int)")
    code, error, hint = told(roost("baseline", "notes", "--to", "1.1.0"))
    assert (code, error.startswith("error: Baseline of plugin notes refused")) == (7, True)
    assert error.endswith("there is no terminal to confirm it on: make, fill")
    assert hint == "hint: nothing was written; look at it with --dry-run, and pass --yes to go ahead"
    looked = roost("baseline", "notes", "--to", "1.1.0", "--dry-run")
    assert (looked.returncode, looked.stdout.splitlines()) == (
        0,
        [
            "steps make, fill would count as applied; plugin notes would be at version 1.1.0",
            "found in the database: table public.notes, column public.notes.id",
            "not checked:",
            "  fill: a Python function",
        ],
    )
    assert on_database(database_url, "SELECT to_regnamespace('roost')::text") == [(None,)]
    done = roost("baseline", "notes", "--to", "1.1.0", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "schema_version": 1,
        "command": "baseline",
        "dry_run": False,
        "plugin": "notes",
        "steps": ["make", "fill"],
        "version": "1.1.0",
        "run": 1,
        "found": ["table public.notes", "column public.notes.id"],
        "not_checked": ["fill: a Python function"],
    }
    assert "(2 steps by hand)" in roost("status").stdout
    assert roost("history").stdout.count("by hand") == 2
    assert [record["attempts"] for record in json.loads(roost("history", "--json").stdout)["records"]] == [0, 0]
    assert roost("up").stdout.startswith("2 steps run in ")
    assert on_database(database_url, "SELECT step FROM roost.applied ORDER BY position") == [("make",), ("fill",), ("kind",), ("tags",)]
    assert on_database(database_url, "SELECT count(*) FROM notes") == [(0,)]
    code, error, hint = told(roost("baseline", "notes", "--to", "1.2.0", "--yes"))
    assert (code, error) == (
        2,
        "error: Plugin notes is already at version 1.2.0 and can't be baselined; its applied steps: make, fill, kind",
    )
    assert hint == "hint: claim further steps one by one with: roost mark notes STEP"


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (
            ("baseline", "notes", "--to", "2.0.0"),
            "error: Plugin notes has no version 2.0.0: the code aims at 1.2.0",
            "hint: the versions ahead of it: 1.0.0, 1.1.0, 1.2.0",
        ),
        (
            ("baseline", "notes", "--to", "1.0.1"),
            "error: Plugin notes has no version 1.0.1: none of its steps has that version",
            "hint: the versions ahead of it: 1.0.0, 1.1.0, 1.2.0",
        ),
        (("baseline", "note", "--to", "1.0.0"), "error: No plugin 'note' has migration steps in this runtime", "hint: did you mean notes?"),
        (
            ("mark", "notes", "maek"),
            "error: Migration step 'maek' of plugin notes can't be marked as applied: the code has no such step",
            "hint: did you mean make?",
        ),
        (
            ("mark", "notes", "kind"),
            "error: Migration step 'kind' of plugin notes can't be marked as applied: 'make' comes before it",
            "hint: the next step is marked with: roost mark notes make",
        ),
        (("mark", "nots", "make"), "error: No plugin 'nots' has migration steps in this runtime", "hint: did you mean notes?"),
        (
            ("unmark", "notes", "make"),
            "error: Migration step 'make' of plugin notes can't be unmarked: it is not applied",
            "hint: see what is applied with: roost history",
        ),
    ],
)
def test_names_and_versions_that_do_not_exist(roost: Roost, database_url: str, arguments: tuple[str, ...], error: str, hint: str) -> None:
    """Each is a usage error of two lines, whatever else is said, and makes no ledger."""
    assert told(roost(*arguments, "--yes")) == (2, error, hint)
    document = json.loads(roost(*arguments, "--yes", "--json").stdout)
    assert document["error"]["message"] == error.removeprefix("error: ")
    assert on_database(database_url, "SELECT to_regnamespace('roost')::text") == [(None,)]


def test_no_version(roost: Roost) -> None:
    """A baseline without --to, and one at something that is no version, are refused in words."""
    missing = roost("baseline", "notes", "--yes")
    assert (missing.returncode, "--to" in missing.stderr, "Traceback" in missing.stderr) == (2, True, False)
    code, error, _ = told(roost("baseline", "notes", "--to", "newest", "--yes"))
    assert (code, "newest" in error) == (4, True)


def test_mark_and_unmark(roost: Roost, database_url: str) -> None:
    """One step at a time, there and back; who insists is believed, and what would lie under another plugin's step stays."""
    code, error, _ = told(roost("mark", "notes", "make", "--yes"))
    assert (code, "table public.notes is not there" in error) == (1, True)
    insisted = roost("mark", "notes", "make", "--unchecked", "--yes")
    assert insisted.stdout == "step make counts as applied; plugin notes is at version 1.0.0\nnot checked:\n  make: not looked for\n"
    code, error, _ = told(roost("unmark", "notes", "make"))
    assert (code, error.startswith("error: Unmark of plugin notes refused")) == (7, True)
    assert (
        roost("unmark", "notes", "make", "--dry-run").stdout
        == "step make would count as not applied; plugin notes would be at no version yet\n"
    )
    on_database(database_url, "CREATE TABLE notes (id int)")
    on_database(database_url, "CREATE TABLE tags (id int)")
    assert roost("mark", "tags", "tags", "--yes").returncode == 0
    code, error, _ = told(roost("unmark", "notes", "make", "--yes"))
    assert (code, error.endswith("what stands on it is applied: tags:tags")) == (2, True)
    assert roost("unmark", "tags", "tags", "--yes").returncode == 0
    document = json.loads(roost("unmark", "notes", "make", "--yes", "--json").stdout)
    assert document["still_there"] == ["table public.notes", "column public.notes.id"]
    assert on_database(database_url, "SELECT count(*) FROM roost.applied") == [(0,)]
    assert on_database(database_url, "SELECT DISTINCT attempts FROM roost.history") == [(0,)]
