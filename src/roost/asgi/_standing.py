"""How a runtime stands, as those who serve it see it: one record for each runtime, kept by the runtime's own events."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal, TypeAlias
from weakref import WeakKeyDictionary

from roost.errors import RuntimeBusy
from roost.migrations import MigrationProgress
from roost.runtime import RuntimeStartFinished, RuntimeStartStarted, RuntimeStopFinished, RuntimeStopStarted

if TYPE_CHECKING:
    from roost.runtime import EventBus, Runtime

Phase: TypeAlias = Literal["new", "starting", "started", "stopping", "stopped"]


class Standing:
    """What happened to a runtime so far.

    Attributes:
        phase: Where its life is.
        is_ready: Whether it is ready, as ``runtime.is_ready`` says: a plain attribute, as each request looks at it.
        is_started: Whether its present life, or its last one, has got through its start.
        failure: What its start or a crash ended it with; forgotten at the next start.
        stopping: Set once somebody has asked for a stop.
        is_live: Whether the process is worth keeping; a policy may say that it is not.
        progress: Where its migrations stand.
    """

    def __init__(self, events: EventBus) -> None:
        self.phase: Phase = "new"
        self.is_ready: bool = False
        self.is_started: bool = False
        self.failure: BaseException | None = None
        self.stopping: asyncio.Event = asyncio.Event()
        self.is_live: bool = True
        self.progress: MigrationProgress = MigrationProgress(events)
        events.subscribe(self._hear, RuntimeStartStarted, RuntimeStartFinished, RuntimeStopStarted, RuntimeStopFinished)

    def begin(self) -> None:
        """Note that a server begins, whose event loop may be another one than the last."""
        self.stopping = asyncio.Event()
        self.is_live, self.failure = True, None
        if self.phase == "stopped":
            self.enter("new")
            self.is_started = False

    def ask_to_stop(self) -> None:
        """Note that somebody has asked for a stop; it may still be some time until the runtime hears of it."""
        self.stopping.set()

    def enter(self, phase: Phase) -> None:
        """Note where the runtime's life is now."""
        self.phase = phase
        self.is_ready = phase == "started"
        if self.is_ready:
            self.is_started = True

    def _hear(self, event: RuntimeStartStarted | RuntimeStartFinished | RuntimeStopStarted | RuntimeStopFinished) -> None:
        match event:
            case RuntimeStartStarted():
                self.enter("starting")
                self.is_started, self.failure = False, None
                if self.stopping.is_set():
                    self.stopping = asyncio.Event()
            case RuntimeStartFinished(error=None):
                self.enter("started")
            case RuntimeStartFinished():
                self.enter("stopping")  # what the start failed with is told by the stop that follows, a stop that broke it off as well
            case RuntimeStopStarted(cause=cause):
                self.enter("stopping")
                if cause is None or isinstance(cause, RuntimeBusy):
                    self.ask_to_stop()
                else:
                    self.failure = cause
            case RuntimeStopFinished():
                self.enter("stopped")


_standings: WeakKeyDictionary[Runtime, Standing] = WeakKeyDictionary()


def standing_of(runtime: Runtime) -> Standing:
    """Return how a runtime stands; from the first call on its events are heard."""
    standing = _standings.get(runtime)
    if standing is None:
        standing = _standings[runtime] = Standing(runtime.events)
        if runtime.is_ready:
            standing.enter("started")
    return standing


def stopping(runtime: Runtime) -> asyncio.Event:
    """Return the event that is set as soon as the server, or the runtime alone, is asked to stop.

    A server waits for its open responses before it says a word to the application, so a stream without an end keeps it from stopping.
    Let such a stream watch this event, and end when it is set. Inside of `lifespan` SIGTERM and SIGINT set it themselves, before the
    server's own handlers are called, where those handlers run in the process of the application.

    Args:
        runtime: The runtime that the server serves.

    Returns:
        The event of the present life: ask for it in each request.
    """
    return standing_of(runtime).stopping
