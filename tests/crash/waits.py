"""What processes come to that wait for others, and what others come to meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal, TypeAlias

import asyncpg

BOUND = 60.0
"""Seconds after which something is said to hang."""

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import asyncio, sys
from tests.crash import declared_plan, outside_plan, repeatable_plan
asyncio.run({})
"""

End: TypeAlias = Literal["killed", "cancelled", "terminated", "interrupted", "left alone"]
"""How a wait ends: the process is killed or told to end, its server process is ended or its statement is, or what it waits for ends."""

ENDS: tuple[End, ...] = ("killed", "cancelled", "terminated", "interrupted")

AT_A_STEP = "datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'roost %: %'"
NOBODY_AT_A_STEP = f"SELECT WHERE NOT EXISTS (SELECT FROM pg_stat_activity WHERE {AT_A_STEP})"
IN_A_WAIT = f"SELECT FROM pg_stat_activity WHERE {AT_A_STEP} AND wait_event_type = 'Lock'"
BETWEEN_LOOKS = "state = 'idle' AND clock_timestamp() - state_change > interval '50 ms'"
IN_ANY_WAIT = f"SELECT FROM pg_stat_activity WHERE {AT_A_STEP} AND (wait_event_type = 'Lock' OR {BETWEEN_LOOKS})"
"""A run that looks again and again who is in its way lets the server rest in between."""


@contextlib.asynccontextmanager
async def hindered(url: str, statements: str) -> AsyncIterator[None]:
    """Keep a transaction open that has done something."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"BEGIN ISOLATION LEVEL REPEATABLE READ; {statements}")
        yield
    finally:
        await connection.close()


async def begin_process(call: str, url: str) -> asyncio.subprocess.Process:
    """Begin a process.

    Args:
        call: What it awaits, of a plan's module; ``sys.argv[1]`` in it is the URL.
        url: The database.
    """
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM.format(call), url), cwd=ROOT, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )


async def has_come_to(url: str, moment: str, process: asyncio.subprocess.Process) -> bool:
    """Ask until there is a row or the process has ended, and tell which."""
    ended = asyncio.ensure_future(process.wait())
    connection = await asyncpg.connect(url)
    try:
        async with asyncio.timeout(BOUND):
            while not ended.done():
                if await connection.fetchrow(moment) is not None:
                    return True
    finally:
        ended.cancel()
        await connection.close()
    return False


async def end_wait(url: str, process: asyncio.subprocess.Process, end: End) -> None:
    """End the wait of a process, and where the process itself is ended, wait for that."""
    if end in ("terminated", "interrupted"):
        await terminate(url, function="pg_terminate_backend" if end == "terminated" else "pg_cancel_backend")
    elif end != "left alone":
        process.kill() if end == "killed" else process.terminate()
        await has_ended(process)


async def failure_of(process: asyncio.subprocess.Process, end: End | None) -> list[str]:
    """Wait for the end of a process, and return what is broken with it: whatever its server process comes to, it ends well by itself.

    Args:
        process: The process.
        end: How its wait was ended; None where it did not wait.
    """
    await has_ended(process)
    ends_well = end not in ("killed", "cancelled")
    return [f"the process itself ended with {process.returncode}"] if ends_well and process.returncode else []


async def has_ended(process: asyncio.subprocess.Process) -> None:
    """Wait for the end of a process.

    Raises:
        TimeoutError: It hangs.
    """
    await asyncio.wait_for(process.wait(), BOUND)


async def terminate(url: str, *, function: str = "pg_terminate_backend") -> None:
    """End all server processes of runs, or what they do."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            f"SELECT {function}(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND application_name LIKE 'roost%'"
        )
    finally:
        connection.terminate()
