"""Reads and writes the ledger, schema ``roost``. Every call is one round trip on the run's own session."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, cast

from roost.errors import LedgerDenied, LedgerTooNew
from roost.migrations._plan import AppliedStep, PluginState
from roost.migrations._records import MigrationRecord
from roost.postgres import from_microseconds, microseconds, quote_literal, sqlstate_of

if TYPE_CHECKING:
    from datetime import datetime

    from roost.migrations._records import Direction
    from roost.postgres import MigrationSession, Row

LEDGER_VERSION = 1
LEDGER_LOCK = "roost:roost"
"""Names the advisory lock: one per database, by PostgreSQL, and per ledger schema, by this name."""

NO_SUCH_TABLE = frozenset({"42P01", "3F000"})
NO_RIGHT = "42501"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one query says before any lock is taken.

    Attributes:
        exists: Whether there is a ledger.
        settled: For each plugin the digest of the declaration that was last found satisfied.
        backend_pid: The server process that answered; another one than greeted us means a pooler.
    """

    exists: bool
    settled: Mapping[str, str]
    backend_pid: int


async def look(session: MigrationSession) -> Look:
    """Look at what is settled, without a lock: one round trip where a plugin is known to the ledger, else two.

    Raises:
        LedgerDenied: The role may not read the ledger.
    """
    exists = True
    try:
        # As plain as can be: a start with nothing to do pays for the planning of this query.
        rows = await session.rows("SELECT name, settled, pg_catalog.pg_backend_pid() FROM roost.plugin")
    except Exception as error:
        state = sqlstate_of(error)
        if state == NO_RIGHT:
            raise await _denied(session, error) from error
        if state not in NO_SUCH_TABLE:
            raise
        rows, exists = [], False
    pids = rows or await session.rows("SELECT NULL, NULL, pg_catalog.pg_backend_pid()")
    return Look(
        exists=exists,
        settled={name: declaration for name, declaration, _ in rows if name is not None and declaration is not None},
        backend_pid=int(pids[0][2] or 0),
    )


async def ensure_ledger(session: MigrationSession) -> None:
    """Make the ledger where there is none. Only under the lock: ``IF NOT EXISTS`` alone races.

    Raises:
        LedgerTooNew: It is of a form that this roost can't write.
        LedgerDenied: The role may not create or use it.
    """
    try:
        rows = await session.rows(
            "SELECT pg_catalog.to_regclass('roost.meta') IS NOT NULL, pg_catalog.has_schema_privilege(nspname, 'USAGE') "
            "FROM pg_catalog.pg_namespace WHERE nspname = 'roost'"
        )
        if not rows or rows[0][0] != "t":
            await _create(session, instead_of_another=bool(rows))
            return
        versions = await session.rows("SELECT schema_version, oldest_reader FROM roost.meta")
    except Exception as error:
        if sqlstate_of(error) == NO_RIGHT:
            raise await _denied(session, error) from error
        raise
    found, oldest = (int(value or 0) for value in versions[0])
    if found > LEDGER_VERSION or oldest > LEDGER_VERSION:
        raise LedgerTooNew(found=found, known=LEDGER_VERSION)


async def _create(session: MigrationSession, *, instead_of_another: bool) -> None:
    if instead_of_another:
        raise LedgerDenied(role=await _role(session), reason="a schema roost exists that is not a ledger")
    script = files(__package__).joinpath("sql", "ledger.sql").read_text("utf-8")
    try:
        await session.execute(f"BEGIN;\n{script}\nCOMMIT")
    except BaseException:
        await session.rollback()
        raise


async def _denied(session: MigrationSession, error: Exception) -> LedgerDenied:
    return LedgerDenied(role=await _role(session), reason=str(error))


async def _role(session: MigrationSession) -> str:
    return (await session.rows("SELECT current_user"))[0][0] or ""


async def open_run(session: MigrationSession, *, run_id: str, host: str, pid: int, application_version: str) -> int:
    """Close every run that a dead process left open, open a new one and return its number.

    Raises:
        LedgerDenied: The role may not write the ledger.
    """
    texts = f"{quote_literal(run_id)}, {quote_literal(host)}, {pid}, {quote_literal(application_version)}"
    try:
        rows = await session.rows(f"SELECT roost.open_run({texts})")
    except Exception as error:
        if sqlstate_of(error) == NO_RIGHT:
            raise await _denied(session, error) from error
        raise
    return int(rows[0][0] or 0)


async def close_run(session: MigrationSession, *, number: int, key: int, settled: Mapping[str, str]) -> None:
    """Settle the plugins whose declarations are satisfied, close the run and give the lock back: one message."""
    settle = "".join(f"SELECT roost.settle({quote_literal(name)}, {quote_literal(declaration)}); " for name, declaration in settled.items())
    try:
        await session.execute(
            f"BEGIN; SELECT roost.fence({number}, {key}); {settle}"
            f"UPDATE roost.run SET open = false, finished_at = pg_catalog.clock_timestamp() WHERE number = {number}; COMMIT; "
            f"SELECT pg_catalog.pg_advisory_unlock({key})"
        )
    except BaseException:
        session.terminate()
        raise


