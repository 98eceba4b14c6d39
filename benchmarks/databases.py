"""A server for one part of the benchmarks, and as many empty databases on it as are wanted."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from roost.postgres import EmbeddedPostgres


class Databases:
    """Makes databases on a server."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._numbers = itertools.count(1)

    async def empty(self) -> str:
        """Make one more, and return its URL: a Unix socket's."""
        return await self._server.create_database(f"benchmark_{next(self._numbers)}")


@asynccontextmanager
async def databases() -> AsyncIterator[Databases]:
    """Run a server of its own, with the settings that PostgreSQL comes with."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        server = EmbeddedPostgres(Path(directory) / "data")
        try:
            async with server:
                yield Databases(server)
        finally:
            shutil.rmtree(server.data_dir, ignore_errors=True)  # root's is not below `directory`
