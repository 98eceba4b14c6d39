"""`roost status --watch` as a process, beside a run in another one."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.plugins.build import BOUND

PROJECT = """
import asyncio, sys
from roost import MigrationStep, Plugin, PluginMigrationService, Runtime


async def hold(ctx):
    await ctx.execute("SELECT 1")
    await asyncio.to_thread(sys.stdin.readline)


class NotesMigrations(PluginMigrationService):
    steps = [MigrationStep("hold", "Hold", up=hold, version="1.0.0")]


runtime = Runtime(plugins=[Plugin(name="notes", services=[NotesMigrations])])
"""
Start: TypeAlias = "Callable[..., subprocess.Popen[str]]"


@pytest.fixture
def start(tmp_path: Path, database_url: str) -> Iterator[Start]:
    """Start ``roost`` on an empty database."""
    (tmp_path / "shop.py").write_text(PROJECT)
    running: list[subprocess.Popen[str]] = []

    def run(*arguments: str, **streams: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "roost.cli", *arguments],
            cwd=tmp_path,
            env={**os.environ, "DATABASE_URL": database_url, "TERM": "xterm", "NO_COLOR": "1"},
            text=True,
            **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},
        )
        running.append(process)
        return process

    yield run
    for process in running:
        process.kill()
        with contextlib.suppress(ValueError):  # its pipes are closed: it was waited for
            process.communicate(timeout=BOUND)


def test_a_run_is_seen_from_elsewhere(start: Start) -> None:
    """Before it, while it holds the lock in a step, and after it: line by line, until Ctrl-C, which ends it with 0 and no word."""
    watching = start("status", "shop:runtime", "--watch", "--every", "0.05", "--json")
    assert watching.stdout is not None
    first = json.loads(watching.stdout.readline())
    assert (first["pending"], first["running"]) == (True, None)
    run = start("up", "shop:runtime")
    for line in watching.stdout:
        seen = json.loads(line)["running"]
        if seen is not None and seen["application_name"] == "roost notes: hold":
            assert (seen["run"], seen["client_pid"]) == (1, run.pid)
            break
    assert run.communicate("\n", timeout=BOUND)[0].startswith("1 step run in ")
    for line in watching.stdout:
        if json.loads(line)["pending"] is False:
            break
    watching.send_signal(signal.SIGINT)
    _, told = watching.communicate(timeout=BOUND)
    assert (watching.returncode, told) == (0, "")


def test_on_a_terminal_one_picture_is_redrawn(start: Start) -> None:
    """The cursor goes back for each look, and SIGTERM leaves the last one with 0."""
    ours, theirs = pty.openpty()
    watching = start("status", "shop:runtime", "--every", "0.05", stdout=theirs)
    os.close(theirs)
    shown = b""
    while shown.count(b"notes-migration") < 3:
        shown += os.read(ours, 4096)
    watching.send_signal(signal.SIGTERM)
    with contextlib.suppress(OSError):  # the other end is closed
        while chunk := os.read(ours, 4096):
            shown += chunk
    os.close(ours)
    assert watching.wait(timeout=BOUND) == 0
    assert b"\x1b[1A" in shown
