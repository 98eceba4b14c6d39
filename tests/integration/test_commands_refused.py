"""What commands refuse because of what they find, or because nobody is there to confirm it; in this process, so that the error is seen."""

from __future__ import annotations

import asyncio
import io
import sys
from pathlib import Path

import asyncpg
import pytest

from roost.cli import main
from roost.cli._exit_codes import ExitCode
from roost.postgres import advisory_lock_key
from tests.plugins.build import query

SHOP = """
from roost import MigrationStep, Plugin, PluginMigrationService, Runtime


class NotesMigrations(PluginMigrationService):
    service_name = "notes-migration"
    steps = [
        MigrationStep("make-notes", "Make notes", up="CREATE TABLE notes (id int)", down="DROP TABLE notes", version="1.0.0"),
        MigrationStep("add-kind", "Add a kind", up="ALTER TABLE notes ADD kind text", down="ALTER TABLE notes DROP kind", version="1.1.0"),
    ]


runtime = Runtime(plugins=[Plugin(name="notes", services=[NotesMigrations])])
"""


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project in the present directory, on a database of its own; standard input is no terminal."""
    (tmp_path / "refused_shop.py").write_text(SHOP)
    (tmp_path / "pyproject.toml").write_text('[tool.roost]\nruntime = "refused_shop:runtime"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setenv("ROOST_DATABASE_URL", database_url)
    monkeypatch.delitem(sys.modules, "refused_shop", raising=False)


def test_a_rollback_that_nobody_confirms(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`roost down` undoes nothing where it can't ask, and names what it would have undone."""
    assert main(["up"]) == ExitCode.FINE
    assert main(["down", "--all"]) == ExitCode.REFUSED
    assert "there is no terminal to confirm it on: add-kind, make-notes" in capsys.readouterr().err
    assert asyncio.run(query(database_url, "SELECT count(*) FROM roost.applied")) == [2]


def test_a_claim_that_nobody_confirms(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`roost baseline` writes nothing where it can't ask."""
    asyncio.run(query(database_url, "CREATE TABLE notes (id int)"))
    assert main(["baseline", "notes", "--to", "1.0.0"]) == ExitCode.REFUSED
    assert "Baseline of plugin notes refused" in capsys.readouterr().err
    assert asyncio.run(query(database_url, "SELECT to_regnamespace('roost') IS NULL")) == [True]


def test_an_unlock_that_nobody_confirms(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`roost unlock` ends nobody where it can't ask."""
    with asyncio.Runner() as holding:
        holder = holding.run(asyncpg.connect(database_url))
        holding.run(holder.execute("SELECT pg_advisory_lock($1)", advisory_lock_key("roost:roost")))
        assert main(["unlock"]) == ExitCode.REFUSED
        assert f"Unlock refused, as it ends server process {holder.get_server_pid()}" in capsys.readouterr().err
        assert holding.run(holder.fetchval("SELECT 1")) == 1
        holding.run(holder.close())


def test_a_runtime_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that leads to nothing is a usage error, which says how it is written."""
    assert main(["up", "refused_shop:runtme"]) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "error: Can't use 'refused_shop:runtme': refused_shop has no 'runtme'\n"
        "hint: write it as module:attribute, seen from the current directory\n"
    )
