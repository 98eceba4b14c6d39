"""The service that takes messages in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from examples.agent_server.memory import Memory
from roost import Database, Service

_COLUMNS = "id, sender, body, memory_id, received_at"
_RECEIVE = f"INSERT INTO inbox.messages (sender, body, memory_id) VALUES ($1, $2, $3) RETURNING {_COLUMNS}"  # noqa: S608 -- our own names
_LATEST = f"SELECT {_COLUMNS} FROM inbox.messages ORDER BY id DESC LIMIT $1"  # noqa: S608 -- as above


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message.

    Attributes:
        id: Its number.
        sender: Who wrote it.
        body: What was written.
        memory_id: The memory that was made of it.
        received_at: When it came in.
    """

    id: int
    sender: str
    body: str
    memory_id: int
    received_at: datetime

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON knows it."""
        return {
            "id": self.id,
            "sender": self.sender,
            "body": self.body,
            "memory_id": self.memory_id,
            "received_at": self.received_at.isoformat(),
        }


class Inbox(Service):
    """Takes messages in, and has them remembered."""

    def __init__(self, db: Database, memory: Memory) -> None:
        """Take the database and the service of the plugin `memory`; the runtime gives both."""
        self._db = db
        self._memory = memory

    async def receive(self, sender: str, body: str) -> Message:
        """Store a message and the memory of it, both or neither."""
        async with self._db.transaction() as connection:
            memory = await self._memory.remember(f"{sender} wrote: {body}", kind="message", using=connection)
            return _message(await connection.fetchrow(_RECEIVE, sender, body, memory.id))

    async def latest(self, *, limit: int = 20) -> list[Message]:
        """Return the latest messages, newest first."""
        return [_message(row) for row in await self._db.fetch(_LATEST, limit)]


def _message(row: Mapping[str, Any]) -> Message:
    return Message(**dict(row))
