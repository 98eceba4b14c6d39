"""SQLAlchemy's engine as a service: it opens and closes with the runtime, and says whether the database answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from roost import Service


@dataclass(frozen=True)
class EngineSettings:
    """The section ``library`` of the runtime's settings.

    Attributes:
        url: The database, as roost has it: ``postgresql://…``.
        pool_size: How many connections the engine keeps.
    """

    url: str
    pool_size: int = 5


class Engine(Service):
    """The engine, and sessions of it.

    It has a pool of its own beside that of roost's `Database`: SQLAlchemy changes how its connections read JSON.
    """

    def __init__(self, settings: EngineSettings) -> None:
        """Take the settings; the runtime gives them."""
        self._settings = settings
        self._engine: AsyncEngine | None = None
        self._sessions: async_sessionmaker[AsyncSession] | None = None

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Keep the engine while the runtime lives."""
        url = make_url(self._settings.url).set(drivername="postgresql+asyncpg")
        self._engine = create_async_engine(url, pool_size=self._settings.pool_size, pool_pre_ping=True)
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)
        try:
            yield
        finally:
            await self._engine.dispose()

    async def health(self) -> dict[str, object]:
        """Ask the database; an error makes the server unready."""
        async with self.session() as session:
            await session.execute(text("SELECT 1"))
        return {}

    def session(self) -> AsyncSession:
        """Return a session: ``async with engine.session() as session, session.begin(): …``.

        Raises:
            RuntimeError: The service is not started.
        """
        if self._sessions is None:
            raise RuntimeError("the engine is not started")
        return self._sessions()
