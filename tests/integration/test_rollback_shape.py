"""Laws of the way there and back, for generated plans: to undo is to have done nothing, and to do again is to have done it once."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roost import MigrationContext, MigrationOrchestrator, MigrationStep, Runtime
from roost.errors import StepFailed
from roost.migrations import SchemaDiffers
from tests.plugins.build import make_plugin, make_runtime, residue

if TYPE_CHECKING:
    from roost.migrations._step import StepBody

SAME_EACH_TIME = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
"""A server is not to be timed, each example has a schema of its own in the test's one database, and a failure is there the next time."""

TYPES = ("int", "bigint", "text", "varchar(20)", "numeric(8, 2)", "timestamptz", "boolean[]")
CATALOGUE = """
SELECT 'column', table_name, column_name, ordinal_position - (
    SELECT count(*) FROM pg_attribute WHERE attrelid = format('%I.%I', table_schema, table_name)::regclass
    AND attisdropped AND attnum < ordinal_position
), udt_schema || '.' || udt_name || coalesce(character_maximum_length::text, ''), is_nullable || coalesce(column_default, '')
FROM information_schema.columns WHERE table_schema = $1
UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, 0, pg_get_constraintdef(oid), '' FROM pg_constraint
WHERE connamespace = $1::regnamespace
UNION ALL SELECT 'index', tablename, indexname, 0, indexdef, '' FROM pg_indexes WHERE schemaname = $1
UNION ALL SELECT 'view', viewname, '', 0, definition, '' FROM pg_views WHERE schemaname = $1
UNION ALL SELECT 'function', proname, '', 0, prosrc, prorettype::regtype::text FROM pg_proc WHERE pronamespace = $1::regnamespace
UNION ALL SELECT 'enum', typname, enumlabel, (row_number() OVER (PARTITION BY typname ORDER BY enumsortorder))::int, '', ''
FROM pg_type JOIN pg_enum ON enumtypid = pg_type.oid WHERE typnamespace = $1::regnamespace
UNION ALL SELECT 'sequence', sequencename, '', 0, increment_by::text, data_type::text FROM pg_sequences WHERE schemaname = $1
ORDER BY 1, 2, 3, 4
"""
_places = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Change:
    """What a step does, and how that is undone."""

    up: str
    down: str
    by_function: bool = False


@st.composite
def changes(draw: st.DrawFn) -> list[Change]:
    """Return changes in an order in which they can be made, each by its place among them."""
    tables: dict[str, list[str]] = {}
    kinds = list(TYPES)
    made: list[Change] = []
    for number in range(draw(st.integers(2, 9))):
        what = draw(st.sampled_from(["table", "enum", "function", "sequence"] + (list(_ON_TABLES) if tables else [])))
        if what in _ON_TABLES:
            table = draw(st.sampled_from(sorted(tables)))
            change = _ON_TABLES[what](draw, number, table, tables[table], kinds)
        else:
            change = _ALONE[what](draw, number, tables, kinds)
        made.append(replace(change, by_function=draw(st.booleans())))
    return made


def _table(draw: st.DrawFn, number: int, tables: dict[str, list[str]], kinds: list[str]) -> Change:
    tables[f"t{number}"] = ["id", "first"]
    return Change(f"CREATE TABLE t{number} (id int PRIMARY KEY, first {draw(st.sampled_from(kinds))})", f"DROP TABLE t{number}")


def _enum(draw: st.DrawFn, number: int, _tables: dict[str, list[str]], kinds: list[str]) -> Change:
    labels = ", ".join(f"'{label}'" for label in draw(st.permutations("abc")))
    kinds.append(f"e{number}")
    return Change(f"CREATE TYPE e{number} AS ENUM ({labels})", f"DROP TYPE e{number}")


def _function(draw: st.DrawFn, number: int, _tables: dict[str, list[str]], _kinds: list[str]) -> Change:
    body = f"CREATE FUNCTION f{number}(n int) RETURNS int LANGUAGE sql AS 'SELECT n + {draw(st.integers(1, 9))}'"
    return Change(body, f"DROP FUNCTION f{number}(int)")


