"""A connection to read the ledger by: the run's own inside a run, else one that is opened for the occasion."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from roost.migrations import _ledger as ledger
from roost.migrations._config import MigrationConfig
from roost.migrations._run import current_run
from roost.postgres import Database, MigrationSession

if TYPE_CHECKING:
    from roost.runtime import Runtime

_reader: ContextVar[tuple[object, MigrationSession] | None] = ContextVar("_reader", default=None)


@asynccontextmanager
async def reading(runtime: Runtime) -> AsyncIterator[MigrationSession | None]:
    """Provide a session to read by; nested calls for one runtime share it.

    Yields:
        The session; None where the runtime has no database.

    Raises:
        DatabaseUnreachable: Nobody answers.
        LedgerTooNew: The ledger is of a form that this roost can't read.
        LedgerDenied: The role may not read the ledger.
    """
    run, shared = current_run.get(), _reader.get()
    if run is not None and run.runtime is runtime:
        yield run.session if run.has_session else None
    elif shared is not None and shared[0] is runtime:
        yield shared[1]
    elif getattr(runtime, "database", None) is None:
        yield None
    else:
        config = getattr(runtime, "config", None) or MigrationConfig()
        session = await MigrationSession.open(
            runtime.get_service(Database).url,
            application_name="roost: reading",
            attempts=config.max_retries,
            delay=config.retry_delay,
        )
        try:
            await ledger.check_readable(session)
            with reading_by(session, runtime=runtime):
                yield session
        finally:
            session.terminate()


@contextmanager
def reading_by(session: MigrationSession, *, runtime: Runtime) -> Iterator[None]:
    """Let whoever reads the runtime's ledger inside the block do so by a session that is already there."""
    token = _reader.set((runtime, session))
    try:
        yield
    finally:
        _reader.reset(token)
