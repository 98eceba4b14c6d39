"""The limit of a cold apply: bare asyncpg, one message a step that holds the step, its history row and its commit."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

HISTORY = """
CREATE TABLE history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    step text NOT NULL,
    version text NOT NULL,
    executed_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""
EXTRA_TRIPS = 1
"""Round trips beside one a step: the history table."""


def group(number: int, statement: str) -> str:
    """Return a step's transaction, with its history row."""
    return f"BEGIN; {statement}; INSERT INTO history (step, version) VALUES ('s{number}', '1.0.0'); COMMIT"


async def apply(url: str, statements: Sequence[str]) -> None:
    """Connect, and apply each statement in a transaction of its own."""
    await send(url, statements, before=HISTORY)


async def send(url: str, statements: Sequence[str], *, before: str = "") -> None:
    """Connect, and send each statement in a transaction of its own; before them, where it is not empty, one that makes the history."""
    connection = await asyncpg.connect(url)
    try:
        if before:
            await connection.execute(before)
        for number, statement in enumerate(statements):
            await connection.execute(group(number, statement))
    finally:
        connection.terminate()
