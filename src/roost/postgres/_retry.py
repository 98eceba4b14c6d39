"""The one place where tenacity's retries are set up; its defaults retry for ever, at once, and after cancellations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import tenacity


def retrying(
    *,
    attempts: int | None,
    delay: float,
    max_delay: float,
    retryable: Callable[[BaseException], bool],
    budget: float | None = None,
    before_retry: Callable[[int, BaseException], None] | None = None,
) -> tenacity.AsyncRetrying:
    """Return a fresh iterator of attempts; a shared one gives wrong results to concurrent users.

    Args:
        attempts: How many at most, the first included; None leaves it to `budget`.
        delay: Seconds before the second attempt; each further wait is twice as long, and a little longer by chance.
        max_delay: The longest wait in seconds.
        retryable: Whether an error may pass; asked only about `Exception`, so that cancellations never are retried.
        budget: Seconds in which a new attempt may begin; None sets no limit.
        before_retry: Told of each failed attempt, by its number, that is followed by another.

    Returns:
        To be used as ``async for attempt in …: with attempt: …``; the last error is raised as it is.
    """
    stops: list[tenacity.stop.stop_base] = []
    if attempts is not None:
        stops.append(tenacity.stop_after_attempt(attempts))
    if budget is not None:
        stops.append(tenacity.stop_before_delay(budget))

    def told(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        if before_retry is not None and error is not None:
            before_retry(state.attempt_number, error)

    def sleep(seconds: float) -> Awaitable[None]:
        return anyio.sleep(seconds)

    return tenacity.AsyncRetrying(
        stop=tenacity.stop_any(*stops),
        wait=tenacity.wait_exponential(multiplier=delay, max=max_delay) + tenacity.wait_random(0, delay / 10),
        retry=tenacity.retry_if_exception(lambda error: isinstance(error, Exception) and retryable(error)),
        before_sleep=told,
        sleep=sleep,
        reraise=True,
    )
