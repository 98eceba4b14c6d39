"""Reads and writes the ledger, schema ``roost``. Every call is one round trip on the run's own session."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from roost.errors import LedgerDenied, LedgerTooNew
from roost.migrations._outline import AppliedOutline
from roost.migrations._plan import AppliedStep, PluginState
from roost.migrations._records import MigrationRecord
from roost.migrations._repeatable import RepeatedStep
from roost.postgres import from_microseconds, microseconds, quote_literal, sqlstate_of

if TYPE_CHECKING:
    from datetime import datetime

    from roost.migrations._outline import RowsWanted
    from roost.migrations._records import Direction
    from roost.postgres import MigrationSession, Row

LEDGER_VERSION = 5
LEDGER_LOCK = "roost:roost"
"""Names the advisory lock: one per database, by PostgreSQL, and per ledger schema, by this name."""

NO_SUCH_TABLE = frozenset({"42P01", "3F000"})
NO_SUCH_COLUMN = "42703"
NO_SUCH_FUNCTION = "42883"
SCHEMA_EXISTS = "42P06"
NOT_A_LEDGER = "a schema roost exists that is not a ledger"
NO_RIGHT = "42501"

LOCK_LOST = "RST01"
ESCAPED = "RST02"
BUSY = "RST03"
MOVED_ON = "RST04"
"""The ledger's own SQLSTATEs; what they mean stands beside the functions that raise them."""

_REPEATABLE = "repeatable"
"""Tells the rows of repeatable steps from those of others; no state of a step is called so."""

_APPLIED = "SELECT step, version, state, fingerprint, chain, breaking::text, pg_catalog.array_to_json(requires)::text, run::text"

NO_FLUSH = "SET LOCAL synchronous_commit = off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one query says before any lock is taken.

    Attributes:
        exists: Whether there is a ledger.
        settled: For each plugin the digest of the declaration that was last found satisfied.
        backend_pid: The server process that answered; another one than greeted us means a pooler. None where no row came with it.
    """

    exists: bool
    settled: Mapping[str, str]
    backend_pid: int | None


async def look(session: MigrationSession) -> Look:
    """Look at what is settled, without a lock, in one round trip.

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
            raise await denied(session, error) from error
        if state == NO_SUCH_COLUMN:
            raise LedgerDenied(role=await role(session), reason=NOT_A_LEDGER) from error
        if state not in NO_SUCH_TABLE:
            raise
        rows, exists = [], False
    return Look(
        exists=exists,
        settled={name: declaration for name, declaration, _ in rows if name is not None and declaration is not None},
        backend_pid=int(rows[0][2] or 0) if rows else None,
    )


async def check_readable(session: MigrationSession) -> None:
    """Refuse to read a ledger of a form that this roost does not know; one that is missing is as good as an empty one.

    Raises:
        LedgerTooNew: It is.
        LedgerDenied: The role may not read it.
    """
    rows = await rows_of(session, f"SELECT schema_version FROM roost.meta WHERE oldest_reader > {LEDGER_VERSION}")
    if rows:
        raise LedgerTooNew(found=int(rows[0][0] or 0), known=LEDGER_VERSION)


async def denied(session: MigrationSession, error: Exception) -> LedgerDenied:
    """Return the error for a role that lacks a right."""
    return LedgerDenied(role=await role(session), reason=str(error))


async def role(session: MigrationSession) -> str:
    """Return the role that the session acts as."""
    return (await session.rows("SELECT current_user"))[0][0] or ""


async def rows_of(session: MigrationSession, query: str) -> list[Row]:
    """Read from a ledger that may not exist yet, or not be ours to read."""
    try:
        return await session.rows(query)
    except Exception as error:
        state = sqlstate_of(error)
        if state in NO_SUCH_TABLE:
            return []
        if state == NO_RIGHT:
            raise await denied(session, error) from error
        raise


