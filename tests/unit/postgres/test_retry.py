from __future__ import annotations

import anyio
import pytest

from roost.postgres import retrying


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that only notes how long somebody wanted to sleep."""
    noted: list[float] = []

    async def sleep(seconds: float) -> None:
        noted.append(seconds)

    monkeypatch.setattr(anyio, "sleep", sleep)
    return noted


@pytest.mark.asyncio
async def test_waits_grow_up_to_the_longest(waits: list[float]) -> None:
    """Each wait is twice the one before plus a tenth at most, never above the longest plus that tenth; none follows the last attempt."""
    failed: list[int] = []
    with pytest.raises(OSError, match="5"):
        async for attempt in retrying(
            attempts=5, delay=1.0, max_delay=4.0, retryable=lambda _error: True, before_retry=lambda number, _error: failed.append(number)
        ):
            with attempt:
                raise OSError(str(attempt.retry_state.attempt_number))
    assert [int(wait) for wait in waits] == [1, 2, 4, 4]
    assert failed == [1, 2, 3, 4]


@pytest.mark.asyncio
async def test_what_does_not_pass_is_raised_at_once(waits: list[float]) -> None:
    """An error that may not pass, and a cancellation that nobody may judge, end it at the first attempt."""
    for error in (TypeError("x"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught:
            async for attempt in retrying(attempts=3, delay=1.0, max_delay=1.0, retryable=lambda one: isinstance(one, OSError)):
                with attempt:
                    raise error
        assert caught.value is error
    assert waits == []


@pytest.mark.asyncio
async def test_a_budget_of_nothing_is_one_attempt(waits: list[float]) -> None:
    """No attempt begins that the budget does not hold."""
    count = 0
    with pytest.raises(OSError, match="x"):
        async for attempt in retrying(attempts=None, budget=0.0, delay=1.0, max_delay=1.0, retryable=lambda _error: True):
            with attempt:
                count += 1
                raise OSError("x")
    assert (count, waits) == (1, [])
