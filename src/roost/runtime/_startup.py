"""Starts units in parallel, each as soon as its needs are started, under deadlines. Knows no plugins."""

from __future__ import annotations

import asyncio
import heapq
import inspect
import itertools
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, TypeVar

from roost.errors import DependencyCycle, ServiceHung, ServiceStartFailed, StartNotAsync
from roost.runtime._ending import CANCEL_GRACE, ended, heard
from roost.runtime._event_bus import EventBus, owned_by
from roost.runtime._events import ServiceStartFinished, ServiceStartStarted
from roost.runtime._reason import reason_of
from roost.runtime._stacks import stack_of
from roost.runtime._unit import Failure, Unit, as_exception

T = TypeVar("T", bound=BaseException)
_NOBODY = nullcontext()


class Startup:
    """One start of a runtime's units.

    Args:
        units: What to start, in any order.
        events: Where it is told.
        total: Seconds for all of it.

    Attributes:
        started: What has started, in the order in which it did.
        culprit: Whose failure ended it.
        failures: What else failed, or did not obey when it was cancelled because of that.
    """

    def __init__(self, units: Sequence[Unit], events: EventBus, *, total: float) -> None:
        self.started: list[Unit] = []
        self.culprit = "start"
        self.failures: list[Failure] = []
        self._loop = asyncio.get_running_loop()
        self._end: asyncio.Future[None] = self._loop.create_future()
        self._units = units
        self._events = events
        self._total = total
        self._unmet: dict[Unit, int] = {}
        self._dependents: dict[Unit, list[Unit]] = {}
        self._running: dict[Unit, asyncio.Task[Any]] = {}
        self._hung: dict[Unit, ServiceHung] = {}
        self._deadlines: list[tuple[float, int, Unit | None]] = []
        self._numbers = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        for unit in units:
            for needed in unit.needs:
                self._dependents.setdefault(needed, []).append(unit)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all units."""
        return tuple(unit.name for unit in self._units)

    async def run(self) -> None:
        """Start all units; when one fails, the others that are starting are cancelled.

        Raises:
            ServiceStartFailed: A service's start raised; its error is the cause.
            ServiceHung: A start did not end in time.
            DependencyCycle: Something waits for itself by way of plugins; nothing was started.
            Exception: What a preparer or a plugin's hook raised, as it is.
            CancelledError: It was given up.
        """
        try:
            for unit in self._units:
                unit.took = None
                unit.enter("waiting")
            # What is up already, because it was started before a plugin was loaded, is not waited for.
            self._unmet = {unit: sum(not needed.is_up for needed in unit.needs) for unit in self._units}
            if any(unit.kind != "service" for unit in self._units):
                self._refuse_circle()
            self._watch(None, self._total)
            self._launch([unit for unit, count in self._unmet.items() if count == 0])
            await self._end
        except BaseException:
            await self._cancel()
            raise
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def give_up(self) -> None:
        """End the start where it is, as a cancellation of `run` would."""
        self._end.cancel()

    def fail(self, error: BaseException) -> None:
        """Tell who waits for a unit that the start has failed, once what had started is stopped again."""
        for unit in self._units:
            if unit.state not in ("failed", "abandoned"):
                unit.enter("new", error)

    def _launch(self, ready: list[Unit]) -> None:
        """Start units; those with nothing to do are started in passing, and then those that waited for them."""
        for unit in ready:  # grows while it is walked
            if self._end.done():
                return
            unit.enter("starting")
            if unit.kind == "service" and self._events.wants(ServiceStartStarted):
                self._events.emit(ServiceStartStarted(service=unit.name))
            if unit.start is None:
                ready.extend(self._has_started(unit))
                continue
            try:
                with _NOBODY if unit.owner is None else owned_by(unit.owner):
                    task = self._loop.create_task(unit.start())
            except Exception as error:  # noqa: BLE001 -- a start that wants arguments, say
                self._failed(unit, error)
                return
            self._running[unit] = task
            if unit.start_timeout is not None:
                self._watch(unit, unit.start_timeout)
            task.add_done_callback(partial(self._ended, unit))
        if not self._running and not self._end.done():
            self._end.set_result(None)

    def _refuse_circle(self) -> None:
        """Find what waits for itself by way of plugins, before anything starts; services alone were looked at when they were drawn."""
        unmet = self._unmet.copy()
        ready = [unit for unit, count in unmet.items() if count == 0]
        for unit in ready:  # grows while it is walked
            for dependent in self._dependents.get(unit, ()):
                unmet[dependent] -= 1
                if unmet[dependent] == 0:
                    ready.append(dependent)
        if len(ready) < len(unmet):
            raise DependencyCycle(path=_circle(next(unit for unit, count in unmet.items() if count), set(ready)))

    def _ended(self, unit: Unit, task: asyncio.Task[Any]) -> None:
        if self._end.done():  # the start is over, and `_cancel` looks after the rest
            return
        del self._running[unit]
        # Nobody has cancelled it here: it awaited something that was.
        error = RuntimeError("its start was cancelled from inside") if task.cancelled() else task.exception()
        if error is None and task.result() is not None:
            error = _not_awaited(unit, task.result())
        if error is None:
            self._launch(self._has_started(unit))
        else:
            self._failed(unit, error)

    def _failed(self, unit: Unit, error: BaseException) -> None:
        self._told(unit, error)
        unit.enter("failed", error)
        self._fail(unit, _named(unit, error))

    def _fail(self, unit: Unit, error: BaseException) -> None:
        self.culprit = unit.name
        self._end.set_exception(error)

    def _has_started(self, unit: Unit) -> list[Unit]:
        self._told(unit, None)
        unit.enter("running")
        self.started.append(unit)
        del self._unmet[unit]
        ready = []
        for dependent in self._dependents.get(unit, ()):
            self._unmet[dependent] -= 1
            if self._unmet[dependent] == 0:
                ready.append(dependent)
        return ready

    def _told(self, unit: Unit, error: BaseException | None) -> None:
        unit.took = unit.lasted
        if unit.kind == "service" and self._events.wants(ServiceStartFinished):
            self._events.emit(ServiceStartFinished(service=unit.name, duration=unit.took, error=error))

    def _watch(self, unit: Unit | None, seconds: float) -> None:
        """Note a deadline; one timer serves all of them."""
        heapq.heappush(self._deadlines, (self._loop.time() + seconds, next(self._numbers), unit))
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._deadlines[0][0], self._late)

    def _late(self) -> None:
        _, _, unit = heapq.heappop(self._deadlines)
        if self._end.done():
            return
        if unit is not None and unit not in self._running:
            self._timer = self._loop.call_at(self._deadlines[0][0], self._late)
            return
        late = unit if unit is not None else next(iter(self._running))
        limit = self._total if unit is None else unit.start_timeout or 0.0
        hung = ServiceHung(service=late.name, phase="start", timeout=limit, stack=self._stack(late), tree=self._tree())
        self._hung[late] = hung
        self._fail(late, hung)

    async def _cancel(self) -> None:
        """End the starts in progress, and the tasks that starts which did not succeed have set going."""
        running, self._running = self._running, {}
        await ended(running.values())
        for unit, task in running.items():
            if not task.done():
                self._abandon(unit, task)
            elif unit in self._hung:
                self._told(unit, self._hung[unit])
                unit.enter("failed", self._hung[unit])
            else:
                self._cancelled(unit, asyncio.CancelledError() if task.cancelled() else task.exception())
        unstarted = [unit for unit in self._units if unit.state in ("starting", "failed", "abandoned") and unit.body is not None]
        beside = {task: unit for unit in unstarted for task in unit.tasks()}
        for unit in unstarted:
            if unit.body is not None:
                unit.body.close()
        await ended(beside)
        for task, unit in beside.items():
            if not task.done():
                self._abandon(unit, task)
            elif not task.cancelled() and (error := task.exception()) is not None:
                self.failures.append((unit.name, as_exception(error)))

    def _cancelled(self, unit: Unit, error: BaseException | None) -> None:
        self._told(unit, error)
        if error is None:
            # It ended well in the very moment it was cancelled, so it is stopped like the others.
            unit.enter("running")
            self.started.append(unit)
        elif isinstance(error, Exception):
            unit.enter("failed", error)
            self.failures.append((unit.name, _named(unit, error)))

    def _abandon(self, unit: Unit, task: asyncio.Task[Any]) -> None:
        """Leave a task behind that does not obey, by the name of its unit and with its stack; once a unit."""
        task.add_done_callback(heard)
        if unit.state != "abandoned":
            hung = ServiceHung(service=unit.name, phase="cancelled start", timeout=CANCEL_GRACE, stack=stack_of(unit, task), tree="")
            if unit.state == "starting":
                self._told(unit, hung)
            unit.enter("abandoned", hung)
            self.failures.append((unit.name, hung))

    def _stack(self, unit: Unit) -> str:
        return stack_of(unit, self._running[unit])

    def _tree(self) -> str:
        lines = []
        for unit in self._units:
            lines.append(f"{unit.name}: {unit.state}")
            if unit in self._running:
                lines.extend(f"    {line}" for line in self._stack(unit).splitlines())
            elif unit.state == "waiting":
                lines.append(f"    waits for {', '.join(unit.waits_for())}")
        return "\n".join(lines)


def _named(unit: Unit, error: T) -> T | ServiceStartFailed:
    """Return a service's error in one that names the service; what hooks and preparers raise is left as it is."""
    if unit.kind != "service" or not isinstance(error, Exception):
        return error
    failed = ServiceStartFailed(service=unit.name, reason=reason_of(error))
    failed.__cause__ = error
    return failed


def _not_awaited(unit: Unit, result: object) -> Exception | None:
    """Return what is wrong with a start that returned something: it may have forgotten to await it."""
    if not inspect.isawaitable(result):
        return None
    if inspect.iscoroutine(result):
        result.close()
    return StartNotAsync(service=unit.name, method="start")


def _circle(unit: Unit, reachable: set[Unit]) -> tuple[str, ...]:
    path = [unit]
    while True:
        unit = next(needed for needed in unit.needs if not needed.is_up and needed not in reachable)
        if unit in path:
            return tuple(f"{one.kind} {one.name}" for one in (*path[path.index(unit) :], unit))
        path.append(unit)
