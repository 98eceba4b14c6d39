"""What the gate and the probes cost: each request through them, and the answer of a probe while migrations run."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from benchmarks import candidate
from benchmarks.databases import Databases, databases
from benchmarks.measure import MICROSECONDS_EACH, MILLISECONDS, Comparison, Row, at_most, compare
from benchmarks.statements import small_tables
from roost import Runtime
from roost.asgi import Gate, Probes
from roost.migrations import MigrationProgress

GATE_GOAL = 1.05
PROGRESS_GOAL = 1.02
MOST_SECONDS = 0.05
"""Within so long a probe answers 99 times out of a hundred while a run goes on."""
REQUESTS = 200
ROUNDS = 301
STEPS = 200
STEP_ROUNDS = 7

Scope = dict[str, Any]
SCOPE: Scope = {
    "type": "http", "method": "GET", "path": "/", "raw_path": b"/", "root_path": "", "query_string": b"", "scheme": "http",
    "headers": [(b"host", b"localhost")], "http_version": "1.1", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
    "asgi": {"version": "3.0"},
}  # fmt: skip


async def gate() -> AsyncIterator[Row]:
    """Compare requests through the gate, and through gate and probes, with those of the bare application; then look at a run."""
    async with Runtime() as runtime:
        guarded, probed = Middleware(Gate, runtime=runtime), Middleware(Probes, runtime=runtime)
        bare = _requests(_app())
        name = "request of Starlette, through"
        yield await _beside(f"{name} the gate", _requests(_app(guarded)), bare, goal=GATE_GOAL)
        yield await _beside(f"{name} probes and gate", _requests(_app(probed, guarded)), bare, goal=None)
    async with databases() as some:
        yield await _listening(some)
        yield await _probing(some)


def _app(*middleware: Middleware) -> Starlette:
    async def hello(_request: Request) -> JSONResponse:
        return JSONResponse({"message": "Hello, world!"})

    return Starlette(routes=[Route("/", hello)], middleware=middleware)


def _requests(app: Any) -> Callable[[], Awaitable[float]]:  # noqa: ANN401 -- an ASGI application of anybody's
    async def receive() -> Scope:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_message: object) -> None:
        pass

    async def timed() -> float:
        began = time.process_time()  # nothing here waits, and what else the machine does is not counted
        for _ in range(REQUESTS):
            await app(SCOPE.copy(), receive, send)
        return (time.process_time() - began) / REQUESTS

    return timed


async def _beside(
    name: str, ours: Callable[[], Awaitable[float]], theirs: Callable[[], Awaitable[float]], *, goal: float | None
) -> Comparison:
    return await compare(name, goal=goal, candidate=ours, limit=theirs, rounds=ROUNDS, unit=MICROSECONDS_EACH)


async def _listening(some: Databases) -> Comparison:
    """Compare a run whose progress is kept with one that nobody listens to."""
    plugin = candidate.make_plugin(small_tables(STEPS))

    def timed(*, kept: bool) -> Callable[[], Awaitable[float]]:
        async def apply() -> float:
            url = await some.empty()
            runtime = Runtime(plugins=[plugin], database=url)
            progress = MigrationProgress(runtime.events) if kept else None
            began = time.perf_counter()
            async with runtime:
                took = time.perf_counter() - began
            if progress is not None and progress.standing.steps != STEPS:
                raise AssertionError(progress.standing)
            return took

        return apply

    name = f"cold start, {STEPS:,} steps, with its progress kept"
    return await compare(name, goal=PROGRESS_GOAL, candidate=timed(kept=True), limit=timed(kept=False), rounds=STEP_ROUNDS)


async def _probing(some: Databases) -> Comparison:
    """Ask a probe again and again while steps run in the same event loop."""
    runtime = Runtime(plugins=[candidate.make_plugin(small_tables(STEPS))], database=await some.empty())
    app = Probes(_app(), runtime=runtime)
    sent: list[Scope] = []

    async def receive() -> Scope:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Scope) -> None:
        sent.append(message)

    took: list[float] = []
    starting = asyncio.create_task(runtime.start())
    while not starting.done():
        due = time.perf_counter() + 0.002
        await asyncio.sleep(0.002)
        await app({**SCOPE, "path": "/readyz"}, receive, send)
        # From when it was due: also what the loop was held up by something else is the client's wait.
        took.append(time.perf_counter() - due)
    await starting
    await runtime.stop()
    percentile = statistics.quantiles(took, n=100)[98]
    return at_most(f"/readyz while {STEPS:,} steps run, 99 of 100", percentile, MOST_SECONDS, unit=MILLISECONDS)
