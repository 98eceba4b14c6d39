"""The lifecycle of one service: start, a body that may run beside, its own tasks, stop. The law for all of them is here."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from roost.errors import RuntimeBusy, StartNotAsync
from roost.runtime._crashes import CrashRecord, OnCrash
from roost.runtime._event_bus import EventBus
from roost.runtime._events import ServiceCrashed, ServiceRestarted
from roost.runtime._service import Service
from roost.runtime._unit import Action, Unit

T = TypeVar("T")


class Watch(Protocol):
    """Who is told of crashes."""

    events: EventBus

    def crashed(self, service: str, error: BaseException, *, restarts: int) -> None:
        """Stop the runtime because of a crash, after so many restarts within the policy's window."""


class Body:
    """Starts, supervises and stops one service; each of start and stop is called once.

    Args:
        service: The service.
        unit: What the runtime knows of it; its `start`, `stop`, `drain` and `tasks` are set here, to None where there is nothing to do.
        watch: Who is told of crashes.
    """

    __slots__ = ("_crashes", "_is_started", "_is_stopping", "_leave", "_main", "_restarting", "_service", "_tasks", "_unit", "_watch")

    def __init__(self, service: Any, unit: Unit, *, watch: Watch) -> None:  # noqa: ANN401 -- any class
        self._service = service
        self._unit = unit
        self._watch = watch
        self._main: asyncio.Task[None] | None = None
        self._leave: asyncio.Event | None = None
        self._tasks: set[asyncio.Task[Any]] | None = None
        self._restarting: asyncio.Task[None] | None = None
        self._crashes: CrashRecord | None = None
        self._is_started = True  # nothing here is asked for before the first start has succeeded
        self._is_stopping = False
        if isinstance(service, Service):
            service._body = self  # noqa: SLF001 -- the base class keeps it for its own tasks
        has_main = self._has_lifespan or _is_async(getattr(type(service), "run", None))
        unit.tasks = self._running
        unit.start = self._start if has_main else self._own("start")
        unit.stop = self._stop if has_main else self._own("stop")
        unit.drain = self._own("drain")

    def create_task(self, coroutine: Coroutine[Any, Any, T], /, *, name: str) -> asyncio.Task[T]:
        """Start a task of the service's own: cancelled at its stop, its crash is the service's."""
        if self._is_stopping or self._unit.state not in ("starting", "running", "restarting", "degraded"):
            coroutine.close()
            raise RuntimeBusy(wish=f"start a task of {self._unit.name}, which is {self._unit.state}")
        task = asyncio.create_task(coroutine, name=f"roost {self._unit.name}.{name}")
        if self._tasks is None:
            self._tasks = set()
            self._unit.stop = self._stop
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    @property
    def _has_lifespan(self) -> bool:
        return hasattr(type(self._service), "lifespan")

    def _own(self, method: str) -> Action | None:
        function = getattr(type(self._service), method, None)
        if function is None or function is getattr(Service, method, None):
            return None
        return getattr(self._service, method) if _is_async(function) else lambda: self._call(method)

    async def _start(self) -> None:
        if not self._has_lifespan:
            await self._call("start")
            self._is_started = True
        await self._begin()

    async def _begin(self) -> None:
        """Begin what runs beside: the task of `run`, or the one that is inside `lifespan`."""
        if self._has_lifespan:
            await self._enter()
        elif hasattr(self._service, "run"):
            self._main = asyncio.create_task(self._service.run(), name=f"roost {self._unit.name}.run")
            self._main.add_done_callback(self._ended)

    async def _enter(self) -> None:
        entered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        leave = self._leave = asyncio.Event()

        async def live() -> None:
            async with self._service.lifespan():
                entered.set_result(None)
                await leave.wait()

        main = self._main = asyncio.create_task(live(), name=f"roost {self._unit.name}.lifespan")
        try:
            await asyncio.wait({main, entered}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            main.cancel()
            await asyncio.wait({main})
            raise
        if not entered.done():
            entered.cancel()
            self._main = None
            main.result()
            raise RuntimeError(f"{self._unit.name}.lifespan() ended without a yield")
        main.add_done_callback(self._ended)

    async def _stop(self) -> None:
        """End all tasks, then stop the service; the first error is raised, with a note of any other."""
        self._is_stopping = True
        try:
            await _end([self._restarting])
            failures = await self._end_all()
        except asyncio.CancelledError:  # it had its time; whoever cancels this sees to it that they end
            for task in self._tasks or ():
                task.cancel()
            raise
        for later in failures[1:]:
            failures[0].add_note(f"and after that: {later!r}")
        if failures:
            raise failures[0]

    async def _end_all(self) -> list[BaseException]:
        """End what runs beside, call the service's stop, end its other tasks, and return what went wrong."""
        failures = await self._end_main()
        try:
            if self._is_started and not self._has_lifespan:
                self._is_started = False
                await self._call("stop")
        except Exception as error:  # noqa: BLE001 -- told below, after the service's tasks have ended
            failures.append(error)
        return failures + await _end(self._tasks or ())

    async def _end_main(self) -> list[BaseException]:
        """Leave the lifespan, or cancel the task of `run`; return what it raised."""
        main = self._main
        if main is None or main.done():
            return []
        if self._leave is None:
            return await _end([main])
        self._leave.set()
        try:
            await asyncio.wait({main})
        except asyncio.CancelledError:  # it had its time
            main.cancel()
            await asyncio.wait({main})
            raise
        return [error] if not main.cancelled() and (error := main.exception()) is not None else []

    def _ended(self, task: asyncio.Task[Any]) -> None:
        if self._tasks is not None:
            self._tasks.discard(task)
        if self._is_stopping or task.cancelled() or (error := task.exception()) is None:
            return
        if self._restarting is not None and not self._restarting.done():  # one crash is being dealt with already
            return
        self._crashed(error)

    def _crashed(self, error: BaseException) -> None:
        if self._crashes is None:
            policy: OnCrash = getattr(type(self._service), "on_crash", "stop")
            self._crashes = CrashRecord(policy)
        if self._unit.state == "starting" and self._crashes.is_survivable:
            self._restarting = asyncio.create_task(self._crash_later(error), name=f"roost {self._unit.name} crashed while starting")
            return
        decision = self._crashes.decide(asyncio.get_running_loop().time())
        outcome = "restart" if isinstance(decision, float) else decision
        self._watch.events.emit(ServiceCrashed(service=self._unit.name, error=error, outcome=outcome))
        if isinstance(decision, float):
            self._restarting = asyncio.create_task(self._restart(error, decision), name=f"roost {self._unit.name} restarting")
        elif decision == "degrade":
            self._unit.enter("degraded", error)
            for task in self._running():
                task.cancel()
        else:
            self._watch.crashed(self._unit.name, error, restarts=self._crashes.restarts)

    async def _crash_later(self, error: BaseException) -> None:
        """Deal with a crash when the start is over; what failed to start is told of already."""
        try:
            await self._unit.decided()
        except Exception:  # noqa: BLE001 -- as above
            return
        self._restarting = None
        self._crashed(error)

    async def _restart(self, error: BaseException, delay: float) -> None:
        """Stop the service and start it again, each within its time."""
        self._unit.enter("restarting", error)
        try:
            async with asyncio.timeout(self._unit.stop_timeout):
                for later in await self._end_all():
                    error.add_note(f"and while stopping for a restart: {later!r}")
            await asyncio.sleep(delay)
            async with asyncio.timeout(self._unit.start_timeout):
                await self._start()
        except Exception as again:  # noqa: BLE001 -- it is the next crash, and decided upon like the first
            self._crashed(again)
            return
        self._unit.enter("running")
        self._watch.events.emit(ServiceRestarted(service=self._unit.name, delay=delay))

    def _running(self) -> list[asyncio.Task[Any]]:
        return [task for task in (self._main, *(self._tasks or ()), self._restarting) if task is not None and not task.done()]

    async def _call(self, method: str) -> None:
        function = getattr(self._service, method, None)
        if function is None:
            return
        result = function()
        if not inspect.isawaitable(result):
            raise StartNotAsync(service=self._unit.name, method=method)
        await result


def _is_async(function: Any) -> bool:  # noqa: ANN401 -- anything may stand under a method's name
    # What inspect says, at a tenth of the price for a plain method: this is asked of every service at every start.
    code = getattr(function, "__code__", None)
    return bool(code is not None and code.co_flags & inspect.CO_COROUTINE) or (
        function is not None and inspect.iscoroutinefunction(function)
    )


async def _end(tasks: Any) -> list[BaseException]:  # noqa: ANN401 -- tasks, or None among them
    """Cancel tasks, wait for them, and return what they raised instead."""
    live = [task for task in tasks if task is not None and not task.done()]
    for task in live:
        task.cancel()
    if live:
        await asyncio.wait(live)
    return [error for task in live if not task.cancelled() and (error := task.exception()) is not None]


def stack_of(unit: Unit, waiting: asyncio.Task[Any]) -> str:
    """Return where a unit stands, innermost last, a line each: the task that waits for it, then those that run beside."""
    lines = _await_stack(waiting)
    for task in unit.tasks() if unit.tasks is not None else ():
        lines += [f"task {task.get_name()!r}:", *_await_stack(task)]
    return "\n".join(lines)


def _await_stack(task: asyncio.Task[Any]) -> list[str]:
    lines: list[str] = []
    waiting: Any = task.get_coro()
    while waiting is not None:
        frame = getattr(waiting, "cr_frame", None) or getattr(waiting, "ag_frame", None) or getattr(waiting, "gi_frame", None)
        if frame is not None:
            lines.append(f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}")
            waiting = getattr(waiting, "cr_await", None) or getattr(waiting, "ag_await", None) or getattr(waiting, "gi_yieldfrom", None)
        else:
            # One step of an async generator, as contextlib awaits it, does not say of which; the garbage collector knows.
            waiting = next((one for one in gc.get_referents(waiting) if inspect.isasyncgen(one)), None)
    return lines
