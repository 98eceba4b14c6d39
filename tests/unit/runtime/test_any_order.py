"""Random services under random calls at random moments: whatever the order, nothing is up or left afterwards, and nothing is lost."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from roost import Plugin, Runtime, Service
from roost.errors import RuntimeFault
from roost.runtime import Restart
from roost.testing import run_virtual
from tests.plugins.services import leftover, noting

SEEDS = range(250)


def random_service(name: str, chance: random.Random, up: Counter[str], *needs: type[Service]) -> type[Service]:
    """Return a service class that may be slow, fail or crash, in one of the bodies; `up` counts its starts less its stops."""
    starts, stops = (chance.choice([0, 0, 0.5, 2]) for _ in range(2))
    fails_start, fails_stop = (chance.random() < 0.1 for _ in range(2))
    crashes_after = chance.choice([None, None, 0, 0.2, 1.5, 4])

    async def begin(_self: Service) -> None:
        await asyncio.sleep(starts)
        if fails_start and chance.random() < 0.5:
            raise OSError(f"start of {name}")
        up[name] += 1

    async def work(_self: Service) -> None:
        if crashes_after is None:
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(crashes_after or 0)
        raise OSError(f"crash of {name}")

    async def end(_self: Service) -> None:
        up[name] -= 1
        await asyncio.sleep(stops)
        if fails_stop:
            raise OSError(f"stop of {name}")

    async def begin_and_work(self: Service) -> None:
        self.create_task(work(self))
        await begin(self)

    @asynccontextmanager
    async def lifespan(self: Service) -> AsyncIterator[None]:
        await begin(self)
        self.create_task(work(self))
        try:
            yield
        finally:
            await end(self)

    bodies: list[dict[str, Any]] = [
        {"start": begin, "stop": end},
        {"start": begin, "run": work, "stop": end},
        {"start": begin_and_work, "stop": end},
        {"lifespan": lifespan},
    ]
    on_crash = chance.choice(["stop", "degrade", Restart(at_most=chance.choice([0, 1, 3]), delay=chance.choice([0, 0.5, 3]))])
    return noting(name, [], *needs, **chance.choice(bodies), on_crash=on_crash)


async def any_order(seed: int) -> list[str]:
    """Make a runtime and plugins, call them at random moments, stop, and return what is wrong."""
    chance = random.Random(seed)  # noqa: S311 -- orders to try, no secrets
    wrong: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _loop, context: wrong.append(f"{context['message']} {context.get('exception')!r}")
    )
    up: Counter[str] = Counter()
    own: list[type[Service]] = []
    for number in range(chance.randrange(1, 5)):
        own.append(random_service(f"s{number}", chance, up, *chance.sample(own, min(len(own), chance.randrange(3)))))
    plugins = [Plugin(f"p{number}", services=[random_service(f"x{number}", chance, up, chance.choice(own))]) for number in range(2)]
    runtime = Runtime(services=own)

    async def use() -> None:
        async with runtime:
            await asyncio.sleep(chance.choice([0, 1, 5]))

    wishes: list[Callable[[], Awaitable[None]]] = [
        runtime.start,
        runtime.stop,
        use,
        lambda: runtime.load_plugin(chance.choice(plugins)),
        lambda: runtime.unload_plugin(chance.choice(plugins).name),
    ]

    async def wish() -> None:
        await chance.choice(wishes)()

    calls = []
    for _ in range(chance.randrange(2, 9)):
        calls.append(asyncio.create_task(wish()))
        for _ in range(chance.randrange(8)):
            await asyncio.sleep(0)
        if chance.random() < 0.6:
            await asyncio.sleep(chance.choice([0.1, 0.5, 1, 2.3]))
        if chance.random() < 0.3:
            calls[-1].cancel()
    _, hanging = await asyncio.wait(calls, timeout=1000)
    wrong += [f"hangs: {call!r}" for call in hanging]
    await asyncio.gather(runtime.stop(), return_exceptions=True)
    raised = [call.exception() for call in calls if call.done() and not call.cancelled()]
    wrong += [f"raised {error!r}" for error in raised if error is not None and not isinstance(error, RuntimeFault)]
    wrong += [f"{name} is up {count} times" for name, count in up.items() if count]
    wrong += [f"{unit.name} is {unit.state}" for unit in runtime.status() if unit.state not in ("new", "failed", "stopped", "abandoned")]
    wrong += [f"left: {name}" for name in leftover()]
    return wrong


@pytest.mark.parametrize("part", range(5))
def test_any_order_of_anything(part: int) -> None:
    """For each seed: every call ends, with an error of roost's own or none; all is stopped as often as it was started; no task is left."""
    found = {seed: run_virtual(any_order(seed)) for seed in SEEDS if seed % 5 == part}
    assert {seed: wrong for seed, wrong in found.items() if wrong} == {}
