"""The difference of two databases: whatever differs is seen in the catalogue, and is brought about, there and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest

from roost.errors import DatabaseError, SchemaUnsupported
from roost.postgres import MigrationSession, parse_url
from roost.runtime import Secret
from roost.schema import DeclaredPlugin, SchemaObject, declare, declared_plugin, difference, objects_in, scratch_database
from roost.schema._catalogue import reading_catalogue
from tests.plugins.build import execute, query

_TRIGGER = "CREATE TABLE t(a int); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'begin return new;end'"
_FIRED = f"{_TRIGGER}; CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()"
_PARTS = "CREATE TABLE t(a int) PARTITION BY RANGE(a); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (1) TO (3)"

PAIRS = {
    "comment of a column": ("CREATE TABLE a(id int)", "CREATE TABLE a(id int); COMMENT ON COLUMN a.id IS 'x'"),
    "storage parameter of a table": ("CREATE TABLE a(id int)", "CREATE TABLE a(id int) WITH (fillfactor = 70)"),
    "storage parameter of a toast table": (
        "CREATE TABLE a(id int, t text)",
        "CREATE TABLE a(id int, t text) WITH (toast.autovacuum_enabled = false)",
    ),
    "storage of a column": ("CREATE TABLE a(t text)", "CREATE TABLE a(t text STORAGE EXTERNAL)"),
    "compression of a column": ("CREATE TABLE a(t text)", "CREATE TABLE a(t text COMPRESSION pglz)"),
    "statistics of a column": ("CREATE TABLE a(t text)", "CREATE TABLE a(t text); ALTER TABLE a ALTER t SET STATISTICS 50"),
    "planner's options of a column": ("CREATE TABLE a(t text)", "CREATE TABLE a(t text); ALTER TABLE a ALTER t SET (n_distinct = 5)"),
    "index to cluster by": ("CREATE TABLE a(id int PRIMARY KEY)", "CREATE TABLE a(id int PRIMARY KEY); ALTER TABLE a CLUSTER ON a_pkey"),
    "storage parameter of a key's index": (
        "CREATE TABLE a(id int PRIMARY KEY)",
        "CREATE TABLE a(id int PRIMARY KEY WITH (fillfactor = 60))",
    ),
    "comment of a domain": (
        "CREATE DOMAIN c AS int CHECK(value > 0)",
        "CREATE DOMAIN c AS int CHECK(value > 0); COMMENT ON DOMAIN c IS 'x'",
    ),
    "comment of a domain's constraint": (
        "CREATE DOMAIN c AS int CONSTRAINT q CHECK(value > 0)",
        "CREATE DOMAIN c AS int CONSTRAINT q CHECK(value > 0); COMMENT ON CONSTRAINT q ON DOMAIN c IS 'x'",
    ),
    "check of a domain": ("CREATE DOMAIN c AS int CONSTRAINT q CHECK(value > 0)", "CREATE DOMAIN c AS int CONSTRAINT q CHECK(value > 1)"),
    "default of a domain": ("CREATE DOMAIN c AS int", "CREATE DOMAIN c AS int DEFAULT 4"),
    "not null of a domain": ("CREATE DOMAIN c AS int", "CREATE DOMAIN c AS int NOT NULL"),
    "collation of a range": ("CREATE TYPE z AS ENUM('a')", 'CREATE TYPE r AS RANGE (subtype = text, collation="C")'),
    "value of an enum": ("CREATE TYPE z AS ENUM('a','c')", "CREATE TYPE z AS ENUM('a','b','c')"),
    "comment of an enum": ("CREATE TYPE z AS ENUM('a','c')", "CREATE TYPE z AS ENUM('a','c'); COMMENT ON TYPE z IS 'x'"),
    "comment of a view's column": ("CREATE VIEW v AS SELECT 1 a", "CREATE VIEW v AS SELECT 1 a; COMMENT ON COLUMN v.a IS 'x'"),
    "comment of a view": ("CREATE VIEW v AS SELECT 1 a", "CREATE VIEW v AS SELECT 1 a; COMMENT ON VIEW v IS 'x'"),
    "option of a view": ("CREATE VIEW v AS SELECT 1 a", "CREATE VIEW v WITH (security_invoker) AS SELECT 1 a"),
    "check option of a view": (
        "CREATE TABLE t(a int); CREATE VIEW v AS SELECT a FROM t",
        "CREATE TABLE t(a int); CREATE VIEW v AS SELECT a FROM t WHERE a > 1 WITH CHECK option",
    ),
    "default of a view's column": ("CREATE VIEW v AS SELECT 1 a", "CREATE VIEW v AS SELECT 1 a; ALTER VIEW v ALTER a SET DEFAULT 4"),
    "query of a view": ("CREATE VIEW v AS SELECT 1 a", "CREATE VIEW v AS SELECT 'x'::text a"),
    "query of a materialized view": ("CREATE MATERIALIZED VIEW v AS SELECT 1 a", "CREATE MATERIALIZED VIEW v AS SELECT 2 a"),
    "storage parameter of a materialized view": (
        "CREATE MATERIALIZED VIEW v AS SELECT 1 a",
        "CREATE MATERIALIZED VIEW v WITH (fillfactor = 60) AS SELECT 1 a",
    ),
    "comment of a materialized view": (
        "CREATE MATERIALIZED VIEW v AS SELECT 1 a",
        "CREATE MATERIALIZED VIEW v AS SELECT 1 a; COMMENT ON MATERIALIZED VIEW v IS 'x'",
    ),
    "index of a materialized view": (
        "CREATE MATERIALIZED VIEW v AS SELECT 1 a",
        "CREATE MATERIALIZED VIEW v AS SELECT 1 a; CREATE UNIQUE INDEX i ON v(a)",
    ),
    "numbers of a sequence": ("CREATE SEQUENCE s", "CREATE SEQUENCE s INCREMENT 2 CACHE 5 CYCLE"),
    "type of a sequence": ("CREATE SEQUENCE s", "CREATE SEQUENCE s AS int"),
    "owner of a sequence": ("CREATE TABLE t(a int); CREATE SEQUENCE s", "CREATE TABLE t(a int); CREATE SEQUENCE s OWNED BY t.a"),
    "persistence of a sequence": ("CREATE SEQUENCE s", "CREATE UNLOGGED SEQUENCE s"),
    "comment of a sequence": ("CREATE SEQUENCE s", "CREATE SEQUENCE s; COMMENT ON SEQUENCE s IS 'x'"),
    "comment of a serial's sequence": ("CREATE TABLE t(a serial)", "CREATE TABLE t(a serial); COMMENT ON SEQUENCE t_a_seq IS 'x'"),
    "numbers of a serial's sequence": ("CREATE TABLE t(a serial)", "CREATE TABLE t(a serial); ALTER SEQUENCE t_a_seq INCREMENT 5"),
    "width of a serial": ("CREATE TABLE t(a serial)", "CREATE TABLE t(a bigserial)"),
    "serial": ("CREATE TABLE t(a int)", "CREATE TABLE t(a serial)"),
    "identity": ("CREATE TABLE t(a int NOT NULL)", "CREATE TABLE t(a int GENERATED ALWAYS AS IDENTITY)"),
    "kind of an identity": ("CREATE TABLE t(a int GENERATED BY DEFAULT AS IDENTITY)", "CREATE TABLE t(a int GENERATED ALWAYS AS IDENTITY)"),
    "numbers of an identity": (
        "CREATE TABLE t(a int GENERATED BY DEFAULT AS IDENTITY)",
        "CREATE TABLE t(a int GENERATED BY DEFAULT AS IDENTITY (START 10 INCREMENT 10))",
    ),
    "generated column": ("CREATE TABLE t(a int)", "CREATE TABLE t(a int, b int GENERATED ALWAYS AS (a + 1) STORED)"),
    "expression of a generated column": (
        "CREATE TABLE t(a int, b int GENERATED ALWAYS AS (a + 1) STORED)",
        "CREATE TABLE t(a int, b int GENERATED ALWAYS AS (a + 2) STORED)",
    ),
    "default": ("CREATE TABLE t(a int)", "CREATE TABLE t(a int DEFAULT 3)"),
    "not null": ("CREATE TABLE t(a int)", "CREATE TABLE t(a int NOT NULL)"),
    "collation of a column": ("CREATE TABLE t(a text)", 'CREATE TABLE t(a text COLLATE "C")'),
    "type": ("CREATE TABLE t(a int)", "CREATE TABLE t(a bigint)"),
    "type's length": ("CREATE TABLE t(a varchar(5))", "CREATE TABLE t(a varchar(9))"),
    "persistence of a table": ("CREATE TABLE t(a int)", "CREATE UNLOGGED TABLE t(a int)"),
    "row level security": (
        "CREATE TABLE t(a int)",
        "CREATE TABLE t(a int); ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY",
    ),
    "expression of a policy": (
        "CREATE TABLE t(a int); CREATE POLICY p ON t USING (a > 1)",
        "CREATE TABLE t(a int); CREATE POLICY p ON t USING (a > 2)",
    ),
    "kind of a policy": (
        "CREATE TABLE t(a int); CREATE POLICY p ON t USING (a > 1)",
        "CREATE TABLE t(a int); CREATE POLICY p ON t AS RESTRICTIVE FOR UPDATE USING (a > 1) WITH CHECK (a > 3)",
    ),
    "comment of a policy": (
        "CREATE TABLE t(a int); CREATE POLICY p ON t USING (a > 1)",
        "CREATE TABLE t(a int); CREATE POLICY p ON t USING (a > 1); COMMENT ON POLICY p ON t IS 'x'",
    ),
    "replica identity": ("CREATE TABLE t(a int)", "CREATE TABLE t(a int); ALTER TABLE t REPLICA IDENTITY FULL"),
    "replica identity by an index": (
        "CREATE TABLE t(a int NOT NULL); CREATE UNIQUE INDEX i ON t(a)",
        "CREATE TABLE t(a int NOT NULL); CREATE UNIQUE INDEX i ON t(a); ALTER TABLE t REPLICA IDENTITY USING INDEX i",
    ),
    "comment of a table": ("CREATE TABLE t(a int)", "CREATE TABLE t(a int); COMMENT ON TABLE t IS 'x'"),
    "check": ("CREATE TABLE t(a int CONSTRAINT c CHECK(a > 0))", "CREATE TABLE t(a int CONSTRAINT c CHECK(a > 1))"),
    "name of a check": ("CREATE TABLE t(a int CONSTRAINT c CHECK(a > 0))", "CREATE TABLE t(a int CONSTRAINT d CHECK(a > 0))"),
    "check of new rows only": (
        "CREATE TABLE t(a int); ALTER TABLE t ADD CONSTRAINT c CHECK(a > 0)",
        "CREATE TABLE t(a int); ALTER TABLE t ADD CONSTRAINT c CHECK(a > 0) NOT VALID",
    ),
    "check that is not inherited": (
        "CREATE TABLE t(a int); ALTER TABLE t ADD CONSTRAINT c CHECK(a > 0)",
        "CREATE TABLE t(a int); ALTER TABLE t ADD CONSTRAINT c CHECK(a > 0) NO INHERIT",
    ),
    "comment of a constraint": (
        "CREATE TABLE t(a int); ALTER TABLE t ADD CONSTRAINT c CHECK(a > 0)",
        "CREATE TABLE t(a int); ALTER TABLE t ADD CONSTRAINT c CHECK(a > 0); COMMENT ON CONSTRAINT c ON t IS 'x'",
    ),
    "action of a foreign key": (
        "CREATE TABLE p(a int PRIMARY KEY); CREATE TABLE t(a int REFERENCES p)",
        "CREATE TABLE p(a int PRIMARY KEY); CREATE TABLE t(a int REFERENCES p ON DELETE CASCADE)",
    ),
    "deferred foreign key": (
        "CREATE TABLE p(a int PRIMARY KEY); CREATE TABLE t(a int REFERENCES p)",
        "CREATE TABLE p(a int PRIMARY KEY); CREATE TABLE t(a int REFERENCES p DEFERRABLE INITIALLY DEFERRED)",
    ),
    "foreign key that is not enforced": (
        "CREATE TABLE p(a int PRIMARY KEY); CREATE TABLE t(a int REFERENCES p)",
        "CREATE TABLE p(a int PRIMARY KEY); CREATE TABLE t(a int REFERENCES p NOT ENFORCED)",
    ),
    "deferrable unique": ("CREATE TABLE p(a int UNIQUE)", "CREATE TABLE p(a int UNIQUE DEFERRABLE)"),
    "unique that counts nulls": ("CREATE TABLE p(a int UNIQUE)", "CREATE TABLE p(a int UNIQUE NULLS NOT DISTINCT)"),
    "unique with more columns": ("CREATE TABLE p(a int UNIQUE, b int)", "CREATE TABLE p(a int, b int, UNIQUE(a) INCLUDE (b))"),
    "exclusion": ("CREATE TABLE p(a int, r int4RANGE)", "CREATE TABLE p(a int, r int4RANGE, EXCLUDE USING GIST (r WITH &&) WHERE (a > 1))"),
    "order of a key's columns": ("CREATE TABLE p(a int, b int, PRIMARY KEY(a, b))", "CREATE TABLE p(a int, b int, PRIMARY KEY(b, a))"),
    "condition of an index": ("CREATE TABLE t(a int); CREATE INDEX i ON t(a)", "CREATE TABLE t(a int); CREATE INDEX i ON t(a) WHERE a > 1"),
    "expression of an index": ("CREATE TABLE t(a text); CREATE INDEX i ON t(a)", "CREATE TABLE t(a text); CREATE INDEX i ON t(lower(a))"),
    "order of an index": ("CREATE TABLE t(a text); CREATE INDEX i ON t(a)", "CREATE TABLE t(a text); CREATE INDEX i ON t(a DESC)"),
    "unique index": ("CREATE TABLE t(a text); CREATE INDEX i ON t(a)", "CREATE TABLE t(a text); CREATE UNIQUE INDEX i ON t(a)"),
    "operator class of an index": (
        "CREATE TABLE t(a text); CREATE INDEX i ON t(a)",
        "CREATE TABLE t(a text); CREATE INDEX i ON t(a text_pattern_ops)",
    ),
    "storage parameter of an index": (
        "CREATE TABLE t(a text); CREATE INDEX i ON t(a)",
        "CREATE TABLE t(a text); CREATE INDEX i ON t(a) WITH (fillfactor = 50)",
    ),
    "comment of an index": (
        "CREATE TABLE t(a text); CREATE INDEX i ON t(a)",
        "CREATE TABLE t(a text); CREATE INDEX i ON t(a); COMMENT ON INDEX i IS 'x'",
    ),
    "statistics of an index": (
        "CREATE TABLE t(a text); CREATE INDEX i ON t(lower(a))",
        "CREATE TABLE t(a text); CREATE INDEX i ON t(lower(a)); ALTER INDEX i ALTER COLUMN 1 SET STATISTICS 40",
    ),
    "body of a function": (
        "CREATE FUNCTION f() RETURNS int LANGUAGE SQL AS 'select 1'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE SQL AS 'select 2'",
    ),
    "result of a function": (
        "CREATE FUNCTION f() RETURNS int LANGUAGE SQL AS 'select 1'",
        "CREATE FUNCTION f() RETURNS text LANGUAGE SQL AS $$select 'a'$$",
    ),
    "properties of a function": (
        "CREATE FUNCTION f() RETURNS int LANGUAGE SQL AS 'select 1'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE SQL IMMUTABLE STRICT PARALLEL safe AS 'select 1'",
    ),
    "setting of a function": (
        "CREATE FUNCTION f() RETURNS int LANGUAGE SQL AS 'select 1'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE SQL SET search_path='' AS 'select 1'",
    ),
    "comment of a function": (
        "CREATE FUNCTION f() RETURNS int LANGUAGE SQL AS 'select 1'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE SQL AS 'select 1'; COMMENT ON FUNCTION f() IS 'x'",
    ),
    "second function of a name": (
        "CREATE FUNCTION f() RETURNS int LANGUAGE SQL AS 'select 1'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE SQL AS 'select 1'; CREATE FUNCTION f(a int) RETURNS int LANGUAGE SQL AS 'select 1'",
    ),
    "function that is parsed": (
        "CREATE TABLE t(a int)",
        "CREATE TABLE t(a int); CREATE FUNCTION f() RETURNS bigint LANGUAGE SQL BEGIN ATOMIC SELECT count(*) FROM t; END",
    ),
    "function in a default": (
        "CREATE TABLE t(a int)",
        "CREATE FUNCTION f() RETURNS int LANGUAGE SQL AS 'select 1'; CREATE TABLE t(a int DEFAULT f())",
    ),
    "body of a procedure": (
        "CREATE PROCEDURE f() LANGUAGE PLPGSQL AS 'begin end'",
        "CREATE PROCEDURE f() LANGUAGE PLPGSQL AS 'begin null; end'",
    ),
    "trigger": (
        _TRIGGER,
        _FIRED,
    ),
    "condition of a trigger": (
        _FIRED,
        f"{_TRIGGER}; CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW WHEN (new.a > 1) EXECUTE FUNCTION f()",
    ),
    "disabled trigger": (
        _FIRED,
        f"{_FIRED}; ALTER TABLE t DISABLE TRIGGER g",
    ),
    "trigger that always fires": (
        _TRIGGER,
        f"{_FIRED}; ALTER TABLE t ENABLE ALWAYS TRIGGER g",
    ),
    "comment of a trigger": (
        _FIRED,
        f"{_FIRED}; COMMENT ON TRIGGER g ON t IS 'x'",
    ),
    "constraint trigger": (
        _TRIGGER,
        f"{_TRIGGER}; CREATE CONSTRAINT TRIGGER g AFTER INSERT ON t DEFERRABLE FOR EACH ROW EXECUTE FUNCTION f()",
    ),
    "partition": (
        "CREATE TABLE t(a int) PARTITION BY RANGE(a)",
        _PARTS,
    ),
    "default of a partition": (
        _PARTS,
        f"{_PARTS}; ALTER TABLE t1 ALTER a SET DEFAULT 3",
    ),
    "comment of a partition's column": (
        _PARTS,
        f"{_PARTS}; COMMENT ON COLUMN t1.a IS 'x'",
    ),
    "index of a partition": (
        _PARTS,
        f"{_PARTS}; CREATE INDEX i ON t1(a)",
    ),
    "bounds of a partition": (
        _PARTS,
        "CREATE TABLE t(a int) PARTITION BY RANGE(a); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (1) TO (4)",
    ),
    "attribute of a composite type": ("CREATE TYPE c AS (a int)", "CREATE TYPE c AS (a int, b text)"),
    "comments of a composite type": (
        "CREATE TYPE c AS (a int)",
        "CREATE TYPE c AS (a int); COMMENT ON TYPE c IS 'x'; COMMENT ON COLUMN c.a IS 'y'",
    ),
    "type of an array's elements": ("CREATE TABLE t(a int[])", "CREATE TABLE t(a text[])"),
}
"""Declarations that differ in one thing alone, by what that is."""

SINCE = {
    "option of a view": 15,
    "unique that counts nulls": 15,
    "persistence of a sequence": 15,
    "storage of a column": 16,
    "foreign key that is not enforced": 18,
}
"""The versions of PostgreSQL that know what differs; the older ones are tried without."""


async def major_of(url: str) -> int:
    """Return the server's version."""
    (found,) = await query(url, "SELECT current_setting('server_version_num')::int / 10000")
    return int(found)


