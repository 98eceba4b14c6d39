"""Stops units in reverse, past errors and hangs, under deadlines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from roost.errors import ServiceHung
from roost.runtime._body import stack_of
from roost.runtime._event_bus import EventBus
from roost.runtime._events import ServiceStopFinished, ServiceStopStarted
from roost.runtime._startup import CANCEL_GRACE
from roost.runtime._unit import Failure, Unit

LAST_CHANCE = 1.0
"""Seconds that each unit has that is stopped after the time for all is used up."""


class Shutdown:
    """One stop of what has started.

    Args:
        started: What to stop, in the order in which it started.
        events: Where it is told.
        total: Seconds for all of it, after which each has `LAST_CHANCE`; with `fresh`, for each unit.
        fresh: Whether each unit has a deadline of its own, as after a failed start.
        failures: What went wrong before, by name.
    """

    def __init__(
        self,
        started: list[Unit],
        events: EventBus,
        *,
        total: float,
        fresh: bool = False,
        failures: Sequence[Failure] = (),
    ) -> None:
        self._left = started
        self._events = events
        self._total = total
        self._fresh = fresh
        self._failures = list(failures)
        self._current: tuple[Unit, float] | None = None
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> list[Failure]:
        """Stop everything.

        Returns:
            What went wrong before, and the stops that raised or hung, in their order; the others were stopped all the same.
        """
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + self._total
        while self._left:
            self._hung: asyncio.Future[None] = self._loop.create_future()
            walker = asyncio.create_task(self._walk(), name="roost stop")
            await asyncio.wait({walker, self._hung}, return_when=asyncio.FIRST_COMPLETED)
            if self._hung.done() and self._current is not None:
                await self._abandon(*self._current, walker)
        if self._timer is not None:
            self._timer.cancel()
        return self._failures

    async def _walk(self) -> None:
        """Stop one unit after another in this task; whoever finds that one hangs goes on in another."""
        while self._left and not self._hung.done():
            unit = self._left.pop()
            unit.enter("stopping")
            if self._events.wants(ServiceStopStarted):
                self._events.emit(ServiceStopStarted(service=unit.name))
            error: Exception | None = None
            if unit.stop is not None:
                self._watch(unit)
                try:
                    await unit.stop()
                except asyncio.CancelledError:
                    pass  # a service that ends so has ended; a hung one is told of by `_abandon`
                except Exception as raised:  # noqa: BLE001 -- the others are stopped all the same, and this is raised after
                    error = raised
                if self._hung.done():
                    return
                self._current = None
            self._over(unit, error)

    def _watch(self, unit: Unit) -> None:
        """Note when a unit must have stopped; one timer serves all of them, and is early rather than set anew."""
        now = self._loop.time()
        left = self._total if self._fresh else self._deadline - now
        if left <= 0:  # one that hung has used up the time of all
            left = LAST_CHANCE
        limit = left if unit.stop_timeout is None else min(left, unit.stop_timeout)
        self._current, self._due = (unit, limit), now + limit
        if self._timer is None or self._timer.when() > self._due:
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._due, self._late)

    def _late(self) -> None:
        self._timer = None
        if self._current is None:
            return
        if self._loop.time() < self._due:
            self._set_timer()
        elif not self._hung.done():
            self._hung.set_result(None)

    async def _abandon(self, unit: Unit, limit: float, walker: asyncio.Task[None]) -> None:
        stack = stack_of(unit, walker)
        own = unit.tasks() if unit.tasks is not None else ()
        walker.cancel()
        await asyncio.wait({walker, *own}, timeout=CANCEL_GRACE)
        self._current = None
        self._over(unit, ServiceHung(service=unit.name, phase="stop", timeout=limit, stack=stack, tree=""))

    def _over(self, unit: Unit, error: Exception | None) -> None:
        if self._events.wants(ServiceStopFinished):
            self._events.emit(ServiceStopFinished(service=unit.name, duration=time.monotonic() - unit.since, error=error))
        unit.enter("abandoned" if isinstance(error, ServiceHung) else "stopped", error)
        if error is not None:
            self._failures.append((unit.name, error))
