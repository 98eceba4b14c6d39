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


class Shutdown:
    """One stop of what has started.

    Args:
        started: What to stop, in the order in which it started.
        events: Where it is told.
        total: Seconds for all of it; with `fresh`, for each unit.
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

    async def run(self) -> list[Failure]:
        """Stop everything.

        Returns:
            What went wrong before, and the stops that raised or hung, in their order; the others were stopped all the same.
        """
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + self._total
        while self._left:
            hung: asyncio.Future[None] = self._loop.create_future()
            walker = asyncio.create_task(self._walk(hung), name="roost stop")
            await asyncio.wait({walker, hung}, return_when=asyncio.FIRST_COMPLETED)
            if hung.done() and self._current is not None:
                await self._abandon(*self._current, walker)
        return self._failures

    async def _walk(self, hung: asyncio.Future[None]) -> None:
        """Stop one unit after another in this task; whoever finds that one hangs goes on in another."""
        while self._left and not hung.done():
            unit = self._left.pop()
            left = self._total if self._fresh else max(0.0, self._deadline - self._loop.time())
            limit = left if unit.stop_timeout is None else min(left, unit.stop_timeout)
            unit.enter("stopping")
            if self._events.wants(ServiceStopStarted):
                self._events.emit(ServiceStopStarted(service=unit.name))
            error: Exception | None = None
            if unit.stop is not None:
                self._current = unit, limit
                timer = self._loop.call_later(limit, hung.set_result, None)
                try:
                    await unit.stop()
                except asyncio.CancelledError:
                    pass  # a service that ends so has ended; a hung one is told of by `_abandon`
                except Exception as raised:  # noqa: BLE001 -- the others are stopped all the same, and this is raised after
                    error = raised
                timer.cancel()
                if hung.done():
                    return
            self._over(unit, error)

    async def _abandon(self, unit: Unit, limit: float, walker: asyncio.Task[None]) -> None:
        stack = stack_of(unit, walker)
        own = unit.tasks() if unit.tasks is not None else ()
        walker.cancel()
        await asyncio.wait({walker, *own}, timeout=CANCEL_GRACE)
        self._over(unit, ServiceHung(service=unit.name, phase="stop", timeout=limit, stack=stack, tree=""))

    def _over(self, unit: Unit, error: Exception | None) -> None:
        if self._events.wants(ServiceStopFinished):
            self._events.emit(ServiceStopFinished(service=unit.name, duration=time.monotonic() - unit.since, error=error))
        unit.enter("abandoned" if isinstance(error, ServiceHung) else "stopped", error)
        if error is not None:
            self._failures.append((unit.name, error))
