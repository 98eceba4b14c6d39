"""``roost rehearse`` as a process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.plugins.build import RESIDUE, query, until
from tests.plugins.catalogue import catalogue_of

PROJECT = """
import asyncio, os, sys
from roost import DatabaseMigrationService, MigrationStep, Plugin, PluginMigrationService, Runtime


async def fill(ctx):
    await ctx.execute("INSERT INTO notes VALUES (1)")
    if "FREEZE" in os.environ:
        print("frozen", flush=True)
        await asyncio.to_thread(sys.stdin.readline)


MAKE = MigrationStep("make", "Make notes", up="CREATE TABLE notes (id int)", down="DROP TABLE notes", version="1.0.0")


class NotesMigrations(PluginMigrationService):
    steps = [MAKE, MigrationStep("fill", "Fill notes", up=fill, version="1.1.0")]


class TagsMigrations(PluginMigrationService):
    steps = [MigrationStep("tags", "Make tags", up="CREATE TABLE tags (id int)", version="1.0.0")]


class BadMigrations(PluginMigrationService):
    steps = [
        MAKE,
        MigrationStep("bad", "Break", up="SELECT 1;\\nSELECT nope", version="1.1.0"),
        MigrationStep("last", "Last", up="SELECT 1", version="1.2.0"),
    ]


tags = Plugin(name="tags", services=[TagsMigrations])
runtime = Runtime(plugins=[Plugin(name="notes", services=[NotesMigrations]), tags])
broken = Runtime(plugins=[Plugin(name="notes", services=[BadMigrations])])
declared = Runtime(plugins=[Plugin("owls", schema=os.environ.get("OWLS", ""))], services=[DatabaseMigrationService])
"""
BOUND = 60.0
Roost: TypeAlias = "Callable[..., subprocess.CompletedProcess[str]]"
Start: TypeAlias = "Callable[..., subprocess.Popen[str]]"
NOTHING_LEFT = f"SELECT WHERE NOT EXISTS ({RESIDUE})"


@pytest.fixture
def start(tmp_path: Path, database_url: str) -> Iterator[Start]:
    """Start ``roost`` in the project's directory on the test's database."""
    (tmp_path / "shop.py").write_text(PROJECT)
    (tmp_path / "pyproject.toml").write_text('[tool.roost]\nruntime = "shop:runtime"\n')
    running: list[subprocess.Popen[str]] = []

    def run(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "roost.cli", *arguments],
            cwd=tmp_path,
            env={**os.environ, "ROOST_DATABASE_URL": database_url, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield run
    for process in running:
        process.kill()
        with contextlib.suppress(ValueError):  # its pipes are closed: it was waited for
            process.communicate(timeout=BOUND)


@pytest.fixture
def roost(start: Start) -> Roost:
    """Run ``roost`` to its end."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        process = start(*arguments, **environment)
        stdout, stderr = process.communicate(timeout=BOUND)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    return run


def test_all_steps_go_through(roost: Roost, database_url: str) -> None:
    """Exit code 0, a line for each step, progress beside it; nothing of it stays, and a run does it all."""
    before = asyncio.run(catalogue_of(database_url))
    done = roost("rehearse")
    assert done.returncode == 0, done.stderr
    assert [line.split()[:4] for line in done.stdout.splitlines()[3:]] == [
        ["notes", "1.0.0", "make", "rehearsed"],
        ["notes", "1.1.0", "fill", "rehearsed"],
        ["tags", "1.0.0", "tags", "rehearsed"],
    ]
    assert "notes 2/2 rehearse fill: Fill notes" in done.stderr
    assert asyncio.run(catalogue_of(database_url)) == before
    assert roost("up").stdout.startswith("3 steps run")
    again = roost("rehearse")
    assert (again.returncode, again.stdout) == (0, "nothing to do: the database is where the plugins want it\n")


def test_one_document(roost: Roost) -> None:
    """With --json standard output holds all that was seen, and --plugin leaves the others out."""
    done = roost("rehearse", "--json", "--plugin", "notes")
    document = json.loads(done.stdout)
    assert (done.returncode, document["schema_version"], document["command"], document["fine"]) == (0, 1, "rehearse", True)
    assert [(step["step"], step["outcome"], step["sql"] is None) for step in document["steps"]] == [
        ("make", "rehearsed", False),
        ("fill", "rehearsed", True),
    ]
    assert document["steps"][1]["rows"] == [{"table": "public.notes", "inserted": 1, "updated": 0, "deleted": 0}]


