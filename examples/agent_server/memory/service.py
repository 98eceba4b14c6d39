"""The service that stores and finds memories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from roost import Database, Service

if TYPE_CHECKING:
    from roost.postgres import Connection

_COLUMNS = "id, kind, body, source, created_at"
_REMEMBER = f"""
    INSERT INTO memory.memories (kind, body, source) VALUES ($1, $2, $3)
    ON CONFLICT (source) DO UPDATE SET kind = excluded.kind, body = excluded.body
    RETURNING {_COLUMNS}
"""  # noqa: S608 -- our own column names
_FIND = f"""
    SELECT {_COLUMNS} FROM memory.memories, websearch_to_tsquery('english', $1) AS query
    WHERE words @@ query AND kind IS DISTINCT FROM $3 ORDER BY ts_rank(words, query) DESC, id DESC LIMIT $2
"""  # noqa: S608 -- as above
_LATEST = f"SELECT {_COLUMNS} FROM memory.memories WHERE kind IS DISTINCT FROM $2 ORDER BY id DESC LIMIT $1"  # noqa: S608 -- as above
_BY_ID = f"SELECT {_COLUMNS} FROM memory.memories WHERE id = $1"  # noqa: S608 -- as above
_BY_SOURCE = f"SELECT {_COLUMNS} FROM memory.memories WHERE source = $1"  # noqa: S608 -- as above


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRecord:
    """One thing that is known.

    Attributes:
        id: Its number.
        kind: Such as ``"fact"``; small letters.
        body: What is known.
        source: What it came from; at most one memory comes from one source. None where nobody asks.
        created_at: When it was first stored.
    """

    id: int
    kind: str
    body: str
    source: str | None
    created_at: datetime

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON knows it."""
        return {
            "id": self.id,
            "kind": self.kind,
            "body": self.body,
            "source": self.source,
            "created_at": self.created_at.isoformat(),
        }


class Memory(Service):
    """Stores memories and finds them by their words."""

    def __init__(self, db: Database) -> None:
        """Take the database; the runtime gives it."""
        self._db = db

    async def remember(self, body: str, *, kind: str = "note", source: str | None = None, using: Connection | None = None) -> MemoryRecord:
        """Store a memory; one of the same source is replaced, so that work done twice is remembered once.

        Args:
            body: What is known.
            kind: Such as ``"fact"``.
            source: What it came from.
            using: A connection whose transaction it belongs to; None stores it by itself.

        Returns:
            The memory as it is stored.
        """
        return _record(await (using or self._db).fetchrow(_REMEMBER, kind, body, source))

    async def find(self, query: str, *, but_not: str | None = None, limit: int = 20) -> list[MemoryRecord]:
        """Find memories by their words.

        Args:
            query: Words, as people type them into a search box; none finds the latest memories.
            but_not: A kind to leave out.
            limit: How many at most.

        Returns:
            The memories, the best first.
        """
        if query.strip():
            rows = await self._db.fetch(_FIND, query, limit, but_not)
        else:
            rows = await self._db.fetch(_LATEST, limit, but_not)
        return [_record(row) for row in rows]

    async def get(self, memory_id: int) -> MemoryRecord | None:
        """Return a memory by its number; None when there is none."""
        row = await self._db.fetchrow(_BY_ID, memory_id)
        return None if row is None else _record(row)

    async def from_source(self, source: str) -> MemoryRecord | None:
        """Return the memory that came from a source; None when there is none."""
        row = await self._db.fetchrow(_BY_SOURCE, source)
        return None if row is None else _record(row)


def _record(row: Mapping[str, Any]) -> MemoryRecord:
    return MemoryRecord(**dict(row))
