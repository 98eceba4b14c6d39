"""An event loop whose time passes only when nobody has anything to do, so that waits of hours take no time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
STUCK_SECONDS = 1.0
"""Real seconds in which a thread may still wake a loop that has nothing to do."""


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """A loop for tests: ``loop.time()`` begins at 0 and jumps to the next timer when all tasks wait.

    Timers, `asyncio.sleep`, `asyncio.timeout` and the deadlines of a runtime follow it. What waits for a socket or a thread does
    not, so it is for code that has neither. Where no task can ever go on, the loop raises RuntimeError and says where they wait.
    """

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._now

    def pass_time(self, seconds: float) -> None:
        """Move on; the loop calls this itself when it has nothing to do."""
        self._now += seconds


class _JumpingSelector(selectors.DefaultSelector):
    """Where a loop would sleep until the next timer, this moves its clock instead."""

    def __init__(self, loop: VirtualClockLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0 if timeout is not None else STUCK_SECONDS)
        if not ready and timeout:
            self._loop.pass_time(timeout)
        if not ready and timeout is None:
            raise RuntimeError(f"nothing can ever happen any more: no timer is set, and all tasks wait{_places(self._loop)}")
        return ready


def _places(loop: asyncio.AbstractEventLoop) -> str:
    """Return where each task waits, a line each."""
    stands = [(task.get_name(), frame) for task in asyncio.all_tasks(loop) for frame in task.get_stack(limit=1)]
    return "".join(
        sorted(f"\n  {name} at {frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}" for name, frame in stands)
    )


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in a loop with a virtual clock, as `asyncio.run` does in a real one.

    Raises:
        RuntimeError: No task can ever go on.
    """
    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        return runner.run(main)