def test_a_step_fails(roost: Roost) -> None:
    """Exit code 1, what a run would say, and the steps behind it; the document has the error too."""
    done = roost("rehearse", "shop:broken")
    assert done.returncode == 1
    assert "broken off: a step before failed" in done.stdout
    assert "error: Migration step 'bad' of plugin notes failed (up) at line 2: column \"nope\" does not exist [42703]" in done.stderr
    assert "hint: everything was rolled back" in done.stderr
    document = json.loads(roost("rehearse", "shop:broken", "--json").stdout)
    assert [step["outcome"] for step in document["steps"]] == ["rehearsed", "failed", "not rehearsed"]
    assert document["steps"][1]["error"]["type"] == "RehearsedStepFailed"
    assert "Traceback" in roost("rehearse", "shop:broken", "--traceback").stderr


def test_what_would_lose_data(roost: Roost) -> None:
    """Exit code 1 and what is blocked, in words and in the document; with a name that may be lost it is carried out, and stays undone."""
    both, one = "CREATE TABLE owls (name text, age int)", "CREATE TABLE owls (name text)"
    assert roost("up", "shop:declared", OWLS=both).returncode == 0
    done = roost("rehearse", "shop:declared", OWLS=one)
    assert (done.returncode, done.stdout) == (1, "broken off: a declared schema would lose data, which a run refuses\n")
    sql = 'ALTER TABLE "owls"."owls" DROP COLUMN "age";'
    assert f"blocked: {sql} would lose data of plugin owls; to lose it: roost up --allow-data-loss owls.age\n" in done.stderr
    document = json.loads(roost("rehearse", "shop:declared", "--json", OWLS=one).stdout)
    assert (document["fine"], document["blocked"]) == (False, [{"plugin": "owls", "losses": ["owls.age"], "sql": sql}])
    for _ in range(2):
        allowed = roost("rehearse", "shop:declared", "--allow-data-loss", "owls.age", OWLS=one)
        assert (allowed.returncode, "declared-schema" in allowed.stdout) == (0, True), allowed.stderr


def test_what_can_not_be_done(roost: Roost) -> None:
    """A plugin that nobody knows is usage, with the nearest name; a server that does not answer is unreachable."""
    unknown = roost("rehearse", "--plugin", "note")
    assert (unknown.returncode, "did you mean notes?" in unknown.stderr) == (2, True)
    unreachable = roost("rehearse", "--database-url", "postgresql://nobody@127.0.0.1:1/none")
    assert unreachable.returncode == 6
    none = roost("rehearse", ROOST_DATABASE_URL="")
    assert none.returncode == 2
    assert "Traceback" not in unknown.stderr + unreachable.stderr + none.stderr


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_is_ended(start: Start, database_url: str, end: signal.Signals) -> None:
    """In the middle of a step: nothing of the rehearsal stays on the server."""
    before = asyncio.run(catalogue_of(database_url))
    process = start("rehearse", FREEZE="yes")
    assert process.stdout is not None
    assert process.stdout.readline() == "frozen\n"
    assert asyncio.run(query(database_url, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted")) != [0]
    process.send_signal(end)
    if end == signal.SIGTERM:
        process.communicate("\n", timeout=BOUND)
        assert process.returncode == 128 + signal.SIGTERM
    asyncio.run(until(database_url, NOTHING_LEFT))
    assert asyncio.run(catalogue_of(database_url)) == before


def test_a_dry_rollback_shows_its_sql(roost: Roost) -> None:
    """With --sql; without --dry-run that makes no sense and is refused."""
    assert roost("up", "shop:broken").returncode == 1
    shown = roost("down", "shop:broken", "--all", "--dry-run", "--sql")
    assert (shown.returncode, shown.stdout) == (0, "-- notes 1.0.0 down make: Make notes\nDROP TABLE notes\n")
    assert roost("down", "shop:broken", "--all", "--sql", "--yes").returncode == 2
