"""What it costs to be traced and measured by OpenTelemetry's API where no SDK takes anything."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from functools import partial

from benchmarks import candidate
from benchmarks.databases import Databases, databases
from benchmarks.measure import Comparison, Row, by_turns, compare, seconds
from benchmarks.statements import small_tables
from roost import MigrationOrchestrator, Plugin, Runtime
from roost.telemetry import measure_with_opentelemetry, trace_with_opentelemetry

STEPS = 100
ROUNDS = 15
REPEATS = 20
API_GOAL = 1.02


async def telemetry() -> AsyncIterator[Row]:
    """Compare a cold apply with itself: with its events told to the listeners once more, and with the listeners in place."""
    plugin = candidate.make_plugin(small_tables(STEPS))
    async with databases() as some:
        yield await listeners_alone(some, plugin)
        yield await compare(
            f"cold apply, {STEPS} steps, OpenTelemetry, no SDK",
            goal=None,  # what one apply differs from the next by is far more
            candidate=partial(_apply, some, plugin, is_watched=True),
            limit=partial(_apply, some, plugin, is_watched=False),
            rounds=ROUNDS,
        )


async def listeners_alone(some: Databases, plugin: Plugin) -> Comparison:
    """Add to the seconds of each apply those that the listeners take for its events: they are called one after another, and awaited."""
    runtime, events = Runtime(plugins=[plugin], database=await some.empty()), list[object]()
    runtime.events.subscribe(events.append)
    await MigrationOrchestrator(runtime).run_all_migrations()
    assert len(events) >= 2 * STEPS, len(events)

    async def replayed() -> float:
        return _replay(runtime, events)

    runtime = _watched(Runtime(plugins=[plugin], database=runtime.database))
    figures = await by_turns({"apply": partial(_apply, some, plugin, is_watched=False), "replay": replayed}, rounds=ROUNDS)
    together = tuple(apply + replay for apply, replay in zip(figures["apply"], figures["replay"], strict=True))
    name = f"cold apply, {STEPS} steps, and OpenTelemetry's API"
    return Comparison(name=name, goal=API_GOAL, candidate=together, limit=figures["apply"])


def _replay(runtime: Runtime, events: Sequence[object]) -> float:
    """Return how long it takes to tell these events once."""
    started = time.perf_counter()
    for _ in range(REPEATS):
        for event in events:
            runtime.events.emit(event)
    return (time.perf_counter() - started) / REPEATS


async def _apply(some: Databases, plugin: Plugin, *, is_watched: bool) -> float:
    runtime = Runtime(plugins=[plugin], database=await some.empty())
    if is_watched:
        _watched(runtime)
    return await seconds(MigrationOrchestrator(runtime).run_all_migrations)


def _watched(runtime: Runtime) -> Runtime:
    trace_with_opentelemetry(runtime)
    measure_with_opentelemetry(runtime)
    return runtime
