"""Repeats a whole transaction where that may help: a refused table lock within its budget, other passing errors by count."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from roost.postgres import is_lock_timeout, is_retryable, retrying

if TYPE_CHECKING:
    from roost.migrations._config import MigrationConfig

SHORTEST_LOCK_WAIT = 0.05
LONGEST_LOCK_WAIT = 1.0
"""Seconds. While nobody queues for a lock, readers pass, and the chance comes again soon."""


class Patience:
    """How often, and how long, one transaction is tried.

    Args:
        config: The limits.
        is_open: Tells whether the connection still is; without it nothing is repeated here.
        told: Called before each repetition, with the number of the attempt that failed and its error.
        while_blocked: Entered around the attempts that follow a refused lock.
    """

    def __init__(
        self,
        config: MigrationConfig,
        *,
        is_open: Callable[[], bool],
        told: Callable[[int, BaseException], None],
        while_blocked: Callable[[], AbstractAsyncContextManager[None]],
    ) -> None:
        self._config = config
        self._is_open = is_open
        self._told = told
        self._while_blocked = while_blocked

    async def repeat(self, operation: Callable[[], Awaitable[None]], *, failure: Exception | None = None) -> None:
        """Await an operation as often as its errors and the limits allow.

        Args:
            operation: A transaction, whole.
            failure: The error of a first attempt that was made elsewhere.

        Raises:
            Exception: The operation's last error.
        """
        # Setting up retries costs more than most steps' bookkeeping, so it waits for a first failure, which becomes theirs.
        failure = failure or await self._failure_of(operation)
        if failure is None:
            return
        if not self._is_open() or not (is_retryable(failure) or is_lock_timeout(failure)):
            raise failure
        failures = [failure]

        async def once() -> None:
            if failures:
                raise failures.pop()
            await operation()

        async for attempt in retrying(
            attempts=self._config.max_retries,
            delay=self._config.retry_delay,
            max_delay=self._config.retry_max_delay,
            retryable=lambda error: self._is_open() and is_retryable(error) and not is_lock_timeout(error),
            before_retry=self._told,
        ):
            with attempt:
                await self._within_lock_budget(once)

    async def _within_lock_budget(self, operation: Callable[[], Awaitable[None]]) -> None:
        failure = await self._failure_of(operation)
        if failure is None:
            return
        if not self._is_open() or not is_lock_timeout(failure):
            raise failure
        failures = [failure]
        async with self._while_blocked():
            async for attempt in retrying(
                attempts=None,
                budget=self._config.lock_wait_budget,
                delay=SHORTEST_LOCK_WAIT,
                max_delay=LONGEST_LOCK_WAIT,
                retryable=lambda error: self._is_open() and is_lock_timeout(error),
                before_retry=self._told,
            ):
                with attempt:
                    if failures:
                        raise failures.pop()
                    await operation()

    async def _failure_of(self, operation: Callable[[], Awaitable[None]]) -> Exception | None:
        try:
            await operation()
        except Exception as error:  # noqa: BLE001 -- raised again by the caller, unless it may pass
            return error
        return None