async def objects(url: str, *schemas: str) -> list[SchemaObject]:
    """Return what a database holds."""
    session = await MigrationSession.open(parse_url(url), application_name="test")
    try:
        return await objects_in(session, schemas)
    finally:
        session.terminate()


async def bring_about(url: str, *plugins: DeclaredPlugin) -> dict[str, tuple[SchemaObject, ...]]:
    """Make a database as plugins declare it, and return by plugin what they declare."""
    schemas = [plugin.schema for plugin in plugins]
    async with scratch_database(parse_url(url), run=1) as scratch:
        declared = await declare(scratch, plugins)
        assert declared.failed == {}
        statements = await difference(parse_url(url), scratch.url, schemas=schemas)
        await execute(url, ";\n".join(["SET search_path = ''", "SET check_function_bodies = off", *statements]))
        assert await difference(parse_url(url), scratch.url, schemas=schemas) == ()
    return declared.objects


def unlike(names: Iterable[str], found: list[SchemaObject], declared: Mapping[str, tuple[SchemaObject, ...]]) -> dict[str, object]:
    """Return by what differed what was not as declared."""
    wrong: dict[str, object] = {}
    for index, name in enumerate(names):
        here, there = {one for one in found if one.schema == f"s{index}"}, set(declared[f"s{index}"])
        if here != there:
            wrong[name] = sorted(here ^ there)
    return wrong


