"""Many processes that start at once: on an empty database, and on one where nothing is to be done."""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg

from benchmarks.databases import Databases, databases
from benchmarks.line import line
from benchmarks.measure import Comparison, Note, Row
from benchmarks.statements import EFFECTS

GOAL = 1.2
COUNTS = (8, 32)
STEPS = 50
DELAY = 0.005
NOTHING_TO_DO_RUNS = 3


@dataclass(frozen=True, slots=True)
class Race:
    """One race, in seconds since the start was given.

    Attributes:
        first: When the first one was ready.
        last: When the last one was.
        to_the_line: How long they all took, before that, to start and to import.
    """

    first: float
    last: float
    to_the_line: float


async def processes(runs: int) -> AsyncIterator[Row]:
    """Let roost and the limit run by turns, so often; every process must come in, and every step be done once."""
    async with databases() as some:
        for count in COUNTS:
            async for row in _on_empty(some, count, runs=runs):
                yield row
        yield await _with_nothing_to_do(some, runs=min(runs, NOTHING_TO_DO_RUNS))


async def _on_empty(some: Databases, count: int, *, runs: int) -> AsyncIterator[Row]:
    races: dict[str, list[Race]] = {"roost": [], "raw": []}
    for number in range(runs):
        for who in races if number % 2 == 0 else reversed(list(races)):
            url = await some.empty()
            races[who].append(await race(who, url, count))
            await _assert_each_step_once(url)
    yield Comparison(
        name=f"{count} processes at once, {STEPS} steps, beside a lock",
        goal=GOAL,
        candidate=tuple(one.last for one in races["roost"]),
        limit=tuple(one.last for one in races["raw"]),
    )
    yield Comparison(
        name=f"{count} processes at once, with their start",
        goal=None,
        candidate=tuple(one.to_the_line + one.last for one in races["roost"]),
        limit=tuple(one.to_the_line + one.last for one in races["raw"]),
    )
    spread = {who: statistics.median(one.last - one.first for one in them) * 1000 for who, them in races.items()}
    yield Note(
        f"{count} processes: in {runs} runs of {runs} all came in and each step was done once; "
        f"the last one was ready {spread['roost']:.0f} ms after the first, under the lock {spread['raw']:.0f} ms"
    )


async def _with_nothing_to_do(some: Databases, *, runs: int) -> Comparison:
    count, url = COUNTS[-1], await some.empty()
    async with line(url, delay=DELAY) as distance:
        await race("roost", url, 1)
        pairs = [(await race("roost", distance.to(url), count), await race("roost", distance.to(url), 1)) for _ in range(runs)]
    return Comparison(
        name=f"{count} processes, nothing to do, {DELAY * 1000:.0f} ms, beside one",
        goal=None,
        candidate=tuple(many.last for many, _ in pairs),
        limit=tuple(one.last for _, one in pairs),
    )


async def race(who: str, url: str, count: int) -> Race:
    """Let so many processes start at once, after they have imported what they need.

    Raises:
        AssertionError: One of them failed.
    """
    began = time.monotonic()
    racers = [await _racer(who, url) for _ in range(count)]
    try:
        said = await asyncio.gather(*(_said(racer) for racer in racers))
        assert said == ["at the line"] * count, said
        to_the_line = time.monotonic() - began
        started = time.monotonic()
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write(b"go\n")
        ready = [float(line or "nan") - started for line in await asyncio.gather(*(_said(racer) for racer in racers))]
        codes = [await racer.wait() for racer in racers]
    finally:
        for racer in racers:
            if racer.returncode is None:
                racer.kill()
    assert codes == [0] * count, codes
    return Race(first=min(ready), last=max(ready), to_the_line=to_the_line)


async def _racer(who: str, url: str) -> Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "benchmarks.racer", who, url, str(STEPS), stdin=PIPE, stdout=PIPE)


async def _said(racer: Process) -> str:
    assert racer.stdout is not None
    return (await racer.stdout.readline()).decode().strip()


async def _assert_each_step_once(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        found = [row["step"] for row in await connection.fetch(f"SELECT step FROM {EFFECTS} ORDER BY step")]
    finally:
        connection.terminate()
    assert found == list(range(STEPS)), found
