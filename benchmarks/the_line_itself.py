"""What the proxy costs that adds nothing, and how near the others come to the delay that they were asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial

import asyncpg

from benchmarks import limit_apply
from benchmarks.databases import Databases
from benchmarks.line import line
from benchmarks.measure import Comparison, by_turns, seconds
from benchmarks.statements import small_tables

STEPS = 100
ROUNDS = 9
TRIPS = 30


async def the_line_itself(some: Databases, delays: Sequence[float]) -> AsyncIterator[Comparison]:
    """Compare one job through the proxy and without it, and each delayed trip with a trip through the proxy and what was asked."""
    url = await some.empty()
    async with line(url, delay=0) as near:
        jobs = {"through": partial(_apply, some, near.to), "direct": partial(_apply, some, str)}
        figures = await by_turns(jobs, rounds=ROUNDS)
        yield Comparison(name="the limit through the proxy, beside none", goal=None, candidate=figures["through"], limit=figures["direct"])
        for delay in delays:
            async with line(url, delay=delay) as distance:
                trips = {"late": partial(_trip, distance.to(url)), "near": partial(_trip, near.to(url))}
                figures = await by_turns(trips, rounds=ROUNDS)
            yield Comparison(
                name=f"a round trip, {delay * 1000:.0f} ms each way, beside that",
                goal=None,
                candidate=figures["late"],
                limit=tuple(took + 2 * delay for took in figures["near"]),
            )


async def _apply(some: Databases, to: Callable[[str], str]) -> float:
    url = to(await some.empty())
    return await seconds(partial(limit_apply.apply, url, small_tables(STEPS)))


async def _trip(url: str) -> float:
    """Return the seconds of one trip, of many on one connection."""
    connection = await asyncpg.connect(url)
    try:

        async def ask() -> None:
            for _ in range(TRIPS):
                await connection.execute("SELECT 1")

        return await seconds(ask) / TRIPS
    finally:
        connection.terminate()
