"""Who can give N trivial services a life, a start and a stop, and how long that takes."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeAlias

from benchmarks import trivial
from roost import Runtime, Service

Life: TypeAlias = Callable[[], Awaitable[None]]
"""Starts services and stops them; once."""
Prepare: TypeAlias = Callable[[int], Life]
"""Constructs that many services, and whatever looks after them."""

SAMPLE = 1000
"""A sample is of so many services at least: few services live so often, each time anew, that the clock sees them."""


async def each(prepare: Prepare, count: int) -> float:
    """Return the seconds that a service's start and stop take, without its construction.

    Raises:
        AssertionError: Not every service was started and stopped.
    """
    lives = [prepare(count) for _ in range(max(1, SAMPLE // count))]
    gc.collect()
    trivial.tally.started = trivial.tally.stopped = 0
    began = time.perf_counter()
    for live in lives:
        await live()
    took = time.perf_counter() - began
    assert trivial.tally == trivial.Tally(len(lives) * count, len(lives) * count), trivial.tally
    return took / (len(lives) * count)


async def construction(prepare: Prepare, count: int) -> float:
    """Return the seconds that it takes to construct a service with its share of what looks after it."""
    began = time.perf_counter()
    lives = [prepare(count) for _ in range(max(1, SAMPLE // count))]
    return (time.perf_counter() - began) / (len(lives) * count)


def roost(count: int) -> Life:
    """Construct a runtime of services that need nothing."""
    return _runtime(trivial.flat(count))


def roost_chain(count: int) -> Life:
    """Construct a runtime of services that each need the one before."""
    return _runtime(trivial.chain(count))


def gather(count: int) -> Life:
    """Construct the same services, for `asyncio.gather`."""
    return partial(_gather, [cls() for cls in trivial.flat(count)])


def bare_loop(count: int) -> Life:
    """Construct the same services, for one await after another."""
    return partial(_bare_loop, [cls() for cls in trivial.flat(count)])


def _runtime(classes: Sequence[type[Service]]) -> Life:
    runtime = Runtime(services=classes)
    runtime.plan()
    return partial(_start_and_stop, runtime)


async def _start_and_stop(runtime: Runtime) -> None:
    await runtime.start()
    await runtime.stop()


async def _gather(services: Sequence[Service]) -> None:
    await asyncio.gather(*[service.start() for service in services])
    await asyncio.gather(*[service.stop() for service in services])


async def _bare_loop(services: Sequence[Service]) -> None:
    for service in services:
        await service.start()
    for service in reversed(services):
        await service.stop()
