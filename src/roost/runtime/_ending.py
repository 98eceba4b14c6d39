"""Ends tasks, and waits for them whatever happens to who waits."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Collection
from contextlib import nullcontext
from typing import Any

CANCEL_GRACE = 1.0
"""Seconds that a cancelled start, stop or task gets to obey before it is abandoned."""


async def ended(tasks: Collection[asyncio.Task[Any]], *, grace: float = CANCEL_GRACE) -> None:
    """Cancel tasks, and wait a while until they obey, also while being cancelled: the event loop may be closing."""
    loop = asyncio.get_running_loop()
    due = loop.time() + grace
    for task in tasks:
        task.cancel()
    live = {task for task in tasks if not task.done()}
    while live and loop.time() < due:
        try:
            await asyncio.wait(live, timeout=due - loop.time())
        except asyncio.CancelledError:
            continue
        finally:
            live = {task for task in live if not task.done()}


async def surely(task: asyncio.Future[Any]) -> asyncio.CancelledError | None:
    """Wait for a task to its end, also while being cancelled.

    Returns:
        The cancellation that came meanwhile, to be raised by who has done what must be done; None where none came. That of an anyio
        scope comes again by itself, and is not among them.
    """
    # anyio cancels again and again, at each turn of the loop, whatever does not shield itself.
    anyio = sys.modules.get("anyio")
    came: asyncio.CancelledError | None = None
    with nullcontext() if anyio is None else anyio.CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError as error:
                came = error
    return came


def heard(task: asyncio.Future[Any]) -> None:
    """Take what a task ends with, where nobody may be left to ask for it, so that asyncio does not complain of that."""
    if not task.cancelled():
        task.exception()
