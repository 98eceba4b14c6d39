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
from roost.postgres import CHANNEL, dollar_quote, from_microseconds, microseconds, quote_literal, quote_nullable, sqlstate_of

if TYPE_CHECKING:
    from datetime import datetime

    from roost.migrations._records import Direction
    from roost.postgres import MigrationSession, Row

LEDGER_VERSION = 3
FIRST_NUMBER = 1
"""The number of the run that made the ledger, by which its sequence begins."""

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

NO_FLUSH = "SET LOCAL synchronous_commit = off"

# Queries and not to_regclass: they see what was committed before the lock was granted.
_MADE = (
    "EXISTS (SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "
    "WHERE n.nspname = 'roost' AND c.relname = 'meta')"
)
_UPGRADED = f"(SELECT schema_version FROM roost.meta) >= {LEDGER_VERSION}"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Whose run it is: its id, and the host, process and application version that other people see in the ledger."""

    run_id: str
    host: str
    pid: int
    application_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedRun:
    """A run's number, and whether the ledger was made for it just now, so that nothing stands in it."""

    number: int
    is_ledger_new: bool


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
        if state == NO_SUCH_COLUMN:
            raise LedgerDenied(role=await _role(session), reason=NOT_A_LEDGER) from error
        if state not in NO_SUCH_TABLE:
            raise
        rows, exists = [], False
    pids = rows or await session.rows("SELECT NULL, NULL, pg_catalog.pg_backend_pid()")
    return Look(
        exists=exists,
        settled={name: declaration for name, declaration, _ in rows if name is not None and declaration is not None},
        backend_pid=int(pids[0][2] or 0),
    )


async def open_run(session: MigrationSession, *, key: int, exists: bool, who: Who) -> OpenedRun:
    """Open a run. Make the ledger where there is none, and bring an older one to this version first, under the lock's key.

    ``IF NOT EXISTS`` alone would race. Under the lock of a whole run, those that a dead process left open are closed.

    Args:
        session: The run's session.
        key: The lock's key.
        exists: Whether the ledger was seen before.
        who: Whose run it is.

    Raises:
        LedgerTooNew: It is of a form that this roost can't write.
        LedgerDenied: The role may not create or use it, or it is no ledger.
        Exception: SQLSTATE `BUSY` where another run is at work.
    """
    texts = f"{quote_literal(who.run_id)}, {quote_literal(who.host)}, {who.pid}, {quote_literal(who.application_version)}"
    opening = f"roost.open_run({texts}, {session.shares_server_process})"
    try:
        if not exists and await _unless(_MADE, session, key, "tables", "functions", then=f"SELECT {opening};"):
            return OpenedRun(number=FIRST_NUMBER, is_ledger_new=True)
        number = await _opened(session, opening)
        if number is None:
            await _unless(_UPGRADED, session, key, "upgrade", "functions")
            number = await _opened(session, opening)
    except Exception as error:
        state = sqlstate_of(error)
        if state == NO_RIGHT:
            raise await _denied(session, error) from error
        if state in NO_SUCH_TABLE or state in (SCHEMA_EXISTS, NO_SUCH_COLUMN):
            raise LedgerDenied(role=await _role(session), reason=NOT_A_LEDGER) from error
        raise
    return OpenedRun(number=number or 0, is_ledger_new=False)


async def _opened(session: MigrationSession, opening: str) -> int | None:
    """Open a run in a ledger of this version and return its number; None where the ledger is older."""
    is_ours = f"schema_version = {LEDGER_VERSION} AND oldest_reader <= {LEDGER_VERSION}"
    try:
        rows = await session.rows(f"SELECT schema_version, oldest_reader, CASE WHEN {is_ours} THEN {opening} END FROM roost.meta")
    except Exception as error:
        if sqlstate_of(error) != NO_SUCH_FUNCTION:
            raise
        rows = await session.rows("SELECT schema_version, oldest_reader, NULL FROM roost.meta")
    if not rows:
        raise LedgerDenied(role=await _role(session), reason=NOT_A_LEDGER)
    found, oldest, number = rows[0]
    if int(found or 0) > LEDGER_VERSION or int(oldest or 0) > LEDGER_VERSION:
        raise LedgerTooNew(found=int(found or 0), known=LEDGER_VERSION)
    if number is None and int(found or 0) == LEDGER_VERSION:
        raise LedgerDenied(role=await _role(session), reason="functions of the ledger are missing")
    return None if number is None else int(number)


async def check_readable(session: MigrationSession) -> None:
    """Refuse to read a ledger of a form that this roost does not know; one that is missing is as good as an empty one.

    Raises:
        LedgerTooNew: It is.
        LedgerDenied: The role may not read it.
    """
    rows = await _rows(session, f"SELECT schema_version FROM roost.meta WHERE oldest_reader > {LEDGER_VERSION}")
    if rows:
        raise LedgerTooNew(found=int(rows[0][0] or 0), known=LEDGER_VERSION)


