"""An application for real servers: it migrates until it is let, streams until the server stops, and breaks where it is told to.

What it is to do is in ``ROOST_TEST_WEB``, as JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from roost import Database, MigrationConfig, MigrationContext, MigrationStep, Runtime, Service
from roost.asgi import Gate, Probes, lifespan, service, stopping
from roost.runtime import RuntimeStartFinished
from tests.plugins.build import BOUND, make_plugin
from tests.plugins.web_server import GATE_KEY

OPTIONS: dict[str, Any] = json.loads(os.environ.get("ROOST_TEST_WEB", "{}"))


def say(text: str) -> None:
    """Tell the test."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


async def hold(ctx: MigrationContext) -> None:
    """Take as long as the test wants."""
    while not await ctx.fetchval("SELECT pg_try_advisory_xact_lock($1)", GATE_KEY):  # noqa: ASYNC110 -- the event is in another process
        await asyncio.sleep(0.01)


class Clock(Service):
    """Asks the database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def stop(self) -> None:
        say("the clock stopped")

    async def now(self) -> str:
        return str(await self._db.fetchval("SELECT now()"))


class Fuse(Service):
    """Crashes when it is lit."""

    def __init__(self) -> None:
        self.lit = asyncio.Event()

    async def run(self) -> None:
        await self.lit.wait()
        raise ValueError("the fuse blew")


steps = [MigrationStep("hold", "Wait for the test", up=hold, version="1.0.0")]
runtime = Runtime(
    plugins=[make_plugin("notes", *steps)],
    services=[Clock, Fuse],
    database=os.environ["DATABASE_URL"],
    config=MigrationConfig(run_lock_timeout=BOUND),
    start_timeout=BOUND,
)


def wrong(event: object) -> None:
    """Be a listener that harms as much as one can."""
    if OPTIONS["listener"] == "hangs":
        time.sleep(1.0)
    else:
        raise ValueError("a wrong listener")


if "listener" in OPTIONS:
    runtime.events.subscribe(wrong, RuntimeStartFinished)


async def now(_request: Request) -> PlainTextResponse:
    return PlainTextResponse(await (await service(Clock)()).now())


async def hello(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def stream(request: Request) -> StreamingResponse:
    """Send something now and then, until the server is asked to stop."""
    size = int(request.query_params.get("size", "1"))

    async def events() -> AsyncIterator[str]:
        stop = stopping(runtime)
        while not stop.is_set():
            yield f"data: {'x' * size}\n\n"
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.001 if size > 1 else 5)

    return StreamingResponse(events(), media_type="text/event-stream")


async def crash(_request: Request) -> PlainTextResponse:
    runtime.get_service(Fuse).lit.set()
    return PlainTextResponse("lit")


@asynccontextmanager
async def own(_app: Starlette) -> AsyncGenerator[Mapping[str, Any]]:
    if OPTIONS.get("own") == "entering":
        raise LookupError("no cache")
    say("the own lifespan is entered")
    yield {}
    say("the own lifespan is left")
    if OPTIONS.get("own") == "leaving":
        raise LookupError("no cache")


app = Starlette(
    routes=[Route("/hello", hello), Route("/now", now), Route("/stream", stream), Route("/crash", crash, methods=["POST"])],
    lifespan=lifespan(runtime, wrap=own, background=OPTIONS.get("background", False), on_crash=OPTIONS.get("on_crash", "exit")),
    middleware=[
        Middleware(Probes, runtime=runtime, check=OPTIONS.get("check", False), details_token="to be told"),
        Middleware(Gate, runtime=runtime, open=("/hello",)),
    ],
)
