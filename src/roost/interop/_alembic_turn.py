"""Lets one revision at a time use Alembic's ``op`` and ``context``, which are one for the whole process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from threading import Lock

import anyio

LOOK_SECONDS = 0.01

# Neither a lock of asyncio's, as there may be a loop in each of several threads, nor one that blocks, as two runs may share a loop.
_in_use = Lock()


@asynccontextmanager
async def alone() -> AsyncIterator[None]:
    """Wait until no other revision runs in this process, and keep others waiting inside the block."""
    while not _in_use.acquire(blocking=False):  # noqa: ASYNC110 -- no event reaches from one loop into another
        await anyio.sleep(LOOK_SECONDS)
    try:
        yield
    finally:
        _in_use.release()


@contextmanager
def alone_at_once() -> Iterator[bool]:
    """Say whether no other revision runs in this process; if so, others wait inside the block."""
    free = _in_use.acquire(blocking=False)
    try:
        yield free
    finally:
        if free:
            _in_use.release()
