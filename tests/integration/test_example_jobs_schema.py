"""The example's `jobs`: what procrastinate's own migrations make is what its own schema makes."""

from __future__ import annotations

from importlib.resources import files

import asyncpg
import pytest

from examples.agent_server.jobs import JobsMigrations
from roost import MigrationOrchestrator, Plugin, Runtime

CATALOGUES = {
    "relations": "SELECT relname, relkind, relpersistence, reloptions FROM pg_class WHERE relnamespace = $1::text::regnamespace",
    "columns": """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated,
               pg_get_expr(d.adbin, d.adrelid)
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace = $1::text::regnamespace AND c.relkind IN ('r', 'v', 'm', 'p', 'c')
    """,
    "constraints": """
        SELECT conname, contype, conrelid::regclass::text, pg_get_constraintdef(oid, true)
        FROM pg_constraint WHERE connamespace = $1::text::regnamespace
    """,
    "indexes": """
        SELECT c.relname, i.indisvalid, replace(pg_get_indexdef(c.oid, 0, true), $1::text || '.', '')
        FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid WHERE c.relnamespace = $1::text::regnamespace
    """,
    "sequences": """
        SELECT c.relname, format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcycle,
               d.refobjid::regclass::text, a.attname
        FROM pg_class c JOIN pg_sequence s ON s.seqrelid = c.oid
        LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refobjsubid > 0
        LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE c.relnamespace = $1::text::regnamespace
    """,
    "functions": """
        SELECT p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid), l.lanname, p.prokind, p.provolatile,
               p.prosecdef, p.proisstrict, p.proconfig, p.prosrc
        FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang WHERE p.pronamespace = $1::text::regnamespace
    """,
    "triggers": """
        SELECT t.tgname, t.tgenabled, pg_get_triggerdef(t.oid, true)
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE c.relnamespace = $1::text::regnamespace AND NOT t.tgisinternal
    """,
    "types": """
        SELECT t.typname, t.typtype, array(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = t.oid ORDER BY enumsortorder)
        FROM pg_type t WHERE t.typnamespace = $1::text::regnamespace
    """,
}
"""Queries on what a schema holds; names come out without it, for it is the search path (an index's table does not)."""


@pytest.mark.asyncio
async def test_the_migrated_schema_equals_the_packages_own(database_url: str) -> None:
    """Tables, types, functions, triggers, indexes, constraints and sequences are the same; the columns' order is left aside."""
    plugin = Plugin("jobs", version="3.10.0", services=[JobsMigrations])
    await MigrationOrchestrator(Runtime(plugins=[plugin], database=database_url)).run_all_migrations()
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("CREATE SCHEMA expected; SET search_path = expected, pg_temp")
        await connection.execute((files("procrastinate") / "sql" / "schema.sql").read_text("utf-8"))
        migrated = await _catalogues(connection, "jobs")
        expected = await _catalogues(connection, "expected")
    finally:
        await connection.close()
    assert all(len(rows) > 0 for rows in expected.values())
    for name, rows in expected.items():
        assert migrated[name] == rows, name


@pytest.mark.asyncio
async def test_every_file_is_applied_once_and_alone(database_url: str) -> None:
    """Each of the package's 38 files is one step, in the order of names, and nothing lands outside of the plugin's schema."""
    plugin = Plugin("jobs", version="3.10.0", services=[JobsMigrations])
    orchestrator = MigrationOrchestrator(Runtime(plugins=[plugin], database=database_url))
    await orchestrator.run_all_migrations()
    shipped = (files("procrastinate") / "sql" / "migrations").iterdir()
    names = sorted(file.name.removesuffix(".sql") for file in shipped if file.name.endswith(".sql"))
    assert len(names) == 38
    assert [record.step for record in reversed(await orchestrator.get_migration_history())] == names
    assert (await orchestrator.run_all_migrations()).steps == ()
    connection = await asyncpg.connect(database_url)
    try:
        query = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        assert await connection.fetchval(query) == 0
    finally:
        await connection.close()


async def _catalogues(connection: asyncpg.Connection, schema: str) -> dict[str, list[str]]:
    await connection.execute(f"SET search_path = {schema}, pg_temp")
    found: dict[str, list[str]] = {}
    for name, query in CATALOGUES.items():
        found[name] = sorted(repr(tuple(row)) for row in await connection.fetch(query, schema))
    return found
