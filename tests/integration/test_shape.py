"""What a plugin's own schema held is noted before each run, and a rollback to there is held against it."""

from __future__ import annotations

import asyncpg
import pytest

from roost import MigrationOrchestrator, MigrationStep, Runtime
from roost.migrations import SchemaDiffers
from tests.plugins.build import execute, make_plugin, make_runtime, migrate, query

MAKE = MigrationStep("make", "Make", up="CREATE TABLE t (id int)", down="DROP TABLE t", version="1.0.0")
KIND = MigrationStep("kind", "Add a kind", up="ALTER TABLE t ADD kind text", down="ALTER TABLE t DROP kind", version="1.1.0")
OTHER = MigrationStep("other", "Another table", up="CREATE TABLE other (id int)", version="1.1.0")
LOSSY = MigrationStep("kind", "Add a kind", up="ALTER TABLE t ADD kind text", down="SELECT 1", version="1.1.0")


async def differences(runtime: Runtime, **target: int) -> list[SchemaDiffers]:
    """Roll the runtime's one plugin back, and return what was told of its schema."""
    told: list[SchemaDiffers] = []
    runtime.events.subscribe(told.append, SchemaDiffers)
    (service,) = runtime.get_services_by_type("migration")
    await service.rollback(**target)
    return told


async def two_runs(url: str, second: MigrationStep, *, schema: str | None = "own") -> Runtime:
    """Apply one step, and in another run a second one."""
    await migrate(url, make_plugin("p", MAKE, schema=schema))
    runtime = make_runtime(url, make_plugin("p", MAKE, second, schema=schema))
    await MigrationOrchestrator(runtime).run_all_migrations()
    return runtime


@pytest.mark.asyncio
async def test_a_way_back_that_takes_back_all_is_not_told_of(database_url: str) -> None:
    """Where each run began, the schema is what it was, also where it was empty."""
    runtime = await two_runs(database_url, KIND)
    assert await differences(runtime, run=2) == []
    assert await differences(runtime, run=1) == []


@pytest.mark.asyncio
async def test_a_way_back_that_leaves_something_is_told_of(database_url: str) -> None:
    """The rollback stands, and says in which schema and since which run something differs."""
    runtime = await two_runs(database_url, LOSSY)
    assert await differences(runtime, run=2) == [SchemaDiffers(plugin="p", schema="own", run=2)]
    assert await query(database_url, "SELECT step FROM roost.applied") == ["make"]


@pytest.mark.asyncio
async def test_what_others_left_in_the_schema_is_told_of(database_url: str) -> None:
    """What was made there by hand since then differs as well."""
    runtime = await two_runs(database_url, KIND)
    await execute(database_url, "CREATE VIEW own.ids AS SELECT id FROM own.t")
    assert await differences(runtime, steps=1) == [SchemaDiffers(plugin="p", schema="own", run=2)]


@pytest.mark.asyncio
async def test_it_is_compared_only_where_a_run_began(database_url: str) -> None:
    """In the middle of a run nothing was noted, and without a schema of its own a plugin answers for nothing."""
    runtime = make_runtime(database_url, make_plugin("p", MAKE, LOSSY, schema="own"))
    await MigrationOrchestrator(runtime).run_all_migrations()
    assert await differences(runtime, steps=1) == []
    assert await query(database_url, "SELECT step, shape_before IS NOT NULL FROM roost.applied") == [("make", True)]
    shared = await two_runs(
        database_url, MigrationStep("view", "View", up="CREATE VIEW w AS SELECT 1", down="SELECT 1", version="2"), schema=None
    )
    assert await query(database_url, "SELECT count(shape_before) FROM roost.applied WHERE step = 'view'") == [0]
    assert await differences(shared, steps=1) == []


