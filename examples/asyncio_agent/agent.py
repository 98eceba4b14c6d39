"""An agent on plain asyncio: it answers each note, once, however many of it run."""

from __future__ import annotations

import asyncio

from examples.web.notes import plugin as notes
from roost import Database, MigrationStep, Plugin, PluginMigrationService, Runtime, Service

SECONDS_BETWEEN_LOOKS = 0.5

# Notes that another agent has in hand are locked, and passed over.
_ANSWER = """
    WITH one AS (
        SELECT id, body FROM notes WHERE NOT EXISTS (SELECT FROM answers WHERE note = notes.id)
        ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    INSERT INTO answers (note, body) SELECT id, 'I have read: ' || body FROM one ON CONFLICT DO NOTHING RETURNING note
"""


class AgentMigrations(PluginMigrationService):
    """Makes the table of answers, once the one of notes is there."""

    service_name = "agent-migration"
    steps = (
        MigrationStep(
            "make-answers",
            "Make the table of answers",
            up="CREATE TABLE answers (note bigint PRIMARY KEY REFERENCES notes, body text NOT NULL)",
            down="DROP TABLE answers",
            version="1.0.0",
            requires=("notes:make-notes",),
        ),
    )


class Agent(Service):
    """Answers notes for as long as the runtime lives. An error in `run` is a crash: it stops the runtime, and the process exits with 1."""

    def __init__(self, db: Database) -> None:
        """Take the database; the runtime gives it."""
        self._db = db
        self._is_leaving = asyncio.Event()

    async def run(self) -> None:
        """Answer one note after another."""
        while not self._is_leaving.is_set():
            if await self._db.fetchval(_ANSWER) is None:
                await asyncio.sleep(SECONDS_BETWEEN_LOOKS)

    async def drain(self) -> None:
        """Take no new note: the one in hand is answered before anything is stopped."""
        self._is_leaving.set()


agent = Plugin("agent", version="1.0.0", description="Answers notes", services=[AgentMigrations, Agent], dependencies=["notes"])


def make_runtime(database_url: str) -> Runtime:
    """Return the agent's runtime on a database."""
    return Runtime(plugins=[notes, agent], database=database_url)
