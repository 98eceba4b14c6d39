"""Alembic: a script directory of N revisions, each in a transaction of its own; `upgrade head` in the same process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from alembic import command
from alembic.config import Config

DISTRIBUTION = "alembic"
REMARK = ""
ENVIRONMENT = """
from alembic import context
from sqlalchemy import create_engine, pool

with create_engine(context.config.attributes["url"], poolclass=pool.NullPool).connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""


def prepare(directory: Path, statements: Sequence[str]) -> Callable[[str], Awaitable[object]]:
    (directory / "env.py").write_text(ENVIRONMENT)
    versions = directory / "versions"
    versions.mkdir()
    for number, statement in enumerate(statements):
        (versions / f"r{number}.py").write_text(
            "from alembic import op\n\n"
            f"revision = 'r{number}'\n"
            f"down_revision = {f'r{number - 1}' if number else None!r}\n\n\n"
            f"def upgrade():\n    op.execute({statement!r})\n"
        )

    async def apply(url: str) -> None:
        config = Config()
        config.set_main_option("script_location", str(directory))
        config.set_main_option("path_separator", "os")
        config.attributes["url"] = url.replace("postgresql:", "postgresql+psycopg:", 1)
        await asyncio.to_thread(command.upgrade, config, "head")

    return apply
