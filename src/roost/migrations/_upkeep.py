"""A connection beside all runs, as the role that migrates, for what a person does to the lock and to the ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from roost.errors import NoDatabase
from roost.migrations._config import MigrationConfig
from roost.postgres import Database, MigrationSession

if TYPE_CHECKING:
    from roost.runtime import Runtime


@asynccontextmanager
async def beside_runs(runtime: Runtime, *, doing: str) -> AsyncIterator[MigrationSession]:
    """Provide a session of its own.

    Args:
        runtime: Whose database is meant.
        doing: What for, in one word; ``pg_stat_activity`` shows it.

    Yields:
        The session.

    Raises:
        NoDatabase: The runtime has no database.
        DatabaseError: The database can't be connected to.
    """
    if getattr(runtime, "database", None) is None:
        raise NoDatabase(services=("the ledger",))
    config = getattr(runtime, "config", None) or MigrationConfig()
    session = await MigrationSession.open(
        runtime.get_service(Database).migration_url,
        application_name=f"roost: {doing}",
        attempts=config.max_retries,
        delay=config.retry_delay,
    )
    try:
        yield session
    finally:
        session.terminate()


async def role_of(session: MigrationSession) -> str:
    """Return the role that a session acts as."""
    return (await session.rows("SELECT current_user"))[0][0] or ""
