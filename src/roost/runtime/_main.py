"""Runs a runtime as a whole process: until SIGINT or SIGTERM, or until a service crashes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from types import FrameType
from typing import Any, Protocol

from roost.errors import RoostError, RuntimeBusy
from roost.runtime._reason import reason_of

SIGNALS = (signal.SIGINT, signal.SIGTERM)
FAILED = 1
LEFT_SECONDS = 1.0
BLOCKED_FRAMES = 8


class Startable(Protocol):
    """What can be run so."""

    async def start(self) -> None:
        """Start."""

    async def stop(self) -> None:
        """Stop."""

    async def wait(self) -> None:
        """Wait until it is stopped."""


async def run_until_signal(runtime: Startable) -> None:
    """Start, wait for a signal or the end, and stop. A second signal ends the process at once, with 128 and the signal's number.

    Raises:
        Exception: As `Runtime.start`, `Runtime.wait` and `Runtime.stop` raise it.
    """
    asked = asyncio.Event()
    with _handled(asked):
        asking = asyncio.create_task(asked.wait())
        living = asyncio.create_task(_live(runtime))
        try:
            await asyncio.wait({asking, living}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            asking.cancel()
            was_alive = not living.done()
            ended = await asyncio.gather(runtime.stop(), living, return_exceptions=True)
    for error in ended:
        # A start that the signal broke off says that the runtime was busy stopping.
        if isinstance(error, BaseException) and not (was_alive and isinstance(error, RuntimeBusy)):
            raise error


async def _live(runtime: Startable) -> None:
    await runtime.start()
    await runtime.wait()


@contextlib.contextmanager
def _handled(asked: asyncio.Event) -> Iterator[None]:
    """Let the first signal set an event, and the second end the process, also while something blocks the event loop."""
    loop = asyncio.get_running_loop()
    signals = 0

    def heard(number: int, frame: FrameType | None) -> None:
        # Python calls this between two of its instructions, where the loop's own handlers would wait for their turn.
        nonlocal signals
        signals += 1
        if signals == 1:
            loop.call_soon_threadsafe(asked.set)
            return
        if signals > 2:  # noqa: PLR2004 -- one more, while the second is being dealt with
            return
        stack = "".join(traceback.format_stack(frame, limit=BLOCKED_FRAMES))
        sys.stderr.write(f"forced to end; services were not stopped. The event loop stood at:\n{stack}")
        sys.stderr.flush()
        os._exit(128 + number)

    before: dict[int, Any] = {}
    for number in SIGNALS:
        before[number] = signal.getsignal(number)
        # The loop's handler wakes it, also where a signal comes in the instant before it begins to wait, or to another thread; Windows
        # has none, and only the main thread may handle signals at all.
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
            loop.add_signal_handler(number, asked.set)
        with contextlib.suppress(ValueError):
            signal.signal(number, heard)
    try:
        yield
    finally:
        for handled, handler in before.items():
            with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
                loop.remove_signal_handler(handled)
            with contextlib.suppress(ValueError):
                signal.signal(handled, signal.SIG_DFL if handler is None else handler)


def main(runtime: Startable) -> int:
    """Run in an event loop of its own, and say on standard error what went wrong.

    Returns:
        The process's exit code: 0 after a signal and a clean stop, 1 after an error.
    """
    with ended_with_its_tasks() as runner:
        try:
            runner.run(run_until_signal(runtime))
        except KeyboardInterrupt:  # only where signals can't be handled
            return 0
        except Exception as error:  # noqa: BLE001 -- a person gets a sentence, whatever went wrong
            sys.stderr.write(_told(error))
            return FAILED
    return 0


@contextlib.contextmanager
def ended_with_its_tasks() -> Iterator[asyncio.Runner]:
    """Provide a runner for a whole process, which at its end does not wait for tasks that don't obey their cancellation.

    `asyncio.Runner` would wait for them for ever. They get a second; then the process ends without them, with 1.
    """
    runner = asyncio.Runner()
    with contextlib.ExitStack() as closing:
        closing.callback(_close, runner)
        yield runner


def _close(runner: asyncio.Runner) -> None:
    left = runner.run(_end_tasks())
    if not left:
        runner.close()
        return
    sys.stderr.write(f"the process ends without waiting for tasks that do not obey their cancellation: {', '.join(left)}\n")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(FAILED)


async def _end_tasks() -> list[str]:
    """Cancel all other tasks, and return the names of those that are still there a second later."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if not tasks:
        return []
    _, left = await asyncio.wait(tasks, timeout=LEFT_SECONDS)
    return sorted(task.get_name() for task in left)


def _told(error: BaseException) -> str:
    """Return an error and what caused it, a paragraph each; what a text says already is not said again."""
    text = f"error: {reason_of(error)}\n"
    if isinstance(error, RoostError) and error.hint:
        text += f"hint: {error.hint}\n"
    cause = error.__cause__
    seen = {id(error)}
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if reason_of(cause) not in text:
            text += f"caused by: {reason_of(cause)}\n"
        cause = cause.__cause__
    return text
