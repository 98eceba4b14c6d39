"""Who holds an advisory lock: what the server knows of it, in words too, and its end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from roost.errors import MigrationLockTimeout
from roost.postgres._copy_text import from_microseconds, microseconds

if TYPE_CHECKING:
    from roost.postgres._session import MigrationSession

SILENT_FOR_LONG = 10.0
"""Seconds after which a client that says nothing, and keeps the lock, is worth a remark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockHolder:
    """Who holds a lock, as the server sees it. Durations are by the server's own clock.

    Attributes:
        pid: The holder's process on the server.
        application_name: What it is doing; a run says its plugin and step here.
        host: Where its client is; None for a local socket.
        since: When its connection began; None, as all that follows, where this role may not see what others do.
        state: The server's word for what the session does, such as ``"active"`` or ``"idle"``.
        connected_for: Seconds since its connection began.
        statement_for: Seconds since its present statement began, or its last one where it runs none.
        state_for: Seconds since it came into its `state`.
    """

    pid: int
    application_name: str
    host: str | None
    since: datetime | None
    state: str | None
    connected_for: float | None = None
    statement_for: float | None = None
    state_for: float | None = None

    @property
    def activity(self) -> str:
        """What it does and for how long, in words; a long silence is remarked on."""
        if self.state is None or self.state_for is None:
            return "what it does is hidden from this role"
        if self.state == "active":
            return f"its statement runs for {self.statement_for or 0.0:.0f} s"
        remark = ": it may be frozen" if self.state_for >= SILENT_FOR_LONG else ""
        return f"{self.state} for {self.state_for:.0f} s{remark}"


async def lock_holder(session: MigrationSession, key: int) -> LockHolder | None:
    """Return who holds the lock, or None when it is free by now."""
    begun = ("backend_start", "query_start", "state_change")
    ages = ", ".join(f"extract(epoch FROM pg_catalog.clock_timestamp() - a.{column})" for column in begun)
    rows = await session.rows(
        f"SELECT a.pid, a.application_name, pg_catalog.host(a.client_addr), {microseconds('a.backend_start')}, a.state, {ages} "
        f"FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid WHERE {_held(key)}"
    )
    if not rows:
        return None
    pid, application_name, host, since, state, connected, statement, in_state = rows[0]
    return LockHolder(
        pid=int(pid or 0),
        application_name=application_name or "",
        host=host,
        since=from_microseconds(since) if since else None,
        state=state,
        connected_for=_duration(connected),
        statement_for=_duration(statement),
        state_for=_duration(in_state),
    )


async def end_lock_holder(session: MigrationSession, key: int, *, pid: int, patience: float) -> bool | None:
    """End a server process if it is the one that holds the lock, which the same query finds out.

    Args:
        session: Where to ask.
        key: The lock's key.
        pid: The server process.
        patience: Seconds to wait for its end.

    Returns:
        Whether it ended within `patience`; None where it does not hold the lock, and nothing was done to it.

    Raises:
        Exception: As the driver raises it; SQLSTATE 42501 where the role may not.
    """
    ended = f"pg_catalog.pg_terminate_backend(l.pid, {round(patience * 1000)})"
    rows = await session.rows(f"SELECT {ended} FROM pg_catalog.pg_locks AS l WHERE {_held(key)} AND l.pid = {pid:d}")
    return rows[0][0] == "t" if rows else None


def lock_timeout(holder: LockHolder | None, *, waited: float) -> MigrationLockTimeout:
    """Return the error for a lock that was not to be had in `waited` seconds, with all that the server says of its holder."""
    if holder is None:
        return MigrationLockTimeout(waited=waited)
    return MigrationLockTimeout(
        waited=waited,
        pid=holder.pid,
        application_name=holder.application_name,
        host=holder.host,
        since=holder.since,
        state=holder.state,
        connected_for=holder.connected_for,
        statement_for=holder.statement_for,
        activity=holder.activity,
    )


def _held(key: int) -> str:
    """Return the condition on `pg_locks` as `l` that a row is the lock in its holder's hands."""
    return (
        "l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 "
        "AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) "
        f"AND l.classid::bigint = {(key >> 32) & 0xFFFFFFFF} AND l.objid::bigint = {key & 0xFFFFFFFF}"
    )


def _duration(field: str | None) -> float | None:
    # What began while this answer was made lies behind the clock that was read for it.
    return None if field is None else max(float(field), 0.0)
