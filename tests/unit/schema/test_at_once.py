from __future__ import annotations

import asyncio

import pytest

from roost.schema import at_once
from tests.plugins.build import BOUND


@pytest.mark.asyncio
async def test_both_are_on_their_way() -> None:
    """Each may wait for the other, and each one's result stands in its own place."""
    here, there = asyncio.Event(), asyncio.Event()

    async def meet(mine: asyncio.Event, other: asyncio.Event, name: str) -> str:
        mine.set()
        await other.wait()
        return name

    async with asyncio.timeout(BOUND):
        assert await at_once(meet(here, there, "first"), meet(there, here, "second")) == ("first", "second")


@pytest.mark.asyncio
async def test_an_error_waits_for_the_other() -> None:
    """Where one fails, the other is still awaited to its end; of two errors the first one's is raised."""
    ended: list[str] = []

    async def fail(name: str) -> None:
        raise ValueError(name)

    async def end() -> None:
        await asyncio.sleep(0)
        ended.append("end")

    with pytest.raises(ValueError, match="only"):
        await at_once(fail("only"), end())
    with pytest.raises(ValueError, match="only"):
        await at_once(end(), fail("only"))
    assert ended == ["end", "end"]
    with pytest.raises(ValueError, match="first"):
        await at_once(fail("first"), fail("second"))


@pytest.mark.asyncio
async def test_a_cancellation_reaches_both() -> None:
    """Whoever cancels it cancels both, and it ends when both have."""
    seen: list[str] = []

    async def wait(name: str) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            seen.append(name)
            raise

    task = asyncio.ensure_future(at_once(wait("first"), wait("second")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(seen) == ["first", "second"]
