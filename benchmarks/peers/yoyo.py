"""yoyo-migrations: a folder of N SQL files, applied under its lock in the same process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import yoyo

DISTRIBUTION = "yoyo-migrations"
REMARK = ""


def prepare(directory: Path, statements: Sequence[str]) -> Callable[[str], Awaitable[object]]:
    for number, statement in enumerate(statements):
        (directory / f"{number:04}.sql").write_text(statement)

    def run(url: str) -> None:
        with yoyo.get_backend(url) as backend, backend.lock():
            backend.apply_migrations(backend.to_apply(yoyo.read_migrations(str(directory))))

    async def apply(url: str) -> None:
        await asyncio.to_thread(run, url.replace("postgresql:", "postgresql+psycopg:", 1))

    return apply