async def plugin_outline(session: MigrationSession, plugin: str, *, apart: str = "") -> AppliedOutline:
    """Read in sum where a plugin stands; nowhere, where there is no ledger yet.

    Args:
        session: Where to read.
        plugin: The plugin.
        apart: A step that is left out.
    """
    name = quote_literal(plugin)
    applied = f"FROM roost.applied WHERE plugin = {name} AND step <> {quote_literal(apart)}"
    marks = "pg_catalog.string_agg(step || ' ' || fingerprint || pg_catalog.chr(10), '' ORDER BY position)"
    rows = await rows_of(
        session,
        f"SELECT (SELECT version FROM roost.plugin WHERE name = {name}), (SELECT chain FROM roost.plugin WHERE name = {name}), "
        "pg_catalog.count(*), pg_catalog.bool_and(state = 'done'), "
        f"pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(coalesce({marks}, ''), 'UTF8')), 'hex'), "
        f"(SELECT chain {applied} ORDER BY position DESC LIMIT 1), pg_catalog.array_to_json(pg_catalog.array_agg(DISTINCT version)), "
        "(SELECT pg_catalog.json_agg(pg_catalog.json_build_array(step, fingerprint, run)) "
        f"FROM roost.repeatable WHERE plugin = {name}) {applied}",
    )
    version, head, count, are_done, mark, chain, versions, repeated = rows[0] if rows else (None,) * 8
    return AppliedOutline(
        version=version,
        head=head,
        count=int(count or 0),
        are_done=are_done != "f",
        mark=mark or "",
        chain=chain or "",
        versions=tuple(json.loads(versions or "[]")),
        repeated=tuple(
            RepeatedStep(step=step, fingerprint=fingerprint, run=run) for step, fingerprint, run in json.loads(repeated or "[]")
        ),
    )


async def plugin_state(session: MigrationSession, plugin: str, *, with_down: bool = False, wanted: RowsWanted | None = None) -> PluginState:
    """Read where a plugin stands, step by step; nowhere, where there is no ledger yet.

    Args:
        session: Where to read.
        plugin: The plugin.
        with_down: Whether to read what only a rollback needs.
        wanted: Which steps are of interest; None for all.
    """
    try:
        rows = await rows_of(session, _state_query(plugin, with_down=with_down, wanted=wanted))
    except Exception as error:
        if sqlstate_of(error) != NO_SUCH_COLUMN:
            raise
        # Who only reads may come before the first run that brings an older ledger to this version.
        rows = await rows_of(session, _older_state_query(plugin, with_down=with_down))
    applied = tuple(_applied(row) for row in rows if row[0] is not None and row[2] != _REPEATABLE)
    repeated = tuple(
        RepeatedStep(step=row[0] or "", fingerprint=row[3] or "", run=int(row[7] or 0)) for row in rows if row[2] == _REPEATABLE
    )
    version, head = next(((row[1], row[4]) for row in rows if row[0] is None), (None, None))
    return PluginState(version=version, applied=applied, head=head, repeated=repeated)


def _state_query(plugin: str, *, with_down: bool, wanted: RowsWanted | None) -> str:
    name = quote_literal(plugin)
    down = "down_sql, shape_before" if with_down else "NULL, NULL"
    return (
        f"{_head_query(name)} UNION ALL "
        f"({_APPLIED}, statements_done::text, normal_form, {down} "
        f"FROM roost.applied WHERE plugin = {name}{_only(wanted)} ORDER BY position) UNION ALL "
        f"(SELECT step, NULL, '{_REPEATABLE}', fingerprint, NULL, NULL, NULL, run::text, NULL, NULL, NULL, NULL "
        f"FROM roost.repeatable WHERE plugin = {name} ORDER BY step)"
    )


def _older_state_query(plugin: str, *, with_down: bool) -> str:
    """Return the query for ledgers before version 3, which knew nothing of repeatable steps, normal forms and shapes."""
    name = quote_literal(plugin)
    down = "down_sql" if with_down else "NULL"
    return f"{_head_query(name)} UNION ALL ({_APPLIED}, '0', NULL, {down}, NULL FROM roost.applied WHERE plugin = {name} ORDER BY position)"


def _head_query(name: str) -> str:
    return (
        f"(SELECT NULL::text, version, NULL, NULL, chain, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM roost.plugin WHERE name = {name})"
    )


def _only(wanted: RowsWanted | None) -> str:
    if wanted is None or wanted.steps is None:
        return ""
    steps, versions = (f"ARRAY[{', '.join(map(quote_literal, texts))}]::text[]" for texts in (wanted.steps, wanted.versions))
    return f" AND (step = ANY ({steps}) OR version = ANY ({versions}))"


def _applied(row: Sequence[str | None]) -> AppliedStep:
    step, version, state, fingerprint, chain, breaking, requires, run, statements_done, normal_form, down_sql, shape_before = row
    return AppliedStep(
        step=step or "",
        version=version or "",
        state=state or "",
        fingerprint=fingerprint or "",
        chain=chain or "",
        breaking=breaking == "true",
        requires=tuple(json.loads(requires or "[]")),
        run=int(run or 0),
        statements_done=int(statements_done or 0),
        normal_form=normal_form,
        down_sql=down_sql,
        shape_before=shape_before,
    )


