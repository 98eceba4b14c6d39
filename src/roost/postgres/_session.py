"""The one dedicated connection that a run lives on: its lock, its ledger and every step's transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Self

import anyio

from roost.errors import PoolerInTheWay
from roost.postgres._connect import connect
from roost.postgres._copy_text import Row, decode_copy_text
from roost.postgres._pooler import Pooling, find_pooling
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
    # A killed client frees its lock within about a second, in the middle of a statement too; a vanished host within about six, also
    # where the server has just answered it: no keepalives are sent while an answer is not acknowledged.
    "client_connection_check_interval": "1s",
    "tcp_keepalives_idle": "2",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "5s",
}
"""Start parameters of a run's session: free, as they travel with the connection's first message, and RESET ALL returns to them."""

POOLED_START = ("application_name", "standard_conforming_strings")
"""What poolers take at the start of a connection; the rest they refuse, or pass to nobody."""

POOLED_SETTINGS = ("statement_timeout", "lock_timeout", "idle_session_timeout", "idle_in_transaction_session_timeout", "search_path")
"""What is set by statements behind a pooler."""

BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"

# The session returns to its start parameters, whatever role or setting a step has left behind.
RESETS = "RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL"

ROLLBACK_SECONDS = 2.0
INVALID_PARAMETER_VALUE = "22023"


class MigrationSession:
    """One connection outside every pool of the application, spoken to in the simple protocol.

    A session that saw a cancellation, or an error where a transaction begins or ends, is terminated and never used again: after a
    cancelled BEGIN the driver would report successes that never happened.

    Attributes:
        url: Where it is connected.
        pooling: How a pooler in between shares its server processes; None without a pooler.
        begin: What begins a transaction, with the settings that it needs.
        resets: What undoes, inside a transaction, whatever a step may have set.
        lifting: What is selected beside the lock, to lift a limit that is meant for applications.
    """

    def __init__(self, connection: DriverConnection, url: DatabaseURL, *, is_pooled: bool = False) -> None:
        """Take over `connection`; use `open`."""
        self._driver = connection
        self._is_pooled = is_pooled
        self._is_standby = False  # a pooler's greeting does not say it
        self.url: DatabaseURL = url
        self.pooling: Pooling | None = None
        self.begin: str = BEGIN
        self.resets: str = RESETS
        self.lifting: str = ""
        if connection.get_server_version() >= (17,):
            # The server's other limits travel with the start; this one older servers would refuse there.
            self.resets = f"{RESETS}; SET transaction_timeout = 0"
            self.lifting = ", pg_catalog.set_config('transaction_timeout', '0', false)"

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
            PoolerInTheWay: Who answers speaks the protocol neither as a server nor as a pooler does.
            StepEscapeError: Called inside a migration step.
        """
        settings = {**SESSION_SETTINGS, "application_name": application_name[:63]}
        try:
            driver = await connect(url, server_settings=settings, attempts=attempts, delay=delay)
        except Exception as error:
            state = sqlstate_of(error)
            if state == PROTOCOL_VIOLATION:
                # PgBouncer answers so to start parameters that it doesn't know.
                return await cls._open_pooled(url, application_name=application_name, attempts=attempts, delay=delay)
            if state != INVALID_PARAMETER_VALUE:
                raise
            # Servers on systems that can't see a closed connection refuse a check interval.
            del settings["client_connection_check_interval"]
            driver = await connect(url, server_settings=settings, attempts=attempts, delay=delay)
        return cls(driver, url)

    @classmethod
    async def _open_pooled(cls, url: DatabaseURL, *, application_name: str, attempts: int, delay: float) -> Self:
        settings = {**SESSION_SETTINGS, "application_name": application_name[:63]}
        settings = {name: settings[name] for name in POOLED_START}
        try:
            # A statement that was prepared on one server process is unknown to the next.
            driver = await connect(url, server_settings=settings, attempts=attempts, delay=delay, statement_cache_size=0)
        except Exception as error:
            if sqlstate_of(error) == PROTOCOL_VIOLATION:
                raise PoolerInTheWay(location=url.location, reason=str(error)) from error
            raise
        return cls(driver, url, is_pooled=True)

    async def behind_pooler(self, *, application_name: str, attempts: int = 3, delay: float = 1.0) -> Self:
        """Return a session that is fit for the pooler in between, and knows how that one pools. This one must not be used any more.

        Args:
            application_name: What ``pg_stat_activity`` shows.
            attempts: How often to try to connect.
            delay: Seconds before the second try; each further wait is twice as long.

        Raises:
            PoolerInTheWay: The pooler allows no transactions, or how it pools can't be told.
            DatabaseUnreachable: Nobody answers any more.
        """

        async def another() -> Self:
            return await self._open_pooled(self.url, application_name=application_name, attempts=attempts, delay=delay)

        session = self
        if not self._is_pooled:
            self.terminate()
            session = await another()
        try:
            await session.fit(await find_pooling(session, open_another=another, location=self.url.location))
        except BaseException:
            session.terminate()
            raise
        return session

    async def fit(self, pooling: Pooling) -> None:
        """Bring the settings to where this pooling leaves them alone.

        Raises:
            Exception: As the driver raises it.
        """
        self.pooling = pooling
        self._is_standby = await self.rows("SELECT pg_catalog.pg_is_in_recovery()") == [("t",)]
        if pooling == "transaction":
            local = "; SET LOCAL transaction_timeout = 0" if self.lifting else ""
            self.begin = f"{BEGIN}; {_settings('SET LOCAL')}{local}"
            self.resets = f"{RESETS}{local}"
        else:
            await self.execute(_settings("SET"))
            self.resets = f"{self.resets}; {_settings('SET')}"

    @property
    def connection(self) -> Connection:
        """The driver's connection, for the steps."""
        return self._driver

    @property
    def is_open(self) -> bool:
        """Whether the connection still stands, as far as this side knows."""
        return not self._driver.is_closed()

    @property
    def is_in_transaction(self) -> bool:
        """Whether a transaction is open, be it failed or not, as the server said with its last answer."""
        return self._driver.is_in_transaction()

    @property
    def shares_server_process(self) -> bool:
        """Whether other clients may use the same server process between two transactions, so that it can hold nothing for a run."""
        return self.pooling == "transaction"

    @property
    def greeted_by(self) -> int:
        """The id of the server process that greeted us; a pooler gives a number of its own."""
        pid: int = self._driver.get_server_pid()
        return pid

    def is_pooled(self, backend_pid: int | None) -> bool:
        """Tell whether a pooler is in between: another server process answers a query than the one that greeted us.

        Args:
            backend_pid: What ``pg_backend_pid()`` says; None where nobody asked yet.
        """
        return self._is_pooled or backend_pid not in (None, self.greeted_by)

    async def backend_pid(self) -> int:
        """Ask for the id of the server process that answers."""
        return int((await self.rows("SELECT pg_catalog.pg_backend_pid()"))[0][0] or 0)

    @property
    def is_standby(self) -> bool:
        """Whether the server is a standby, as it says at the start of a connection (``in_hot_standby``, PostgreSQL 14 and later)."""
        return self._is_standby or getattr(self._driver.get_settings(), "in_hot_standby", "off") == "on"

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
        with self._ending_what_is_broken():
            await self._driver.copy_from_query(query, output=output)
        return decode_copy_text(output.getvalue())

    async def execute(self, script: str) -> None:
        """Send statements as one simple-query message: one round trip, however many they are.

        Raises:
            Exception: As the driver raises it.
        """
        with self._ending_what_is_broken():
            await self._driver.execute(script)

    async def listen(self, channel: str, told: Callable[[], None]) -> None:
        """Have `told` called whenever somebody notifies `channel`.

        Raises:
            Exception: As the driver raises it.
        """
        with self._ending_what_is_broken():
            await self._driver.add_listener(channel, lambda *_: told())

    @contextmanager
    def hearing(self, told: Callable[[str], None]) -> Iterator[None]:
        """Have `told` called with the detail of each message of level INFO that the server sends meanwhile, as soon as it comes."""

        def hear(_connection: object, message: object) -> None:
            if getattr(message, "severity_en", None) == "INFO":
                told(getattr(message, "detail", None) or "")

        self._driver.add_log_listener(hear)
        try:
            yield
        finally:
            self._driver.remove_log_listener(hear)

    async def rollback(self, then: str = "") -> None:
        """End a failed transaction, also while being cancelled; where that is not possible the session is terminated.

        Args:
            then: Statements to be sent in the same message, so that no pooler gives the server process away in between. If they fail,
                the transaction is ended all the same.
        """
        with anyio.move_on_after(ROLLBACK_SECONDS, shield=True) as scope:
            if not ((then and await self._succeeds(f"ROLLBACK; {then}")) or await self._succeeds("ROLLBACK")):
                # Whatever went wrong, only the end of the connection surely ends its transaction.
                self.terminate()
        if scope.cancelled_caught:
            self.terminate()

    async def _succeeds(self, message: str) -> bool:
        try:
            await self._driver.execute(message)
        except Exception:  # noqa: BLE001 -- whatever it is, the transaction did not end by this
            return False
        return True

    def terminate(self) -> None:
        """Drop the connection at once: the server rolls back what is open and frees the lock."""
        self._driver.terminate()

    @contextmanager
    def _ending_what_is_broken(self) -> Iterator[None]:
        try:
            yield
        except AttributeError as error:
            # What the driver says where the connection goes away between two of its own steps.
            if self.is_open:
                raise
            message = "the connection is closed"
            raise ConnectionResetError(message) from error
        except Exception as error:
            if is_connection_lost(error):
                self.terminate()
            raise
        except BaseException:
            self.terminate()
            raise


def _settings(scope: str) -> str:
    return "; ".join(f"{scope} {name} = {SESSION_SETTINGS[name]}" for name in POOLED_SETTINGS)
