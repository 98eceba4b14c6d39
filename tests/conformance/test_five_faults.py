"""The five faults, each in every kind of body and every kind of embedding: one neighbour before it, one after, and nothing left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from roost import Runtime, Service
from roost.errors import DependencyCycle, RuntimeFault, RuntimeStopFailed, ServiceHung, ServiceStartFailed, ServiceTaskCrashed
from roost.testing import run_virtual
from tests.plugins.services import hang, leftover, noting, runtime_of

BROKEN = OSError("the disk is gone")
LIMIT = 0.5
CRASH_AFTER = 3.0
UP = ["+before", "+after", "-after", "-before"]
UNDONE = ["+before", "-before"]
EXPECTED: dict[str, tuple[type[RuntimeFault], list[str], float]] = {
    "a start that fails": (ServiceStartFailed, UNDONE, 0.0),
    "a start that hangs": (ServiceHung, UNDONE, LIMIT),
    "a stop that hangs": (RuntimeStopFailed, UP, 10.0 + LIMIT),
    "a task that crashes": (ServiceTaskCrashed, UP, CRASH_AFTER),
    "a cycle": (DependencyCycle, [], 0.0),
}
"""For each fault the error, what the neighbours noted, and when it was over."""


def faulty(fault: str, body: str, *needs: type[Service]) -> type[Service]:
    """Return the class of a service that has one fault, in one kind of body."""

    async def enter(self: Service) -> None:
        if fault == "a start that fails":
            raise BROKEN
        if fault == "a start that hangs":
            await hang(self)

    async def work(self: Service) -> None:
        if fault == "a task that crashes":
            await asyncio.sleep(CRASH_AFTER)
            raise BROKEN
        await hang(self)

    async def leave(self: Service) -> None:
        if fault == "a stop that hangs":
            await hang(self)

    async def enter_and_work(self: Service) -> None:
        await enter(self)
        self.create_task(work(self))

    @asynccontextmanager
    async def lifespan(self: Service) -> AsyncIterator[None]:
        await enter_and_work(self)
        yield
        await leave(self)

    members: dict[str, dict[str, Any]] = {
        "start and stop": {"start": enter_and_work, "stop": leave},
        "run": {"start": enter, "run": work, "stop": leave},
        "lifespan": {"lifespan": lifespan},
    }
    return noting("faulty", [], *needs, start_timeout=LIMIT, stop_timeout=LIMIT, **members[body])


async def in_a_block(runtime: Runtime) -> None:
    async with runtime:
        await asyncio.sleep(10)


async def by_calls(runtime: Runtime) -> None:
    await runtime.start()
    waiting = asyncio.create_task(runtime.wait())
    await asyncio.wait({waiting}, timeout=10)
    try:
        await runtime.stop()
    finally:
        await waiting


async def from_task_to_task(runtime: Runtime) -> None:
    await asyncio.create_task(runtime.__aenter__())
    await asyncio.wait({asyncio.create_task(runtime.wait())}, timeout=10)
    await asyncio.create_task(runtime.__aexit__(None, None, None))


def circle(log: list[str]) -> Runtime:
    """Return a runtime in which two services need each other, beside a neighbour."""
    one, other = noting("faulty", log, Service), noting("other", log)
    one.__init__.__annotations__["need0"] = other
    other = noting("other", log, one)
    one.__init__.__annotations__["need0"] = other
    return runtime_of(one, other, noting("before", log))


@pytest.mark.parametrize("embedding", [in_a_block, by_calls, from_task_to_task])
@pytest.mark.parametrize("body", ["start and stop", "run", "lifespan"])
@pytest.mark.parametrize("fault", list(EXPECTED))
def test_five_faults(fault: str, body: str, embedding: Callable[[Runtime], Awaitable[None]]) -> None:
    """The error names the service and leads to its cause, comes in time, neighbours are stopped in reverse, and no task is left."""
    log: list[str] = []

    async def live() -> tuple[RuntimeFault, float, list[str]]:
        before = noting("before", log)
        broken = faulty(fault, body, before)
        runtime = circle(log) if fault == "a cycle" else runtime_of(noting("after", log, broken), broken, before)
        with pytest.raises(RuntimeFault) as caught:
            await embedding(runtime)
        return caught.value, asyncio.get_running_loop().time(), leftover()

    kind, noted, over = EXPECTED[fault]
    error, time, left = run_virtual(live())
    assert (type(error), log, left) == (kind, noted, [])
    assert time == pytest.approx(over)
    assert "faulty" in str(error)
    if fault in ("a start that fails", "a task that crashes"):
        assert error.__cause__ is BROKEN
    if "hangs" in fault:
        assert "in hang" in str(error)