async def _unless(condition: str, session: MigrationSession, key: int, *scripts: str, then: str = "") -> bool:
    """Run scripts in one transaction under the lock's key, and tell whether that was done: not where another run was quicker.

    It does not wait for the disk: the first step that does takes this along. Nor does it check the bodies of functions, which tests do.
    """
    guard = (
        f"BEGIN IF NOT pg_catalog.pg_try_advisory_xact_lock({key}) THEN "
        f"RAISE EXCEPTION 'another run is at work' USING ERRCODE = '{BUSY}'; END IF; "
        f"IF {condition} THEN RAISE EXCEPTION 'another run was quicker' USING ERRCODE = '{MOVED_ON}'; END IF; END"
    )
    folder = files(__package__).joinpath("sql")
    script = "\n".join(folder.joinpath(f"{name}.sql").read_text("utf-8") for name in scripts)
    try:
        await session.execute(
            f"{session.begin}; {NO_FLUSH}; SET LOCAL check_function_bodies = off; DO {dollar_quote(guard)};\n{script}\n{then}\nCOMMIT"
        )
    except BaseException as error:
        await session.rollback()
        if sqlstate_of(error) != MOVED_ON:
            raise
        return False
    return True


async def _denied(session: MigrationSession, error: Exception) -> LedgerDenied:
    return LedgerDenied(role=await _role(session), reason=str(error))


async def _role(session: MigrationSession) -> str:
    return (await session.rows("SELECT current_user"))[0][0] or ""


async def close_run(
    session: MigrationSession, *, number: int, key: int, settled: Mapping[str, str], heads: Mapping[str, str | None]
) -> None:
    """Settle the plugins whose declarations are satisfied, close the run, give the lock back and wake who waits: one message.

    Args:
        session: The run's session.
        number: The run's number.
        key: The lock's key.
        settled: For each satisfied plugin the digest of its declaration.
        heads: For each of them its chain's hash, as this run has left it.

    Raises:
        Exception: As the driver raises it, SQLSTATE `BUSY` where another run is at work.
    """
    settle = "".join(
        f"SELECT roost.settle({quote_literal(name)}, {quote_literal(declaration)}, {quote_nullable(heads.get(name))}); "
        for name, declaration in settled.items()
    )
    unlock = "" if session.shares_server_process else f"; SELECT pg_catalog.pg_advisory_unlock({key})"
    try:
        await session.execute(
            f"{session.begin}; SELECT roost.fence({number}, {key}, {session.shares_server_process}); {settle}"
            f"UPDATE roost.run SET open = false, finished_at = pg_catalog.clock_timestamp() WHERE number = {number}; "
            f"NOTIFY {CHANNEL}; COMMIT{unlock}"
        )
    except BaseException as error:
        if sqlstate_of(error) == BUSY:
            await session.rollback()
        else:
            session.terminate()
        raise


async def release(session: MigrationSession, *, key: int) -> None:
    """Give back the lock of a run that was never opened, because the ledger refused it, and wake who waits.

    Raises:
        Exception: As the driver raises it.
    """
    await session.execute(f"SELECT pg_catalog.pg_advisory_unlock({key}); NOTIFY {CHANNEL}")


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


async def plugin_state(session: MigrationSession, plugin: str, *, with_down: bool = False) -> PluginState:
    """Read where a plugin stands; nowhere, where there is no ledger yet. What only a rollback needs is read only for one."""
    down = "down_sql, shape_before" if with_down else "NULL, NULL"
    name = quote_literal(plugin)
    rows = await _rows(
        session,
        f"(SELECT NULL::text, version, NULL, NULL, chain, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM roost.plugin WHERE name = {name}) "
        "UNION ALL (SELECT step, version, state, fingerprint, chain, breaking::text, pg_catalog.array_to_json(requires)::text, "
        f"run::text, statements_done::text, normal_form, {down} "
        f"FROM roost.applied WHERE plugin = {name} ORDER BY position)",
    )
    applied = tuple(_applied(row) for row in rows if row[0] is not None)
    version, head = next(((row[1], row[4]) for row in rows if row[0] is None), (None, None))
    return PluginState(version=version, applied=applied, head=head)


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


async def plugin_version(session: MigrationSession, plugin: str) -> str | None:
    """Read a plugin's version; None when nothing of it is applied."""
    rows = await _rows(session, f"SELECT version FROM roost.plugin WHERE name = {quote_literal(plugin)}")
    return rows[0][0] if rows else None


async def applied_names(session: MigrationSession) -> set[str]:
    """Read the names of all applied steps, each ``"plugin:step-id"``; none, where there is no ledger yet."""
    rows = await _rows(session, "SELECT plugin || ':' || step FROM roost.applied WHERE state = 'done'")
    return {row[0] or "" for row in rows}


async def requiring_steps(session: MigrationSession, plugin: str) -> list[tuple[str, str, str]]:
    """Read the applied steps of other plugins that require a step of `plugin`: (plugin, step, required step id)."""
    name = quote_literal(plugin)
    rows = await _rows(
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
