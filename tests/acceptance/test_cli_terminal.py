"""The command line on a terminal: what it asks, and the progress it shows."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from roost.postgres import EmbeddedPostgres, advisory_lock_key
from tests.plugins.build import BOUND

PLUGIN = """
from roost import MigrationStep, Plugin, PluginMigrationService, Runtime


class NotesMigrations(PluginMigrationService):
    steps = [
        MigrationStep("make", "Make notes", up="CREATE TABLE notes (id int)", down="DROP TABLE notes", version="1.0.0"),
        MigrationStep("kind", "Add a kind", up="ALTER TABLE notes ADD kind text", down="ALTER TABLE notes DROP kind", version="1.1.0"),
    ]


runtime = Runtime(plugins=[Plugin(name="notes", services=[NotesMigrations])])
"""
ON_A_TERMINAL = """
import os, runpy
os.close(os.open(os.ttyname(0), os.O_RDWR))
runpy.run_module("roost.cli", run_name="__main__", alter_sys=True)
"""
"""Runs ``roost`` in a session that has the terminal as its own: only so does a typed Ctrl-C become a signal."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An empty database on a server of this module's own."""
    embedded = EmbeddedPostgres(tmp_path_factory.mktemp("server"))
    asyncio.run(embedded.start())
    yield asyncio.run(embedded.create_database("terminal"))
    asyncio.run(embedded.stop())


def _on_terminal(directory: Path, *arguments: str, typed: bytes = b"", sent: int | None = None) -> tuple[int, str]:
    """Run ``roost`` on a terminal of its own, type or send a signal when it asks, and return its exit code and all it showed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", ON_A_TERMINAL, *arguments],
        cwd=directory,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "120", "NO_COLOR": "1"},
        start_new_session=True,
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            chunk = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not chunk:
            break
        seen += chunk
        if typed and b"[y/N]" in seen:
            os.write(ours, typed)
            typed = b""
        if sent is not None and b"[y/N]" in seen:
            process.send_signal(sent)
            sent = None
    os.close(ours)
    return process.wait(timeout=BOUND), seen.decode()


@pytest.fixture
def project(tmp_path: Path, url: str) -> Path:
    """A project on the migrated database."""
    (tmp_path / "shop.py").write_text(PLUGIN)
    (tmp_path / "pyproject.toml").write_text(f'[tool.roost]\nruntime = "shop:runtime"\ndatabase_url = "{url}"\n')
    code, shown = _on_terminal(tmp_path, "up")
    assert code == 0, shown
    return tmp_path


@pytest.mark.parametrize("answer", [b"n\n", b"\n", b"yep\n"])
def test_no_undoes_nothing(project: Path, answer: bytes) -> None:
    """Everything but yes undoes nothing and exits 7."""
    code, shown = _on_terminal(project, "down", "--all", typed=answer)
    assert code == 7
    assert "Undo 2 steps of plugin notes? [y/N]" in shown
    assert "it was not confirmed" in shown
    assert _on_terminal(project, "status")[0] == 0


def test_interrupt_at_the_question_exits_130(project: Path) -> None:
    """Ctrl-C at the question exits 130 at once and undoes nothing."""
    code, shown = _on_terminal(project, "down", "--all", typed=b"\x03")
    assert (code, "Traceback" in shown) == (130, False)
    assert _on_terminal(project, "status")[0] == 0


def test_termination_at_the_question_ends_the_command(project: Path) -> None:
    """SIGTERM at the question ends the command at once, and nothing is undone."""
    code, _ = _on_terminal(project, "down", "--all", sent=signal.SIGTERM)
    assert code == -signal.SIGTERM
    assert _on_terminal(project, "status")[0] == 0


def test_yes_undoes_and_up_shows_a_bar(project: Path) -> None:
    """Yes undoes; `up` on a terminal shows a bar for the plugin, without colour where NO_COLOR says so."""
    code, shown = _on_terminal(project, "down", "--all", typed=b"y\n")
    assert code == 0, shown
    assert "2 steps undone in" in shown
    code, shown = _on_terminal(project, "up")
    assert code == 0
    assert "2/2" in shown
    assert "\x1b[3" not in shown


@pytest.mark.parametrize(("answer", "code", "says"), [(b"n\n", 7, "it was not confirmed"), (b"Yes\n", 0, "was ended")])
def test_unlock_asks(project: Path, url: str, answer: bytes, code: int, says: str) -> None:
    """It shows the holder and asks; only yes ends it."""
    with asyncio.Runner() as runner:
        holder = runner.run(asyncpg.connect(url, server_settings={"application_name": "a frozen one"}))
        runner.run(holder.execute(f"SELECT pg_advisory_lock({advisory_lock_key('roost:roost')})"))
        pid = holder.get_server_pid()
        ended, shown = _on_terminal(project, "unlock", typed=answer)
        left = _on_terminal(project, "unlock", "--yes")[1]
        holder.terminate()
    assert (ended, f"End server process {pid}? [y/N]" in shown, says in shown, "a frozen one" in shown) == (code, True, True, True)
    assert ("nobody holds the migration lock" in left) == (code == 0)


def test_claims_ask(project: Path) -> None:
    """What would be written is shown and asked for; everything but yes writes nothing."""
    code, shown = _on_terminal(project, "unmark", "notes", "kind", typed=b"\n")
    assert (code, "step kind would count as not applied" in shown, "it was not confirmed" in shown) == (7, True, True)
    assert "still in the database" in shown
    assert _on_terminal(project, "status")[0] == 0
    code, shown = _on_terminal(project, "unmark", "notes", "kind", typed=b"y\n")
    assert (code, "Write that down? [y/N]" in shown, "step kind counts as not applied" in shown) == (0, True, True)
    assert _on_terminal(project, "status")[0] == 3
    assert _on_terminal(project, "mark", "notes", "kind", typed=b"n\n")[0] == 7
    code, shown = _on_terminal(project, "mark", "notes", "kind", typed=b"yes\n")
    assert (code, "step kind counts as applied; plugin notes is at version 1.1.0" in shown) == (0, True)
    assert "(1 step by hand)" in _on_terminal(project, "status")[1]