async def _rows(session: MigrationSession, query: str) -> list[Row]:
    """Read from a ledger that may not exist yet, or not be ours to read."""
    try:
        return await session.rows(query)
    except Exception as error:
        state = sqlstate_of(error)
        if state in NO_SUCH_TABLE:
            return []
        if state == NO_RIGHT:
            raise await _denied(session, error) from error
        raise


async def plugin_state(session: MigrationSession, plugin: str) -> PluginState:
    """Read where a plugin stands; nowhere, where there is no ledger yet."""
    name = quote_literal(plugin)
    rows = await _rows(
        session,
        "SELECT NULL::text, (SELECT version FROM roost.plugin WHERE name = "
        f"{name}), NULL, NULL, NULL, NULL, NULL, NULL, NULL UNION ALL "
        "(SELECT step, version, state, fingerprint, chain, breaking::text, pg_catalog.array_to_json(requires)::text, down_sql, run::text "
        f"FROM roost.applied WHERE plugin = {name} ORDER BY position)",
    )
    applied = tuple(_applied(row) for row in rows if row[0] is not None)
    return PluginState(version=next((row[1] for row in rows if row[0] is None), None), applied=applied)


def _applied(row: Sequence[str | None]) -> AppliedStep:
    step, version, state, fingerprint, chain, breaking, requires, down_sql, run = row
    return AppliedStep(
        step=step or "",
        version=version or "",
        state=state or "",
        fingerprint=fingerprint or "",
        chain=chain or "",
        breaking=breaking == "true",
        requires=tuple(json.loads(requires or "[]")),
        down_sql=down_sql,
        run=int(run or 0),
    )


async def plugin_version(session: MigrationSession, plugin: str) -> str | None:
    """Read a plugin's version; None when nothing of it is applied."""
    rows = await _rows(session, f"SELECT version FROM roost.plugin WHERE name = {quote_literal(plugin)}")
    return rows[0][0] if rows else None


async def applied_names(session: MigrationSession) -> set[str]:
    """Read the names of all applied steps, each ``"plugin:step-id"``."""
    rows = await session.rows("SELECT plugin || ':' || step FROM roost.applied WHERE state = 'done'")
    return {row[0] or "" for row in rows}


async def requiring_steps(session: MigrationSession, plugin: str) -> list[tuple[str, str, str]]:
    """Read the applied steps of other plugins that require a step of `plugin`: (plugin, step, required step id)."""
    name = quote_literal(plugin)
    rows = await session.rows(
        "SELECT plugin, step, pg_catalog.substr(required, pg_catalog.length("
        f"{name}) + 2) FROM roost.applied, pg_catalog.unnest(requires) AS required "
        f"WHERE plugin <> {name} AND pg_catalog.starts_with(required, {name} || ':')"
    )
    return [(row[0] or "", row[1] or "", row[2] or "") for row in rows]


async def history(session: MigrationSession, *, plugin: str | None = None, service: str | None = None) -> list[MigrationRecord]:
    """Read the history, newest first: of one plugin or one service where it is named."""
    names = {"plugin": plugin, "service": service}
    wanted = " AND ".join(f"{column} = {quote_literal(name)}" for column, name in names.items() if name is not None)
    rows = await _rows(
        session,
        "SELECT id, run, service, plugin, step, version, direction, success, error, attempts, "
        f"{microseconds('started_at')}, {microseconds('executed_at')}, duration, checksum "
        f"FROM roost.history {f'WHERE {wanted}' if wanted else ''} ORDER BY id DESC",
    )
    return [_record(row) for row in rows]


async def last_run(session: MigrationSession, plugin: str) -> datetime | None:
    """Read when a plugin's last successful step ended."""
    rows = await _rows(
        session,
        f"SELECT {microseconds('max(executed_at)')} FROM roost.history WHERE success AND plugin = {quote_literal(plugin)}",
    )
    return from_microseconds(rows[0][0]) if rows and rows[0][0] is not None else None


def _record(row: Sequence[str | None]) -> MigrationRecord:
    number, run, service, plugin, step, version, direction, success, error, attempts, started, executed, took, checksum = row
    return MigrationRecord(
        id=int(number or 0),
        run=int(run or 0),
        service=service or "",
        plugin=plugin or "",
        step=step,
        version=version or "",
        direction=cast("Direction", direction),
        success=success == "t",
        error=error,
        attempts=int(attempts or 0),
        started_at=from_microseconds(started),
        executed_at=from_microseconds(executed),
        duration=float(took or 0),
        checksum=checksum,
    )
