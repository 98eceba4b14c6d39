"""The notes under Starlette: ``DATABASE_URL=postgresql://… uvicorn examples.web.starlette_app:app``."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import asdict

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from examples.web.notes import Notes, plugin
from roost import MigrationConfig, Runtime
from roost.asgi import Gate, Probes, lifespan, stopping

# The start includes the migrations, and the wait for a replica that is at them.
runtime = Runtime(
    plugins=[plugin],
    database=os.environ.get("DATABASE_URL"),
    config=MigrationConfig(run_lock_timeout=600.0),
    start_timeout=600.0,
)


async def add(request: Request) -> JSONResponse:
    """Keep a note."""
    try:
        body = (await request.json())["body"]
    except (ValueError, TypeError, KeyError) as error:
        raise HTTPException(422, 'send {"body": "…"}') from error
    if not isinstance(body, str) or not body:
        raise HTTPException(422, "the body of a note is a text that isn't empty")
    return JSONResponse(asdict(await runtime.get_service(Notes).add(body)), status_code=201)


async def latest(request: Request) -> JSONResponse:
    """Return the notes behind a number."""
    try:
        since = int(request.query_params.get("since", "0"))
    except ValueError as error:
        raise HTTPException(422, "since is the number of a note") from error
    return JSONResponse([asdict(note) for note in await runtime.get_service(Notes).since(since)])


async def stream(_request: Request) -> StreamingResponse:
    """Send each note as it comes, as server-sent events."""

    async def events() -> AsyncIterator[str]:
        async for note in runtime.get_service(Notes).follow(stopping(runtime)):
            yield f"id: {note.id}\ndata: {note.body}\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


app = Starlette(
    routes=[Route("/notes", add, methods=["POST"]), Route("/notes", latest), Route("/notes/stream", stream)],
    # The server answers probes, and what needs no service, while the migrations run.
    lifespan=lifespan(runtime, background=True),
    middleware=[Middleware(Probes, runtime=runtime, check=True), Middleware(Gate, runtime=runtime)],
)
