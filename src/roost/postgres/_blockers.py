"""Sees who keeps a session from a lock. It must be looked for while the session waits: afterwards nobody knows any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from roost.errors import Blocker
from roost.postgres._quoting import quote_literal
from roost.postgres._session import MigrationSession

if TYPE_CHECKING:
    from roost.postgres._url import DatabaseURL

SECONDS_BETWEEN_LOOKS = 0.05
QUERY_CHARACTERS = 200

# Who may not see what others do sees of an autovacuum that it belongs to nobody. One that prevents a wraparound never gives way.
GIVES_WAY = (
    "b.usesysid IS NULL AND coalesce(b.backend_type, 'autovacuum worker') = 'autovacuum worker' AND b.query !~ 'to prevent wraparound'"
)


async def blockers_of(session: MigrationSession, application_name: str) -> tuple[Blocker, ...]:
    """Return who keeps the sessions of this name from a lock at this moment.

    Args:
        session: Another session on the same database.
        application_name: The name of those that wait.

    Returns:
        The blockers, those first whose transaction is the oldest.

    Raises:
        Exception: As the driver raises it.
    """
    return await _blockers(
        session,
        "pg_catalog.pg_stat_activity AS a, pg_catalog.unnest(pg_catalog.pg_blocking_pids(a.pid)) AS blocking "
        "JOIN pg_catalog.pg_stat_activity AS b ON b.pid = blocking "
        f"WHERE a.datname = pg_catalog.current_database() AND a.application_name = {quote_literal(application_name)} "
        "AND a.wait_event_type = 'Lock'",
    )


async def blockers_of_pid(session: MigrationSession, pid: int) -> tuple[Blocker, ...]:
    """Return who keeps a server process from a lock at this moment; results and errors as of `blockers_of`."""
    return await _blockers(
        session,
        f"pg_catalog.unnest(pg_catalog.pg_blocking_pids({pid:d})) AS blocking "
        "JOIN pg_catalog.pg_stat_activity AS b ON b.pid = blocking WHERE true",
    )


async def blockers_by_pid(session: MigrationSession, pids: Sequence[int]) -> tuple[Blocker, ...]:
    """Return what these server processes are; results and errors as of `blockers_of`."""
    return await _blockers(session, f"pg_catalog.pg_stat_activity AS b WHERE b.pid = ANY (ARRAY[{', '.join(map(str, pids))}]::int[])")


async def _blockers(session: MigrationSession, source: str) -> tuple[Blocker, ...]:
    rows = await session.rows(
        "SELECT DISTINCT b.pid, b.application_name, b.state, extract(epoch FROM pg_catalog.clock_timestamp() - b.xact_start), "
        f"pg_catalog.left(b.query, {QUERY_CHARACTERS}), {GIVES_WAY}, b.xact_start FROM {source} ORDER BY b.xact_start"
    )
    return tuple(
        Blocker(
            pid=int(pid or 0),
            application_name=name or "",
            state=state or "unknown",
            seconds=float(seconds) if seconds is not None else None,
            query=" ".join((query or "").split()),
            gives_way=gives_way == "t",
        )
        for pid, name, state, seconds, query, gives_way, _ in rows
    )


@asynccontextmanager
async def watching_blockers(url: DatabaseURL, application_name: str, seen: Callable[[tuple[Blocker, ...]], None]) -> AsyncIterator[None]:
    """Look again and again, by a connection of its own, who blocks the sessions of this name, and tell of each change.

    It only helps to explain: where it can't connect or look, nothing is seen and nothing else happens.

    Args:
        url: The database.
        application_name: The name of the sessions that wait.
        seen: Told of blockers; never of none.
    """
    watch = asyncio.create_task(_watch(url, application_name, seen), name=f"watching who blocks {application_name}")
    try:
        yield
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


async def _watch(url: DatabaseURL, application_name: str, seen: Callable[[tuple[Blocker, ...]], None]) -> None:
    session = await MigrationSession.open(url, application_name="roost: watching", attempts=1)
    last: frozenset[int] = frozenset()
    try:
        while True:
            found = await blockers_of(session, application_name)
            pids = frozenset(blocker.pid for blocker in found)
            if found and pids != last:
                seen(found)
                last = pids
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
    finally:
        session.terminate()
