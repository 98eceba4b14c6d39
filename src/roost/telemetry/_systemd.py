"""Tells systemd, or who speaks as it does, that a runtime is ready, stops, lives, and how far its migrations are."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from roost.migrations import LockHolderSeen, LockWaitStarted, RunFinished, RunStarted, StepBlocked, StepProgressed, StepStarted
from roost.runtime import RuntimeStartFinished, RuntimeStartStarted, RuntimeStopFinished, RuntimeStopStarted
from roost.telemetry._notify_socket import NotifySocket, service_manager
from roost.telemetry._status_line import status_line

if TYPE_CHECKING:
    from roost.runtime import EventBus, Runtime
    from roost.telemetry._notify_socket import ServiceManager

EXTENSION_SECONDS = 30.0
"""How much longer a start may take, counted from when it is told."""

SECONDS_BETWEEN_EXTENSIONS = 10.0

SECONDS_BETWEEN_LINES = 0.2
"""A hundred steps may end within a second; nobody reads a hundred lines in that."""


def notify_systemd(runtime: Runtime, *, environment: Mapping[str, str] | None = None) -> Callable[[], None]:
    """Tell a service manager what a runtime does, where the environment names one by NOTIFY_SOCKET; else nothing happens.

    It hears ``READY=1`` when everything is started, ``STOPPING=1`` when a stop begins, and a ``STATUS=`` line of progress. While
    migrations run before that, it hears again and again to wait longer, so that no long migration runs into a limit of the start.
    Where it sets WATCHDOG_USEC it hears ``WATCHDOG=1`` twice in that time while the event loop turns and the runtime is up.

    Args:
        runtime: The runtime, which is not started yet.
        environment: Environment variables; by default those of this process.

    Returns:
        Ends it when called.

    Raises:
        InvalidNotifyVariable: A variable of the service manager makes no sense.
    """
    manager = service_manager(os.environ if environment is None else environment, pid=os.getpid())
    if manager is None:
        return lambda: None
    return _Notifying(manager).subscribe(runtime.events)


class _Notifying:
    """What is told, and how often.

    Args:
        manager: Who is told.
    """

    def __init__(self, manager: ServiceManager) -> None:
        self._socket = NotifySocket(manager.address)
        self._is_ready = False
        self._line = _Line(self._socket)
        self._extending = _Repeating(SECONDS_BETWEEN_EXTENSIONS, self._extend)
        self._living = None if manager.watchdog is None else _Repeating(manager.watchdog / 2, self._live)

    def subscribe(self, bus: EventBus) -> Callable[[], None]:
        """Listen, until what is returned is called."""
        ends = [
            bus.subscribe(self._starting, RuntimeStartStarted),
            bus.subscribe(self._started, RuntimeStartFinished),
            bus.subscribe(self._stopping, RuntimeStopStarted),
            bus.subscribe(self._stopped, RuntimeStopFinished),
            bus.subscribe(self._migrating, RunStarted),
            bus.subscribe(self._progressed, LockWaitStarted, LockHolderSeen, StepStarted, StepProgressed, StepBlocked),
            bus.subscribe(self._migrated, RunFinished),
        ]

        def end() -> None:
            for unsubscribe in ends:
                unsubscribe()
            self._be_silent()
            self._socket.give_up()

        return end

    def _starting(self, event: RuntimeStartStarted) -> None:
        self._line.say(f"starting {len(event.services)} services")

    def _started(self, event: RuntimeStartFinished) -> None:
        self._extending.end()
        self._line.end()
        if event.error is not None:
            self._socket.tell(f"STATUS=the start failed: {type(event.error).__name__}", is_vital=True)
            return
        self._is_ready = True
        self._socket.tell("READY=1", "STATUS=running", is_vital=True)
        if self._living is not None:
            self._living.begin()

    def _stopping(self, event: RuntimeStopStarted) -> None:
        self._be_silent()
        self._is_ready = False
        cause = "" if event.cause is None else f" because of {type(event.cause).__name__}"
        self._socket.tell("STOPPING=1", f"STATUS=stopping{cause}", is_vital=True)

    def _stopped(self, event: RuntimeStopFinished) -> None:
        self._socket.tell("STATUS=stopped" if event.error is None else "STATUS=stopped, not cleanly", is_vital=True)

    def _migrating(self, event: RunStarted) -> None:
        # In a process that is ready it would lengthen the time that the service may run in all.
        if not self._is_ready:
            self._extend()
            self._extending.begin()
        self._progressed(event)

    def _progressed(self, event: object) -> None:
        line = status_line(event)
        if line is not None:
            self._line.say(line)

    def _migrated(self, event: RunFinished) -> None:
        self._extending.end()
        self._progressed(event)
        if self._is_ready:
            self._line.say("running")

    def _extend(self) -> None:
        self._socket.tell(f"EXTEND_TIMEOUT_USEC={round(EXTENSION_SECONDS * 1e6)}")

    def _live(self) -> None:
        self._socket.tell("WATCHDOG=1")

    def _be_silent(self) -> None:
        self._extending.end()
        self._line.end()
        if self._living is not None:
            self._living.end()


class _Repeating:
    """Does something again and again while the event loop turns, first after a while.

    Args:
        seconds: The time between.
        action: What is done.
    """

    def __init__(self, seconds: float, action: Callable[[], None]) -> None:
        self._seconds = seconds
        self._action = action
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Begin anew."""
        self.end()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._again)

    def end(self) -> None:
        """End."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _again(self) -> None:
        self.begin()
        self._action()


class _Line:
    """The line of progress: told at once, then not more often than somebody can read it; the last one is always told.

    Args:
        told: Where it is told.
    """

    def __init__(self, told: NotifySocket) -> None:
        self._socket = told
        self._next: str | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def say(self, line: str) -> None:
        """Tell a line."""
        self._next = line
        # The timer of an event loop that has ended meanwhile never fires.
        if self._timer is None or self._loop is not asyncio.get_running_loop():
            self._tell()

    def end(self) -> None:
        """Tell no line any more that was not told yet."""
        self._next = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tell(self) -> None:
        self._timer = None
        if self._next is not None:
            self._socket.tell(f"STATUS={self._next}")
            self._next = None
            self._loop = asyncio.get_running_loop()
            self._timer = self._loop.call_later(SECONDS_BETWEEN_LINES, self._tell)
