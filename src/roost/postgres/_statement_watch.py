"""Watches, by a connection of its own, a statement that may wait for long: whom it waits for, how far it is, and when that is too long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roost.errors import Blocker, DatabaseError
from roost.postgres._blockers import blockers_of_pid
from roost.postgres._session import MigrationSession
from roost.postgres._sqlstate import is_connection_lost

if TYPE_CHECKING:
    from roost.postgres._url import DatabaseURL

QUIET_SECONDS = 0.2
"""A statement that ends sooner needs no watch, and costs no connection."""

SECONDS_BETWEEN_LOOKS = 0.1
SECONDS_TO_CANCEL = 2.0

# What is counted differs by phase: tables to be waited for, blocks to be read, rows to be sorted in.
_COUNTED = ("lockers", "blocks", "tuples")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildProgress:
    """How far the build of an index is.

    Attributes:
        phase: The server's word for what it does.
        done: How much of that is done: blocks, rows, or sessions that were waited for.
        total: Of how much; 0 where the server does not know.
    """

    phase: str
    done: int
    total: int


class StatementWatch:
    """What is seen of a statement while it runs.

    Attributes:
        waited: Seconds for which it waited for locks.
        blockers: Who was last seen to keep it from one.
        is_cancelled: Whether it was cancelled because it had waited for too long.
    """

    def __init__(
        self,
        url: DatabaseURL,
        pid: int,
        *,
        budget: float,
        blocked: Callable[[tuple[Blocker, ...]], None],
        progressed: Callable[[BuildProgress], None],
    ) -> None:
        self._url = url
        self._pid = pid
        self._budget = budget
        self._blocked = blocked
        self._progressed = progressed
        self._cancelling = asyncio.Lock()
        self._since: float | None = None
        self._told: frozenset[int] = frozenset()
        self._progress: BuildProgress | None = None
        self.waited: float = 0.0
        self.blockers: tuple[Blocker, ...] = ()
        self.is_cancelled: bool = False

    async def watch(self) -> None:
        """Watch until this is cancelled; where it can't connect or look, it tries again."""
        await asyncio.sleep(QUIET_SECONDS)
        while True:
            try:
                await self._by_one_session()
            except DatabaseError:
                pass  # nobody answers just now, or no connection is left
            except Exception as error:
                if not is_connection_lost(error):
                    raise
            await asyncio.sleep(QUIET_SECONDS)

    async def settle(self) -> None:
        """Wait until no cancellation is on its way, which could strike the next statement."""
        async with self._cancelling:
            pass

    async def _by_one_session(self) -> None:
        session = await MigrationSession.open(self._url, application_name="roost: watching", attempts=1)
        try:
            while True:
                await self._look(session)
                await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
        finally:
            session.terminate()

    async def _look(self, session: MigrationSession) -> None:
        counted = ", ".join(f"p.{what}_{part}" for what in _COUNTED for part in ("done", "total"))
        rows = await session.rows(
            f"SELECT a.wait_event_type = 'Lock', p.phase, {counted} FROM pg_catalog.pg_stat_activity AS a "
            f"LEFT JOIN pg_catalog.pg_stat_progress_create_index AS p ON p.pid = a.pid WHERE a.pid = {self._pid:d}"
        )
        if not rows:
            return
        waits, phase, *counts = rows[0]
        if phase is not None:
            self._tell_progress(phase, [int(count or 0) for count in counts])
        now = asyncio.get_running_loop().time()
        if waits != "t":
            self._since = None
            return
        self.waited += 0.0 if self._since is None else now - self._since
        self._since = now
        await self._name_blockers(session)
        if self.waited >= self._budget:
            async with self._cancelling, asyncio.timeout(SECONDS_TO_CANCEL):
                self.is_cancelled = True
                await session.rows(f"SELECT pg_catalog.pg_cancel_backend({self._pid:d})")

    async def _name_blockers(self, session: MigrationSession) -> None:
        found = await blockers_of_pid(session, self._pid)
        pids = frozenset(blocker.pid for blocker in found)
        if found:
            self.blockers = found
        if found and pids != self._told:
            self._told = pids
            self._blocked(found)

    def _tell_progress(self, phase: str, counts: list[int]) -> None:
        pairs = [(counts[index], counts[index + 1]) for index in range(0, len(counts), 2)]
        done, total = next((pair for pair in pairs if pair[1] > 0), (0, 0))
        progress = BuildProgress(phase=phase, done=done, total=total)
        if progress != self._progress:
            self._progress = progress
            self._progressed(progress)


@asynccontextmanager
async def watching_statement(
    url: DatabaseURL,
    pid: int,
    *,
    budget: float,
    blocked: Callable[[tuple[Blocker, ...]], None],
    progressed: Callable[[BuildProgress], None],
) -> AsyncIterator[StatementWatch]:
    """Watch a server process while it runs one statement, and cancel the statement when it has waited for locks for too long.

    What it does itself does not count as waiting, however long it takes. Where no second connection can be had nothing is seen, and
    nothing is cancelled.

    Args:
        url: The database.
        pid: The server process.
        budget: Seconds that it may wait for locks in all.
        blocked: Told whom it waits for, at each change.
        progressed: Told how far a build of an index is, at each change.

    Yields:
        What is seen. After the block no cancellation is on its way any more.
    """
    watch = StatementWatch(url, pid, budget=budget, blocked=blocked, progressed=progressed)
    task = asyncio.create_task(watch.watch(), name=f"watching server process {pid}")
    try:
        yield watch
        await watch.settle()
    except Exception:
        await watch.settle()
        raise
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
