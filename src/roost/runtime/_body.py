"""The lifecycle of one service: start, a body that may run beside, its own tasks, restarts, stop."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from roost.errors import RuntimeBusy, ServiceHung, StartNotAsync
from roost.runtime._crashes import CrashRecord, OnCrash
from roost.runtime._ending import ended, heard
from roost.runtime._event_bus import EventBus
from roost.runtime._events import ServiceCrashed, ServiceRestarted
from roost.runtime._limits import Limits
from roost.runtime._service import Service
from roost.runtime._stacks import stack_of
from roost.runtime._unit import Action, Unit

T = TypeVar("T")
LIVE = ("starting", "running", "restarting", "degraded")
"""States in which a service may have tasks."""


class Watch(Protocol):
    """Who is told of crashes.

    Attributes:
        events: Where events go.
        limits: The runtime's totals, for what has no time of its own.
    """

    events: EventBus
    limits: Limits

    def crashed(self, service: str, error: BaseException, *, restarts: int) -> None:
        """Stop the runtime because of a crash, after so many restarts within the policy's window."""


class Body:
    """Starts, supervises and stops one service; each of start and stop is called once, but for restarts.

    Args:
        service: The service.
        unit: What the runtime knows of it; its `start`, `stop` and `drain` are set here, to None where there is nothing to do.
        watch: Who is told of crashes.
    """

    __slots__ = (
        "_crashes",
        "_failures",
        "_is_closed",
        "_is_started",
        "_leave",
        "_main",
        "_meanwhile",
        "_restarting",
        "_service",
        "_tasks",
        "_unit",
        "_watch",
    )

    def __init__(self, service: Any, unit: Unit, *, watch: Watch) -> None:  # noqa: ANN401 -- any class
        self._service = service
        self._unit = unit
        self._watch = watch
        self._main: asyncio.Task[None] | None = None
        self._leave: asyncio.Event | None = None
        self._tasks: set[asyncio.Task[Any]] | None = None
        self._restarting: asyncio.Task[None] | None = None
        self._crashes: CrashRecord | None = None
        self._failures: list[BaseException] | None = None  # while the service's tasks are being ended: what they end with
        self._meanwhile: BaseException | None = None  # a crash in a restart's start
        self._is_started = True  # nothing here is asked for before the first start has succeeded
        self._is_closed = False
        if isinstance(service, Service):
            object.__setattr__(service, "_body", self)  # the base class keeps it for its own tasks; a service may be frozen
        has_main = self._has_lifespan or hasattr(type(service), "run")
        unit.body = self
        unit.start = self._start if has_main else self._own("start")
        unit.stop = self._stop if has_main else self._own("stop")
        unit.drain = self._own("drain")

    def create_task(self, coroutine: Coroutine[Any, Any, T], /, *, name: str) -> asyncio.Task[T]:
        """Start a task of the service's own: cancelled at its stop, its crash is the service's."""
        if self._is_closed or self._unit.state not in LIVE:
            coroutine.close()
            raise RuntimeBusy(wish=f"start a task of {self._unit.name}, which is {self._unit.state}")
        task = asyncio.create_task(coroutine, name=f"roost {self._unit.name}.{name}")
        if self._tasks is None:
            self._tasks = set()
            self._unit.stop = self._stop
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def tasks(self) -> Sequence[asyncio.Task[Any]]:
        """Return the tasks that run beside, and belong to the service."""
        if self._main is None and self._tasks is None and self._restarting is None:
            return ()
        return [task for task in (self._main, *(self._tasks or ()), self._restarting) if task is not None and not task.done()]

    def close(self) -> None:
        """Take no more tasks, and no crashes: the start has failed."""
        self._is_closed = True

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
            self._main = asyncio.create_task(self._call("run"), name=f"roost {self._unit.name}.run")
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
            if not main.cancelled():
                main.result()
            raise
        if not entered.done():
            entered.cancel()
            self._main = None
            main.result()  # it has raised: else it would have been entered
        main.add_done_callback(self._ended)

    async def _stop(self) -> None:
        """End all tasks, then stop the service; the first error is raised, with a note of any other."""
        self._is_closed = True
        try:
            if self._restarting is not None:
                await ended([self._restarting])
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
        """End what runs beside, call the service's stop, end its other tasks, and return what went wrong, in order."""
        failures = self._failures = []
        try:
            await self._end_main()
            try:
                if self._is_started and not self._has_lifespan:
                    self._is_started = False
                    await self._call("stop")
            except Exception as error:  # noqa: BLE001 -- told below, after the service's tasks have ended
                failures.append(error)
            own = list(self._tasks or ())
            for task in own:
                task.cancel()
            if own:
                await asyncio.wait(own)
        finally:
            self._failures = None
        return failures

    async def _end_main(self) -> None:
        """Leave the lifespan, or cancel the task of `run`."""
        main = self._main
        if main is None or main.done():
            return
        if self._leave is None:
            main.cancel()
        else:
            self._leave.set()
        try:
            await asyncio.wait({main})
        except asyncio.CancelledError:  # it had its time
            main.cancel()
            await asyncio.wait({main})
            raise

    def _ended(self, task: asyncio.Task[Any]) -> None:
        """Decide what the end of one of the service's tasks means: nothing, a failure of its stop, or a crash."""
        if self._tasks is not None:
            self._tasks.discard(task)
        error: BaseException | None
        if task.cancelled():
            # A task may be cancelled by its service; one that ends so though nobody cancelled it awaited something that was.
            error = RuntimeError(f"{task.get_name()} was cancelled from inside") if task is self._main and not task.cancelling() else None
        else:
            error = task.exception()
        if error is None:
            return
        if self._failures is not None:
            self._failures.append(error)
        elif self._is_closed or self._unit.body is not self or self._unit.state not in LIVE:
            return
        elif self._restarting is not None and not self._restarting.done():
            self._meanwhile = self._meanwhile or error
        else:
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
            for task in self.tasks():
                if task is not self._restarting:
                    task.cancel()
        else:
            self._unit.error = error
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
        unit, limits = self._unit, self._watch.limits
        unit.enter("restarting", error)
        try:
            await self._within("stop", self._end_and_note(error), limits.stop if unit.stop_timeout is None else unit.stop_timeout)
            await asyncio.sleep(delay)
            await self._within("start", self._start(), limits.start if unit.start_timeout is None else unit.start_timeout)
        except Exception as again:  # noqa: BLE001 -- it is the next crash, and decided upon like the first
            self._crashed(again)
            return
        unit.enter("running")
        self._watch.events.emit(ServiceRestarted(service=unit.name, delay=delay))
        if (meanwhile := self._meanwhile) is not None:
            self._meanwhile = None
            self._crashed(meanwhile)

    async def _end_and_note(self, error: BaseException) -> None:
        for later in await self._end_all():
            error.add_note(f"and while stopping for a restart: {later!r}")

    async def _within(self, phase: str, doing: Coroutine[Any, Any, None], seconds: float) -> None:
        """Await a part of a restart within its time; what does not obey is left behind.

        Raises:
            ServiceHung: It took longer.
            RuntimeError: It was cancelled from inside.
        """
        task = asyncio.create_task(doing, name=f"roost {self._unit.name} {phase}s again")
        try:
            await asyncio.wait({task}, timeout=seconds)
        except asyncio.CancelledError:
            await ended([task])
            task.add_done_callback(heard)
            raise
        if not task.done():
            hung = ServiceHung(service=self._unit.name, phase=phase, timeout=seconds, stack=stack_of(self._unit, task), tree="")
            await ended([task])
            task.add_done_callback(heard)
            raise hung
        if task.cancelled():
            raise RuntimeError(f"its {phase} was cancelled from inside")
        task.result()

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