def _sequence(draw: st.DrawFn, number: int, _tables: dict[str, list[str]], _kinds: list[str]) -> Change:
    return Change(f"CREATE SEQUENCE s{number} INCREMENT {draw(st.integers(1, 9))}", f"DROP SEQUENCE s{number}")


def _column(draw: st.DrawFn, number: int, table: str, columns: list[str], kinds: list[str]) -> Change:
    more = draw(st.sampled_from(["", " DEFAULT NULL", " UNIQUE"]))
    columns.append(f"c{number}")
    return Change(f"ALTER TABLE {table} ADD c{number} {draw(st.sampled_from(kinds))}{more}", f"ALTER TABLE {table} DROP c{number}")


def _counted(draw: st.DrawFn, number: int, table: str, columns: list[str], _kinds: list[str]) -> Change:
    columns.append(f"n{number}")
    filled = f"ALTER TABLE {table} ADD n{number} int NOT NULL DEFAULT {draw(st.integers(0, 9))}"
    return Change(filled, f"ALTER TABLE {table} DROP n{number}")


def _index(draw: st.DrawFn, number: int, table: str, columns: list[str], _kinds: list[str]) -> Change:
    chosen = draw(st.lists(st.sampled_from(columns), min_size=1, max_size=2, unique=True))
    where = draw(st.sampled_from(["", " WHERE id > 3"]))
    return Change(f"CREATE INDEX i{number} ON {table} ({', '.join(chosen)}){where}", f"DROP INDEX i{number}")


def _view(draw: st.DrawFn, number: int, table: str, columns: list[str], _kinds: list[str]) -> Change:
    chosen = draw(st.lists(st.sampled_from(columns), min_size=1, unique=True))
    return Change(f"CREATE VIEW v{number} AS SELECT {', '.join(chosen)} FROM {table}", f"DROP VIEW v{number}")


def _check(draw: st.DrawFn, number: int, table: str, _columns: list[str], _kinds: list[str]) -> Change:
    checked = f"ALTER TABLE {table} ADD CONSTRAINT k{number} CHECK (id > -{draw(st.integers(1, 9))})"
    return Change(checked, f"ALTER TABLE {table} DROP CONSTRAINT k{number}")


def _rename(_draw: st.DrawFn, number: int, table: str, columns: list[str], _kinds: list[str]) -> Change:
    old = columns.pop()
    columns.append(f"r{number}")
    return Change(f"ALTER TABLE {table} RENAME {old} TO r{number}", f"ALTER TABLE {table} RENAME r{number} TO {old}")


def _rows(draw: st.DrawFn, number: int, table: str, columns: list[str], _kinds: list[str]) -> Change:
    last = number * 10 + draw(st.integers(0, 3))
    key = columns[0]
    filled = f"INSERT INTO {table} ({key}) SELECT generate_series({number * 10}, {last})"
    return Change(filled, f"DELETE FROM {table} WHERE {key} BETWEEN {number * 10} AND {last}")


_Alone = Callable[[st.DrawFn, int, dict[str, list[str]], list[str]], Change]
_OnTable = Callable[[st.DrawFn, int, str, list[str], list[str]], Change]
_ALONE: dict[str, _Alone] = {"table": _table, "enum": _enum, "function": _function, "sequence": _sequence}
_ON_TABLES: dict[str, _OnTable] = {
    "column": _column,
    "counted": _counted,
    "index": _index,
    "view": _view,
    "check": _check,
    "rename": _rename,
    "rows": _rows,
}


def body(sql: str, *, by_function: bool) -> StepBody:
    """Return SQL, or a function that does the same."""
    if not by_function:
        return sql

    async def function(ctx: MigrationContext) -> None:
        await ctx.execute(sql)

    return function


