"""Signals that end a server: heard before the server's own handlers, and sent to oneself."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def heard_first(hear: Callable[[], None]) -> Iterator[None]:
    """Call `hear` in the event loop whenever a signal comes that the server handles, and let the server handle it all the same.

    A handler that an event loop keeps is called as well: the loop learns of signals by another way, which this leaves alone. Signals that
    nobody handles stay so. Outside of the main thread nothing is heard, as nobody may handle signals there.
    """
    loop = asyncio.get_running_loop()
    is_over = False

    def before(handler: Callable[[int, FrameType | None], Any]) -> Callable[[int, FrameType | None], None]:
        def heard(number: int, frame: FrameType | None) -> None:
            if not is_over and not loop.is_closed():
                loop.call_soon_threadsafe(hear)
            handler(number, frame)

        return heard

    ours: dict[signal.Signals, tuple[Any, Any]] = {}
    for number in SIGNALS:
        theirs = signal.getsignal(number)
        if callable(theirs):
            chained = before(theirs)
            with contextlib.suppress(ValueError):  # not in the main thread
                signal.signal(number, chained)
                ours[number] = chained, theirs
    try:
        yield
    finally:
        is_over = True
        for number, (chained, theirs) in ours.items():
            # One that was put before it meanwhile goes on calling it, and it calls theirs.
            if signal.getsignal(number) is chained:
                with contextlib.suppress(ValueError):
                    signal.signal(number, theirs)


def is_drained_by_sigterm() -> bool:
    """Tell whether somebody handles SIGTERM, as servers do to end what they have begun before they end themselves."""
    return callable(signal.getsignal(signal.SIGTERM))


def is_worker() -> bool:
    """Tell whether this process was made by another one of the same program, which sees when it ends."""
    return multiprocessing.parent_process() is not None


def end_process() -> None:
    """Send SIGTERM to this process."""
    if sys.platform == "win32":
        signal.raise_signal(signal.SIGTERM)  # os.kill would end the process at once
    else:
        os.kill(os.getpid(), signal.SIGTERM)
