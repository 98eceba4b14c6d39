"""The law of start, stop, crash and wait, in whatever order and from whatever task they are called.

A runtime lives in a task of its own, the host: it starts everything, waits for a wish to stop, and stops everything. Whoever calls
`start` or `stop` only waits for it, so a runtime may be entered in one task and left in another.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import TypeVar

from roost.errors import FailureGroup, RuntimeBusy, RuntimeCrashed, RuntimeStartFailed, RuntimeStopFailed, ServiceTaskCrashed
from roost.runtime._clock import now
from roost.runtime._drain import drain
from roost.runtime._ending import heard, surely
from roost.runtime._entrances import Entrances
from roost.runtime._event_bus import EventBus
from roost.runtime._events import (
    RuntimeStartFinished,
    RuntimeStartStarted,
    RuntimeStopFinished,
    RuntimeStopStarted,
)
from roost.runtime._limits import Limits
from roost.runtime._reason import reason_of
from roost.runtime._shutdown import Shutdown
from roost.runtime._startup import Startup
from roost.runtime._unit import Failure, Unit

G = TypeVar("G", bound=FailureGroup)
_EXTENDING = "starting more services: the runtime was stopped meanwhile"
_stopping: ContextVar[Lifecycle | None] = ContextVar("_stopping", default=None)
"""Whose services the present task stops."""


class Lifecycle:
    """One runtime's life, or one after another.

    Args:
        events: Where it is told.
        limits: How long it may take.
    """

    def __init__(self, events: EventBus, limits: Limits) -> None:
        self.events = events
        self.limits = limits
        self._host: asyncio.Task[None] | None = None
        self._startup: Startup | None = None
        self._started: asyncio.Future[None] | None = None
        self._wish: asyncio.Future[None] | None = None
        self._starters = 0
        self._is_wanted = False
        self._extension: asyncio.Task[None] | None = None
        self._removal: asyncio.Task[list[Failure]] | None = None
        self._crash: ServiceTaskCrashed | RuntimeCrashed | None = None
        self._stop_failure: RuntimeStopFailed | None = None
        self._entrances = Entrances()

    @property
    def is_up(self) -> bool:
        """Whether everything is started, and nobody wishes to stop."""
        return self._started is not None and self._started.done() and not self._is_stopping

    @property
    def is_live(self) -> bool:
        """Whether it is started, starting or stopping."""
        return self._host is not None

    @property
    def _is_stopping(self) -> bool:
        return self._wish is not None and self._wish.done()

    def _ask_to_stop(self) -> None:
        if self._wish is not None and not self._wish.done():
            self._wish.set_result(None)

    async def start(self, arrange: Callable[[], list[Unit]]) -> None:
        """Start; wait for a start in progress; or do nothing when started. A stop in progress is waited for.

        Args:
            arrange: Makes the units, when a start begins.

        Raises:
            RuntimeBusy: Somebody stopped it meanwhile.
            Exception: As `arrange` and the units raise it.
        """
        while self._host is not None and self._is_stopping:
            await asyncio.wait({self._host})
        if self._host is None:
            self._begin(arrange())
        started = self._started
        if started is None:  # the life that was waited for has ended with its start
            return
        self._starters += 1
        try:
            await asyncio.shield(started)
        except asyncio.CancelledError:
            # Nobody else wants it: neither somebody who waits, nor somebody whose call of start has returned.
            if self._starters == 1 and not self._is_wanted and self._host is not None:
                self._ask_to_stop()
                await surely(self._host)
            raise
        finally:
            self._starters -= 1
        self._is_wanted = True

    def _begin(self, units: list[Unit]) -> None:
        self._crash = self._stop_failure = None
        self._is_wanted = False
        loop = asyncio.get_running_loop()
        self._wish, self._started = loop.create_future(), loop.create_future()
        self._started.add_done_callback(heard)  # who called start may be gone, and then nobody else asks
        startup = self._startup = Startup(units, self.events, total=self.limits.start)
        self._wish.add_done_callback(lambda _: startup.give_up())
        self._host = asyncio.create_task(self._live(startup, self._started, self._wish), name="roost host")

    async def stop(self) -> None:
        """Stop, or wait for a stop in progress; does nothing when stopped.

        Raises:
            RuntimeBusy: A service asks for it in its own stop or drain, which would wait for itself.
            RuntimeStopFailed: Units raised or hung while stopping.
        """
        if self._host is None:
            return
        if _stopping.get() is self:
            raise RuntimeBusy(wish="wait for its end inside of a service's stop or drain")
        self._ask_to_stop()
        await asyncio.wait({self._host})
        if self._stop_failure is not None:
            raise self._stop_failure

    async def wait(self) -> None:
        """Wait until it is stopped; until the next start it raises what its last life ended with.

        Raises:
            ServiceTaskCrashed: A service's crash stopped it.
            RuntimeCrashed: A service's crash stopped it, and units raised or hung while stopping.
            RuntimeStopFailed: Units raised or hung while stopping.
        """
        if self._host is not None:
            await asyncio.wait({self._host})
        if (failure := self._crash or self._stop_failure) is not None:
            raise failure

    async def enter(self) -> None:
        """Take the present task for one to cancel when a service crashes.

        Raises:
            ServiceTaskCrashed: A service has crashed since the start.
            RuntimeCrashed: A service has, and units raised or hung while stopping.
        """
        if self._crash is not None:
            await self.wait()
        self._entrances.enter()

    async def leave(self, error: BaseException | None) -> None:
        """Stop, to the end also while being cancelled, and raise a crash in the place of the cancellation that it caused.

        An error of the block's own stays the one that is raised, with a note of what went wrong beside it.

        Args:
            error: What ended the block.

        Raises:
            ServiceTaskCrashed: A service crashed.
            RuntimeCrashed: A service crashed, and units raised or hung while stopping.
            RuntimeStopFailed: Units raised or hung while stopping.
        """
        by_crash = self._entrances.leave()
        came: asyncio.CancelledError | None = None
        if self._host is not None:
            self._ask_to_stop()
            came = await surely(self._host)
        failure = self._crash or self._stop_failure
        is_own = error is not None and not (by_crash and isinstance(error, asyncio.CancelledError))
        if failure is not None and error is not None and is_own:
            error.add_note(f"meanwhile: {failure}")
        elif failure is not None:
            raise failure
        if came is not None and error is None:
            raise came

    def crashed(self, service: str, error: BaseException, *, restarts: int) -> None:
        """Stop everything because a service's task ended with an error; the first crash is the one that is raised."""
        if self._crash is None:
            self._crash = ServiceTaskCrashed(service=service, reason=reason_of(error), restarts=restarts)
            self._crash.__cause__ = error
            self._ask_to_stop()
            self._entrances.strike()

    def refuse_change(self, wish: str) -> None:
        """Refuse to change what there is while it is starting or stopping.

        Raises:
            RuntimeBusy: It can't be done now.
        """
        if self.is_live and not self.is_up:
            raise RuntimeBusy(wish=f"{wish}: it is starting or stopping")

    async def extend(self, units: list[Unit]) -> None:
        """Start more units of a started runtime; when one fails, or who asks is cancelled, they are all stopped again.

        Raises:
            RuntimeBusy: It is not started, or was stopped meanwhile.
            Exception: As the units raise it.
        """
        if not self.is_up:
            raise RuntimeBusy(wish="start more services: it is not started")
        task = self._extension = asyncio.create_task(self._extend(units), name="roost extend")
        task.add_done_callback(heard)
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            await surely(task)
            if not task.cancelled() and task.exception() is None:  # it had just succeeded
                with contextlib.suppress(RuntimeStopFailed):
                    await self.take_out(units)
            raise
        if task.cancelled():
            raise RuntimeBusy(wish=f"go on with {_EXTENDING}")
        task.result()

    async def _extend(self, units: list[Unit]) -> None:
        startup = Startup(units, self.events, total=self.limits.start)
        try:
            await startup.run()
        except BaseException as error:  # noqa: BLE001 -- it is raised below, when all is undone
            failure = _start_failure(startup, error, await self._undo(startup))
            was_stopped = isinstance(failure, asyncio.CancelledError)
            startup.fail(RuntimeBusy(wish=f"go on with {_EXTENDING}") if was_stopped else failure)
            raise failure from failure.__cause__
        if self._startup is not None:
            self._startup.started.extend(startup.started)

    async def take_out(self, units: Sequence[Unit]) -> None:
        """Stop some units of a started runtime, in reverse.

        It goes to its end also when it is cancelled, and the stop of the runtime waits for it.

        Raises:
            RuntimeStopFailed: Units raised or hung while stopping; the others were stopped all the same.
        """
        if self._startup is None:
            return
        gone = set(units)
        started = [unit for unit in self._startup.started if unit in gone]
        self._startup.started = [unit for unit in self._startup.started if unit not in gone]
        task = self._removal = asyncio.create_task(self._stop_units(started), name="roost take out")
        came = await surely(task)
        if failures := task.result():
            raise _group(RuntimeStopFailed, failures)
        if came is not None:
            raise came

    def adopt(self, unit: Unit) -> None:
        """Let a unit that was provided after the start be stopped after all who might use it."""
        if self._startup is not None:
            unit.enter("running")
            self._startup.started.insert(0, unit)

    async def _live(self, startup: Startup, started: asyncio.Future[None], wish: asyncio.Future[None]) -> None:
        try:
            error = await self._start_all(startup)
            if error is not None:
                if isinstance(error, asyncio.CancelledError):
                    error = self._crash or RuntimeBusy(wish="go on with a start: the runtime was stopped meanwhile")
                error = _start_failure(startup, error, await self._stop_all(startup, cause=error))
                startup.fail(error)
                started.set_exception(error)
                return
            started.set_result(None)
            with contextlib.suppress(asyncio.CancelledError):  # the loop is closing, and what has started is stopped all the same
                await asyncio.wait({wish})
            failures = await self._stop_all(startup, cause=None)
            if failures and isinstance(self._crash, ServiceTaskCrashed):
                cause = self._crash
                self._crash = _group(RuntimeCrashed, [(cause.service, cause), *failures])
            elif failures:
                self._stop_failure = _group(RuntimeStopFailed, failures)
        finally:
            self._host = self._startup = self._started = None
            if not started.done():
                started.cancel()

    async def _start_all(self, startup: Startup) -> BaseException | None:
        began = now()
        self.events.emit(RuntimeStartStarted(services=startup.names))
        error: BaseException | None = None
        try:
            await startup.run()
        except BaseException as raised:  # noqa: BLE001 -- also where the loop is closing: what has started is stopped all the same
            error = raised
        self.events.emit(RuntimeStartFinished(duration=now() - began, error=error))
        return error

    async def _stop_all(self, startup: Startup, *, cause: BaseException | None) -> list[Failure]:
        """Stop what has started, and return what went wrong meanwhile.

        Args:
            startup: What has started.
            cause: Why a start is undone; None where a whole runtime is stopped.
        """
        began = now()
        self.events.emit(RuntimeStopStarted(cause=cause or self._crash))
        if self._extension is not None and not self._extension.done():
            self._extension.cancel()
            await surely(self._extension)
        if self._removal is not None and not self._removal.done():
            await surely(self._removal)
        failures = await (self._stop_units(startup.started) if cause is None else self._undo(startup))
        failure = _group(RuntimeStopFailed, failures) if failures else None
        self.events.emit(RuntimeStopFinished(duration=now() - began, error=failure))
        return failures

    async def _stop_units(self, units: list[Unit]) -> list[Failure]:
        """Drain and stop units within the time for all of it; after a crash there is nothing to finish."""
        token = _stopping.set(self)
        began = now()
        failures = await drain(units, total=min(self.limits.drain, self.limits.stop)) if self._crash is None else []
        failures = await Shutdown(units, self.events, total=max(0.0, self.limits.stop - (now() - began)), failures=failures).run()
        _stopping.reset(token)
        return failures

    async def _undo(self, startup: Startup) -> list[Failure]:
        """Stop what a failed start has started, each with a time of its own."""
        token = _stopping.set(self)
        failures = await Shutdown(startup.started, self.events, total=self.limits.stop, fresh=True).run()
        _stopping.reset(token)
        return failures


def _start_failure(startup: Startup, error: BaseException, undoing: list[Failure]) -> BaseException:
    """Return the error of a start: as it is, or in one flat group with all else that failed because of it."""
    if not isinstance(error, Exception) or not (startup.failures or undoing):
        return error
    culprit = error.service if isinstance(error, ServiceTaskCrashed) else startup.culprit
    return _group(RuntimeStartFailed, [(culprit, error), *startup.failures, *undoing])


def _group(kind: type[G], failures: Sequence[Failure]) -> G:
    """Return one error of all that failed; its cause is the first."""
    group = kind(failures=tuple(failures), reasons=tuple(reason_of(error) for _, error in failures))
    group.__cause__ = failures[0][1]
    return group
