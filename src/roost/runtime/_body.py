"""The lifecycle of one service: start, a body that may run beside, stop. The law for every kind of body is here."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from roost.errors import StartNotAsync
from roost.runtime._service import Service
from roost.runtime._unit import Action


class Body:
    """Starts, watches and stops one service; each of start and stop is called once.

    Attributes:
        start: Starts the service; None where its class has nothing to start.
        stop: Stops it; None where its class has nothing to stop.
    """

    __slots__ = ("_crashed", "_leave", "_name", "_service", "_task", "start", "stop")

    def __init__(self, service: Any, name: str, *, crashed: Callable[[str, BaseException], None]) -> None:  # noqa: ANN401 -- any class
        """Take a service; `crashed` is told when its task ends with an error."""
        self._service = service
        self._name = name
        self._crashed = crashed
        self._task: asyncio.Task[None] | None = None
        self._leave: asyncio.Event | None = None
        cls = type(service)
        if hasattr(cls, "lifespan"):
            self.start: Action | None = self._enter
            self.stop: Action | None = self._exit
        elif inspect.iscoroutinefunction(getattr(cls, "run", None)):
            self.start, self.stop = self._start_and_run, self._cancel_and_stop
        else:
            self.start = self._own("start", Service.start)
            self.stop = self._own("stop", Service.stop)

    def stack(self) -> str:
        """Return where the service's task stands, for a report on one that does not stop."""
        return "" if self._task is None or self._task.done() else stack_of(self._task)

    def _own(self, method: str, inherited: object) -> Action | None:
        function = getattr(type(self._service), method, None)
        if function is None or function is inherited:
            return None
        return getattr(self._service, method) if inspect.iscoroutinefunction(function) else lambda: self._call(method)

    async def _start_and_run(self) -> None:
        await self._call("start")
        self._task = asyncio.create_task(self._service.run(), name=f"roost {self._name}.run")
        self._task.add_done_callback(self._ended)

    async def _cancel_and_stop(self) -> None:
        failure = await self._end(lambda task: task.cancel())
        try:
            await self._call("stop")
        except Exception as error:
            if failure is not None:
                error.add_note(f"and before that its run() raised: {failure!r}")
            raise
        if failure is not None:
            raise failure

    async def _enter(self) -> None:
        entered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        leave = self._leave = asyncio.Event()

        async def live() -> None:
            async with self._service.lifespan():
                entered.set_result(None)
                await leave.wait()

        task = self._task = asyncio.create_task(live(), name=f"roost {self._name}.lifespan")
        try:
            await asyncio.wait({task, entered}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            await _outcome(task)
            raise
        if not entered.done():
            entered.cancel()
            self._task = None
            task.result()
            raise RuntimeError(f"{self._name}.lifespan() ended without a yield")
        task.add_done_callback(self._ended)

    async def _exit(self) -> None:
        leave = self._leave
        failure = await self._end(lambda _task: leave.set() if leave is not None else None)
        if failure is not None:
            raise failure

    async def _end(self, ask: Callable[[asyncio.Task[None]], object]) -> BaseException | None:
        """Ask the task to end, wait until it did, and return its error; one that crashed before has told of it already."""
        task = self._task
        if task is None:
            return None
        had_ended = task.done()
        task.remove_done_callback(self._ended)
        ask(task)
        failure = await _outcome(task)
        return None if had_ended else failure

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
