"""Who holds the migration lock: what the server knows, and what the ledger says of the run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from roost.postgres import LockHolder, from_microseconds, lock_holder, lock_timeout, microseconds

if TYPE_CHECKING:
    from roost.errors import MigrationLockTimeout
    from roost.postgres import MigrationSession


_RUN_FIELDS = ("run", "run_for", "client_host", "client_pid", "application_version")


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationLockHolder(LockHolder):
    """Who holds the migration lock. What the ledger says of its run is None where there is none, or it can't be asked.

    Attributes:
        run: The run's number.
        run_for: Seconds since the run began, by the server's clock.
        client_host: The name of the host on which the run's process is.
        client_pid: That process's id there.
        application_version: The version of its roost.
    """

    run: int | None = None
    run_for: float | None = None
    client_host: str | None = None
    client_pid: int | None = None
    application_version: str | None = None


async def migration_lock_holder(session: MigrationSession, key: int) -> MigrationLockHolder | None:
    """Return who holds the lock, or None when it is free.

    Raises:
        Exception: As the driver raises it.
    """
    holder = await lock_holder(session, key)
    if holder is None:
        return None
    return MigrationLockHolder(**asdict(holder), **await _run_of(session, pid=holder.pid, since=holder.since))


class HolderWatch:
    """Sees who has the turn, as often as it is asked, and tells when that has changed.

    Args:
        key: The lock's key.
        changed: Told who has the turn now.
    """

    def __init__(self, *, key: int, changed: Callable[[MigrationLockHolder], None]) -> None:
        self._key = key
        self._changed = changed
        self._seen: MigrationLockHolder | None = None

    async def look(self, session: MigrationSession) -> None:
        """Look who has the turn: by one query, and one more where it is another than before.

        Raises:
            Exception: As the driver raises it.
        """
        holder = await lock_holder(session, self._key)
        if holder is None:  # between two turns
            return
        seen = self._seen
        is_same = seen is not None and (seen.pid, seen.since) == (holder.pid, holder.since)
        known: dict[str, Any]
        if seen is not None and is_same and seen.run is not None:
            known = {name: getattr(seen, name) for name in _RUN_FIELDS}
        else:
            known = await _run_of(session, pid=holder.pid, since=holder.since)
        self._seen = MigrationLockHolder(**asdict(holder), **known)
        if seen is None or not is_same or (seen.application_name, seen.run) != (holder.application_name, self._seen.run):
            self._changed(self._seen)


async def migration_lock_timeout(session: MigrationSession, key: int, *, waited: float) -> MigrationLockTimeout:
    """Return the error for a turn that did not come within `waited` seconds, with all that is known of who has it.

    Raises:
        Exception: As the driver raises it.
    """
    error = lock_timeout(await lock_holder(session, key), waited=waited)
    await tell_run(session, error)
    return error


async def tell_run(session: MigrationSession, error: MigrationLockTimeout) -> None:
    """Let an error tell what the ledger says of the run that holds the lock."""
    if error.pid is None:
        return
    known = await _run_of(session, pid=error.pid, since=error.since)
    error.run, error.run_for = known.get("run"), known.get("run_for")
    error.client_host, error.client_pid = known.get("client_host"), known.get("client_pid")


async def _run_of(session: MigrationSession, *, pid: int, since: datetime | None) -> dict[str, Any]:
    try:
        rows = await session.rows(
            "SELECT number, host, pid, application_version, backend_pid, extract(epoch FROM pg_catalog.clock_timestamp() - started_at), "
            f"{microseconds('started_at')} FROM roost.run WHERE open"
        )
    except Exception:  # noqa: BLE001 -- there is no ledger yet, or it is not ours to read; this only helps to explain
        return {}
    # Behind a pooler several runs may be open and share server processes: then nobody can tell whose the lock is.
    if len(rows) != 1:
        return {}
    number, host, client_pid, version, backend_pid, age, started = rows[0]
    is_another = int(backend_pid or 0) != pid or (since is not None and from_microseconds(started) < since)
    if is_another:
        return {}
    return {
        "run": int(number or 0),
        "run_for": max(float(age or 0), 0.0),
        "client_host": host,
        "client_pid": int(client_pid or 0),
        "application_version": version,
    }
