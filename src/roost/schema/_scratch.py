"""A database of a run's own, in which declarations are tried before they are compared with the real one."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio

from roost.errors import DatabaseError, DatabaseRefused, ScratchUnavailable
from roost.postgres import (
    DatabaseURL,
    EmbeddedPostgres,
    MigrationSession,
    is_connection_lost,
    parse_url,
    quote_identifier,
    quote_literal,
    sqlstate_of,
)
from roost.schema._extensions import Extension, extensions_in, install_extensions
from roost.schema._scratch_names import NOT_ALLOWED, drop_stale_scratches, scratch_home, scratch_name

APPLICATION_NAME = "roost scratch"
CREATE_SECONDS = 60.0
DROP_SECONDS = 30.0
"""How long a run waits for a drop, for which the server writes out what others have changed too; after that the next run drops it."""
OBEY_SECONDS = 5.0
"""How long a run that was cancelled stays for either: others wait for their turn, and the next one drops what is left."""

_ABOUT = """
SELECT current_user, split_part(current_setting('server_version'), '.', 1), pg_encoding_to_char(encoding), datcollate, datctype,
       oid::text, pg_backend_pid()::text
FROM pg_database WHERE datname = current_database()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scratch:
    """A scratch database.

    Attributes:
        url: Where it is.
        session: A session in it.
        extensions: The real database's extensions that it has too.
        lacking: Those that it could not be given: why not, by their names.
    """

    url: DatabaseURL
    session: MigrationSession
    extensions: tuple[Extension, ...] = ()
    lacking: dict[str, str] = field(default_factory=dict)


@asynccontextmanager
async def scratch_database(database_url: DatabaseURL, *, run: int, scratch_url: str | DatabaseURL | None = None) -> AsyncIterator[Scratch]:
    """Create a scratch database with the extensions of the real one, and drop it at the end, also when cancelled.

    It is made on the server of the real database; on another one where that is named, or where the role may not create databases and an
    embedded server of the same major version can be had. Scratch databases that killed runs left are dropped before.

    Args:
        database_url: The real database.
        run: The run's number; 0 where nothing is to be changed, and no lock is held.
        scratch_url: A server of the same major version to be used instead.

    Yields:
        The scratch database.

    Raises:
        ScratchUnavailable: There is no server that could have it.
        DatabaseError: A server can't be reached.
        Exception: What else the server answered, as the driver raises it.
    """
    async with AsyncExitStack() as stack:
        real = await _session(stack, database_url)
        about = await _about(real)
        extensions = await extensions_in(real)
        server, there, maker = database_url, real, about
        if scratch_url is not None:
            server = parse_url(scratch_url) if isinstance(scratch_url, str) else scratch_url
            there = await _session(stack, server)
            maker = await _about(there)
            _check_major(maker, about, server)
        home = scratch_home(database_url, oid=about.oid, is_same=scratch_url is None)
        name = scratch_name(home, run=run, pid=maker.pid)
        options = "TEMPLATE template0"
        if scratch_url is None:
            options += f" ENCODING {quote_literal(about.encoding)}"
            options += f" LC_COLLATE {quote_literal(about.collate)} LC_CTYPE {quote_literal(about.ctype)}"
        try:
            await drop_stale_scratches(there, home, run=run)
            await stack.enter_async_context(_created(there, server, name, options))
        except Exception as error:
            if sqlstate_of(error) not in NOT_ALLOWED:
                raise
            refused = ScratchUnavailable(location=server.location, role=about.role, reason=_words(error))
            if scratch_url is not None:
                raise refused from error
            server = await _embedded(stack, about, refused, cause=error)
            await stack.enter_async_context(_created(await _session(stack, server), server, name, "TEMPLATE template0"))
        url = replace(server, database=name)
        try:
            session = await _session(stack, url)
        except DatabaseRefused as error:
            # A pooler knows only the databases that it was told of.
            raise ScratchUnavailable(location=server.location, role=about.role, reason=error.reason) from error
        installed, lacking = await install_extensions(session, extensions)
        yield Scratch(url=url, session=session, extensions=installed, lacking=lacking)