CHANGES = {
    "table": "CREATE TABLE u ()",
    "column": "ALTER TABLE t ADD more int",
    "type": "ALTER TABLE t ALTER id TYPE bigint",
    "length": "ALTER TABLE t ALTER name TYPE varchar(20)",
    "default": "ALTER TABLE t ALTER id SET DEFAULT 7",
    "null": "ALTER TABLE t ALTER id SET NOT NULL",
    "identity": "ALTER TABLE t ALTER number DROP IDENTITY",
    "generated": "ALTER TABLE t ADD twice int GENERATED ALWAYS AS (id * 2) STORED",
    "collation": 'ALTER TABLE t ALTER name TYPE varchar(10) COLLATE "C"',
    "check": "ALTER TABLE t ADD CHECK (id > 0)",
    "not valid": "ALTER TABLE t ADD CHECK (id > 0) NOT VALID",
    "key": "ALTER TABLE t ADD PRIMARY KEY (id)",
    "reference": "ALTER TABLE t ADD FOREIGN KEY (number) REFERENCES k",
    "deferred": "ALTER TABLE t ADD UNIQUE (id) DEFERRABLE",
    "index": "CREATE INDEX ON t (id)",
    "part of an index": "CREATE INDEX ON t (id) WHERE id > 0",
    "view": "CREATE VIEW v AS SELECT id FROM t",
    "materialized": "CREATE MATERIALIZED VIEW v AS SELECT id FROM t",
    "function": "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "body": "CREATE OR REPLACE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 2'",
    "procedure": "CREATE PROCEDURE f() LANGUAGE sql AS 'SELECT 1'",
    "aggregate": "CREATE AGGREGATE total (int) (sfunc = int4pl, stype = int)",
    "other aggregate": "CREATE OR REPLACE AGGREGATE whole (int) (sfunc = int4pl, stype = int, initcond = '1')",
    "enum": "CREATE TYPE e AS ENUM ('a')",
    "label": "ALTER TYPE mood ADD VALUE 'fine' BEFORE 'sad'",
    "domain": "CREATE DOMAIN d AS int CHECK (value > 0)",
    "composite": "CREATE TYPE c AS (a int, b text)",
    "range": "CREATE TYPE r AS RANGE (subtype = int)",
    "sequence": "CREATE SEQUENCE s",
    "step of a sequence": "ALTER SEQUENCE known INCREMENT 2",
    "owner of a sequence": "ALTER SEQUENCE known OWNED BY t.id",
    "trigger": "CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION h()",
    "disabled trigger": "ALTER TABLE k DISABLE TRIGGER y",
    "rule": "CREATE RULE r AS ON INSERT TO t DO INSTEAD NOTHING",
    "row security": "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
    "policy": "CREATE POLICY p ON t USING (true)",
    "unlogged": "ALTER TABLE t SET UNLOGGED",
    "option": "ALTER TABLE t SET (fillfactor = 70)",
    "option of an index": "ALTER INDEX k_pkey SET (fillfactor = 70)",
    "partition": "CREATE TABLE part PARTITION OF whole_range FOR VALUES FROM (1) TO (2)",
    "child": "CREATE TABLE child () INHERITS (t)",
    "parent": "ALTER TABLE t INHERIT parent",
    "statistics": "CREATE STATISTICS st ON id, number FROM t",
    "storage": "ALTER TABLE t ALTER name SET STORAGE EXTERNAL",
    "name": "ALTER TABLE t RENAME id TO other",
}
BEGINNING = """
CREATE SCHEMA own; SET search_path = own;
CREATE TABLE k (id int PRIMARY KEY); CREATE TABLE parent ();
CREATE TABLE t (id int, name varchar(10), number int GENERATED ALWAYS AS IDENTITY);
CREATE TABLE whole_range (id int) PARTITION BY RANGE (id);
CREATE TYPE mood AS ENUM ('sad'); CREATE SEQUENCE known;
CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE whole (int) (sfunc = int4pl, stype = int);
CREATE FUNCTION h() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER y BEFORE INSERT ON k FOR EACH ROW EXECUTE FUNCTION h()
"""
SHAPE = "SELECT roost.shape('own')"


@pytest.mark.asyncio
async def test_every_kind_of_change_shows(database_url: str) -> None:
    """Whatever a step may do to a schema but for its data changes its shape; taken back, the shape is what it was."""
    await migrate(database_url, make_plugin("p", MAKE))
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(BEGINNING)
        before = await connection.fetchval(SHAPE)
        seen: dict[str, str] = {}
        for name, change in CHANGES.items():
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute(change)
            seen[name] = await connection.fetchval(SHAPE)
            await transaction.rollback()
            assert await connection.fetchval(SHAPE) == before, name
        assert [name for name, found in seen.items() if found == before] == []
        assert len(set(seen.values())) == len(seen)
    finally:
        await connection.close()


@pytest.mark.asyncio
async def test_data_and_numbers_of_objects_do_not_show(database_url: str) -> None:
    """Rows, values of sequences, objects made anew, columns that came and went, and other schemas change nothing."""
    await migrate(database_url, make_plugin("p", MAKE))
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(BEGINNING)
        before = await connection.fetchval(SHAPE)
        for harmless in (
            "INSERT INTO t (id) VALUES (1); SELECT nextval('known')",
            "DROP TABLE t; CREATE TABLE t (id int, name varchar(10), number int GENERATED ALWAYS AS IDENTITY)",
            "ALTER TABLE t ADD gone int; ALTER TABLE t DROP gone",
            "DROP TYPE mood; CREATE TYPE mood AS ENUM ('sad')",
            "CREATE TABLE public.other (id int)",
            "SET search_path = public",
            "ANALYZE own.t",
        ):
            await connection.execute(harmless)
            assert await connection.fetchval(SHAPE) == before, harmless
        assert await connection.fetchval("SELECT roost.shape('nowhere') <> roost.shape('own')")
    finally:
        await connection.close()


@pytest.mark.asyncio
async def test_nobody_waits_to_see_a_shape(database_url: str) -> None:
    """Where somebody keeps what a view reads locked, neither a rollback nor a step waits for a look at it, and nothing is told."""
    more = MigrationStep("more", "More", up="CREATE TABLE more (id int)", down="SELECT 1", version="1.1.0")
    runtime = await two_runs(database_url, more)
    await execute(database_url, "CREATE MATERIALIZED VIEW own.ids AS SELECT id FROM own.t")
    other = await asyncpg.connect(database_url)
    try:
        await other.execute("BEGIN; REFRESH MATERIALIZED VIEW own.ids")
        assert await differences(runtime, steps=1) == []
        await migrate(database_url, make_plugin("p", MAKE, OTHER, schema="own"))
    finally:
        await other.close()
    assert await query(database_url, "SELECT step FROM roost.applied WHERE shape_before IS NULL") == ["other"]
