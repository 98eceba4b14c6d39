"""Other migration tools, each in its natural way, with the same statements on the same line: ratios to the limit, for information."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias

from benchmarks import candidate, limit_apply, limit_noop, limit_one_message
from benchmarks.databases import Databases, databases
from benchmarks.line import Line, line
from benchmarks.measure import NAME_WIDTH, Note, by_turns, seconds
from benchmarks.statements import small_tables

STEPS = 100
DELAYS = (0.0, 0.005)
"""Seconds each way."""
APPLY_ROUNDS = 2
NOTHING_ROUNDS = 7
HISTORY_ROWS = "SELECT step FROM history LIMIT 1"

Apply: TypeAlias = Callable[[str], Awaitable[object]]
"""Brings the database of a URL to where the statements lead."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one contestant needed on one line: seconds of each round; connections and round trips after their start."""

    seconds: tuple[float, ...]
    counts: tuple[int, int]


async def migrators() -> AsyncIterator[Note]:
    """Measure all by turns, and yield two tables: a cold apply, and a start with nothing to do."""
    statements = small_tables(STEPS)
    one_by_one: Apply = lambda url: limit_apply.apply(url, statements)  # noqa: E731 -- a contestant of one line
    one_message: Apply = lambda url: limit_one_message.apply(url, statements)  # noqa: E731 -- as above
    look: Apply = lambda url: limit_noop.look(url, HISTORY_ROWS)  # noqa: E731 -- as above
    plugin = candidate.make_plugin(statements)
    with tempfile.TemporaryDirectory() as directory:
        tools: dict[str, Apply] = {"roost": lambda url: candidate.migrate(url, plugin), **_prepare(Path(directory), statements)}
        applying: list[dict[str, Found]] = []
        looking: list[dict[str, Found]] = []
        async with databases() as some:
            for delay in DELAYS:
                async with line(await some.empty(), delay=delay) as distance:
                    looking.append(await _nothing(some, distance, tools, limit=one_by_one, look=look))
                    applying.append(await _apply(some, distance, {"one message a step": one_by_one, "one message": one_message, **tools}))
    for row in (*_table(f"cold apply of {STEPS}", applying), *_table(f"nothing to do after {STEPS}", looking)):
        yield row


async def _apply(some: Databases, distance: Line, contestants: Mapping[str, Apply]) -> dict[str, Found]:
    counts: dict[str, tuple[int, int]] = {}

    async def on_empty(name: str) -> float:
        url = distance.to(await some.empty())
        await distance.counts()
        took = await seconds(partial(contestants[name], url))
        counts[name] = await distance.counts()
        return took

    figures = await by_turns({name: partial(on_empty, name) for name in contestants}, rounds=APPLY_ROUNDS)
    return {name: Found(figures[name], counts[name]) for name in contestants}


async def _nothing(some: Databases, distance: Line, tools: Mapping[str, Apply], *, limit: Apply, look: Apply) -> dict[str, Found]:
    jobs: dict[str, Callable[[], Awaitable[float]]] = {}
    counts: dict[str, tuple[int, int]] = {}
    for name, before, apply in (("connect and a COPY", limit, look), *((name, apply, apply) for name, apply in tools.items())):
        url = distance.to(await some.empty())
        await before(url)
        await distance.counts()
        await apply(url)
        counts[name] = await distance.counts()
        jobs[name] = partial(seconds, partial(apply, url))
    figures = await by_turns(jobs, rounds=NOTHING_ROUNDS)
    return {name: Found(figures[name], counts[name]) for name in jobs}


def _table(title: str, found: Sequence[Mapping[str, Found]]) -> list[Note]:
    """Return a table: each contestant's ratios to the first one, and what it counts on the first line."""
    limit = next(iter(found[0]))
    rows = [Note(""), _line(f"{title}, beside {limit}", [*(f"{delay * 1000:.0f} ms" for delay in DELAYS), "trips", "connects"])]
    for name in found[0]:
        cells = [f"{_ratio(one[name], one[limit]):.2f}" for one in found]
        connections, trips = found[0][name].counts
        rows.append(_line(name, [*cells, str(trips), str(connections)]))
    return rows


def _ratio(one: Found, limit: Found) -> float:
    return statistics.median(ours / theirs for ours, theirs in zip(one.seconds, limit.seconds, strict=True))


def _prepare(directory: Path, statements: Sequence[str]) -> dict[str, Apply]:
    from benchmarks.peers import alembic, dbmate, django, trek, yoyo  # noqa: PLC0415 -- all else is measured without what they import

    tools: dict[str, Apply] = {}
    for peer in (alembic, yoyo, django, dbmate, trek):
        own = directory / peer.DISTRIBUTION
        own.mkdir()
        tools[f"{peer.DISTRIBUTION} {version(peer.DISTRIBUTION)}{peer.REMARK}"] = peer.prepare(own, statements)
    return tools


def _line(name: str, cells: Sequence[str]) -> Note:
    return Note(f"{name:<{NAME_WIDTH + 8}}" + "".join(f"{cell:>10}" for cell in cells))
