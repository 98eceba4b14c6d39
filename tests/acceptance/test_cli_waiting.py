"""``roost wait`` as a process: beside who migrates, without a database, and with nothing to wait for."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from roost import MigrationOrchestrator
from roost.runtime import Runtime
from roost.testing import Fault, FaultProxy
from tests.plugins.build import BOUND, make_runtime, query
from tests.plugins.ports import free_port

ROOT = Path(__file__).parents[2]
PROJECT = """
from examples.web.notes import plugin
from roost import Runtime

runtime = Runtime(plugins=[plugin])
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of one runtime."""
    (tmp_path / "shop.py").write_text(PROJECT)
    return tmp_path


def start(project: Path, url: str, *arguments: str) -> subprocess.Popen[str]:
    """Begin to wait."""
    return subprocess.Popen(
        [sys.executable, "-m", "roost.cli", "wait", "shop:runtime", "--database-url", url, *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def runtime_on(url: str) -> Runtime:
    from examples.web.notes import plugin  # noqa: PLC0415 -- as the project does

    return make_runtime(url, plugin)


def test_it_ends_when_another_has_migrated(project: Path, database_url: str) -> None:
    """It says what it waits for, writes nothing, and exits with 0 once somebody else has migrated."""
    waiting = start(project, database_url, "--interval", "0.05")
    assert waiting.stderr is not None
    assert waiting.stderr.readline() == "waiting, pending: notes-migration\n"
    assert asyncio.run(query(database_url, "SELECT to_regnamespace('roost')::text")) == [None]
    assert waiting.poll() is None
    asyncio.run(MigrationOrchestrator(runtime_on(database_url)).run_all_migrations())
    told, _ = waiting.communicate(timeout=BOUND)
    assert (told, waiting.returncode) == ("nothing is pending\n", 0)


def test_it_gives_up(project: Path, database_url: str) -> None:
    """Something that stays pending is exit code 3, and named in the document."""
    told, _ = start(project, database_url, "--timeout", "0", "--json").communicate(timeout=BOUND)
    document = json.loads(told)
    assert (document["command"], document["pending"]) == ("wait", ["notes-migration"])
    waiting = start(project, database_url, "--timeout", "0.1", "--interval", "0.05")
    told, noted = waiting.communicate(timeout=BOUND)
    assert waiting.returncode == 3
    assert "hint: " in noted
    assert re.fullmatch(r"still pending after \d+ s: notes-migration\n", told)


def test_a_database_that_is_not_there_yet(project: Path) -> None:
    """It is waited for as well, and in the end is exit code 6 with the address, not with its password."""
    url = f"postgresql://somebody:geheim@127.0.0.1:{free_port()}/nowhere"
    waiting = start(project, url, "--timeout", "0")
    told, noted = waiting.communicate(timeout=BOUND)
    assert (told, waiting.returncode) == ("", 6)
    assert "error: " in noted
    assert "geheim" not in noted


def test_a_database_that_goes_away_while_it_is_asked(project: Path, database_url: str) -> None:
    """A line that breaks in the middle of a look is waited for as well; where it breaks at the last one, the address is named."""

    async def wait(*arguments: str) -> tuple[int | None, str]:
        await MigrationOrchestrator(runtime_on(database_url)).run_all_migrations()
        async with FaultProxy(database_url) as proxy:
            await MigrationOrchestrator(runtime_on(proxy.url)).get_migration_status()
        first = next(message.number for message in proxy.messages if message.kind == "Q")
        async with FaultProxy(database_url, Fault(kind="reset", at=first)) as proxy:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "roost.cli", "wait", "shop:runtime", "--database-url", proxy.url, *arguments),
                cwd=project,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            told, _ = await asyncio.wait_for(process.communicate(), BOUND)
            assert len(proxy.fired) == 1
        return process.returncode, told.decode()

    code, told = asyncio.run(wait("--interval", "0.05"))
    assert code == 0
    assert told.startswith("waiting, ")
    assert told.endswith("nothing is pending\n")
    code, told = asyncio.run(wait("--timeout", "0"))
    assert code == 6
    assert told.startswith("error: ")


def test_times_that_are_none(project: Path, database_url: str) -> None:
    """They are usage errors."""
    waiting = start(project, database_url, "--timeout", "-1")
    _, noted = waiting.communicate(timeout=BOUND)
    assert waiting.returncode == 2
    assert "hint: see roost wait --help" in noted
