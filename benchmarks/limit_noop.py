"""The limit of a start with nothing to do: bare asyncpg, connect and one COPY."""

from __future__ import annotations

from io import BytesIO

import asyncpg

TRIPS = 1
HEAD_ROWS = "SELECT name, settled FROM roost.plugin"
"""What there is to read at every start."""


async def look(url: str, query: str) -> None:
    """Connect, and read one row a plugin."""
    connection = await asyncpg.connect(url)
    try:
        await connection.copy_from_query(query, output=BytesIO())
    finally:
        connection.terminate()
