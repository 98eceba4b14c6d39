"""The limit where many start at once: bare asyncpg, everything under one lock, and nothing that is there already."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from benchmarks.limit_apply import HISTORY, group

LOCK = 4711


async def migrate(url: str, statements: Sequence[str]) -> None:
    """Connect, wait for the lock inside the server, look, and apply what is missing, one message a step."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"SELECT pg_advisory_lock({LOCK})")
        await connection.execute(HISTORY.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS"))
        applied = {row["step"] for row in await connection.fetch("SELECT step FROM history")}
        for number, statement in enumerate(statements):
            if f"s{number}" not in applied:
                await connection.execute(group(number, statement))
    finally:
        connection.terminate()  # gives the lock back
