"""Plugins that declare schemas: brought about by roost, looked at by the catalogue, and judged from outside by ``pg_dump``."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import asyncpg
import pytest

from roost import DatabaseMigrationService, MigrationOrchestrator, MigrationReport, Plugin, Runtime
from roost.errors import DestructiveMigrationBlocked, InvalidSchema, RoostError, SchemasFailed, SchemaUnsupported, StepFailed
from roost.migrations import SchemaCheck
from roost.postgres import quote_identifier, quote_literal
from roost.postgres._server_binaries import find_binaries
from tests.plugins.build import QUICK, execute, history, query, residue
from tests.plugins.catalogue import catalogue_of

APP = "app"
"""The plugin of tests that need only one; its PostgreSQL schema has the same name."""

STEP = "declared-schema"
"""What the history calls a declared schema that was brought about."""

RECORD_DDL = """
CREATE SCHEMA noted;
CREATE TABLE noted.ddl (tag text, object text);
CREATE FUNCTION noted.note() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN
    INSERT INTO noted.ddl SELECT command_tag, object_identity FROM pg_event_trigger_ddl_commands()
    WHERE schema_name IS DISTINCT FROM 'pg_temp';
END$$;
CREATE FUNCTION noted.note_dropped() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN
    INSERT INTO noted.ddl SELECT tg_tag, object_identity FROM pg_event_trigger_dropped_objects() WHERE original AND NOT is_temporary;
END$$;
CREATE EVENT TRIGGER note ON ddl_command_end EXECUTE FUNCTION noted.note();
CREATE EVENT TRIGGER note_dropped ON sql_drop EXECUTE FUNCTION noted.note_dropped()
"""
"""Lets the server itself note every statement that defines, changes or drops something, however it comes in."""

_COLUMNS = """
SELECT attname::text, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid)
FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
_SECTION = re.compile(r"^--\n-- (?:Name|Data for Name): (.*)\n--\n", re.MULTILINE)
_SETTING = re.compile(r"^SET default_(?:tablespace|table_access_method) = .*;\n", re.MULTILINE)


def declaring(url: str, schemas: Mapping[str, object], *, allow: Iterable[str] = (), services: Sequence[type] = ()) -> Runtime:
    """Return a runtime of plugins that declare these schemas, by plugin; it is not started.

    Args:
        url: The database.
        schemas: What each plugin declares, by its name.
        allow: What may be lost.
        services: More services that belong to no plugin.
    """
    plugins = [Plugin(name, schema=schema) for name, schema in schemas.items()]
    config = replace(QUICK, allow_data_loss=frozenset(allow))
    return Runtime(services=[DatabaseMigrationService, *services], plugins=plugins, database=url, config=config)


async def bring_about(url: str, schemas: Mapping[str, object], *, allow: Iterable[str] = (), dry_run: bool = False) -> MigrationReport:
    """Bring declared schemas about, by a runtime of their own."""
    return await MigrationOrchestrator(declaring(url, schemas, allow=allow)).run_all_migrations(dry_run=dry_run)


async def refusal(url: str, schema: object, *, allow: Iterable[str] = ()) -> RoostError:
    """Return the error by which roost refuses to bring about what the one plugin declares, be it the plugin's own or that of the run."""
    with pytest.raises(RoostError) as caught:
        await apply(url, schema, allow=allow)
    return caught.value


async def failures(url: str, schemas: Mapping[str, object], *, allow: Iterable[str] = ()) -> dict[str, Exception]:
    """Return what became of the plugins that failed, by name; some must have, and nothing may be left of the run.

    An error that stands alone is raised as it is.
    """
    with pytest.raises(RoostError) as caught:
        await bring_about(url, schemas, allow=allow)
    assert await residue(url) == []
    error = caught.value
    if isinstance(error, SchemasFailed):
        assert len(error.failures) > 1
        return dict(error.failures)
    assert isinstance(error, (DestructiveMigrationBlocked, InvalidSchema, SchemaUnsupported, StepFailed))
    plugin = getattr(error, "plugin", APP)
    return {plugin: error}


async def apply(url: str, schema: object, *, allow: Iterable[str] = ()) -> MigrationReport:
    """Bring about what the one plugin declares."""
    return await bring_about(url, {APP: schema}, allow=allow)


async def failure(url: str, schema: object, *, allow: Iterable[str] = ()) -> Exception:
    """Return why the one plugin's declaration could not be brought about; nothing is changed and nothing is left."""
    before = await catalogue_of(url)
    (error,) = (await failures(url, {APP: schema}, allow=allow)).values()
    if before != await catalogue_of(url):  # the first run of all has made the ledger
        assert await query(url, "SELECT to_regnamespace($1)::text", APP) == [None]
    return error


async def blocked(url: str, schema: object, *losses: str, allow: Iterable[str] = ()) -> DestructiveMigrationBlocked:
    """Prove that the one plugin's declaration is blocked because just this would be lost, and return the error."""
    error = await failure(url, schema, allow=allow)
    assert isinstance(error, DestructiveMigrationBlocked)
    assert (error.plugin, sorted(error.losses)) == (APP, sorted(losses))
    text = str(error)
    assert all(name in text for name in (f"Destructive migration blocked for {APP}", *losses))
    return error


async def violates(url: str, schema: object, sqlstate: str, *, allow: Iterable[str] = ()) -> StepFailed:
    """Prove that the server refuses the change because of what the rows hold, and return the error."""
    error = await failure(url, schema, allow=allow)
    assert isinstance(error, StepFailed)
    assert (error.plugin, error.step) == (APP, STEP)
    assert sqlstate in sqlstates(error)
    return error


