"""The advisory lock that makes runs take turns: acquired by asking for it, never by waiting inside the server.

A session that waits in ``pg_advisory_lock`` holds a snapshot, and ``CREATE INDEX CONCURRENTLY`` of the lock's holder waits for that
snapshot: PostgreSQL resolves this deadlock by killing one of the two.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import TYPE_CHECKING

import anyio

from roost.postgres._lock_holder import LockHolder, lock_holder, lock_timeout

if TYPE_CHECKING:
    from roost.postgres._session import MigrationSession

CHANNEL = "roost"
"""Whoever ends a run notifies this channel, and wakes those who wait for their turn."""

FIRST_WAIT = 0.02
LONGEST_WAIT = 0.5
"""Seconds between two questions where no bell rings, as after the death of the lock's holder; spread by half to either side."""

WATCH_SECONDS = 1.0
"""Seconds between two looks at who has the lock; one is taken together with a question, so it may be half a second late."""


def advisory_lock_key(name: str) -> int:
    """Return the lock's key for a name: stable, a signed 64-bit integer, as PostgreSQL wants it."""
    return int.from_bytes(sha256(name.encode()).digest()[:8], "big", signed=True)


async def try_lock(session: MigrationSession, key: int) -> bool:
    """Take the session-level lock if it is free, in one round trip."""
    rows = await session.rows(f"SELECT pg_catalog.pg_try_advisory_lock({key}){session.lifting}")
    return rows[0][0] == "t"


async def lock_or_satisfied(
    session: MigrationSession,
    key: int,
    *,
    is_refused: bool = False,
    timeout: float,  # noqa: ASYNC109 -- the limit is on the turn, and the error names who has it
    satisfied: Callable[[], Awaitable[bool]],
    waiting: Callable[[LockHolder | None], None],
    watching: Callable[[], Awaitable[None]] | None = None,
    jitter: random.Random,
) -> bool:
    """Ask for the lock until it is ours, or until there is nothing left to do under it.

    Who is refused waits for the bell that the holder rings at its end, and asks now and then for the case that it dies without.

    Args:
        session: Where to lock.
        key: The lock's key.
        is_refused: Whether it was asked for already, and was not free.
        timeout: Seconds to wait at most.
        satisfied: Looks, without a lock, whether somebody else has done the work meanwhile; asked before each further attempt.
        waiting: Told once who has the lock, at the first refusal.
        watching: Looks who has it now; awaited after a refusal about once a second.
        jitter: Spreads the questions of many waiters.

    Returns:
        True with the lock held; False when `satisfied` said so.

    Raises:
        MigrationLockTimeout: Neither within `timeout`.
    """
    if not is_refused and await try_lock(session, key):
        return True
    deadline = time.monotonic() + timeout
    waiting(await lock_holder(session, key))
    bell = asyncio.Event()
    await session.listen(CHANNEL, bell.set)
    wait, watched = FIRST_WAIT, time.monotonic()
    while True:
        # Whatever rang before this session listened is seen here.
        bell.clear()
        if await satisfied():
            return False
        if await try_lock(session, key):
            return True
        left = deadline - time.monotonic()
        if left <= 0:
            raise lock_timeout(await lock_holder(session, key), waited=timeout)
        if watching is not None and time.monotonic() - watched >= WATCH_SECONDS:
            watched = time.monotonic()
            await watching()
        with anyio.move_on_after(min(left, wait * (0.5 + jitter.random()))):
            await bell.wait()
        wait = min(wait * 1.5, LONGEST_WAIT)