@pytest.mark.asyncio
async def test_every_single_difference_is_seen_and_brought_about(database_url: str) -> None:
    """From nothing, from there to the other of each pair, and back again the catalogue is what the declaration makes by itself."""
    major = await major_of(database_url)
    pairs = {name: pair for name, pair in PAIRS.items() if SINCE.get(name, 0) <= major}
    schemas = [f"s{index}" for index in range(len(pairs))]
    for turn, number in enumerate((0, 1, 0)):
        before = await objects(database_url, *schemas)
        declared = await bring_about(
            database_url, *[declared_plugin(schema, pair[number]) for schema, pair in zip(schemas, pairs.values(), strict=True)]
        )
        if turn:
            assert len(unlike(pairs, before, declared)) == len(pairs)
        assert unlike(pairs, await objects(database_url, *schemas), declared) == {}


@pytest.mark.asyncio
async def test_a_column_that_came_later_makes_no_difference(database_url: str) -> None:
    """The order of a table's columns is no part of its definition."""
    await execute(database_url, "CREATE SCHEMA core; CREATE TABLE core.t (a int, c int); ALTER TABLE core.t ADD b int")
    declared = await bring_about(database_url, declared_plugin("core", "CREATE TABLE t (a int, b int, c int)"))
    assert tuple(await objects(database_url, "core")) == declared["core"]