def sqlstates(error: BaseException) -> set[str]:
    """Return the SQLSTATEs of the server's errors that led to this one: its causes, and those of what a group holds."""
    return {cause.sqlstate for cause in causes(error) if isinstance(cause, asyncpg.PostgresError) and cause.sqlstate}


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, what it holds and what it came from."""
    if error is not None:
        yield error
        yield from causes(error.__cause__)
        if isinstance(error, BaseExceptionGroup):
            for one in error.exceptions:
                yield from causes(one)


async def fill(url: str, script: str, *, schema: str = APP) -> None:
    """Write rows, as the application does, whose search path holds the plugin's schema."""
    if script.strip():
        await execute(url, f"SET search_path TO {quote_identifier(schema)}, public; {script}")


async def ask(url: str, sql: str, *, schema: str = APP) -> list[Any]:
    """Ask as the application does, whose search path holds the plugin's schema; rows of one column come as values, others as tuples."""
    connection = await asyncpg.connect(url, server_settings={"search_path": f"{quote_identifier(schema)}, public"})
    try:
        found = await connection.fetch(sql)
    finally:
        await connection.close()
    return [row[0] if len(row) == 1 else tuple(row) for row in found]


async def check(url: str, schema: object, *, allow: Iterable[str] = ()) -> SchemaCheck:
    """Ask the service what it would do, and prove that it has written nothing."""
    before = await catalogue_of(url)
    checked = await declaring(url, {APP: schema}, allow=allow).get_service(DatabaseMigrationService).check_migration(APP)
    assert await catalogue_of(url) == before
    return checked


async def refused(url: str, sqlstate: str, *statements: str, schema: str = APP) -> None:
    """Prove that the server refuses each statement for this reason."""
    for statement in statements:
        with pytest.raises(asyncpg.PostgresError) as caught:
            await fill(url, statement, schema=schema)
        assert caught.value.sqlstate == sqlstate, statement


async def columns(url: str, table: str, *, schema: str = APP) -> list[tuple[str, str, bool, str | None]]:
    """Return (name, type, whether it is NOT NULL, default) of a table's columns, in order."""
    return await query(url, _COLUMNS, f"{quote_identifier(schema)}.{quote_identifier(table)}")


async def indexes(url: str, *, schema: str = APP) -> dict[str, str]:
    """Return the definitions of a schema's indexes, by name."""
    return dict(await query(url, "SELECT indexname::text, indexdef FROM pg_indexes WHERE schemaname = $1 ORDER BY 1", schema))


async def tables(url: str, *, schema: str = APP) -> list[str]:
    """Return the names of a schema's tables, sorted."""
    return await query(url, "SELECT tablename::text FROM pg_tables WHERE schemaname = $1 ORDER BY 1", schema)


async def foreign_keys(url: str, *, schema: str = APP) -> dict[str, str]:
    """Return the definitions of a schema's foreign keys, by name."""
    sql = "SELECT conname::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f' AND connamespace = $1::text::regnamespace"
    return dict(await query(url, f"{sql} ORDER BY 1", schema))


async def defined(url: str) -> list[tuple[str, str]]:
    """Return (command, object) of what was defined, changed or dropped since `RECORD_DDL`, but for the ledger's own."""
    return await query(url, "SELECT tag, object FROM noted.ddl WHERE object NOT LIKE 'roost.%' AND object <> 'roost'")


async def changes(url: str, plugin: str = APP) -> int:
    """Return how often the history says that the plugin's declaration was brought about."""
    found = await history(url, plugin)
    assert {step for _, step, _ in found} <= {STEP}
    return sum(success for *_, success in found)


async def dump(url: str, *, schema: str = APP) -> tuple[str, ...]:
    """Return what ``pg_dump`` says of a schema, a part for each object.

    The parts are sorted, as the program orders equals by their age, and so are the lines of a table's columns: a column that comes
    later stands last, because PostgreSQL knows no other place for it.
    """
    command = [_pg_dump(), "--schema-only", "--no-owner", f"--schema={quote_identifier(schema)}", f"--dbname={url}"]
    ended = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    text, _, _ = ended.stdout.partition("--\n-- PostgreSQL database dump complete\n")
    _, *sections = _SECTION.split(_SETTING.sub("", text))
    return tuple(sorted(f"{header}\n{_sorted_columns(body.strip())}" for header, body in zip(sections[::2], sections[1::2], strict=True)))


def _sorted_columns(body: str) -> str:
    lines = body.splitlines()
    if not re.match(r"CREATE (?:UNLOGGED )?TABLE .* \($", lines[0] if lines else ""):
        return body
    end = next(index for index, line in enumerate(lines) if line.startswith(")"))
    return "\n".join([lines[0], *sorted(line.removesuffix(",") for line in lines[1:end]), *lines[end:]])


@cache
def _pg_dump() -> str:
    return str(find_binaries().directory / "pg_dump")


async def rows_of(url: str, table: str, *names: str, schema: str = APP, order: str = "1") -> list[Any]:
    """Return a table's rows: some of its columns, or all as one JSON text; in the order of the first."""
    what = ", ".join(map(quote_identifier, names)) or "to_jsonb(t)::text"
    return await query(url, f"SELECT {what} FROM {quote_identifier(schema)}.{quote_identifier(table)} AS t ORDER BY {order}")


async def relation_oid(url: str, name: str, *, schema: str = APP) -> int:
    """Return the number that the server knows a table or an index by: one that was made anew has another."""
    (found,) = await query(url, f"SELECT {quote_literal(f'{quote_identifier(schema)}.{quote_identifier(name)}')}::regclass::oid")
    return int(found)
