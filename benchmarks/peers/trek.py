"""asyncpg-trek: a folder of N SQL files, all applied in one transaction, which is its way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import asyncpg
from asyncpg_trek import Direction, execute, plan
from asyncpg_trek.asyncpg import AsyncpgBackend

DISTRIBUTION = "asyncpg-trek"
REMARK = ", all in one transaction"


def prepare(directory: Path, statements: Sequence[str]) -> Callable[[str], Awaitable[object]]:
    for number, statement in enumerate(statements):
        before = f"s{number - 1}" if number else "initial"
        (directory / f"20250101_{before}_up_s{number}.sql").write_text(statement)

    async def apply(url: str) -> None:
        connection = await asyncpg.connect(url)
        try:
            backend = AsyncpgBackend(connection)
            await execute(backend, await plan(backend, directory, target_revision=f"s{len(statements) - 1}", direction=Direction.up))
        finally:
            connection.terminate()

    return apply
