"""Lets plugins be loaded and unloaded one after another, and nobody wait for himself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from roost.errors import RuntimeBusy


@dataclass(eq=False, slots=True)
class _Change:
    changes: Changes
    is_going_on: bool = True


_current: ContextVar[_Change | None] = ContextVar("_current", default=None)


class Changes:
    """The loads and unloads of one runtime."""

    def __init__(self) -> None:
        self._lock: asyncio.Lock | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @asynccontextmanager
    async def one(self, wish: str) -> AsyncIterator[None]:
        """Wait for those before, and keep those after waiting.

        Args:
            wish: What is to be done, for the error.

        Raises:
            RuntimeBusy: It is asked for inside of another one, by a hook or a service that is being started or stopped.
        """
        current = _current.get()
        if current is not None and current.changes is self and current.is_going_on:
            raise RuntimeBusy(wish=f"{wish} inside of another load or unload, which it would wait for")
        async with self._own_lock():
            change = _Change(self)
            token = _current.set(change)
            try:
                yield
            finally:
                change.is_going_on = False
                _current.reset(token)

    def _own_lock(self) -> asyncio.Lock:
        # A lock belongs to one event loop, and a runtime may live in one after another.
        loop = asyncio.get_running_loop()
        if self._lock is None or self._loop is not loop:
            self._lock, self._loop = asyncio.Lock(), loop
        return self._lock