async def shape(session: MigrationSession, schema: str, *, plugin: str) -> tuple[str, str | None]:
    """Read what a schema holds, as `roost.shape` tells it, together with the head's hash of the plugin."""
    rows = await session.rows(
        f"SELECT roost.shape({quote_literal(schema)}), (SELECT chain FROM roost.plugin WHERE name = {quote_literal(plugin)})"
    )
    return rows[0][0] or "", rows[0][1]


async def plugin_version(session: MigrationSession, plugin: str) -> str | None:
    """Read a plugin's version; None when nothing of it is applied."""
    rows = await rows_of(session, f"SELECT version FROM roost.plugin WHERE name = {quote_literal(plugin)}")
    return rows[0][0] if rows else None


async def plugins(session: MigrationSession) -> list[tuple[str, str | None, tuple[str, ...]]]:
    """Read all plugins by name: each with its version and the ids of its steps in applied order."""
    rows = await rows_of(
        session,
        "SELECT name, version, (SELECT pg_catalog.json_agg(step ORDER BY position) FROM roost.applied WHERE plugin = name) "
        "FROM roost.plugin ORDER BY name",
    )
    return [(row[0] or "", row[1], tuple(json.loads(row[2] or "[]"))) for row in rows]


async def applied_names(session: MigrationSession) -> set[str]:
    """Read the names of all applied steps, each ``"plugin:step-id"``; none, where there is no ledger yet."""
    rows = await rows_of(session, "SELECT plugin || ':' || step FROM roost.applied WHERE state = 'done'")
    return {row[0] or "" for row in rows}


async def requiring_steps(session: MigrationSession, plugin: str) -> list[tuple[str, str, str]]:
    """Read the applied steps of other plugins that require a step of `plugin`: (plugin, step, required step id)."""
    name = quote_literal(plugin)
    rows = await rows_of(
        session,
        "SELECT plugin, step, pg_catalog.substr(required, pg_catalog.length("
        f"{name}) + 2) FROM roost.applied, pg_catalog.unnest(requires) AS required "
        f"WHERE plugin <> {name} AND pg_catalog.starts_with(required, {name} || ':')",
    )
    return [(row[0] or "", row[1] or "", row[2] or "") for row in rows]


async def history(session: MigrationSession, *, plugin: str | None = None, service: str | None = None) -> list[MigrationRecord]:
    """Read the history, newest first: of one plugin or one service where it is named."""
    names = {"plugin": plugin, "service": service}
    wanted = " AND ".join(f"{column} = {quote_literal(name)}" for column, name in names.items() if name is not None)
    condition = f"WHERE {wanted}" if wanted else ""
    try:
        rows = await rows_of(session, _history_query("(SELECT trace_id FROM roost.run WHERE number = run)", condition))
    except Exception as error:
        if sqlstate_of(error) != NO_SUCH_COLUMN:
            raise
        # A ledger before version 5, which knew of no traces.
        rows = await rows_of(session, _history_query("NULL", condition))
    return [_record(row) for row in rows]


def _history_query(trace_id: str, condition: str) -> str:
    return (
        "SELECT id, run, service, plugin, step, version, direction, success, error, attempts, "
        f"{microseconds('started_at')}, {microseconds('executed_at')}, duration, checksum, {trace_id} "
        f"FROM roost.history {condition} ORDER BY id DESC"
    )


async def last_run(session: MigrationSession, plugin: str) -> datetime | None:
    """Read when a plugin's last successful step ended."""
    rows = await rows_of(
        session,
        f"SELECT {microseconds('max(executed_at)')} FROM roost.history WHERE success AND plugin = {quote_literal(plugin)}",
    )
    return from_microseconds(rows[0][0]) if rows and rows[0][0] is not None else None


async def steps_by_hand(session: MigrationSession, plugin: str) -> int:
    """Count a plugin's applied steps of which a person said that they are there, as the history tells it."""
    rows = await rows_of(
        session,
        "SELECT count(*) FROM (SELECT DISTINCT ON (step) direction, attempts FROM roost.history "
        f"WHERE success AND step IS NOT NULL AND plugin = {quote_literal(plugin)} ORDER BY step, id DESC) AS last "
        "WHERE direction = 'up' AND attempts = 0",
    )
    return int(rows[0][0] or 0) if rows else 0


def _record(row: Sequence[str | None]) -> MigrationRecord:
    number, run, service, plugin, step, version, direction, success, error, attempts, started, executed, took, checksum, trace_id = row
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
        trace_id=trace_id,
    )
