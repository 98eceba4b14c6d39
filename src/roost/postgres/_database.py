"""The `Database` service: a pool of connections for a runtime's services, and the step's own connection inside a step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

import anyio

from roost.errors import DatabaseNotConfigured, InvalidDatabaseURL, PoolHasNoAddress
from roost.postgres._binding import bound_connection
from roost.postgres._connect import connect_once, persistently
from roost.postgres._password import with_password
from roost.postgres._quoting import quote_identifier
from roost.postgres._url import DatabaseURL, PasswordSource
from roost.postgres._url_reading import parse_url
from roost.runtime import Runtime, Service

if TYPE_CHECKING:
    from asyncpg import Connection as DriverConnection
    from asyncpg import Pool

    from roost.postgres._protocols import Connection, ConnectionPool

CLOSE_SECONDS = 5.0
CONNECT_ATTEMPTS = 3
CONNECT_DELAY = 0.5


class Database(Service):
    """A PostgreSQL database for the services of a runtime.

    A service asks for it in its constructor, or by ``runtime.get_service(Database)``. It connects at first use. Inside a migration step
    it is bound to the step's own connection, so that what the step does through it is committed or rolled back with the step.

    Args:
        source: A URL, or an asyncpg pool that is given; such a pool is never closed here.
        password: The password, in place of the URL's: text, a `Secret`, or a callable without arguments that returns one or can be
            awaited for one. It is asked for each new connection, so a token that changes is always fresh; where it has to wait, let
            it be async. An error in it is raised as `PasswordUnavailable`, and it is not asked again for that connection.
        migration_url: The address for migrations, where it is another one than the application's: another role, or a direct line
            past a pooler. Beside a pool that is given it is needed.
        migration_password: The password for migrations, as `password`. By default it is what `migration_url` holds, else `password`.
        min_size: Connections that the pool keeps open.
        max_size: Connections that the pool opens at most.

    Raises:
        InvalidDatabaseURL: A URL is malformed.
    """

    service_name = "database"

    def __init__(
        self,
        source: str | DatabaseURL | ConnectionPool,
        *,
        password: PasswordSource | None = None,
        migration_url: str | DatabaseURL | None = None,
        migration_password: PasswordSource | None = None,
        min_size: int = 0,
        max_size: int = 10,
    ) -> None:
        """Note where the database is; nothing is connected."""
        self._given: ConnectionPool | None = None
        self._url: DatabaseURL | None = None
        if isinstance(source, (str, DatabaseURL)):
            self._url = with_password(_parsed(source), password)
        elif hasattr(source, "acquire"):
            self._given = source
        else:
            raise InvalidDatabaseURL(reason=f"a database is a URL or an asyncpg pool, not {type(source).__name__}")
        self._migration_url = self._url and with_password(self._url, migration_password)
        if migration_url is not None:
            direct = _parsed(migration_url)
            has_own = direct.password is not None or direct.password_callable is not None
            self._migration_url = with_password(direct, password if migration_password is None and not has_own else migration_password)
        self._sizes = min_size, max_size
        self._pool: Pool | None = None
        self._opening = asyncio.Lock()

    @classmethod
    def on_demand(cls, runtime: Runtime) -> Self:
        """Make the database that a runtime names, for the runtime.

        Raises:
            DatabaseNotConfigured: The runtime names none.
            InvalidDatabaseURL: Its URL is malformed.
        """
        source: Any = runtime.database
        if source is None:
            raise DatabaseNotConfigured
        return source if isinstance(source, cls) else cls(source)

    @property
    def url(self) -> DatabaseURL:
        """The application's address.

        Raises:
            PoolHasNoAddress: A pool was given, and no URL.
        """
        return self._url or self.migration_url

    @property
    def migration_url(self) -> DatabaseURL:
        """The address for migrations; errors as of `url`."""
        if self._migration_url is None:
            raise PoolHasNoAddress
        return self._migration_url

    async def start(self) -> None:
        """Connect once, so that a wrong address shows at the start; no query is sent.

        Raises:
            DatabaseUnreachable: Nobody answers.
            DatabaseRefused: The server refuses user, password or database.
            DatabaseError: Encryption, the callable for the password or the service file are in the way; see there.
        """
        if self._given is None:
            await self._open()

    async def stop(self) -> None:
        """Close the pool, unless it was given: politely for five seconds, then at once."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        with anyio.move_on_after(CLOSE_SECONDS, shield=True) as scope:
            await pool.close()
        if scope.cancelled_caught:
            pool.terminate()

    async def health(self) -> None:
        """Ask the server for an answer, for ``runtime.health()``.

        Where all connections of the pool are in use it makes one of its own: those who wait for one say nothing of the server.

        Raises:
            Exception: As of `execute`.
        """
        pool = self._pool
        if pool is None or pool.get_idle_size() or pool.get_size() < pool.get_max_size():
            await self.execute("SELECT 1")
            return
        connection = await connect_once(self.url)
        try:
            await connection.execute("SELECT 1")
        finally:
            connection.terminate()

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """Provide a connection for a while.

        Yields:
            A connection of the pool; inside a migration step, the step's own.

        Raises:
            DatabaseUnreachable: Nobody answers.
            DatabaseRefused: The server refuses user, password or database.
            DatabaseError: Encryption, the callable for the password or the service file are in the way; see there.
            StepEscapeError: A step of another database is in progress.
        """
        bound = bound_connection(self)
        if bound is not None:
            yield bound
            return
        pool = self._given if self._given is not None else await self._open()
        async with pool.acquire() as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Provide a connection with a transaction around it: committed at the end, rolled back after an error.

        Inside a migration step it is a savepoint in the step's transaction.

        Yields:
            The connection.

        Raises:
            Exception: As of `acquire`, and as PostgreSQL raises it.
        """
        bound = bound_connection(self)
        if bound is None:
            async with self.acquire() as connection, connection.transaction():  # type: ignore[attr-defined] # a pool's connection has it
                yield connection
            return
        name = quote_identifier(f"roost_{id(object()):x}")
        await bound.execute(f"SAVEPOINT {name}")
        try:
            yield bound
        except BaseException:
            await bound.execute(f"ROLLBACK TO SAVEPOINT {name}; RELEASE SAVEPOINT {name}")
            raise
        await bound.execute(f"RELEASE SAVEPOINT {name}")

    async def execute(self, query: str, *args: Any) -> str:
        """Run a statement, or several without arguments, and return the last one's status, such as ``"UPDATE 3"``.

        Raises:
            Exception: As of `acquire`, and as PostgreSQL raises it.
        """
        async with self.acquire() as connection:
            return await connection.execute(query, *args)

    async def executemany(self, query: str, args: Iterable[Sequence[Any]]) -> None:
        """Run a statement once for each of `args`; errors as of `execute`."""
        async with self.acquire() as connection:
            await connection.executemany(query, args)

    async def fetch(self, query: str, *args: Any) -> Sequence[Any]:
        """Run a query and return its rows; errors as of `execute`."""
        async with self.acquire() as connection:
            return await connection.fetch(query, *args)

    async def fetchrow(self, query: str, *args: Any) -> Any:
        """Run a query and return its first row, or None; errors as of `execute`."""
        async with self.acquire() as connection:
            return await connection.fetchrow(query, *args)

    async def fetchval(self, query: str, *args: Any) -> Any:
        """Run a query and return the first column of its first row, or None; errors as of `execute`."""
        async with self.acquire() as connection:
            return await connection.fetchval(query, *args)

    async def _open(self) -> Pool:
        async with self._opening:
            if self._pool is None:
                self._pool = await self._connect_pool()
            return self._pool

    async def _connect_pool(self) -> Pool:
        import asyncpg  # the driver is loaded by who connects, not by who imports roost

        smallest, largest = self._sizes

        async def connect_one(*_: Any, **arguments: Any) -> DriverConnection:
            # For each connection of the pool, also for those that it opens later: a password is asked for, and errors say what they mean.
            return await connect_once(self.url, **arguments)

        async def once() -> Pool:
            return await asyncpg.create_pool(connect=connect_one, min_size=max(smallest, 1), max_size=largest)

        return await persistently(once, attempts=CONNECT_ATTEMPTS, delay=CONNECT_DELAY, max_delay=CONNECT_DELAY * 4)


def _parsed(url: str | DatabaseURL) -> DatabaseURL:
    return parse_url(url) if isinstance(url, str) else url
