"""The notes under FastAPI: ``DATABASE_URL=postgresql://… uvicorn examples.web.fastapi_app:app``."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from examples.web.notes import Note, Notes, plugin
from roost import MigrationConfig, Runtime
from roost.asgi import Gate, Probes, lifespan, service, stopping

# The start includes the migrations, and the wait for a replica that is at them.
runtime = Runtime(
    plugins=[plugin],
    database=os.environ.get("DATABASE_URL"),
    config=MigrationConfig(run_lock_timeout=600.0),
    start_timeout=600.0,
)

# The server answers probes, and what needs no service, while the migrations run.
app = FastAPI(title="Notes", lifespan=lifespan(runtime, background=True))
app.add_middleware(Gate, runtime=runtime, open=("/docs", "/openapi.json"))
app.add_middleware(Probes, runtime=runtime, check=True)

NotesOfRuntime = Annotated[Notes, Depends(service(Notes))]


class NewNote(BaseModel):
    """What a client sends."""

    body: str = Field(min_length=1, max_length=10_000)


@app.post("/notes", status_code=201)
async def add(note: NewNote, notes: NotesOfRuntime) -> Note:
    """Keep a note."""
    return await notes.add(note.body)


@app.get("/notes")
async def latest(notes: NotesOfRuntime, since: int = 0) -> list[Note]:
    """Return the notes behind a number."""
    return await notes.since(since)


@app.get("/notes/stream")
async def stream(notes: NotesOfRuntime) -> StreamingResponse:
    """Send each note as it comes, as server-sent events."""

    async def events() -> AsyncIterator[str]:
        async for note in notes.follow(stopping(runtime)):
            yield f"id: {note.id}\ndata: {note.body}\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")
