"""Starts units in parallel, each as soon as its needs are started, under deadlines. Knows no plugins."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial

from roost.errors import DependencyCycle, ServiceHung, ServiceStartFailed
from roost.runtime._body import stack_of
from roost.runtime._event_bus import EventBus, owned_by
from roost.runtime._events import ServiceStartFinished, ServiceStartStarted
from roost.runtime._unit import Unit

CANCEL_GRACE = 1.0
"""Seconds that a cancelled start or stop gets to obey before it is abandoned."""


class Startup:
    """One start of a runtime's units.

    Args:
        units: What to start, in any order.
        events: Where it is told.
        total: Seconds for all of it.

    Attributes:
        started: What has started, in the order in which it did.
    """

    def __init__(self, units: Sequence[Unit], events: EventBus, *, total: float) -> None:
        self.started: list[Unit] = []
        self._units = units
        self._events = events
        self._total = total
        self._unmet: dict[Unit, int] = {}
        self._dependents: dict[Unit, list[Unit]] = {}
        self._running: dict[Unit, asyncio.Task[None]] = {}
        self._deadlines: list[tuple[float, int, Unit | None]] = []
        self._timer: asyncio.TimerHandle | None = None
        for unit in units:
            for needed in unit.needs:
                self._dependents.setdefault(needed, []).append(unit)

    async def run(self) -> None:
        """Start all units; when one fails, the others that are starting are cancelled.

        Raises:
            ServiceStartFailed: A service's start raised; its error is the cause.
            ServiceHung: A start did not end in time.
            DependencyCycle: What is left waits for itself in a circle.
            Exception: What a preparer or a plugin's hook raised, as it is.
        """
        self._loop = asyncio.get_running_loop()
        self._end: asyncio.Future[None] = self._loop.create_future()
        try:
            for unit in self._units:
                unit.took = None
                unit.enter("waiting")
            # What is up already, because it was started before a plugin was loaded, is not waited for.
            self._unmet = {unit: sum(not needed.is_up for needed in unit.needs) for unit in self._units}
            self._watch(None, self._total)
            self._launch([unit for unit, count in self._unmet.items() if count == 0])
            await self._end
        except BaseException:
            await self._cancel()
            raise
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def fail(self, error: BaseException) -> None:
        """Tell who waits for a unit that the start has failed, once what had started is stopped again."""
        for unit in self._units:
            if unit.state not in ("failed", "abandoned"):
                unit.enter("new", error)

    def _launch(self, ready: list[Unit]) -> None:
        """Start units; those with nothing to do are started in passing, and then those that waited for them."""
        for unit in ready:  # grows while it is walked
            unit.enter("starting")
            if self._events.wants(ServiceStartStarted):
                self._events.emit(ServiceStartStarted(service=unit.name))
            if unit.start is None:
                ready.extend(self._has_started(unit))
                continue
            with owned_by(unit.owner) if unit.owner is not None else nullcontext():
                task = asyncio.ensure_future(unit.start())
            self._running[unit] = task
            if unit.start_timeout is not None:
                self._watch(unit, unit.start_timeout)
            task.add_done_callback(partial(self._ended, unit))
        if not self._running and not self._end.done():
            if self._unmet:
                self._end.set_exception(DependencyCycle(path=_circle(next(iter(self._unmet)))))
            else:
                self._end.set_result(None)

    def _ended(self, unit: Unit, task: asyncio.Task[None]) -> None:
        if self._end.done():  # the start is over, and `_cancel` looks after the rest
            return
        del self._running[unit]
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None:
            self._launch(self._has_started(unit))
            return
        self._told(unit, error)
        unit.enter("failed", error)
        if unit.kind == "service" and isinstance(error, Exception):
            failed = ServiceStartFailed(service=unit.name, reason=str(error) or type(error).__name__)
            failed.__cause__ = error
            error = failed
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
        unit.took = time.monotonic() - unit.since
        if self._events.wants(ServiceStartFinished):
            self._events.emit(ServiceStartFinished(service=unit.name, duration=unit.took, error=error))

    def _watch(self, unit: Unit | None, seconds: float) -> None:
        """Note a deadline; one timer serves all of them."""
        heapq.heappush(self._deadlines, (self._loop.time() + seconds, len(self._deadlines), unit))
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
        self._end.set_exception(
            ServiceHung(
                service=late.name,
                phase="start",
                timeout=self._total if unit is None else unit.start_timeout or 0.0,
                stack=self._stack(late),
                tree=self._tree(),
            )
        )

    async def _cancel(self) -> None:
        running, self._running = self._running, {}
        for task in running.values():
            task.cancel()
        if running:
            await asyncio.wait(running.values(), timeout=CANCEL_GRACE)
        for unit, task in running.items():
            if not task.done():
                self._told(unit, asyncio.CancelledError())
                unit.enter("abandoned")
            elif not task.cancelled() and task.exception() is None:
                # It ended well in the very moment it was cancelled, so it is stopped like the others.
                self._told(unit, None)
                unit.enter("running")
                self.started.append(unit)
            else:
                self._told(unit, asyncio.CancelledError() if task.cancelled() else task.exception())

    def _stack(self, unit: Unit) -> str:
        return (unit.stack() if unit.stack is not None else "") or stack_of(self._running[unit])

    def _tree(self) -> str:
        lines = []
        for unit in self._units:
            lines.append(f"{unit.name}: {unit.state}")
            if unit in self._running:
                lines.extend(f"    {line}" for line in self._stack(unit).splitlines())
            elif unit.state == "waiting":
                lines.append(f"    waits for {', '.join(unit.waits_for())}")
        return "\n".join(lines)


def _circle(unit: Unit) -> tuple[str, ...]:
    path = [unit]
    while True:
        unit = next(needed for needed in unit.needs if not needed.is_up)
        if unit in path:
            return tuple(one.name for one in (*path[path.index(unit) :], unit))
        path.append(unit)
