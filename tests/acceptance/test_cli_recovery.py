"""The commands for when something went wrong, as processes: a frozen holder of the lock, a step in doubt, a role without rights."""

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
from typing import Any, TypeAlias

import asyncpg
import pytest

from roost.postgres import advisory_lock_key
from tests.plugins.build import BOUND

PROJECT = """
import asyncio, os, sys
from roost import MigrationConfig, MigrationStep, Plugin, PluginMigrationService, Runtime, Service


async def freeze(where):
    if os.environ.get("FREEZE") == where:
        print("frozen", flush=True)
        await asyncio.to_thread(sys.stdin.readline)


async def fill(ctx):
    await ctx.execute("INSERT INTO notes VALUES (1)")
    await freeze("step")
    await ctx.execute("INSERT INTO notes VALUES (2)")


async def escape(ctx):
    await ctx.execute("CREATE TABLE kinds (id int)")
    await ctx.execute("COMMIT")


class Foreign(Service):
    service_name = "foreign"
    service_type = "migration"

    async def run_migrations(self, runtime):
        await freeze("idle")


class NotesMigrations(PluginMigrationService):
    steps = [
        MigrationStep("make", "Make notes", up="CREATE TABLE notes (id int)", version="1.0.0"),
        MigrationStep("fill", "Fill notes", up=fill, version="1.1.0"),
    ]


class EscapingMigrations(PluginMigrationService):
    steps = [
        *NotesMigrations.steps,
        MigrationStep("kinds", "Kinds", up=escape, version="1.2.0"),
        MigrationStep("last", "Last", up="CREATE TABLE last (id int)", version="1.3.0"),
    ]


config = MigrationConfig(run_lock_timeout=float(os.environ.get("PATIENCE", "60")))
runtime = Runtime(plugins=[Plugin(name="notes", services=[NotesMigrations])], services=[Foreign], config=config)
escaping = Runtime(plugins=[Plugin(name="notes", services=[EscapingMigrations])], config=config)
"""
Roost: TypeAlias = "Callable[..., subprocess.CompletedProcess[str]]"
Start: TypeAlias = "Callable[..., subprocess.Popen[str]]"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory with a runtime that its pyproject.toml names."""
    (tmp_path / "shop.py").write_text(PROJECT)
    (tmp_path / "pyproject.toml").write_text('[tool.roost]\nruntime = "shop:runtime"\n')
    return tmp_path


@pytest.fixture
def start(project: Path, database_url: str) -> Iterator[Start]:
    """Start ``roost`` in the project's directory on the test's database."""
    running: list[subprocess.Popen[str]] = []

    def run(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "roost.cli", *arguments],
            cwd=project,
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
    """Run ``roost`` to its end; its standard input is no terminal."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        process = start(*arguments, **environment)
        out, err = process.communicate(timeout=BOUND)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    return run


