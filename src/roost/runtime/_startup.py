"""Starts nodes in parallel as their needs allow, and stops them in reverse, under deadlines. Knows no plugins."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from roost.errors import RuntimeStopFailed, ServiceHung, ServiceStartFailed
from roost.runtime._body import stack_of
from roost.runtime._events import (
    EventBus,
    ServiceStartFinished,
    ServiceStartStarted,
    ServiceStopFinished,
    ServiceStopStarted,
)

State: TypeAlias = Literal["new", "waiting", "starting", "running", "failed", "stopping", "stopped", "abandoned"]
CANCEL_GRACE = 1.0
"""Seconds that a cancelled start or stop gets to obey before it is abandoned."""


@dataclass(eq=False, slots=True, kw_only=True)
class Unit:
    """One thing to be started and stopped: a service, a preparer, or a plugin's hooks.

    Attributes:
        name: For events and errors.
        start: Starts it.
        stop: Stops it; called only after a start that succeeded.
        needs: What must be started before.
        start_timeout: Seconds, or None.
        stop_timeout: Seconds, or None.
        is_service: Whether its failure is wrapped in an error that names the service.
    """

    name: str
    start: Callable[[], Awaitable[None]]
    stop: Callable[[], Awaitable[None]]
    needs: Sequence[Unit] = ()
    start_timeout: float | None = None
    stop_timeout: float | None = None
    is_service: bool = True
    state: State = "new"
    since: float = 0.0
    took: float | None = None
    error: BaseException | None = None
    started: asyncio.Event = field(default_factory=asyncio.Event)

    def enter(self, state: State) -> None:
        """Note a change of state."""
        self.state, self.since = state, time.monotonic()


class Sequencer:
    """Starts and stops the units of one runtime."""

    def __init__(self, units: Sequence[Unit], events: EventBus) -> None:
        """Take the units, in any order."""
        self._units = units
        self._events = events
        self.started: list[Unit] = []

    async def start(self, total: float) -> None:
        """Start all units, each as soon as its needs are started.

        Args:
            total: Seconds for all of it.

        Raises:
            ServiceStartFailed: A service's start raised; its error is the cause.
            ServiceHung: A start did not end in time.
            Exception: What a preparer or a plugin's hook raised, as it is.
        """
        deadline = time.monotonic() + total
        waiting = {unit: len(unit.needs) for unit in self._units}
        dependents: dict[Unit, list[Unit]] = {}
        for unit in self._units:
            unit.enter("waiting")
            for needed in unit.needs:
                dependents.setdefault(needed, []).append(unit)
        done: asyncio.Queue[tuple[Unit, asyncio.Task[None]]] = asyncio.Queue()
        running: dict[Unit, asyncio.Task[None]] = {}

        def launch(unit: Unit) -> None:
            unit.enter("starting")
            self._events.emit(ServiceStartStarted(service=unit.name))
            task = asyncio.ensure_future(unit.start())
            running[unit] = task
            task.add_done_callback(lambda ended, unit=unit: done.put_nowait((unit, ended)))

        try:
            for unit in [unit for unit, count in waiting.items() if count == 0]:
                launch(unit)
            while running:
                unit, task = await self._next(done, running, deadline, total)
                running.pop(unit, None)
                self._finish_start(unit, task)
                for dependent in dependents.get(unit, ()):
                    waiting[dependent] -= 1
                    if waiting[dependent] == 0:
                        launch(dependent)
        except BaseException as error:
            await self._cancel(running)
            for unit in self._units:
                if unit.state in ("waiting", "starting"):
                    unit.enter("new")
                    unit.error = error
                unit.started.set()
            raise

    async def _next(
        self,
        done: asyncio.Queue[tuple[Unit, asyncio.Task[None]]],
        running: dict[Unit, asyncio.Task[None]],
        deadline: float,
        total: float,
    ) -> tuple[Unit, asyncio.Task[None]]:
        """Wait for the next start to end; one watcher for all their deadlines."""
        first, unit_at_fault = deadline, None
        for unit in running:
            if unit.start_timeout is not None and unit.since + unit.start_timeout < first:
                first, unit_at_fault = unit.since + unit.start_timeout, unit
        try:
            async with asyncio.timeout(max(0.0, first - time.monotonic())):
                return await done.get()
        except TimeoutError:
            late = unit_at_fault or next(iter(running))
            raise ServiceHung(
                service=late.name,
                phase="start",
                timeout=(late.start_timeout if unit_at_fault is not None else total) or 0.0,
                stack=stack_of(running[late]),
                tree=self._tree(running),
            ) from None

    def _finish_start(self, unit: Unit, task: asyncio.Task[None]) -> None:
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        unit.took = time.monotonic() - unit.since
        self._events.emit(ServiceStartFinished(service=unit.name, duration=unit.took, error=error))
        if error is None:
            unit.enter("running")
            unit.started.set()
            self.started.append(unit)
            return
        unit.enter("failed")
        unit.error = error
        unit.started.set()
        if unit.is_service and isinstance(error, Exception):
            raise ServiceStartFailed(service=unit.name, reason=str(error) or type(error).__name__) from error
        raise error

    async def _cancel(self, running: dict[Unit, asyncio.Task[None]]) -> None:
        for task in running.values():
            task.cancel()
        if running:
            await asyncio.wait(running.values(), timeout=CANCEL_GRACE)
        for unit, task in running.items():
            error: BaseException | None = None
            if not task.done():
                unit.enter("abandoned")
            elif not task.cancelled() and (error := task.exception()) is None:
                # It ended well in the very moment it was cancelled, so it is stopped like the others.
                self.started.append(unit)
                unit.enter("running")
            self._events.emit(
                ServiceStartFinished(service=unit.name, duration=time.monotonic() - unit.since, error=error or asyncio.CancelledError())
            )

    def _tree(self, running: dict[Unit, asyncio.Task[None]]) -> str:
        lines = []
        for unit in self._units:
            lines.append(f"{unit.name}: {unit.state}")
            if unit in running:
                lines.extend(f"    {line}" for line in stack_of(running[unit]).splitlines())
            elif unit.state == "waiting":
                needs = [needed.name for needed in unit.needs if needed.state != "running"]
                lines.append(f"    waits for {', '.join(needs)}")
        return "\n".join(lines)

    async def stop(self, total: float, *, fresh: bool = False) -> None:
        """Stop what is started, in reverse, past errors and hangs.

        Args:
            total: Seconds for all of it; with `fresh`, for each unit.
            fresh: Whether each unit has a deadline of its own, as in the rollback of a failed start.

        Raises:
            RuntimeStopFailed: Stops raised or hung.
        """
        deadline = time.monotonic() + total
        failures: list[tuple[str, BaseException]] = []
        while self.started:
            unit = self.started.pop()
            left = total if fresh else max(0.0, deadline - time.monotonic())
            limit = left if unit.stop_timeout is None else min(left, unit.stop_timeout)
            unit.enter("stopping")
            self._events.emit(ServiceStopStarted(service=unit.name))
            error = await self._stop_one(unit, limit)
            self._events.emit(
                ServiceStopFinished(service=unit.name, duration=time.monotonic() - unit.since, error=error)
            )
            unit.enter("abandoned" if isinstance(error, ServiceHung) else "stopped")
            unit.error = error
            unit.started = asyncio.Event()
            if error is not None:
                failures.append((unit.name, error))
        if failures:
            raise RuntimeStopFailed(failures=tuple(failures)) from failures[0][1]

    async def _stop_one(self, unit: Unit, limit: float) -> BaseException | None:
        task = asyncio.ensure_future(unit.stop())
        await asyncio.wait({task}, timeout=limit)
        if not task.done():
            stack = stack_of(task)
            task.cancel()
            await asyncio.wait({task}, timeout=CANCEL_GRACE)
            return ServiceHung(service=unit.name, phase="stop", timeout=limit, stack=stack, tree="")
        return None if task.cancelled() else task.exception()
