"""Stops units in reverse, past errors, hangs and cancellations, under deadlines."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from roost.errors import ServiceHung
from roost.runtime._ending import CANCEL_GRACE, ended, heard
from roost.runtime._event_bus import EventBus
from roost.runtime._events import ServiceStopFinished, ServiceStopStarted
from roost.runtime._stacks import stack_of
from roost.runtime._unit import Failure, Unit, as_exception

LAST_CHANCE = 1.0
"""Seconds that each unit has at least, or the total where that is less, though the time for all is used up."""


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
        """Stop everything, also while being cancelled: the event loop may be closing.

        Returns:
            What went wrong before, and the stops that raised or hung, in their order; the others were stopped all the same.
        """
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + self._total
        while self._left:
            self._hung: asyncio.Future[None] = self._loop.create_future()
            walker = asyncio.create_task(self._walk(self._hung), name="roost stop")
            walker.add_done_callback(heard)
            while not walker.done() and not self._hung.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait({walker, self._hung}, return_when=asyncio.FIRST_COMPLETED)
            if self._current is not None:
                await self._abandon(*self._current, walker)
        if self._timer is not None:
            self._timer.cancel()
        return self._failures

    async def _walk(self, hung: asyncio.Future[None]) -> None:
        """Stop one unit after another in this task; whoever finds that one hangs goes on in another.

        Args:
            hung: Done when this walker's unit is given up: it may come back later, and has nothing more to say then.
        """
        while self._left and not hung.done():
            unit = self._left.pop()
            unit.enter("stopping")
            if unit.kind == "service" and self._events.wants(ServiceStopStarted):
                self._events.emit(ServiceStopStarted(service=unit.name))
            error: Exception | None = None
            if unit.stop is not None:
                self._watch(unit)
                try:
                    await unit.stop()
                except asyncio.CancelledError:
                    pass  # a service that ends so has ended; a hung one is told of by `_abandon`
                except (SystemExit, KeyboardInterrupt):
                    self._over(unit, None)
                    self._current = None
                    raise  # it ends the event loop, whose end is the next walker's concern
                except BaseException as raised:  # noqa: BLE001 -- the others are stopped all the same, and this is raised after
                    error = as_exception(raised)
                if hung.done():
                    return
                self._current = None
            self._over(unit, error)

    def _watch(self, unit: Unit) -> None:
        """Note when a unit must have stopped; one timer serves all of them, and is early rather than set anew."""
        at = self._loop.time()
        # One that hung may have used up the time of all.
        left = self._total if self._fresh else max(self._deadline - at, min(self._total, LAST_CHANCE))
        limit = left if unit.stop_timeout is None else min(left, unit.stop_timeout)
        self._current, self._due = (unit, limit), at + limit
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
        hung = ServiceHung(service=unit.name, phase="stop", timeout=limit, stack=stack_of(unit, walker), tree="")
        own = [task for task in unit.tasks() if not task.done()]
        walker.cancel()
        # The tasks are cancelled by the service's own stop, as far as it obeys; twice would break off their cleaning up.
        await _obeyed([walker, *own])
        await ended(own, grace=0.0)
        self._current = None
        self._over(unit, hung)

    def _over(self, unit: Unit, error: Exception | None) -> None:
        if unit.kind == "service" and self._events.wants(ServiceStopFinished):
            self._events.emit(ServiceStopFinished(service=unit.name, duration=unit.lasted, error=error))
        unit.enter("abandoned" if isinstance(error, ServiceHung) else "stopped", error)
        if error is not None:
            self._failures.append((unit.name, error))


async def _obeyed(tasks: Sequence[asyncio.Task[None]]) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait(tasks, timeout=CANCEL_GRACE)
