"""Runs a runtime as a whole process: until SIGINT or SIGTERM, or until a service crashes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Protocol

from roost.errors import RuntimeBusy

SIGNALS = (signal.SIGINT, signal.SIGTERM)
FAILED = 1


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

    def ask(number: int) -> None:
        if asked.is_set():
            sys.stderr.write("forced to end; services were not stopped\n")
            sys.stderr.flush()
            os._exit(128 + number)
        asked.set()

    with _handled(ask):
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
def _handled(ask: Callable[[int], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    handled = []
    for number in SIGNALS:
        # Windows has no such handlers, and neither has a loop outside of the main thread.
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
            loop.add_signal_handler(number, ask, number)
            handled.append(number)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


def main(runtime: Startable) -> int:
    """Run in an event loop of its own, and say on standard error what went wrong.

    Returns:
        The process's exit code: 0 after a signal and a clean stop, 1 after an error.
    """
    try:
        asyncio.run(run_until_signal(runtime))
    except KeyboardInterrupt:  # only where signals can't be handled
        return 0
    except Exception as error:  # noqa: BLE001 -- a person gets a sentence, whatever went wrong
        sys.stderr.write(f"error: {str(error) or type(error).__name__}\n")
        cause = error.__cause__
        while cause is not None:
            sys.stderr.write(f"caused by: {type(cause).__name__}: {cause}\n")
            cause = cause.__cause__
        return FAILED
    return 0
