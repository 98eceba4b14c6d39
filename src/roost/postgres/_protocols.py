"""What roost promises of a database connection, in its own words: no type of the driver is part of the public surface."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol


class Connection(Protocol):
    """A connection to PostgreSQL. Arguments follow the query and stand for ``$1``, ``$2``…; time-outs are seconds."""

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        """Run a statement, or several without arguments, and return the last one's status, such as ``"UPDATE 3"``."""

    async def executemany(self, command: str, args: Iterable[Sequence[Any]], *, timeout: float | None = None) -> None:
        """Run a statement once for each of `args`."""

    async def fetch(self, query: str, *args: Any, timeout: float | None = None) -> Sequence[Any]:
        """Run a query and return its rows."""

    async def fetchrow(self, query: str, *args: Any, timeout: float | None = None) -> Any:
        """Run a query and return its first row, or None."""

    async def fetchval(self, query: str, *args: Any, column: int = 0, timeout: float | None = None) -> Any:
        """Run a query and return one column of its first row, or None."""

    async def copy_records_to_table(
        self,
        table_name: str,
        *,
        records: Iterable[Sequence[Any]],
        columns: Sequence[str] | None = None,
        schema_name: str | None = None,
        timeout: float | None = None,
    ) -> str:
        """Write many rows by COPY and return the status."""


class ConnectionPool(Protocol):
    """A pool that is given, such as asyncpg's."""

    def acquire(self) -> AbstractAsyncContextManager[Connection]:
        """Provide a connection for a while."""
