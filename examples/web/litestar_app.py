"""The notes under Litestar: ``DATABASE_URL=postgresql://… uvicorn examples.web.litestar_app:app``."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

from litestar import Litestar, get, post
from litestar.di import Provide
from litestar.response import ServerSentEvent

from examples.web.notes import Note, Notes, plugin
from roost import MigrationConfig, Runtime
from roost.asgi import Gate, Probes, lifespan, service, service_not_ready, stopping
from roost.errors import ServiceNotReady

# The start includes the migrations, and the wait for a replica that is at them.
runtime = Runtime(
    plugins=[plugin],
    database=os.environ.get("DATABASE_URL"),
    config=MigrationConfig(run_lock_timeout=600.0),
    start_timeout=600.0,
)


@dataclass
class NewNote:
    """What a client sends."""

    body: str


@post("/notes")
async def add(data: NewNote, notes: Notes) -> Note:
    """Keep a note."""
    return await notes.add(data.body)


@get("/notes")
async def latest(notes: Notes, since: int = 0) -> list[Note]:
    """Return the notes behind a number."""
    return await notes.since(since)


@get("/notes/stream")
async def stream(notes: Notes) -> ServerSentEvent:
    """Send each note as it comes, as server-sent events."""

    async def events() -> AsyncIterator[dict[str, str]]:
        async for note in notes.follow(stopping(runtime)):
            yield {"id": str(note.id), "data": note.body}

    return ServerSentEvent(events())


notes_app = Litestar(
    route_handlers=[add, latest, stream],
    dependencies={"notes": Provide(service(Notes))},
    exception_handlers={ServiceNotReady: service_not_ready},
    # The server answers probes, and what needs no service, while the migrations run.
    lifespan=[lifespan(runtime, background=True)],
)

# Around the application, as Litestar's own middleware sees only requests for which there is a route.
app = Probes(Gate(notes_app, runtime=runtime, open=("/schema",)), runtime=runtime, check=True)
