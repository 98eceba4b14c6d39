"""The queue: puts tasks in, and says how they stand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from procrastinate import App, PsycopgConnector
from procrastinate.job_context import JobContext
from procrastinate.jobs import Status
from procrastinate.retry import RetryStrategy

from examples.agent_server.jobs.agent import answer
from examples.agent_server.jobs.migrations import SCHEMA
from examples.agent_server.memory import Memory
from roost import Database, Service

LOOK_EVERY = 0.05  # seconds; procrastinate announces new jobs, and not their end
ATTEMPTS = 5
UNFINISHED = (Status.TODO.value, Status.DOING.value)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentTask:
    """One task.

    Attributes:
        id: Its number.
        prompt: What the agent was asked.
        status: ``todo``, ``doing``, ``succeeded``, ``failed``, ``cancelled`` or ``aborted``.
        answer: What the agent said; None until it did.
    """

    id: int
    prompt: str
    status: str
    answer: str | None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status not in UNFINISHED

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON knows it."""
        return {"id": self.id, "prompt": self.prompt, "status": self.status, "answer": self.answer}


class TaskQueue(Service):
    """Keeps procrastinate's application and its connections."""

    def __init__(self, db: Database, memory: Memory) -> None:
        """Take the database, for its address, and the memory; the runtime gives both."""
        connector = PsycopgConnector(
            conninfo=db.url.dsn,
            kwargs={"options": f"-c search_path={SCHEMA},pg_temp"},
            min_size=1,
            max_size=8,
        )
        self._memory = memory
        self.app = App(connector=connector)
        self._task = self.app.task(name="answer", pass_context=True, retry=RetryStrategy(max_attempts=ATTEMPTS))(self._answer)

    async def start(self) -> None:
        """Connect. A pool that is broken off while it opens has begun tasks of its own, which only its closing ends."""
        try:
            await self.app.open_async()
        except BaseException:
            await asyncio.shield(self.app.close_async())
            raise

    async def stop(self) -> None:
        """Close the connections."""
        await self.app.close_async()

    async def defer(self, prompt: str) -> AgentTask:
        """Put a task into the queue; the next free worker takes it, on whichever server."""
        number: int = await self._task.defer_async(prompt=prompt)
        return AgentTask(id=number, prompt=prompt, status=Status.TODO.value, answer=None)

    async def get(self, task_id: int, *, wait: float = 0.0) -> AgentTask | None:
        """Return a task; None when there is none.

        Args:
            task_id: Its number.
            wait: Seconds to wait for its end.
        """
        return await _look(lambda: self._get(task_id), lambda task: task is None or task.ended, wait)

    async def counts(self, *, wait: float = 0.0) -> dict[str, int]:
        """Return how many tasks there are of each status.

        Args:
            wait: Seconds to wait for the end of all.
        """
        return await _look(self._counts, lambda counts: not any(counts[status] for status in UNFINISHED), wait)

    async def _get(self, task_id: int) -> AgentTask | None:
        for job in await self.app.job_manager.list_jobs_async(id=task_id):
            memory = await self._memory.from_source(_source(task_id))
            said = None if memory is None else memory.body
            return AgentTask(id=task_id, prompt=str(job.task_kwargs["prompt"]), status=str(job.status), answer=said)
        return None

    async def _counts(self) -> dict[str, int]:
        queues = list(await self.app.job_manager.list_queues_async())
        return {status.value: sum(queue.get(status.value, 0) for queue in queues) for status in Status if status is not Status.ABORTING}

    async def _answer(self, context: JobContext, *, prompt: str) -> None:
        """Be the agent. A task whose worker died is done again, so what it leaves behind is stored under the task's own name."""
        if context.job.id is None:
            raise LookupError("a job that runs has a number")
        said = await answer(self._memory, prompt)
        await self._memory.remember(said, kind="answer", source=_source(context.job.id))


def _source(task_id: int) -> str:
    return f"task:{task_id}"


async def _look(at: Callable[[], Awaitable[T]], enough: Callable[[T], bool], wait: float) -> T:
    """Look until it is enough, or the wait is over."""
    deadline = time.monotonic() + wait
    while True:
        found = await at()
        if enough(found) or time.monotonic() >= deadline:
            return found
        await asyncio.sleep(LOOK_EVERY)
