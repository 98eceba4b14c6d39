"""Acts at a chosen suspension of a coroutine: where cancellation can strike, it is made to."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Stepper(Generic[T]):
    """Awaits a coroutine, counts how often it is really suspended, and acts once at one of these times.

    ``await Stepper(run(), at=3, act=asyncio.current_task().cancel)`` cancels the run at its third suspension. Without `at` it only
    counts, which tells how many there are. Suspensions of tasks that the coroutine starts are not its own.

    Args:
        coroutine: What to await.
        at: The number of the suspension, from 1; None acts never.
        act: What to do then: cancel the task or a scope, move a deadline, raise a signal.

    Attributes:
        suspensions: How often it was suspended so far.
        has_acted: Whether `act` was called.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T], *, at: int | None = None, act: Callable[[], object] | None = None) -> None:
        self._coroutine = coroutine
        self._at = at
        self._act = act
        self.suspensions: int = 0
        self.has_acted: bool = False

    def __await__(self) -> Generator[Any, Any, T]:
        inner = self._coroutine.__await__()
        advance: Callable[[], Any] = inner.__next__
        while True:
            try:
                waiting = advance()
            except StopIteration as end:
                result: T = end.value
                return result
            self.suspensions += 1
            if self.suspensions == self._at and self._act is not None:
                self.has_acted = True
                self._act()
            try:
                sent = yield waiting
            except BaseException as error:  # noqa: BLE001 -- it is the coroutine's to deal with
                advance = _throwing(inner, error)
            else:
                advance = _sending(inner, sent)


def _throwing(inner: Generator[Any, Any, Any], error: BaseException) -> Callable[[], Any]:
    return lambda: inner.throw(error)


def _sending(inner: Generator[Any, Any, Any], sent: object) -> Callable[[], Any]:
    return lambda: inner.send(sent)