@pytest.mark.asyncio
async def test_what_is_not_asked_for_is_not_in_the_way(database_url: str) -> None:
    """Kinds of objects that can't be compared, an index that is being built, other schemas: the difference is about what is asked for."""
    await execute(
        database_url,
        """
        CREATE AGGREGATE public.most (int) (sfunc = int4larger, stype = int);
        CREATE TABLE public.notes (id int PRIMARY KEY, a int, b int);
        CREATE STATISTICS public.both ON a, b FROM public.notes;
        CREATE TABLE public.child () INHERITS (public.notes);
        CREATE INDEX broken ON public.notes (a);
        UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'public.broken'::regclass;
        CREATE FUNCTION public.hear() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
        CREATE EVENT TRIGGER hears ON ddl_command_end EXECUTE FUNCTION public.hear();
        ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;
        """,
    )
    async with scratch_database(parse_url(database_url), run=1) as scratch:
        await declare(scratch, [declared_plugin("core", "CREATE TABLE t (id int)")])
        statements = await difference(parse_url(database_url), scratch.url, schemas=["core"])
    assert statements == ('CREATE SCHEMA "core"', 'CREATE TABLE "core"."t" ("id" integer)')


@pytest.mark.asyncio
async def test_a_schema_that_depends_on_ours_does_not_refuse_the_comparison(database_url: str) -> None:
    """A foreign key and a view of somebody else's: the change itself is seen, and whatever concerns theirs is left to who takes it."""
    await bring_about(database_url, declared_plugin("core", "CREATE TABLE t (id int PRIMARY KEY)"))
    await execute(database_url, "CREATE TABLE theirs (id int REFERENCES core.t); CREATE VIEW seen AS SELECT id FROM core.t")
    async with scratch_database(parse_url(database_url), run=1) as scratch:
        await declare(scratch, [declared_plugin("core", "CREATE TABLE t (id int PRIMARY KEY, name text)")])
        statements = await difference(parse_url(database_url), scratch.url, schemas=["core"])
    ours = [statement for statement in statements if '"public"' not in statement]
    assert ours == ['ALTER TABLE "core"."t" ADD COLUMN "name" text']


