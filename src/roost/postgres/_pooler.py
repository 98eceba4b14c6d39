"""Finds out what a connection pooler does between a client and the server: never believed by its configuration, always tried."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Literal, Protocol, TypeAlias

from roost.errors import PoolerInTheWay

Pooling: TypeAlias = Literal["session", "transaction"]
"""For how long a pooler leaves a server process to one client."""

ROUNDS = 10
LONGEST_PAUSE = 0.005
"""Seconds. On a busy pooler one round may see the same process by chance, though it is shared; pauses keep several probes out of step."""

LAST_STATEMENT = "(SELECT query_start FROM pg_catalog.pg_stat_activity WHERE pid = {pid})"
"""When a server process began its last statement; empty where the role may not see it."""

SECOND_CONNECTION_SECONDS = 10.0
NO_TRANSACTION_BLOCKS = "transaction blocks not allowed"


class Line(Protocol):
    """What is asked of a session to find out about the pooler that it goes through."""

    async def rows(self, query: str) -> list[tuple[str | None, ...]]:
        """Run a query and return its rows as texts."""

    async def execute(self, script: str) -> None:
        """Send statements."""

    async def rollback(self) -> None:
        """End a transaction."""

    def terminate(self) -> None:
        """Drop the connection."""


async def find_pooling(session: Line, *, open_another: Callable[[], Awaitable[Line]], location: str) -> Pooling:
    """Tell whether a pooler gives the server process of an idle client to another one.

    The first session reads its process id, a second one begins a transaction and reads its own, the first one reads again, during that
    transaction and after it. A pooler that shares gives the second one the process of the first, or the first one another process than
    before, or somebody else has used the first one's process meanwhile.

    Args:
        session: A session behind the pooler, outside a transaction.
        open_another: Opens a second one on the same address; it is terminated here.
        location: The address, for errors.

    Returns:
        ``"transaction"`` where server processes are shared between transactions, else ``"session"``.

    Raises:
        PoolerInTheWay: The pooler allows no transactions, or has no second connection to give, so that nothing can be told.
    """
    try:
        async with asyncio.timeout(SECOND_CONNECTION_SECONDS), _ended(await open_another()) as other:
            before = await _look(session)
            for _ in range(ROUNDS):
                await other.execute("BEGIN")
                try:
                    pid, used = await _look(other, at=before[0])
                    # Where there is but one server process, it is the second session's by now, and the first one would wait for it.
                    if pid == before[0] or used != before[1]:
                        return "transaction"
                    now = await _look(session)
                finally:
                    await other.rollback()
                # A pooler hands out first what it got back last: that which the second session has just given back.
                after = await _look(session)
                if not before[0] == now[0] == after[0]:
                    return "transaction"
                before = after
                await asyncio.sleep(random.uniform(0, LONGEST_PAUSE))  # noqa: S311 -- it decides nothing
    except TimeoutError as error:
        reason = f"it has no second server connection to give within {SECOND_CONNECTION_SECONDS:g} s, so how it pools can't be told"
        raise PoolerInTheWay(location=location, reason=reason) from error
    except Exception as error:
        if NO_TRANSACTION_BLOCKS in str(error):
            reason = "it pools by statement, and a migration step is a transaction"
            raise PoolerInTheWay(location=location, reason=reason) from error
        raise
    return "session"


@asynccontextmanager
async def _ended(session: Line) -> AsyncIterator[Line]:
    try:
        yield session
    finally:
        session.terminate()


async def _look(line: Line, *, at: str | None = None) -> tuple[str | None, str | None]:
    """Return the id of the server process that answers, and when process `at`, or else that one, began its last statement."""
    last = LAST_STATEMENT.format(pid=at or "pg_catalog.pg_backend_pid()")
    ((pid, used),) = await line.rows(f"SELECT pg_catalog.pg_backend_pid(), {last}")
    return pid, used
