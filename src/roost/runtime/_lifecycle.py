"""The law of start, stop, crash and wait, in whatever order and from whatever task they are called.

A runtime lives in a task of its own, the host: it starts everything, waits for a wish to stop, and stops everything. Whoever calls
`start` or `stop` only waits for it, so a runtime may be entered in one task and left in another.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from roost.errors import RuntimeBusy, ServiceTaskCrashed
from roost.runtime._drain import drain
from roost.runtime._event_bus import EventBus
from roost.runtime._events import (
    RuntimeStartFinished,
    RuntimeStartStarted,
    RuntimeStopFinished,
    RuntimeStopStarted,
)
from roost.runtime._shutdown import Shutdown
from roost.runtime._startup import Startup
from roost.runtime._unit import Unit


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
        self._wish = asyncio.Event()
        self._extension: asyncio.Task[None] | None = None
        self._crash: ServiceTaskCrashed | None = None
        self._body: asyncio.Task[Any] | None = None
        self._body_cancelled = False

    @property
    def is_up(self) -> bool:
        """Whether everything is started, and nobody wishes to stop."""
        return self._started is not None and self._started.done() and not self._wish.is_set()

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
        while self._host is not None and self._wish.is_set():
            await asyncio.wait({self._host})
        if self._host is None:
            units = arrange()
            self._crash = None
            self._wish = asyncio.Event()
            self._started = asyncio.get_running_loop().create_future()
            self._startup = Startup(units, self.events, total=limits.start)
            live = self._live(self._startup, self._started, tuple(unit.name for unit in units), limits)
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
            self._wish.set()
            await _joined(self._host)

    async def wait(self) -> None:
        """Wait until it is stopped.

        Raises:
            ServiceTaskCrashed: A service's crash stopped it.
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
        """Stop, and raise a crash in the place of the cancellation that it caused.

        Args:
            error: What ended the body.

        Raises:
            ServiceTaskCrashed: A service crashed.
            RuntimeStopFailed: Units raised or hung while stopping.
        """
        body, self._body = self._body, None
        ours, self._body_cancelled = self._body_cancelled, False
        also_cancelled = ours and body is not None and body is asyncio.current_task() and body.uncancel() > 0
        await self.stop()
        if self._crash is None or also_cancelled:
            return
        if error is None or isinstance(error, asyncio.CancelledError):
            raise self._crash
        error.add_note(f"meanwhile: {self._crash}")

    def crashed(self, service: str, error: BaseException) -> None:
        """Stop everything because a service's task ended with an error; the first crash is the one that is raised."""
        if self._crash is None:
            self._crash = ServiceTaskCrashed(service=service, reason=str(error) or type(error).__name__)
            self._crash.__cause__ = error
            self._wish.set()
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
            raise RuntimeBusy(wish="go on with starting more services: the runtime was stopped meanwhile")
        task.result()

    async def _extend(self, units: list[Unit], limits: Limits) -> None:
        startup = Startup(units, self.events, total=limits.start)
        try:
            await startup.run()
        except BaseException as error:
            stopping = asyncio.create_task(self._stop_all(startup, cause=error, limits=limits, fresh=True))
            await _surely(stopping)
            raise
        if self._startup is not None:
            self._startup.started.extend(startup.started)

    async def take_out(self, units: set[Unit], limits: Limits) -> None:
        """Stop some units of a started runtime, in reverse.

        Raises:
            RuntimeStopFailed: Units raised or hung while stopping; the others were stopped all the same.
        """
        if self._startup is not None:
            started = [unit for unit in self._startup.started if unit in units]
            self._startup.started = [unit for unit in self._startup.started if unit not in units]
            failures = await drain(started, total=limits.drain)
            await Shutdown(started, self.events, total=limits.stop, failures=failures).run()

    def adopt(self, unit: Unit) -> None:
        """Let a unit that was provided after the start be stopped after all who might use it."""
        if self._startup is not None:
            unit.enter("running")
            self._startup.started.insert(0, unit)

    async def _live(self, startup: Startup, started: asyncio.Future[None], names: tuple[str, ...], limits: Limits) -> None:
        try:
            error = await self._start_all(startup, names)
            if error is not None:
                if isinstance(error, asyncio.CancelledError):
                    error = self._crash or RuntimeBusy(wish="go on with a start: the runtime was stopped meanwhile")
                await self._stop_all(startup, cause=error, limits=limits, fresh=True)
                startup.fail(error)
                started.set_exception(error)
                started.exception()  # who called start may be gone, and then nobody else asks
                return
            started.set_result(None)
            try:
                await self._wish.wait()
            finally:  # also when the loop is closing and cancels every task
                await self._stop_all(startup, cause=self._crash, limits=limits, fresh=False)
        finally:
            self._host = self._startup = self._started = None
            if not started.done():
                started.cancel()

    async def _start_all(self, startup: Startup, names: tuple[str, ...]) -> BaseException | None:
        began = time.monotonic()
        self.events.emit(RuntimeStartStarted(services=names))
        starting = asyncio.create_task(startup.run(), name="roost start")
        stopping = asyncio.create_task(self._wish.wait())
        with contextlib.suppress(asyncio.CancelledError):  # the loop is closing: what has started is stopped all the same
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not starting.done():
            starting.cancel()
            await asyncio.wait({starting})
        error = asyncio.CancelledError() if starting.cancelled() else starting.exception()
        self.events.emit(RuntimeStartFinished(duration=time.monotonic() - began, error=error))
        return error

    async def _stop_all(self, startup: Startup, *, cause: BaseException | None, limits: Limits, fresh: bool) -> None:
        """Stop what has started; where there is a cause for it, what goes wrong meanwhile is noted on that."""
        began = time.monotonic()
        if startup is self._startup:
            self.events.emit(RuntimeStopStarted(cause=cause))
            if self._extension is not None and not self._extension.done():
                self._extension.cancel()
                await asyncio.wait({self._extension})
        failure: BaseException | None = None
        try:
            # After a crash, or a start that failed, there is nothing to wait for.
            failures = await drain(startup.started, total=limits.drain) if cause is None else []
            await Shutdown(startup.started, self.events, total=limits.stop, fresh=fresh, failures=failures).run()
        except Exception as raised:
            failure = raised
            if cause is None:
                raise
            cause.add_note(f"and while stopping: {raised}")
        finally:
            if startup is self._startup:
                self.events.emit(RuntimeStopFinished(duration=time.monotonic() - began, error=failure))

    async def _give_up(self) -> None:
        self._wish.set()
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


async def _surely(task: asyncio.Task[None]) -> None:
    """Wait for a task also while being cancelled: whoever calls this goes on with that after it, and leaves nothing behind."""
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            continue
