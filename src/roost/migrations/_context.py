"""What a Python step holds in its hands: its own transaction, and nothing that could end it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from roost.errors import InvalidStep
from roost.postgres import copies_from_stdin, is_blank

if TYPE_CHECKING:
    from roost.postgres import Connection


class MigrationContext:
    """One step's view of the database: every statement goes into the step's transaction.

    Attributes:
        run_number: Grows with every run of the database; a fencing token for effects outside of it.
        plugin: The plugin's name.
        step: The step's id.
        logger: For the step's own messages.
    """

    def __init__(self, connection: Connection, *, run_number: int, plugin: str, step: str) -> None:
        """Bind to the step's connection; made by the runner."""
        self._connection = connection
        self.run_number = run_number
        self.plugin = plugin
        self.step = step
        self.logger: logging.Logger = logging.getLogger(f"roost.step.{plugin}")

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:  # noqa: ASYNC109 -- as the driver
        """Run a statement; without `args` it may be several.

        Args:
            query: SQL; ``$1``, ``$2``… stand for `args`.
            *args: The values.
            timeout: Seconds after which to give up.

        Returns:
            The status of the last statement, such as ``"UPDATE 3"``; empty where there was none.

        Raises:
            InvalidStep: ``COPY … FROM STDIN``, which would wait for data for ever; use `copy_records_to_table`.
            Exception: As PostgreSQL raises it.
        """
        # The driver fails on an answer without a status.
        if is_blank(query):
            return ""
        self._refuse_copy(query)
        return await self._connection.execute(query, *args, timeout=timeout)

    async def executemany(self, query: str, args: Iterable[Sequence[Any]]) -> None:
        """Run a statement once for each of `args`.

        Raises:
            Exception: As PostgreSQL raises it.
        """
        await self._connection.executemany(query, args)

    async def fetch(self, query: str, *args: object) -> Sequence[Any]:
        """Run a query and return its rows; each is read by column name or index.

        Raises:
            InvalidStep: ``COPY … FROM STDIN``; use `copy_records_to_table`.
            Exception: As PostgreSQL raises it.
        """
        self._refuse_copy(query)
        return await self._connection.fetch(query, *args)

    async def fetchrow(self, query: str, *args: object) -> Any:  # noqa: ANN401 -- a row has the query's columns
        """Run a query and return its first row, or None.

        Raises:
            InvalidStep: ``COPY … FROM STDIN``; use `copy_records_to_table`.
            Exception: As PostgreSQL raises it.
        """
        self._refuse_copy(query)
        return await self._connection.fetchrow(query, *args)

    async def fetchval(self, query: str, *args: object) -> Any:  # noqa: ANN401 -- a value has the query's type
        """Run a query and return the first column of its first row, or None.

        Raises:
            InvalidStep: ``COPY … FROM STDIN``; use `copy_records_to_table`.
            Exception: As PostgreSQL raises it.
        """
        self._refuse_copy(query)
        return await self._connection.fetchval(query, *args)

    async def copy_records_to_table(
        self,
        table_name: str,
        *,
        records: Iterable[Sequence[Any]],
        columns: Sequence[str] | None = None,
        schema_name: str | None = None,
    ) -> str:
        """Write many rows by COPY.

        Args:
            table_name: The table.
            records: The rows; each a sequence of values.
            columns: The columns that the values are for; None takes all.
            schema_name: The table's schema; None finds it by the step's search path.

        Returns:
            The status, such as ``"COPY 1000"``.

        Raises:
            Exception: As PostgreSQL raises it.
        """
        return await self._connection.copy_records_to_table(table_name, records=records, columns=columns, schema_name=schema_name)

    def _refuse_copy(self, query: str) -> None:
        if copies_from_stdin(query):
            raise InvalidStep(step=self.step, reason="COPY FROM STDIN has no data here; use ctx.copy_records_to_table(…)")
