"""The lifecycle of one service: start, a body that may run beside, stop. The law for every kind of body is here."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from roost.errors import StartNotAsync


class Body:
    """Starts, watches and stops one service; each of start and stop is called once."""

    def __init__(self, service: Any, name: str, *, crashed: Callable[[str, BaseException], None]) -> None:  # noqa: ANN401 -- any class
        """Take a service; `crashed` is told when its task ends with an error."""
        self._service = service
        self._name = name
        self._crashed = crashed
        self._task: asyncio.Task[None] | None = None
        self._leave = asyncio.Event()

    async def start(self) -> None:
        """Start the service, and its task where it has one.

        Raises:
            StartNotAsync: Its ``start`` is a plain function.
            Exception: As the service raises it.
        """
        if hasattr(type(self._service), "lifespan"):
            await self._enter()
            return
        await self._call("start")
        run = getattr(type(self._service), "run", None)
        if inspect.iscoroutinefunction(run):
            self._task = asyncio.create_task(self._service.run(), name=f"roost {self._name}.run")
            self._task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """End the service's task, then stop the service.

        Raises:
            Exception: As the service raises it.
        """
        task, self._task = self._task, None
        failure: BaseException | None = None
        if task is not None:
            task.remove_done_callback(self._ended)
            if hasattr(type(self._service), "lifespan"):
                self._leave.set()
            else:
                task.cancel()
            failure = await _outcome(task)
        if not hasattr(type(self._service), "lifespan"):
            await self._call("stop")
        if failure is not None:
            raise failure

    def stack(self) -> str:
        """Return where the service's task stands, for a report on one that does not stop."""
        return "" if self._task is None else stack_of(self._task)

    async def _enter(self) -> None:
        entered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def live() -> None:
            async with self._service.lifespan():
                entered.set_result(None)
                await self._leave.wait()

        self._task = asyncio.create_task(live(), name=f"roost {self._name}.lifespan")
        try:
            await asyncio.wait({self._task, entered}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._task.cancel()
            await _outcome(self._task)
            raise
        if not entered.done():
            entered.cancel()
            task, self._task = self._task, None
            task.result()
            raise RuntimeError(f"{self._name}.lifespan() ended without a yield")
        self._task.add_done_callback(self._ended)

    async def _call(self, method: str) -> None:
        function = getattr(self._service, method, None)
        if function is None:
            return
        result = function()
        if not inspect.isawaitable(result):
            raise StartNotAsync(service=self._name, method=method)
        await result

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._crashed(self._name, error)


async def _outcome(task: asyncio.Task[None]) -> BaseException | None:
    """Wait for a task that was asked to end; its own cancellation is no failure, ours goes through."""
    await asyncio.wait({task})
    return None if task.cancelled() else task.exception()


def stack_of(task: asyncio.Task[Any]) -> str:
    """Return a task's await stack, innermost last, a line each."""
    lines = []
    coroutine: Any = task.get_coro()
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is None:
            break
        lines.append(f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}")
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    return "\n".join(lines)
