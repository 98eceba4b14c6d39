"""The worker: takes tasks off the queue while the server runs, and gives those of dead workers to the living."""

from __future__ import annotations

import asyncio
import logging

from procrastinate.exceptions import ConnectorException

from examples.agent_server.jobs.queue import TaskQueue
from roost import Database, Service

CONCURRENCY = 4
HEARTBEAT = 1.0  # seconds between two signs of life
STALLED = 4.0  # seconds without one, after which a worker counts as dead
GRACE = 5.0  # seconds that running tasks have to end at the stop; what is left then is tried again later

_TRY_RESCUE = "SELECT pg_try_advisory_xact_lock(hashtextextended('examples.agent_server: rescue of stalled tasks', 0))"
_logger = logging.getLogger(__name__)


class TaskWorker(Service):
    """Runs tasks. The runtime supervises `run`: it is cancelled at the stop, and a crash of it stops the server."""

    def __init__(self, queue: TaskQueue, db: Database) -> None:
        """Take the queue and the database; the runtime gives both."""
        self._queue = queue
        self._db = db

    async def run(self) -> None:
        """Work until cancelled.

        Raises:
            ExceptionGroup: The worker ended by itself, such as without its connection.
        """
        parts = [asyncio.create_task(part(), name=part.__name__) for part in (self._work, self._rescue_stalled)]
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Asked again where it must be: a cancellation that comes in the instant in which a connection answers may be lost on the
            # way to a task, as `asyncio.wait_for` of Python 3.11, which drivers use, swallows it.
            while live := [part for part in parts if not part.done()]:
                for part in live:
                    part.cancel()
                await asyncio.wait(live, timeout=GRACE + 1)
        errors = [error for part in parts if not part.cancelled() and isinstance(error := part.exception(), Exception)]
        if errors:
            raise ExceptionGroup("the worker ended by itself", errors)

    async def _work(self) -> None:
        await self._queue.app.run_worker_async(
            concurrency=CONCURRENCY,
            install_signal_handlers=False,
            shutdown_graceful_timeout=GRACE,
            update_heartbeat_interval=HEARTBEAT,
            stalled_worker_timeout=STALLED,
        )
        raise RuntimeError("procrastinate's worker ended by itself; its log says why")

    async def _rescue_stalled(self) -> None:
        """Put tasks whose worker shows no sign of life back into the queue; one server at a time does so."""
        jobs = self._queue.app.job_manager
        while True:
            async with self._db.transaction() as connection:
                if await connection.fetchval(_TRY_RESCUE):
                    for job in await jobs.get_stalled_jobs(seconds_since_heartbeat=STALLED):
                        try:
                            await jobs.retry_job(job)
                        except ConnectorException:
                            _logger.info("task %s ended meanwhile", job.id)
                        else:
                            _logger.warning("task %s is back in the queue: its worker is gone", job.id)
            await asyncio.sleep(HEARTBEAT)