@pytest.mark.asyncio
async def test_types_of_an_extension_in_another_schema_work(database_url: str) -> None:
    """They are found without their schema too, the extension and its schema stay, and the result is what is declared."""
    await execute(database_url, "CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext")
    sql = "CREATE TABLE t (id int PRIMARY KEY, name citext NOT NULL, other ext.citext); CREATE INDEX t_name ON t (name)"
    declared = await bring_about(database_url, declared_plugin("core", sql))
    assert tuple(await objects(database_url, "core")) == declared["core"]
    assert await query(database_url, "SELECT extname::text FROM pg_extension ORDER BY 1") == ["citext", "plpgsql"]
    assert "ext.citext" in next(one.definition for one in declared["core"] if one.name == "name")


@pytest.mark.asyncio
async def test_an_extension_that_is_declared_is_created(database_url: str) -> None:
    """It comes before what needs it, and lies where the declaration puts it."""
    sql = "CREATE TABLE t (name citext); CREATE EXTENSION IF NOT EXISTS citext"
    declared = await bring_about(database_url, declared_plugin("core", sql))
    assert tuple(await objects(database_url, "core")) == declared["core"]
    assert await query(database_url, "SELECT nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace ORDER BY 1") == [
        "core",
        "pg_catalog",
    ]