@dataclass(frozen=True, slots=True)
class _About:
    role: str
    major: str
    encoding: str
    collate: str
    ctype: str
    oid: str
    pid: str


async def _about(session: MigrationSession) -> _About:
    return _About(*(value or "" for value in (await session.rows(_ABOUT))[0]))


@asynccontextmanager
async def _created(session: MigrationSession, server: DatabaseURL, name: str, options: str) -> AsyncIterator[None]:
    patience = DROP_SECONDS
    try:
        await _to_its_end(session.execute(f"CREATE DATABASE {quote_identifier(name)} {options}"), seconds=CREATE_SECONDS)
        yield
    except asyncio.CancelledError:
        patience = OBEY_SECONDS
        raise
    finally:
        with suppress(TimeoutError):
            await _to_its_end(_drop(session, server, name), seconds=patience)


async def _to_its_end(work: Coroutine[Any, Any, object], *, seconds: float) -> None:
    """Await something that a cancellation does not break off, but follows.

    Were the making of a database broken off, the server might still go on with it when it is to be dropped. A scope of anyio's shields from
    scopes of anyio's, and not from a task's own cancellation.
    """
    task = asyncio.ensure_future(work)
    try:
        with anyio.fail_after(seconds, shield=True):
            await asyncio.shield(task)
    except BaseException:
        try:
            with anyio.move_on_after(OBEY_SECONDS, shield=True):
                await asyncio.wait([task])
        finally:
            task.cancel()
        raise


async def _drop(session: MigrationSession, server: DatabaseURL, name: str) -> None:
    """Drop a database, by a new session where the one that made it is gone. The next run drops what is left."""
    statement = f"DROP DATABASE IF EXISTS {quote_identifier(name)} WITH (FORCE)"
    try:
        # That the server ended a session is often noticed only when it is used.
        if not await _is_done(session, statement):
            again = await MigrationSession.open(server, application_name=APPLICATION_NAME, attempts=1)
            try:
                await again.execute(statement)
            finally:
                again.terminate()
    except Exception:  # noqa: BLE001 -- how the run ended is not to be hidden by this
        return


async def _is_done(session: MigrationSession, statement: str) -> bool:
    if not session.is_open:
        return False
    try:
        await session.execute(statement)
    except Exception as error:
        if not is_connection_lost(error):
            raise
        return False
    return True


async def _session(stack: AsyncExitStack, url: DatabaseURL) -> MigrationSession:
    session = await MigrationSession.open(url, application_name=APPLICATION_NAME)
    stack.callback(session.terminate)
    return session


def _check_major(there: _About, about: _About, server: DatabaseURL) -> None:
    if there.major != about.major:
        reason = f"it is PostgreSQL {there.major}, and the database is on PostgreSQL {about.major}"
        raise ScratchUnavailable(location=server.location, role=there.role, reason=reason)


async def _embedded(stack: AsyncExitStack, about: _About, refused: ScratchUnavailable, *, cause: Exception) -> DatabaseURL:
    directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="roost-scratch-", ignore_cleanup_errors=True))
    embedded = EmbeddedPostgres(Path(directory) / "data", settings={"fsync": "off", "full_page_writes": "off"})
    # Root's server keeps its data elsewhere.
    stack.callback(lambda: shutil.rmtree(embedded.data_dir, ignore_errors=True))
    try:
        await stack.enter_async_context(embedded)
    except DatabaseError as error:
        raise refused from error
    if embedded.version.partition(".")[0] != about.major:
        reason = f"{refused.reason}; the embedded server is PostgreSQL {embedded.version}, and the database is on PostgreSQL {about.major}"
        raise replace(refused, reason=reason) from cause
    return parse_url(embedded.url)


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
