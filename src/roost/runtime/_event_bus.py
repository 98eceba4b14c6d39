"""Carries events to listeners, none of which may harm the runtime or another one."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, overload

E = TypeVar("E")
F = TypeVar("F")
E_co = TypeVar("E_co", covariant=True)

SLOW_SECONDS = 0.5
"""A listener that takes longer holds up the whole event loop, and is reported."""

_log = logging.getLogger("roost.events")
_owner: ContextVar[str | None] = ContextVar("_owner", default=None)


def present_owner() -> str | None:
    """Return whose the present task is, as `owned_by` noted it."""
    return _owner.get()


@contextmanager
def owned_by(owner: str | None) -> Iterator[None]:
    """Note that what is subscribed inside, and in tasks that are started inside, belongs to `owner`, if to anybody, and goes with it."""
    token = _owner.set(owner)
    try:
        yield
    finally:
        _owner.reset(token)


@dataclass(frozen=True, slots=True, eq=False)
class Subscription:
    """A listener, the event types it listens to (none means all), and who made it."""

    listener: Callable[[Any], object]
    event_types: tuple[type, ...]
    owner: str | None


class EventBus:
    """Carries events to listeners, in the order of their subscription."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []
        self._wanted: dict[type, list[Subscription]] = {}

    @overload
    def subscribe(self, listener: Callable[[Any], object]) -> Callable[[], None]: ...
    @overload
    def subscribe(self, listener: Callable[[E], object], one: type[E], /) -> Callable[[], None]: ...
    @overload
    def subscribe(self, listener: Callable[[E | F], object], one: type[E], two: type[F], /) -> Callable[[], None]: ...
    @overload
    def subscribe(
        self, listener: Callable[[Any], object], one: type, two: type, three: type, /, *event_types: type
    ) -> Callable[[], None]: ...
    def subscribe(self, listener: Callable[[Any], object], *event_types: type) -> Callable[[], None]:
        """Call `listener` with each event of `event_types`, or with all where none is named.

        What a plugin's hook or service subscribes ends when the plugin is unloaded.

        Args:
            listener: A plain function; it is called at once and must be quick.
            *event_types: Event classes.

        Returns:
            Ends the subscription when called; calling it again is harmless.

        Raises:
            TypeError: The listener is async: nobody would wait for it. Read a `stream` in a task instead.
        """
        if inspect.iscoroutinefunction(listener):
            raise TypeError(f"{listener!r} is async, and nobody would await it: read events.stream(…) in a task")
        subscription = Subscription(listener, event_types, _owner.get())
        self._change([*self._subscriptions, subscription])
        return lambda: self._change([one for one in self._subscriptions if one is not subscription])

    @overload
    def stream(self, *, size: int = 1000) -> EventStream[Any]: ...
    @overload
    def stream(self, one: type[E], /, *, size: int = 1000) -> EventStream[E]: ...
    @overload
    def stream(self, one: type[E], two: type[F], /, *, size: int = 1000) -> EventStream[E | F]: ...
    @overload
    def stream(self, one: type, two: type, three: type, /, *event_types: type, size: int = 1000) -> EventStream[Any]: ...
    def stream(self, *event_types: type, size: int = 1000) -> EventStream[Any]:
        """Return the events from now on as an async iterator, for readers that are not quick.

        Args:
            *event_types: Event classes; none means all.
            size: How many wait for the reader; the oldest are dropped, counted, and reported once beyond that.
        """
        return EventStream(self, event_types, size=size)

    def wants(self, event_type: type) -> bool:
        """Tell whether anybody listens to a type of events."""
        found = self._wanted.get(event_type)  # asked twice for each service's start and stop
        return bool(self._listening(event_type) if found is None else found)

    def emit(self, event: object) -> None:
        """Tell every listener. One that raises or is slow is reported to the event loop's exception handler, and the others are called."""
        for subscription in self._listening(type(event)):
            began = time.perf_counter()
            try:
                result = subscription.listener(event)
                if inspect.iscoroutine(result):
                    result.close()
                    _report(f"a listener of roost's events is async, and was not awaited: {_shown(subscription.listener)}", None)
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 -- a listener's fault is not the runtime's
                _report(f"a listener of roost's events raised: {_shown(subscription.listener)} on {_shown(event)}", error)
            took = time.perf_counter() - began
            if took > SLOW_SECONDS:
                _report(f"a listener of roost's events took {took:.1f} s: {_shown(subscription.listener)} on {_shown(event)}", None)

    def drop(self, owner: str) -> None:
        """End all subscriptions that `owner` made."""
        self._change([one for one in self._subscriptions if one.owner != owner])

    def _change(self, subscriptions: list[Subscription]) -> None:
        self._subscriptions = subscriptions
        self._wanted = {}

    def _listening(self, event_type: type) -> list[Subscription]:
        found = self._wanted.get(event_type)
        if found is None:
            found = [one for one in self._subscriptions if not one.event_types or issubclass(event_type, one.event_types)]
            self._wanted[event_type] = found
        return found


class EventStream(Generic[E_co]):
    """Events as an async iterator: ``with runtime.events.stream(ServiceCrashed) as stream: async for event in stream: …``.

    Attributes:
        dropped: How many events were dropped because the reader was too slow.
    """

    def __init__(self, bus: EventBus, event_types: tuple[type, ...], *, size: int) -> None:
        self.dropped: int = 0
        self._is_closed = False
        self._waiting: deque[Any] = deque(maxlen=size)
        self._arrived = asyncio.Event()
        self._unsubscribe = bus.subscribe(self._take, *event_types)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the subscription; events that wait can still be read, and then the iteration ends."""
        self._is_closed = True
        self._arrived.set()
        self._unsubscribe()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> E_co:
        while not self._waiting:
            if self._is_closed:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        event: E_co = self._waiting.popleft()
        return event

    def _take(self, event: object) -> None:
        if len(self._waiting) == self._waiting.maxlen:
            if self.dropped == 0:
                _report(
                    f"a reader of roost's events is slow: more than {self._waiting.maxlen} wait for it, and the oldest are dropped", None
                )
            self.dropped += 1
        self._waiting.append(event)
        self._arrived.set()


def _shown(thing: object) -> str:
    try:
        return repr(thing)
    except Exception:  # noqa: BLE001 -- what can't be shown is named by its class
        return f"a {type(thing).__name__}"


def _report(message: str, error: BaseException | None) -> None:
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # an event that is emitted outside of a loop
        _log.error(message, exc_info=error)
        return
    loop.call_exception_handler({"message": message} if error is None else {"message": message, "exception": error})