@pytest.mark.asyncio
async def test_what_can_not_be_compared_is_told(database_url: str) -> None:
    """A generated column can't be stored at one time and computed at another: the finding names it. Before PostgreSQL 18 none is."""
    await bring_about(database_url, declared_plugin("core", "CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a) STORED)"))
    async with scratch_database(parse_url(database_url), run=1) as scratch:
        made = await declare(scratch, [declared_plugin("core", "CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a) VIRTUAL)")])
        if await major_of(database_url) < 18:
            assert list(made.failed) == ["core"]
            return
        with pytest.raises(SchemaUnsupported) as caught:
            await difference(parse_url(database_url), scratch.url, schemas=["core"])
    (finding,) = caught.value.findings
    assert '"core"."t"."b"' in finding


@pytest.mark.asyncio
async def test_a_role_with_a_password_is_taken_at_its_word(database_url: str) -> None:
    """A callable is asked for the password of each connection, also for those of the comparison, and it is in no error."""
    asked = 0

    async def password() -> Secret:
        nonlocal asked
        asked += 1
        return Secret("tell nobody")

    url = replace(parse_url(database_url), password_callable=password)
    async with scratch_database(url, run=1) as scratch:
        await declare(scratch, [declared_plugin("core", "CREATE TABLE t (id int)")])
        before = asked
        assert await difference(url, scratch.url, schemas=["core"])
        # One for reading each side, one for each side's comparison.
        assert asked == before + 4
        with pytest.raises(DatabaseError) as caught:
            await difference(url, replace(scratch.url, database="missing"), schemas=["core"])
    assert "tell nobody" not in str(caught.value)


@pytest.mark.asyncio
async def test_the_catalogue_is_read_without_the_compiler(database_url: str) -> None:
    """Compiling its queries takes longer than running them. Whatever is set, and in whatever transaction, is as it was afterwards."""
    session = await MigrationSession.open(parse_url(database_url), application_name="test")
    look = "SELECT current_setting('jit')"
    await session.execute("SET jit = on")
    async with reading_catalogue(session):
        assert await session.rows(look) == [("off",)]
    assert (await session.rows(look), session.is_in_transaction) == ([("on",)], False)
    with pytest.raises(ZeroDivisionError):
        async with reading_catalogue(session):
            raise ZeroDivisionError
    assert not session.is_in_transaction
    await session.execute("RESET jit; BEGIN")
    usual = await session.rows(look)
    async with reading_catalogue(session):
        assert await session.rows(look) == [("off",)]
    assert (await session.rows(look), session.is_in_transaction) == (usual, True)
    session.terminate()
