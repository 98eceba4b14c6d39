"""The plugin that the three servers share: a table of notes, and the service that keeps them. It knows no web framework."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

from roost import Database, MigrationStep, Plugin, PluginMigrationService, Service


class NotesMigrations(PluginMigrationService):
    """Makes the table of notes."""

    service_name = "notes-migration"
    steps = (
        MigrationStep(
            "make-notes",
            "Make the table of notes",
            up="CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text NOT NULL)",
            down="DROP TABLE notes",
            version="1.0.0",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One note."""

    id: int
    body: str


class Notes(Service):
    """Keeps notes."""

    def __init__(self, db: Database) -> None:
        """Take the database; the runtime gives it."""
        self._db = db
        self._added = asyncio.Condition()

    async def add(self, body: str) -> Note:
        """Keep a note."""
        number = await self._db.fetchval("INSERT INTO notes (body) VALUES ($1) RETURNING id", body)
        async with self._added:
            self._added.notify_all()
        return Note(id=number, body=body)

    async def since(self, number: int = 0, *, limit: int = 100) -> list[Note]:
        """Return the notes behind a number, the oldest first."""
        rows = await self._db.fetch("SELECT id, body FROM notes WHERE id > $1 ORDER BY id LIMIT $2", number, limit)
        return [Note(id=row["id"], body=row["body"]) for row in rows]

    async def follow(self, until: asyncio.Event) -> AsyncIterator[Note]:
        """Yield every note, and then each new one of this process, until an event is set.

        A server that is to stop waits for its open streams: so one has to end by itself, and `roost.asgi.stopping` says when.
        """
        number = 0
        while not until.is_set():
            for note in await self.since(number):
                number = note.id
                yield note
            await self._news(until)

    async def _news(self, until: asyncio.Event) -> None:
        async def added() -> None:
            async with self._added:
                await self._added.wait()

        waits = [asyncio.ensure_future(added()), asyncio.ensure_future(until.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            for wait in waits:
                with suppress(asyncio.CancelledError):
                    await wait


plugin = Plugin("notes", version="1.0.0", description="Keeps notes", services=[NotesMigrations, Notes])