def fetch(url: str, query: str) -> list[Any]:
    """Ask the database; rows come as tuples."""

    async def ask() -> list[Any]:
        connection = await asyncpg.connect(url)
        try:
            return [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("where", "state", "does", "left"),
    [("step", "idle in transaction", "roost notes: fill", "1 step"), ("idle", "idle", "roost", "2 steps")],
)
def test_a_frozen_holder(start: Start, roost: Roost, database_url: str, where: str, state: str, does: str, left: str) -> None:
    """Stopped in a step or between two, it is named with run and process by who waits, and unlocked; who waits goes on, each step once."""
    holder = start("up", FREEZE=where)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "frozen\n"
    holder.send_signal(signal.SIGSTOP)

    late = roost("up", PATIENCE="0.2")
    assert late.returncode == 5
    error, hint = late.stderr.splitlines()[-2:]
    assert error.startswith("error: Migration lock timeout after 0.2 s: the lock is held by server process ")
    assert f"run 1 of process {holder.pid} on " in error
    assert f"({does}" in error
    assert f"; {state} for " in error
    assert hint.endswith("end it with: roost unlock")

    refused = roost("unlock")
    assert refused.returncode == 7
    assert f"process {holder.pid} on " in refused.stderr
    assert "there is no terminal to confirm it on" in refused.stderr
    assert fetch(database_url, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted")[0][0] > 0

    waiting = start("up")
    assert waiting.stderr is not None
    assert waiting.stderr.readline().startswith(f"waiting for another run ({does}")
    unlocked = roost("unlock", "--yes", "--json")
    document = json.loads(unlocked.stdout)
    assert (unlocked.returncode, document["command"], document["ended"]) == (0, "unlock", True)
    assert (document["holder"]["run"], document["holder"]["client_pid"], document["holder"]["state"]) == (1, holder.pid, state)
    assert document["holder"]["run_for"] > 0.2
    out, err = waiting.communicate(timeout=BOUND)
    assert (waiting.returncode, out.split(" run in ")[0]) == (0, left), err

    free = roost("unlock")
    assert (free.returncode, free.stdout) == (0, "nobody holds the migration lock\n")
    assert json.loads(roost("unlock", "--json").stdout)["holder"] is None

    holder.send_signal(signal.SIGCONT)
    _, err = holder.communicate("\n", timeout=BOUND)
    assert holder.returncode == 0, err
    assert fetch(database_url, "SELECT id FROM notes ORDER BY id") == [(1,), (2,)]
    assert fetch(database_url, "SELECT step, success FROM roost.history ORDER BY id") == [("make", True), ("fill", True)]


def test_a_step_in_doubt(roost: Roost, database_url: str) -> None:
    """The refusal names the command; typed as it stands it settles the doubt, and the next run completes."""
    assert roost("up", "shop:escaping").returncode == 1
    refused = roost("up", "shop:escaping")
    assert refused.returncode == 1
    hint = refused.stderr.splitlines()[-1]
    assert hint.endswith("run: roost repair notes kinds --done; if it is not: roost repair notes kinds --undone")

    neither = roost("repair", "notes", "kinds", "shop:escaping")
    assert (neither.returncode, neither.stderr.splitlines()[0]) == (2, "error: repair wants exactly one of --done and --undone")
    assert roost("repair", "notes", "kinds", "shop:escaping", "--done", "--undone").returncode == 2
    plugin = roost("repair", "note", "kinds", "shop:escaping", "--done")
    assert (plugin.returncode, plugin.stderr.splitlines()[-1]) == (2, "hint: did you mean notes?")
    step = roost("repair", "notes", "kind", "shop:escaping", "--done")
    assert (step.returncode, step.stderr.splitlines()[-1]) == (2, "hint: did you mean kinds?")
    assert fetch(database_url, "SELECT state FROM roost.applied WHERE step = 'kinds'") == [("escaped",)]

    words = hint.split("run: roost ")[1].split(";")[0].split()
    done = roost(*words[:3], "shop:escaping", *words[3:])
    assert (done.returncode, done.stdout) == (0, "step kinds counts as applied; plugin notes is at version 1.2.0\n")
    assert roost("up", "shop:escaping").stdout.startswith("1 step run in ")
    again = roost("repair", "notes", "kinds", "shop:escaping", "--undone", "--json")
    document = json.loads(again.stdout)
    assert (again.returncode, document["error"]["type"]) == (2, "StepNotInDoubt")


def test_a_step_whose_effect_is_not_there(roost: Roost, database_url: str) -> None:
    """--undone takes the step's row away, the document says so, and a name that begins with a dash comes after two of them."""
    assert roost("up", "shop:escaping").returncode == 1
    asyncio.run(_execute(database_url, "DROP TABLE kinds"))
    done = roost("repair", "--undone", "--json", "--", "notes", "kinds", "shop:escaping")
    document = json.loads(done.stdout)
    assert (done.returncode, document["was"], document["done"], document["version"]) == (0, "escaped", False, "1.1.0")
    assert fetch(database_url, "SELECT step FROM roost.applied ORDER BY position") == [("make",), ("fill",)]


def test_a_role_that_only_reads(roost: Roost, database_url: str) -> None:
    """Refused with the command, granted by it, the role sees the status; a wrong role and a missing ledger are told apart."""
    role = f'reader "{os.getpid()}"; --'
    quoted = '"' + role.replace('"', '""') + '"'
    missing = roost("grant", role)
    assert (missing.returncode, missing.stderr.splitlines()[-1]) == (1, "hint: make it with: roost up")
    assert roost("up").returncode == 0
    unknown = roost("grant", role)
    assert (unknown.returncode, unknown.stderr.splitlines()[0]) == (2, f"error: The server has no role {role!r}")
    asyncio.run(_execute(database_url, f"CREATE ROLE {quoted}"))
    try:
        for _ in range(2):
            done = roost("grant", role, "--json")
            assert (done.returncode, json.loads(done.stdout)["role"]) == (0, role)
        assert fetch(database_url, f"SELECT has_table_privilege('{role}', 'roost.plugin', 'SELECT')") == [(True,)]
    finally:
        asyncio.run(_execute(database_url, f"DROP OWNED BY {quoted}; DROP ROLE {quoted}"))


def test_unlock_shows_a_holder_that_is_no_run(roost: Roost, database_url: str) -> None:
    """Whoever holds the lock is shown, whatever it is, and ended; any other session is left alone."""

    async def hold() -> tuple[subprocess.CompletedProcess[str], bool, bool]:
        holder = await asyncpg.connect(database_url, server_settings={"application_name": "somebody"})
        bystander = await asyncpg.connect(database_url)
        await holder.execute(f"SELECT pg_advisory_lock({advisory_lock_key('roost:roost')})")
        await bystander.execute("SELECT pg_advisory_lock(1)")
        done = await asyncio.to_thread(roost, "unlock", "--yes")
        alive = await bystander.fetchval("SELECT true")
        await bystander.close()
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
            await holder.execute("SELECT 1")
        holder.terminate()
        return done, alive, holder.is_closed()

    done, alive, closed = asyncio.run(hold())
    assert done.returncode == 0, done.stderr
    assert "somebody" in done.stderr
    assert done.stdout.endswith(" was ended\n")
    assert (alive, closed) == (True, True)


def test_unlock_without_a_database(start: Start) -> None:
    """It is a usage error, as for every command."""
    process = start("unlock", ROOST_DATABASE_URL="")
    _, err = process.communicate(timeout=BOUND)
    assert (process.returncode, err.splitlines()[0]) == (2, "error: No database is configured, and the ledger needs one")


async def _execute(url: str, script: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(script)
    finally:
        await connection.close()
