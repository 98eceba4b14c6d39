"""A start that finds everything applied: beside connect and one COPY, and whatever the number of steps and plugins."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial

from benchmarks import candidate, limit_noop
from benchmarks.databases import Databases, databases
from benchmarks.line import Line, line
from benchmarks.many_applied import many_applied
from benchmarks.measure import TRIPS, Comparison, Row, at_most, compare, seconds
from benchmarks.statements import small_tables
from roost import Plugin

GOAL = 1.3
ROUNDS = 61
DISTANCES = {0.001: 31, 0.005: 15}
"""Rounds, for each delay that a line adds each way, in seconds."""


async def nothing_to_do() -> AsyncIterator[Row]:
    """Compare for some numbers of steps and plugins, near and far, and for very many steps beside a few."""
    cases = {
        "1 step": [candidate.make_plugin(small_tables(1))],
        "100 steps": [candidate.make_plugin(small_tables(100))],
        "1,000 steps": [candidate.make_plugin(small_tables(1000))],
        "50 plugins": [candidate.make_plugin([f"CREATE TABLE of_plugin{number} ()"], name=f"plugin{number}") for number in range(50)],
    }
    async with databases() as some:
        async with line(await some.empty(), delay=0) as near:
            for name, plugins in cases.items():
                url = await some.empty()
                await candidate.migrate(url, *plugins)
                yield await _trips(name, url, plugins, near)
                yield await _beside_copy(f"nothing to do, {name}", url, plugins, rounds=ROUNDS)
        async for row in _far(some, cases["100 steps"]):
            yield row
        async for row in many_applied(some):
            yield row


async def _far(some: Databases, plugins: Sequence[Plugin]) -> AsyncIterator[Comparison]:
    url = await some.empty()
    await candidate.migrate(url, *plugins)
    for delay, rounds in DISTANCES.items():
        async with line(url, delay=delay) as distance:
            yield await _beside_copy(f"nothing to do, 100 steps, {delay * 1000:.0f} ms", distance.to(url), plugins, rounds=rounds)


async def _trips(name: str, url: str, plugins: Sequence[Plugin], near: Line) -> Comparison:
    """Count those of an open session; the limit's count proves that the counter is right."""
    await limit_noop.look(near.to(url), limit_noop.HEAD_ROWS)
    found = await near.counts()
    assert found == (1, limit_noop.TRIPS), found
    await candidate.migrate(near.to(url), *plugins)
    _, trips = await near.counts()
    return at_most(f"nothing to do, {name}, round trips", trips, limit_noop.TRIPS, unit=TRIPS)


async def _beside_copy(name: str, url: str, plugins: Sequence[Plugin], *, rounds: int) -> Comparison:
    return await compare(
        f"{name}, beside a COPY",
        goal=GOAL,
        candidate=partial(seconds, partial(candidate.migrate, url, *plugins)),
        limit=partial(seconds, partial(limit_noop.look, url, limit_noop.HEAD_ROWS)),
        rounds=rounds,
    )
