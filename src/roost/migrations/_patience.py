"""Repeats a whole transaction where that may help: a refused table lock within its budget, other passing errors by count."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from roost.postgres import is_lock_timeout, is_retryable, retrying

if TYPE_CHECKING:
    from roost.migrations._config import MigrationConfig

SHORTEST_LOCK_WAIT = 0.05
LONGEST_LOCK_WAIT = 1.0
"""Seconds. While nobody queues for a lock, readers pass, and the chance comes again soon."""


async def with_patience(
    operation: Callable[[], Awaitable[None]],
    *,
    config: MigrationConfig,
    is_open: Callable[[], bool],
    told: Callable[[int, BaseException], None],
    failure: Exception | None = None,
) -> None:
    """Await an operation as often as its errors and the configuration allow.

    Args:
        operation: A transaction, whole.
        config: How often, and how long.
        is_open: Tells whether the connection still is; without it nothing is repeated here.
        told: Called before each repetition, with the number of the attempt that failed and its error.
        failure: The error of a first attempt that was made elsewhere.

    Raises:
        Exception: The operation's last error.
    """
    # Setting up retries costs more than most steps' bookkeeping, so it waits for a first failure, which becomes theirs.
    if failure is None:
        try:
            await operation()
        except Exception as error:  # noqa: BLE001 -- raised again, unless it may pass
            failure = error
        else:
            return
    if not is_open() or not (is_retryable(failure) or is_lock_timeout(failure)):
        raise failure
    failures = [failure]

    async def once() -> None:
        if failures:
            raise failures.pop()
        await operation()

    async def within_budget() -> None:
        async for attempt in retrying(
            attempts=None,
            budget=config.lock_wait_budget,
            delay=SHORTEST_LOCK_WAIT,
            max_delay=LONGEST_LOCK_WAIT,
            retryable=lambda error: is_open() and is_lock_timeout(error),
            before_retry=told,
        ):
            with attempt:
                await once()

    async for attempt in retrying(
        attempts=config.max_retries,
        delay=config.retry_delay,
        max_delay=config.retry_max_delay,
        retryable=lambda error: is_open() and is_retryable(error) and not is_lock_timeout(error),
        before_retry=told,
    ):
        with attempt:
            await within_budget()
