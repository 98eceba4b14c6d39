"""The limits of planning a declared schema: pgmig alone, and what has to be made before it can compare."""

from __future__ import annotations

from dataclasses import replace

import asyncpg
import pgmig

from roost.postgres import parse_url

IGNORED = ("public", "roost")
"""What the declaration is not about, the ledger among it."""
SCRATCH = "benchmark_scratch"


async def compare(source: str, target: str) -> str:
    """Return the statements that make one database like the other."""
    script = await pgmig.agenerate(source=source, target=target, ignore_schemas=list(IGNORED), driver=pgmig.DbDriver.ASYNCPG)
    assert isinstance(script, str)
    return script


async def declare(url: str, declaration: str, *, schema: str) -> None:
    """Bring a declaration about in an empty database, in one message."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"CREATE SCHEMA {schema}; SET search_path = {schema}; {declaration}")
    finally:
        connection.terminate()


async def with_a_scratch(url: str, declaration: str, *, schema: str) -> None:
    """Create a database, declare, compare, and drop the database again."""
    target = replace(parse_url(url), database=SCRATCH).dsn
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"CREATE DATABASE {SCRATCH} TEMPLATE template0")
        await declare(target, declaration, schema=schema)
        assert await compare(url, target)
    finally:
        await connection.execute(f"DROP DATABASE {SCRATCH} WITH (FORCE)")
        connection.terminate()


async def settle(url: str) -> None:
    """Have the server write out all that was changed, or whoever drops a database next would wait for that."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("CHECKPOINT")
    finally:
        connection.terminate()