class Plugin:
    """A plugin of these changes, in a schema of its own."""

    def __init__(self, url: str, made: list[Change]) -> None:
        self.name = f"p{next(_places)}"
        self.schema = f"of_{self.name}"
        self._url = url
        self._steps = [
            MigrationStep(
                f"s{number}",
                "A change",
                up=body(change.up, by_function=change.by_function),
                down=body(change.down, by_function=change.by_function),
                version="1.0.0",
            )
            for number, change in enumerate(made)
        ]

    def runtime(self, count: int | None = None) -> Runtime:
        """Return a runtime of the plugin with its first steps, or all."""
        return make_runtime(self._url, make_plugin(self.name, *self._steps[:count], schema=self.schema))

    async def migrate(self, count: int | None = None) -> int:
        """Apply the first steps, or all, and return the run's number."""
        await MigrationOrchestrator(self.runtime(count)).run_all_migrations()
        connection = await asyncpg.connect(self._url)
        try:
            number: int = await connection.fetchval("SELECT max(run) FROM roost.applied WHERE plugin = $1", self.name)
        finally:
            await connection.close()
        return number

    async def roll_back(self, *, run: int | None = None) -> list[SchemaDiffers]:
        """Undo a run, or all, and return what was told of the schema."""
        runtime = self.runtime()
        told: list[SchemaDiffers] = []
        runtime.events.subscribe(told.append, SchemaDiffers)
        (service,) = runtime.get_services_by_type("migration")
        await service.rollback(run=run)
        return told

    async def seen(self) -> tuple[str, list[tuple[Any, ...]], dict[str, list[Any]]]:
        """Return the shape of the schema, what PostgreSQL's catalogue says of it in words of its own, and the rows of its tables."""
        connection = await asyncpg.connect(self._url)
        try:
            shape = await connection.fetchval("SELECT roost.shape($1)", self.schema)
            catalogue = [tuple(row) for row in await connection.fetch(CATALOGUE, self.schema)]
            tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1 ORDER BY 1", self.schema)
            rows = {
                name: [tuple(row) for row in await connection.fetch(f'SELECT * FROM "{self.schema}".{name} ORDER BY 1')]
                for (name,) in tables
            }
        finally:
            await connection.close()
        return shape, catalogue, rows


@SAME_EACH_TIME
@given(made=changes(), cut=st.integers(1, 8))
def test_to_undo_is_to_have_done_nothing(database_url: str, made: list[Change], cut: int) -> None:
    """After the way back from a run, shape, catalogue and rows are those before it; done again, those after it."""

    async def law() -> None:
        plugin = Plugin(database_url, made)
        await plugin.migrate(min(cut, len(made) - 1))
        before = await plugin.seen()
        number = await plugin.migrate()
        after = await plugin.seen()
        assert await plugin.roll_back(run=number) == []
        assert await plugin.seen() == before
        await plugin.migrate()
        assert await plugin.seen() == after
        assert await plugin.roll_back() == []
        assert (await plugin.seen())[1:] == ([], {})
        assert await residue(database_url) == []

    asyncio.run(law())


@SAME_EACH_TIME
@given(made=changes(), left_out=st.integers(0, 8))
def test_what_a_way_back_leaves_is_told_of(database_url: str, made: list[Change], left_out: int) -> None:
    """Where one way back does nothing, it is told of exactly if the catalogue shows something that was not there before."""
    index = left_out % len(made)

    async def law() -> None:
        plugin = Plugin(database_url, [*made[:index], replace(made[index], down="SELECT 1"), *made[index + 1 :]])
        number = await plugin.migrate()
        try:
            told = await plugin.roll_back()
        except StepFailed:
            return  # what was left is in the way of another's way back
        left = (await plugin.seen())[1]
        assert told == ([SchemaDiffers(plugin=plugin.name, schema=plugin.schema, run=number)] if left else [])

    asyncio.run(law())


@pytest.mark.asyncio
async def test_the_catalogue_sees_what_the_laws_compare(database_url: str) -> None:
    """Each kind of change shows in the words of the catalogue or in the rows, so that the laws compare something."""
    plugin = Plugin(database_url, [Change("CREATE TABLE t (id int)", "DROP TABLE t"), Change("INSERT INTO t VALUES (1)", "TRUNCATE t")])
    await plugin.migrate(1)
    _, catalogue, rows = await plugin.seen()
    assert [row[:3] for row in catalogue] == [("column", "t", "id")]
    await plugin.migrate()
    assert (rows, (await plugin.seen())[2]) == ({"t": []}, {"t": [(1,)]})
