"""The law of start, stop, crash and wait, in whatever order and from whatever task they are called.

A runtime lives in a task of its own, the host: it starts everything, waits for a wish to stop, and stops everything. Whoever calls
`start` or `stop` only waits for it, so a runtime may be entered in one task and left in another.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from roost.errors import RuntimeBusy, RuntimeCrashed, RuntimeStartFailed, RuntimeStopFailed, ServiceTaskCrashed
from roost.runtime._drain import drain
from roost.runtime._event_bus import EventBus
from roost.runtime._events import (
    RuntimeStartFinished,
    RuntimeStartStarted,
    RuntimeStopFinished,
    RuntimeStopStarted,
)
from roost.runtime._reason import reason_of
from roost.runtime._shutdown import Shutdown
from roost.runtime._startup import Startup
from roost.runtime._unit import Failure, Unit

_EXTENDING = "starting more services: the runtime was stopped meanwhile"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds: for the whole start, for all drains, and for the whole stop, or for each unit's after a failed start."""

    start: float
    drain: float
    stop: float


class Lifecycle:
    """One runtime's life, or one after another.

    Args:
        events: Where it is told.
    """

    def __init__(self, events: EventBus) -> None:
        self.events = events
        self._host: asyncio.Task[None] | None = None
        self._startup: Startup | None = None
        self._started: asyncio.Future[None] | None = None
        self._starters = 0
        self._wish: asyncio.Future[None] | None = None
        self._extension: asyncio.Task[None] | None = None
        self._removal: asyncio.Task[list[Failure]] | None = None
        self._crash: ServiceTaskCrashed | RuntimeCrashed | None = None
        self._body: asyncio.Task[Any] | None = None
        self._body_cancelled = False

    @property
    def is_up(self) -> bool:
        """Whether everything is started, and nobody wishes to stop."""
        return self._started is not None and self._started.done() and not self._is_stopping

    @property
    def _is_stopping(self) -> bool:
        return self._wish is not None and self._wish.done()

    def _ask_to_stop(self) -> None:
        if self._wish is not None and not self._wish.done():
            self._wish.set_result(None)

    @property
    def is_live(self) -> bool:
        """Whether it is started, starting or stopping."""
        return self._host is not None

    async def start(self, arrange: Callable[[], list[Unit]], limits: Limits) -> None:
        """Start; wait for a start in progress; or do nothing when started. A stop in progress is waited for.

        Args:
            arrange: Makes the units, when a start begins.
            limits: How long it may take.

        Raises:
            RuntimeBusy: Somebody stopped it meanwhile.
            Exception: As `arrange` and the units raise it.
        """
        while self._host is not None and self._is_stopping:
            await asyncio.wait({self._host})
        if self._host is None:
            units = arrange()
            self._crash = None
            loop = asyncio.get_running_loop()
            self._wish, self._started = loop.create_future(), loop.create_future()
            self._startup = Startup(units, self.events, total=limits.start)
            live = self._live(self._startup, self._started, self._wish, limits)
            self._host = asyncio.create_task(live, name="roost host")
        started = self._started
        if started is None:
            return
        self._starters += 1
        try:
            await asyncio.shield(started)
        except asyncio.CancelledError:
            if self._starters == 1 and not started.done():
                await self._give_up()
            raise
        finally:
            self._starters -= 1

    async def stop(self) -> None:
        """Stop, or wait for a stop in progress; does nothing when stopped.

        Raises:
            RuntimeStopFailed: Units raised or hung while stopping.
        """
        if self._host is not None:
            self._ask_to_stop()
            await _joined(self._host)

    async def wait(self) -> None:
        """Wait until it is stopped.

        Raises:
            ServiceTaskCrashed: A service's crash stopped it.
            RuntimeCrashed: A service's crash stopped it, and units raised or hung while stopping.
            RuntimeStopFailed: Units raised or hung while stopping.
        """
        if self._host is not None:
            await _joined(self._host)
        if self._crash is not None:
            raise self._crash

    def enter_body(self) -> None:
        """Take the present task for the one to cancel when a service crashes."""
        self._body = asyncio.current_task()
        if self._crash is not None:
            self._cancel_body()

    async def leave_body(self, error: BaseException | None) -> None:
        """Stop, and raise a crash in the place of the cancellation that it caused. An error of the body's own stays the one that is raised.

        Args:
            error: What ended the body.

        Raises:
            ServiceTaskCrashed: A service crashed.
            RuntimeCrashed: A service crashed, and units raised or hung while stopping.
            RuntimeStopFailed: Units raised or hung while stopping.
        """
        body, self._body = self._body, None
        ours, self._body_cancelled = self._body_cancelled, False
        also_cancelled = ours and body is not None and body is asyncio.current_task() and body.uncancel() > 0
        is_own = error is not None and (also_cancelled or not isinstance(error, asyncio.CancelledError) or self._crash is None)
        try:
            await self.stop()
            if self._crash is not None:
                raise self._crash
        except (RuntimeStopFailed, RuntimeCrashed, ServiceTaskCrashed) as failure:
            if error is None or not is_own:
                raise
            error.add_note(f"meanwhile: {failure}")

    def crashed(self, service: str, error: BaseException, *, restarts: int) -> None:
        """Stop everything because a service's task ended with an error; the first crash is the one that is raised."""
        if self._crash is None:
            self._crash = ServiceTaskCrashed(service=service, reason=reason_of(error), restarts=restarts)
            self._crash.__cause__ = error
            self._ask_to_stop()
            self._cancel_body()

    async def extend(self, units: list[Unit], limits: Limits) -> None:
        """Start more units of a started runtime; when one fails they are all stopped again.

        Raises:
            RuntimeBusy: It is not started, or was stopped meanwhile.
            Exception: As the units raise it.
        """
        if not self.is_up:
            raise RuntimeBusy(wish="start more services: it is not started")
        task = self._extension = asyncio.create_task(self._extend(units, limits), name="roost extend")
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            await _surely(task)
            raise
        if task.cancelled():
            raise RuntimeBusy(wish=f"go on with {_EXTENDING}")
        task.result()

    async def _extend(self, units: list[Unit], limits: Limits) -> None:
        startup = Startup(units, self.events, total=limits.start)
        try:
            await startup.run()
        except BaseException as error:  # noqa: BLE001 -- it is raised below, when all is undone
            undoing = asyncio.create_task(self._stop_all(startup, cause=error, limits=limits, fresh=True), name="roost undo")
            await _surely(undoing)
            failure = _start_failure(startup, error, undoing.result())
            was_stopped = isinstance(failure, asyncio.CancelledError)
            startup.fail(RuntimeBusy(wish=f"go on with {_EXTENDING}") if was_stopped else failure)
            raise failure from failure.__cause__
        if self._startup is not None:
            self._startup.started.extend(startup.started)

    def refuse_change(self, units: Sequence[Unit], *, wish: str) -> None:
        """Refuse to change what there is while it is starting or stopping, or by a task that the change would end.

        Args:
            units: What is to be taken out.
            wish: What is asked for.

        Raises:
            RuntimeBusy: It can't be done now, or not by this task.
        """
        if self.is_live and not self.is_up:
            raise RuntimeBusy(wish=f"{wish}: it is starting or stopping")
        asking = asyncio.current_task()
        if any(asking in unit.tasks() for unit in units if unit.tasks is not None):
            raise RuntimeBusy(wish=f"{wish} by one of its own tasks, which would wait for its own end")

    async def take_out(self, units: Sequence[Unit], limits: Limits) -> None:
        """Stop some units of a started runtime, in reverse.

        It goes to its end also when it is cancelled, and the stop of the runtime waits for it.

        Raises:
            RuntimeStopFailed: Units raised or hung while stopping; the others were stopped all the same.
        """
        if self._startup is None:
            return
        started = [unit for unit in self._startup.started if unit in units]
        self._startup.started = [unit for unit in self._startup.started if unit not in units]
        task = self._removal = asyncio.create_task(self._take_out(started, limits), name="roost take out")
        was_cancelled = await _surely(task)
        if failures := task.result():
            raise RuntimeStopFailed(failures=tuple(failures)) from failures[0][1]
        if was_cancelled:
            raise asyncio.CancelledError

    async def _take_out(self, started: list[Unit], limits: Limits) -> list[Failure]:
        failures = await drain(started, total=limits.drain)
        return await Shutdown(started, self.events, total=limits.stop, failures=failures).run()

    def adopt(self, unit: Unit) -> None:
        """Let a unit that was provided after the start be stopped after all who might use it."""
        if self._startup is not None:
            unit.enter("running")
            self._startup.started.insert(0, unit)

    async def _live(self, startup: Startup, started: asyncio.Future[None], wish: asyncio.Future[None], limits: Limits) -> None:
        try:
            error = await self._start_all(startup, wish)
            if error is not None:
                if isinstance(error, asyncio.CancelledError):
                    error = self._crash or RuntimeBusy(wish="go on with a start: the runtime was stopped meanwhile")
                error = _start_failure(startup, error, await self._stop_all(startup, cause=error, limits=limits, fresh=True))
                startup.fail(error)
                started.set_exception(error)
                started.exception()  # who called start may be gone, and then nobody else asks
                return
            started.set_result(None)
            try:
                await asyncio.wait({wish})
            finally:  # also when the loop is closing and cancels every task
                failures = await self._stop_all(startup, cause=self._crash, limits=limits, fresh=False)
            if failures and isinstance(self._crash, ServiceTaskCrashed):
                cause = self._crash
                self._crash = RuntimeCrashed(failures=((cause.service, cause), *failures))
                self._crash.__cause__ = cause
            elif failures:
                raise RuntimeStopFailed(failures=tuple(failures)) from failures[0][1]
        finally:
            self._host = self._startup = self._started = None
            if not started.done():
                started.cancel()

    async def _start_all(self, startup: Startup, wish: asyncio.Future[None]) -> BaseException | None:
        began = time.monotonic()
        self.events.emit(RuntimeStartStarted(services=startup.names))
        starting = asyncio.create_task(startup.run(), name="roost start")
        with contextlib.suppress(asyncio.CancelledError):  # the loop is closing: what has started is stopped all the same
            await asyncio.wait({starting, wish}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.wait({starting})
        error = asyncio.CancelledError() if starting.cancelled() else starting.exception()
        self.events.emit(RuntimeStartFinished(duration=time.monotonic() - began, error=error))
        return error

    async def _stop_all(self, startup: Startup, *, cause: BaseException | None, limits: Limits, fresh: bool) -> list[Failure]:
        """Stop what has started, and return what went wrong meanwhile."""
        began = time.monotonic()
        whole = startup is self._startup
        if whole:
            self.events.emit(RuntimeStopStarted(cause=cause))
            if self._extension is not None and not self._extension.done():
                self._extension.cancel()
                await asyncio.wait({self._extension})
            if self._removal is not None and not self._removal.done():
                await asyncio.wait({self._removal})
        # After a crash, or a start that failed, there is nothing to wait for.
        failures = await drain(startup.started, total=limits.drain) if cause is None else []
        failures = await Shutdown(startup.started, self.events, total=limits.stop, fresh=fresh, failures=failures).run()
        if whole:
            failure = RuntimeStopFailed(failures=tuple(failures)) if failures else None
            self.events.emit(RuntimeStopFinished(duration=time.monotonic() - began, error=failure))
        return failures

    async def _give_up(self) -> None:
        self._ask_to_stop()
        if self._host is not None:
            await _surely(self._host)

    def _cancel_body(self) -> None:
        if self._body is not None and not self._body.done():
            self._body_cancelled = True
            self._body.cancel("a service of the runtime crashed")


async def _joined(host: asyncio.Task[None]) -> None:
    await asyncio.wait({host})
    if not host.cancelled() and (error := host.exception()) is not None:
        raise error


async def _surely(task: asyncio.Task[Any]) -> bool:
    """Wait for a task also while being cancelled; whoever calls this goes on with that after it, and leaves nothing behind.

    Returns:
        Whether it was cancelled meanwhile.
    """
    was_cancelled = False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            was_cancelled = True
    return was_cancelled


def _start_failure(startup: Startup, error: BaseException, undoing: list[Failure]) -> BaseException:
    """Return the error of a start: as it is, or in one flat group with all else that failed because of it."""
    if not isinstance(error, Exception) or not (startup.failures or undoing):
        return error
    culprit = error.service if isinstance(error, ServiceTaskCrashed) else startup.culprit
    group = RuntimeStartFailed(failures=((culprit, error), *startup.failures, *undoing))
    group.__cause__ = error
    return group
