"""The one dedicated connection that a run lives on: its lock, its ledger and every step's transaction."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Self

import anyio

from roost.errors import PoolerInTheWay
from roost.postgres._connect import connect
from roost.postgres._copy_text import Row, decode_copy_text
from roost.postgres._sqlstate import PROTOCOL_VIOLATION, is_connection_lost, sqlstate_of

if TYPE_CHECKING:
    from asyncpg import Connection as DriverConnection

    from roost.postgres._protocols import Connection
    from roost.postgres._url import DatabaseURL

SESSION_SETTINGS = {
    # Our own statements name every schema; a user's search_path or temporary table must not change their meaning.
    "search_path": "pg_catalog, pg_temp",
    # Limits meant for applications would end a run that waits its turn, or a step that is long by nature.
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "standard_conforming_strings": "on",
    "client_min_messages": "warning",
    # A killed client frees its lock within about a second, in the middle of a statement too; a vanished host within five.
    "client_connection_check_interval": "1s",
    "tcp_keepalives_idle": "2",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
}
"""Start parameters of a run's session: free, as they travel with the connection's first message, and RESET ALL returns to them."""

ROLLBACK_SECONDS = 2.0
INVALID_PARAMETER_VALUE = "22023"


class MigrationSession:
    """One connection outside every pool, spoken to in the simple protocol.

    A session that saw a cancellation, or an error where a transaction begins or ends, is terminated and never used again: after a
    cancelled BEGIN the driver would report successes that never happened.
    """

    def __init__(self, connection: DriverConnection, url: DatabaseURL) -> None:
        """Take over `connection`; use `open`."""
        self._driver = connection
        self.url = url

    @classmethod
    async def open(cls, url: DatabaseURL, *, application_name: str, attempts: int = 3, delay: float = 1.0) -> Self:
        """Connect.

        Args:
            url: The database.
            application_name: What ``pg_stat_activity`` shows.
            attempts: How often to try to connect.
            delay: Seconds before the second try; each further wait is twice as long.

        Returns:
            The session.

        Raises:
            DatabaseUnreachable: No attempt succeeded.
            PoolerInTheWay: The address is a pooler's and not a server's.
            StepEscapeError: Called inside a migration step.
        """
        settings = {**SESSION_SETTINGS, "application_name": application_name[:63]}
        try:
            driver = await connect(url, server_settings=settings, attempts=attempts, delay=delay)
        except Exception as error:
            state = sqlstate_of(error)
            if state == PROTOCOL_VIOLATION:
                # PgBouncer answers so to start parameters that it doesn't know.
                raise PoolerInTheWay(location=url.location) from error
            if state != INVALID_PARAMETER_VALUE:
                raise
            # Servers on systems that can't see a closed connection refuse a check interval.
            del settings["client_connection_check_interval"]
            driver = await connect(url, server_settings=settings, attempts=attempts, delay=delay)
        return cls(driver, url)

    @property
    def connection(self) -> Connection:
        """The driver's connection, for the steps."""
        return self._driver

    @property
    def is_open(self) -> bool:
        """Whether the connection still stands, as far as this side knows."""
        return not self._driver.is_closed()

    @property
    def server_pid(self) -> int:
        """The process id that the server gave at the start; behind a pooler, the pooler's."""
        return int(self._driver.get_server_pid())

    @property
    def is_standby(self) -> bool:
        """Whether the server is a standby, as it says at the start of a connection (``in_hot_standby``, PostgreSQL 14 and later)."""
        return getattr(self._driver.get_settings(), "in_hot_standby", "off") == "on"

    async def rows(self, query: str) -> list[Row]:
        """Run one query in one round trip.

        Args:
            query: A SELECT, or a statement with RETURNING; without parameters.

        Returns:
            The rows, each value in PostgreSQL's text form.

        Raises:
            Exception: As the driver raises it.
        """
        output = BytesIO()
        try:
            await self._driver.copy_from_query(query, output=output)
        except BaseException as error:
            self._after(error)
            raise
        return decode_copy_text(output.getvalue())

    async def execute(self, script: str) -> None:
        """Send statements as one simple-query message: one round trip, however many they are.

        Raises:
            Exception: As the driver raises it.
        """
        try:
            await self._driver.execute(script)
        except BaseException as error:
            self._after(error)
            raise

    async def rollback(self) -> None:
        """End a failed transaction, also while being cancelled; where that is not possible the session is terminated."""
        with anyio.move_on_after(ROLLBACK_SECONDS, shield=True) as scope:
            try:
                await self._driver.execute("ROLLBACK")
            except Exception:  # noqa: BLE001 -- whatever went wrong, only the end of the connection surely ends its transaction
                self.terminate()
        if scope.cancelled_caught:
            self.terminate()

    def terminate(self) -> None:
        """Drop the connection at once: the server rolls back what is open and frees the lock."""
        self._driver.terminate()

    def _after(self, error: BaseException) -> None:
        if not isinstance(error, Exception) or is_connection_lost(error):
            self.terminate()
