"""What a runtime says while it lives, and the bus that carries it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeStartStarted:
    """A runtime begins to start its services."""

    services: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeStartFinished:
    """All services are started, or the start failed with `error`; after `duration` seconds."""

    duration: float
    error: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeStopStarted:
    """A runtime begins to stop its services; `cause` is the crash that made it, if one did."""

    cause: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeStopFinished:
    """All services are stopped or given up, after `duration` seconds."""

    duration: float
    error: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStartStarted:
    """A service begins to start."""

    service: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStartFinished:
    """A service has started, or failed with `error`; after `duration` seconds."""

    service: str
    duration: float
    error: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStopStarted:
    """A service begins to stop."""

    service: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStopFinished:
    """A service has stopped, or failed with `error`; after `duration` seconds."""

    service: str
    duration: float
    error: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCrashed:
    """A task of a running service ended with `error`; the outcome is what `on_crash` makes of it."""

    service: str
    error: BaseException
    outcome: Literal["stop", "restart", "degrade"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRestarted:
    """A crashed service runs again, after a wait of `delay` seconds."""

    service: str
    delay: float


@dataclass(slots=True)
class EventBus:
    """Carries events to listeners, in the order of their subscription."""

    _listeners: list[tuple[Callable[[Any], object], tuple[type, ...]]] = field(default_factory=list)

    def subscribe(self, listener: Callable[[Any], object], *event_types: type) -> Callable[[], None]:
        """Call `listener` with each event of `event_types`, or with all where none is named.

        Args:
            listener: A plain function; it is called at once and must be quick.
            *event_types: Event classes.

        Returns:
            Ends the subscription when called; calling it again is harmless.
        """
        entry = (listener, event_types)
        self._listeners.append(entry)

        def unsubscribe() -> None:
            self._listeners[:] = [one for one in self._listeners if one is not entry]

        return unsubscribe

    def emit(self, event: object) -> None:
        """Tell every listener. One that raises is reported to the event loop's exception handler, and the others are called."""
        for listener, event_types in tuple(self._listeners):
            if event_types and not isinstance(event, event_types):
                continue
            try:
                listener(event)
            except Exception as error:  # noqa: BLE001 -- a listener's fault is not the runtime's
                _report(listener, event, error)


def _report(listener: object, event: object, error: Exception) -> None:
    context = {"message": f"a listener of roost's events raised: {listener!r} on {event!r}", "exception": error}
    asyncio.get_running_loop().call_exception_handler(context)
