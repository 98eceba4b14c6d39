from __future__ import annotations

import asyncio

import pytest

from roost.testing import Stepper


async def three_waits(log: list[str]) -> str:
    for name in ("a", "b", "c"):
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            log.append(f"cancelled at {name}")
            await asyncio.sleep(0)
            raise
        log.append(name)
        await already_done()
    return "done"


async def already_done() -> None:
    """Awaits without being suspended."""


@pytest.mark.asyncio
async def test_it_counts_real_suspensions() -> None:
    """Awaits that do not suspend are not counted, and the result is the coroutine's."""
    log: list[str] = []
    stepper = Stepper(three_waits(log))
    assert (await stepper, stepper.suspensions, log, stepper.has_acted) == ("done", 3, ["a", "b", "c"], False)


@pytest.mark.asyncio
@pytest.mark.parametrize(("at", "expected"), [(1, ["cancelled at a"]), (2, ["a", "cancelled at b"]), (3, ["a", "b", "cancelled at c"])])
async def test_it_acts_at_the_chosen_suspension(at: int, expected: list[str]) -> None:
    """A cancellation strikes exactly there, and the coroutine's own clean-up is awaited."""
    log: list[str] = []

    async def stepped() -> None:
        task = asyncio.current_task()
        assert task is not None
        stepper = Stepper(three_waits(log), at=at, act=task.cancel)
        try:
            await stepper
        finally:
            assert stepper.has_acted
            assert stepper.suspensions == at + 1

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(stepped())
    assert log == expected


@pytest.mark.asyncio
async def test_beyond_the_last_suspension_it_never_acts() -> None:
    """So an enumeration knows where to end."""
    stepper = Stepper(three_waits([]), at=4, act=pytest.fail)
    assert (await stepper, stepper.has_acted) == ("done", False)


@pytest.mark.asyncio
async def test_errors_pass() -> None:
    """What the coroutine raises comes to who awaits it."""

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await Stepper(fails())
