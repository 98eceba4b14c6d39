"""Takes the history of another tool over into roost's ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from roost.errors import HistoryNotFound, HistoryUnreadable
from roost.interop._alembic_service import AlembicMigrationService
from roost.interop._histories import TABLES, HistoryTable, HistoryTool, Row, chosen, history_of
from roost.migrations import ClaimedSteps, MigrationOrchestrator
from roost.postgres import (
    Database,
    MigrationSession,
    is_connection_lost,
    is_lock_timeout,
    quote_identifier,
    quote_literal,
    sqlstate_of,
)

if TYPE_CHECKING:
    from roost.migrations import MigrationStep
    from roost.runtime import Runtime

_LOCK_SECONDS = 10
"""So long another session may keep the table locked, which the tool itself does while it migrates."""
_BEGIN = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'"
_NAME_TABLE = "say which with --table schema.name"


async def import_history(
    runtime: Runtime,
    plugin: str,
    *,
    tool: HistoryTool,
    table: str | None = None,
    app: str | None = None,
    check: bool = True,
    dry_run: bool = False,
) -> ClaimedSteps:
    """Write down in roost's ledger, under the lock, what another tool's history says is applied. That history is only read.

    Args:
        runtime: The runtime with the plugin.
        plugin: The plugin whose steps they are.
        tool: The tool.
        table: Its table, as ``name`` or ``schema.name``; None is what the tool, or an `AlembicMigrationService`, calls it, in whichever
            schema it is.
        app: Under which name the tool keeps the plugin, where its history is that of several (Django, ElizaOS); None is the plugin's.
        check: False does not look in the database for what the steps make.
        dry_run: Write nothing, and tell what would be written.

    Returns:
        What is written down; no steps where the ledger had all of it.

    Raises:
        HistoryNotFound: The database has no such table.
        HistoryUnreadable: The table is another one, does not say what is to be known, or can't be read.
        HistoryUnfinished: It says that a migration failed halfway.
        HistoryNotInCode: It has migrations that are none of the plugin's steps.
        StepsLeftOut: It lacks a step that comes before one that it has.
        RoostError: As `MigrationOrchestrator.claim`.
    """
    orchestrator = MigrationOrchestrator(runtime)
    services = [one for one in orchestrator.get_migration_services() if isinstance(one, AlembicMigrationService)]
    alembic = next((one for one in services if one.plugin_name == plugin), None)
    if alembic is not None and tool == "alembic":
        table = table or ".".join(filter(None, (alembic.version_table_schema, alembic.version_table)))
    found, rows = await _read(runtime.get_service(Database), tool, table)
    history = history_of(tool, rows, table=found, name=app or plugin)

    def choose(steps: Sequence[MigrationStep]) -> list[str]:
        return chosen(history, steps, plugin=plugin, below=None if alembic is None else alembic.revisions_below)

    return await orchestrator.claim(plugin, choose, check=check, dry_run=dry_run)


async def _read(database: Database, tool: HistoryTool, table: str | None) -> tuple[str, Sequence[Row]]:
    """Read a history, and return where it was found and its rows."""
    known = TABLES[tool]
    schema, _, name = (table or known.name).rpartition(".")
    session = await MigrationSession.open(database.migration_url, application_name=f"roost: importing from {tool}")
    try:
        await session.execute(_BEGIN)
        columns = await _columns(session, name, schema=schema or (known.schema if table is None else None))
        found, query = _query(columns, known, tool=tool, name=name, table=table or known.name)
        try:
            return found, await session.rows(query)
        except Exception as error:
            if sqlstate_of(error) is None or is_connection_lost(error):
                raise
            is_locked = is_lock_timeout(error)
            reason = f"another session has kept it locked for {_LOCK_SECONDS} s" if is_locked else f"reading it fails: {error}"
            remedy = f"let {tool} end, or whoever it is" if is_locked else "see what it is, and who may read it"
            raise HistoryUnreadable(tool=tool, table=found, reason=reason, remedy=remedy) from error
    finally:
        session.terminate()


async def _columns(session: MigrationSession, name: str, *, schema: str | None) -> dict[str, set[str]]:
    """Return the columns of the tables of a name, by their schemas."""
    within = f"= {quote_literal(schema)}" if schema else "!~ '^pg_'"
    rows = await session.rows(
        "SELECT n.nspname, a.attname FROM pg_catalog.pg_attribute a "
        "JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        f"WHERE c.relname = {quote_literal(name)} AND c.relkind IN ('r', 'p', 'v') AND n.nspname {within} "
        "AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1"
    )
    columns: dict[str, set[str]] = {}
    for nspname, attname in rows:
        columns.setdefault(str(nspname), set()).add(str(attname))
    return columns


def _query(columns: dict[str, set[str]], known: HistoryTable, *, tool: HistoryTool, name: str, table: str) -> tuple[str, str]:
    """Return which table it is, and what reads it."""
    if not columns:
        raise HistoryNotFound(tool=tool, table=table if known.schema is None or "." in table else f"{known.schema}.{table}")
    if len(columns) > 1:
        reason = f"there is one in each of the schemas {', '.join(columns)}"
        raise HistoryUnreadable(tool=tool, table=table, reason=reason, remedy=_NAME_TABLE)
    (schema,) = columns
    found = f"{schema}.{name}"
    wanted = (*known.columns, *([known.order] if known.order is not None else []))
    lacking = [column for column in wanted if column not in columns[schema]]
    strange = [column for column in known.never if column in columns[schema]]
    if lacking or strange:
        reason = f"it has no column {', '.join(lacking)}" if lacking else f"it has a column {', '.join(strange)}, as another tool's has"
        raise HistoryUnreadable(tool=tool, table=found, reason=reason, remedy=f"look whether it is {tool}'s; else {_NAME_TABLE}")
    read = ", ".join(f"{quote_identifier(column)}::pg_catalog.text" for column in known.columns)
    order = f" ORDER BY {quote_identifier(known.order)}" if known.order is not None else ""
    return found, f"SELECT {read} FROM {quote_identifier(schema)}.{quote_identifier(name)}{order}"
