"""Replicas of an application: processes that start migrating at one instant, are cancelled, or are killed."""

from __future__ import annotations

import asyncio
import json
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import pytest

from tests.plugins.build import BOUND

ROOT = Path(__file__).resolve().parents[2]
GATE = 7
"""The advisory lock at which the steps of `gate_step` stop."""

AT_THE_GATE = f"""
SELECT pid FROM pg_locks
WHERE locktype = 'advisory' AND NOT granted AND classid = 0 AND objid = {GATE} AND objsubid = 1
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

Step: TypeAlias = dict[str, Any]
Job: TypeAlias = dict[str, Any]
"""What a replica is to migrate: its URL, its plugins and their steps, its configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a replica's run.

    Attributes:
        steps: The steps that it took, each ``plugin:step``.
        opened_a_run: Whether it took its turn at all.
        error: The class of what it raised; None where all went well.
        text: What the error says.
    """

    steps: tuple[str, ...] = ()
    opened_a_run: bool = False
    error: str | None = None
    text: str = ""


class Replica:
    """A process that migrates what it's told to."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.plugins.replica"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._answers: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.is_idle = True

    def prepare(self, job: Job) -> None:
        """Say what is to be migrated."""
        self.is_idle = False
        self._write(json.dumps(job))

    def go(self) -> None:
        """Let it begin, once it is ready."""
        assert self._answer() == "ready"
        self._write("go")

    async def waits(self) -> None:
        """Wait until it has to wait for its turn."""
        assert await asyncio.to_thread(self._answer) == "waiting"

    async def outcome(self) -> Outcome:
        """Wait for what comes of its run."""
        while (answer := await asyncio.to_thread(self._answer)) == "waiting":
            pass
        self.is_idle = True
        told = json.loads(answer)
        return Outcome(**told | {"steps": tuple(told.get("steps", ()))})

    def cancel(self) -> None:
        """Cancel its run; the process goes on."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process in a way that it can't notice."""
        self.is_idle = False
        self._process.kill()
        self._process.wait(BOUND)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _answer(self) -> str:
        return self._answers.get(timeout=BOUND).strip()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)


class Replicas:
    """As many replicas as tests ask for; a process that has done its job gets the next one."""

    def __init__(self) -> None:
        self._all: list[Replica] = []

    def start(self, *jobs: Job) -> list[Replica]:
        """Let one replica begin with each job, all at one instant, as near as that can be had."""
        self._all += [Replica() for _ in range(len(jobs) - sum(replica.is_idle for replica in self._all))]
        taken = [replica for replica in self._all if replica.is_idle][: len(jobs)]
        for replica, job in zip(taken, jobs, strict=True):
            replica.prepare(job)
        for replica in taken:
            replica.go()
        return taken

    async def race(self, *jobs: Job) -> list[Outcome]:
        """Let one replica begin with each job, all at one instant, and wait for all."""
        return [await replica.outcome() for replica in self.start(*jobs)]

    def end(self, *, idle_ones: bool) -> None:
        """End those that a test has left in the middle of something, and at last all."""
        for replica in [replica for replica in self._all if idle_ones or not replica.is_idle]:
            replica.kill()
            self._all.remove(replica)


class Gate:
    """A lock that a test holds, at which the steps of `gate_step` stop until it is opened."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def reached(self) -> int:
        """Wait until somebody stands at the gate, and return the server process of who does."""
        async with asyncio.timeout(BOUND):
            while (pid := await self._connection.fetchval(AT_THE_GATE)) is None:
                pass
        return int(pid)

    async def open(self) -> None:
        """Let everybody through."""
        await self._connection.execute(f"SELECT pg_advisory_unlock({GATE})")


@asynccontextmanager
async def closed_gate(url: str) -> AsyncIterator[Gate]:
    """Provide a closed gate in a database; in the end it is open."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"SELECT pg_advisory_lock({GATE})")
        yield Gate(connection)
    finally:
        await connection.close()


def gate_step(name: str, sql: str = "SELECT 1", **fields: Any) -> Step:
    """Describe a step that waits at the gate after its SQL, for as long as it takes."""
    return {"id": name, "up": f"{sql}; SELECT pg_advisory_xact_lock({GATE})", "lock_timeout": 0, **fields}


@pytest.fixture(scope="session")
def _processes() -> Iterator[Replicas]:
    replicas = Replicas()
    yield replicas
    replicas.end(idle_ones=True)


@pytest.fixture
def replicas(_processes: Replicas) -> Iterator[Replicas]:
    """Replicas of an application, each a process."""
    yield _processes
    _processes.end(idle_ones=False)
