"""Several runs at once, each on a line of its own with delays that a seed decides, and one of the lines breaks."""

from __future__ import annotations

import asyncio
import contextlib
import random
from functools import partial

from roost.errors import MigrationLockLost, RoostError, SessionLost
from roost.testing import Fault, FaultKind, FaultProxy
from tests.crash import reference_plan as plan
from tests.crash.cases import Baseline, Case, Place

RUNS = 3
LONGEST_DELAY = 0.002
"""Seconds; most messages are kept back for less."""

BREAKS: tuple[FaultKind, ...] = ("reset", "swallow", "cut")
HURT = (SessionLost,)
"""How a run may end whose line was broken."""


def schedules(base: Baseline, count: int) -> list[Case]:
    """Return so many races of three runs."""
    return [
        Case(kind=f"{base.line}schedules", name=f"{base.line}schedule {seed}", attempt=partial(_race, base, seed))
        for seed in range(1, count + 1)
    ]


def rollbacks(base: Baseline, count: int) -> list[Case]:
    """Return so many races in which one of the runs undoes what the others do."""
    return [
        Case(kind=f"{base.line}rollbacks", name=f"{base.line}rollback {seed}", attempt=partial(_race_with_rollback, base, seed))
        for seed in range(1, count + 1)
    ]


async def _race(base: Baseline, seed: int, place: Place) -> str:
    chance = random.Random(f"schedule {seed}")
    broken = Fault(kind=chance.choice(BREAKS), at=chance.randint(1, len(base.messages) + 10))
    async with contextlib.AsyncExitStack() as lines:
        proxies = [
            await lines.enter_async_context(FaultProxy(place.url, *((broken,) if number == 0 else ()), delay=_delay(seed, number)))
            for number in range(RUNS)
        ]
        ends = await asyncio.gather(*[plan.migrate_whole(proxy.url, look_at=place.direct) for proxy in proxies], return_exceptions=True)
    found = [
        f"run {number} raised {type(end).__name__}: {end}"
        for number, end in enumerate(ends)
        if isinstance(end, BaseException) and not (number == 0 and isinstance(end, HURT))
    ]
    await plan.migrate(place.url)
    found += await plan.violations(place.direct, expected=base.catalogue, is_pooled=place.is_pooled)
    return f"{broken}{' fired' if proxies[0].fired else ' [never]'}: {'; '.join(found) or 'ok'}"


async def _race_with_rollback(base: Baseline, seed: int, place: Place) -> str:
    await plan.migrate(place.url)
    await plan.unsettle(place.direct)
    async with contextlib.AsyncExitStack() as lines:
        proxies = [await lines.enter_async_context(FaultProxy(place.url, delay=_delay(seed, number))) for number in range(RUNS)]
        ends = await asyncio.gather(
            plan.roll_back(proxies[0].url), plan.roll_back(proxies[1].url), plan.migrate(proxies[2].url), return_exceptions=True
        )
    # Without a lock for the whole run, a rollback may find that another one was quicker; it says so, and undoes nothing.
    found = [
        f"run {number} raised {type(end).__name__}: {end}"
        for number, end in enumerate(ends)
        if isinstance(end, BaseException) and not (place.is_pooled and number < 2 and isinstance(end, MigrationLockLost))
    ]
    await plan.migrate(place.url)
    found += await plan.violations(place.direct, expected=base.catalogue, is_pooled=place.is_pooled, again=(plan.ROLLED_BACK,))
    kinds = ", ".join(type(end).__name__ if isinstance(end, RoostError) else "returned" for end in ends)
    return f"{kinds}: {'; '.join(found) or 'ok'}"


def _delay(seed: int, number: int) -> partial[float]:
    return partial(random.Random(f"line {seed} {number}").triangular, 0.0, LONGEST_DELAY, 0.0)
