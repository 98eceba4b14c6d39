"""The limit of a cold apply on a long line: bare asyncpg, everything in one message, each step still a transaction of its own."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from benchmarks.limit_apply import HISTORY, group


async def apply(url: str, statements: Sequence[str]) -> None:
    """Connect, and send one message."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(";\n".join([HISTORY, *(group(number, statement) for number, statement in enumerate(statements))]))
    finally:
        connection.terminate()
