"""Changes of large tables: nobody waits for them who reads or writes, and what was interrupted is brought to its end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from roost import DatabaseMigrationService, MigrationOrchestrator, Plugin, Runtime
from roost.errors import IndexConflict, SchemaHalfway, StepFailed
from roost.migrations._run import MigrationRun
from tests.conformance.test_schema_changes import EQUAL, Change
from tests.conformance.test_schema_changes import begin as begin_change
from tests.plugins import declared
from tests.plugins.build import BOUND, QUICK, execute, query, residue, until
from tests.plugins.declared import APP, apply, ask, bring_about, causes, changes, check, dump, fill, indexes, sqlstates, violates
from tests.plugins.fix_postgres import MakeDatabase

TEAMS = "CREATE TABLE teams (id int PRIMARY KEY);"
BEFORE = f"{TEAMS} CREATE TABLE t (id int, a int, b text, c int CONSTRAINT old CHECK (c < 100)); CREATE INDEX by_a ON t (a);"
ROWS = "INSERT INTO teams VALUES (1), (2); INSERT INTO t SELECT n, 1 + n % 2, 'b' || n, n FROM generate_series(1, 50) AS n"

FORMS = {
    "check": "CREATE TABLE t (id int, a int, b text, c int CONSTRAINT new CHECK (c > 0 AND length(b) < 9)); CREATE INDEX by_a ON t (a);",
    "foreign key": BEFORE.replace("a int", "a int REFERENCES teams", 1).removeprefix(TEAMS),
    "not null": BEFORE.replace("b text", "b text NOT NULL").removeprefix(TEAMS),
    "index": BEFORE.removeprefix(TEAMS) + "CREATE INDEX by_b ON t (b) WHERE a > 1; COMMENT ON INDEX by_b IS 'it''s new';",
    "unique index": BEFORE.removeprefix(TEAMS) + "CREATE UNIQUE INDEX once ON t (lower(b), c) WHERE id > 3;",
    "index under its name": BEFORE.removeprefix(TEAMS).replace("ON t (a)", "ON t (b, a)"),
    "unique": BEFORE.replace("c int", "c int UNIQUE DEFERRABLE INITIALLY DEFERRED").removeprefix(TEAMS)
    + "COMMENT ON CONSTRAINT t_c_key ON t IS 'k';",
    "unique with more": BEFORE.replace("c < 100)", "c < 100), CONSTRAINT one UNIQUE (id, b) INCLUDE (c)").removeprefix(TEAMS),
    "primary key": BEFORE.removeprefix(TEAMS).replace("id int,", "id int, PRIMARY KEY (c, id),"),
    "new column": BEFORE.replace("a int", "d int REFERENCES teams, e int UNIQUE, a int", 1).removeprefix(TEAMS)
    + "CREATE INDEX by_d ON t (d);",
}
IN_PARTS = {
    *("add_foreign_keys", "add_indexes", "add_primary_key", "add_unique", "change_checks", "change_foreign_key", "change_indexes"),
    *("composite_foreign_key", "deferrable_unique", "names_to_quote", "set_not_null", "unique_nulls_not_distinct"),
}
"""The single changes that have several parts where each table is large; all others are the same one transaction."""
PLAIN_LOCKS = {"AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock"}
"""Locks beside which rows are written."""

RECORD_SCANS = """
CREATE SCHEMA noted;
CREATE TABLE noted.scans (tag text, scans bigint, modes text[]);
CREATE FUNCTION noted.count() RETURNS bigint LANGUAGE sql AS $$
    SELECT coalesce(sum(pg_stat_get_xact_numscans(oid)), 0)::bigint FROM pg_class WHERE relname = 't' AND relkind = 'r'
$$;
CREATE FUNCTION noted.before() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN
    PERFORM set_config('noted.scans', noted.count()::text, false);
END$$;
CREATE FUNCTION noted.after() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN
    INSERT INTO noted.scans SELECT tg_tag, noted.count() - current_setting('noted.scans')::bigint, ARRAY(
        SELECT DISTINCT mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation = to_regclass('app.t')
    );
END$$;
CREATE EVENT TRIGGER before ON ddl_command_start WHEN TAG IN ('ALTER TABLE', 'CREATE INDEX') EXECUTE FUNCTION noted.before();
CREATE EVENT TRIGGER after ON ddl_command_end WHEN TAG IN ('ALTER TABLE', 'CREATE INDEX') EXECUTE FUNCTION noted.after()
"""
"""Lets the server itself note of each statement how often it has read the table, and under which locks."""


class Crash(BaseException):
    """The end of a process."""


@pytest.fixture(autouse=True)
def _every_table_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declared, "QUICK", replace(QUICK, large_table_bytes=0))


async def begin(url: str, text: str = BEFORE, rows: str = ROWS) -> None:
    """Declare the first form of the tables, and write the rows."""
    await apply(url, text)
    await fill(url, rows)


async def made_alone(new_database: MakeDatabase, text: str) -> tuple[str, ...]:
    """Return what a declaration makes of an empty database."""
    alone = await new_database()
    await apply(alone, text)
    return await dump(alone)


def at_unit(
    monkeypatch: pytest.MonkeyPatch, number: int, act: Callable[[], Coroutine[Any, Any, None]], *, plugin: str = APP
) -> Callable[[], int]:
    """Have something happen before a unit of a plugin's change is sent; returns what tells how many were begun."""
    begun = 0
    carry_out = MigrationRun.carry_out

    async def counted(run: MigrationRun, *args: Any, **fields: Any) -> Any:
        nonlocal begun
        if fields["plugin"] == plugin:
            if begun == number:
                begun += 1
                await act()
            else:
                begun += 1
        return await carry_out(run, *args, **fields)

    monkeypatch.setattr(MigrationRun, "carry_out", counted)
    return lambda: begun


@contextlib.asynccontextmanager
async def writing(url: str) -> AsyncIterator[asyncpg.Connection]:
    """Hold a transaction open that has written to the table, so that an index can't be ended."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("BEGIN; UPDATE app.t SET c = c WHERE id = 1")
        yield connection
    finally:
        await connection.close()


BUILDS = "FROM pg_stat_activity WHERE query LIKE 'CREATE%INDEX CONCURRENTLY%' AND pid <> pg_backend_pid() AND datname = current_database()"
WAITS = f"SELECT {BUILDS} AND wait_event_type = 'Lock'"


def patient(url: str, text: str) -> MigrationOrchestrator:
    """Return what brings the one plugin's schema about, and waits for others as long as it takes."""
    config = replace(QUICK, large_table_bytes=0, lock_wait_budget=BOUND)
    return MigrationOrchestrator(
        Runtime(services=[DatabaseMigrationService], plugins=[Plugin(APP, schema=text)], database=url, config=config)
    )


async def crashed_while_building(url: str, text: str) -> None:
    """Have a run die while it builds an index, together with its server process."""
    async with writing(url):
        task = asyncio.ensure_future(patient(url, text).run_all_migrations())
        await until(url, WAITS)
        task.cancel()
        await asyncio.wait([task])
        await execute(url, f"SELECT pg_terminate_backend(pid) {BUILDS}")
    await until(url, f"SELECT WHERE NOT EXISTS (SELECT {BUILDS})")
    assert await query(url, "SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [1]


async def temporary(url: str) -> list[str]:
    """Return the names of what stands in for something."""
    return await query(
        url,
        "SELECT conname::text FROM pg_constraint WHERE conname LIKE 'roost\\_%' UNION "
        "SELECT relname::text FROM pg_class WHERE relname LIKE 'roost\\_%' ORDER BY 1",
    )


@pytest.mark.asyncio
@pytest.mark.parametrize("form", FORMS)
async def test_each_form_reads_the_table_beside_writers(form: str, new_database: MakeDatabase) -> None:
    """No statement reads the table under a lock that keeps writers off; the end is what the declaration makes by itself."""
    url, after = await new_database(), TEAMS + FORMS[form]
    await begin(url)
    await execute(url, RECORD_SCANS)
    await apply(url, after)
    noted = await query(url, "SELECT tag, scans, modes FROM noted.scans")
    reading = [(tag, set(modes)) for tag, scans, modes in noted if scans]
    assert reading
    assert [(tag, modes - PLAIN_LOCKS) for tag, modes in reading if modes - PLAIN_LOCKS] == []
    assert await dump(url) == await made_alone(new_database, after)
    assert await temporary(url) == []
    assert (await check(url, f"{after}-- read anew")).statements == ()
    assert await residue(url) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("change", [change for change in EQUAL if change.name in IN_PARTS], ids=lambda change: change.name)
async def test_single_changes_of_a_large_table(change: Change, new_database: MakeDatabase) -> None:
    """The conformance cases that have parts then end as they do where tables are small, and the rows are kept."""
    url = await new_database()
    (major,) = await query(url, "SELECT current_setting('server_version_num')::int / 10000")
    if major < change.since:
        return
    kept = await begin_change(url, change)
    await apply(url, change.after, allow=change.allow)
    assert await changes(url) > 2
    assert await dump(url) == await made_alone(new_database, change.after)
    assert await ask(url, change.keeps) == kept
    assert await temporary(url) == []
    assert await residue(url) == []


@pytest.mark.asyncio
async def test_small_tables_change_in_one_transaction(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is over at once needs no other form: by default these tables are small, and all of it is one transaction."""
    monkeypatch.setattr(declared, "QUICK", QUICK)
    await begin(database_url)
    await apply(database_url, TEAMS + FORMS["primary key"])
    await apply(database_url, TEAMS + FORMS["unique"])
    assert await changes(database_url) == 3


VIOLATIONS = {
    "check": ("23514", "c = 0", 'check constraint "new" of relation "t" is violated by 2 rows'),
    "foreign key": ("23503", "a = 9", '2 rows of table "t" violate foreign key constraint "t_a_fkey"'),
    "not null": ("23502", "b = NULL", 'column "b" of relation "t" contains null values in 2 rows'),
    "unique index": ("23505", "b = 'B9', c = 9", 'could not create unique index "once": 3 rows not unique'),
    "unique": ("23505", "c = 9", 'could not create unique index "t_c_key": 3 rows not unique'),
    "primary key": ("23502", "c = NULL", 'column "c" of relation "t" contains null values in 2 rows'),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("form", VIOLATIONS)
async def test_rows_that_violate_a_new_rule_are_counted_first(form: str, database_url: str) -> None:
    """The error is the server's of the plain form, it says how many rows there are, and nothing is changed."""
    sqlstate, violation, told = VIOLATIONS[form]
    await begin(database_url)
    await fill(database_url, f"UPDATE t SET {violation} WHERE id IN (7, 8)")
    error = await violates(database_url, TEAMS + FORMS[form], sqlstate)
    assert told in error.message
    assert await changes(database_url) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("UNIQUE NULLS NOT DISTINCT (a, b)", "(1, NULL), (1, NULL)"),
        ("FOREIGN KEY (a, b) REFERENCES pairs MATCH FULL", "(1, NULL), (NULL, NULL), (1, 2)"),
        ("UNIQUE (a, b)", "(1, 1), (1, 1)"),
    ],
)
async def test_nulls_in_keys_of_several_columns(condition: str, rows: str, database_url: str) -> None:
    """A key with NULLs is one that violates only where the rule says so, as it does in the plain form."""
    text = "CREATE TABLE pairs (a int, b int, PRIMARY KEY (a, b)); CREATE TABLE t (a int, b int{more})"
    await begin(database_url, text.format(more=""), f"INSERT INTO pairs VALUES (1, 2); INSERT INTO t VALUES {rows}")
    after = text.format(more=f", {condition}")
    if "NULLS" in condition and (await query(database_url, "SELECT current_setting('server_version_num')::int / 10000")) < [15]:
        return
    await violates(database_url, after, "23503" if "MATCH" in condition else "23505")
    await fill(database_url, "DELETE FROM t WHERE ctid IN (SELECT min(ctid) FROM t)")
    await apply(database_url, after)


ALL = f"""{TEAMS}
CREATE TABLE t (
    id int, a int NOT NULL REFERENCES teams, b text NOT NULL UNIQUE, c int CONSTRAINT new CHECK (c > 0), PRIMARY KEY (id, a)
);
CREATE INDEX by_a ON t (a, b);
CREATE UNIQUE INDEX by_b ON t (lower(b));
CREATE TABLE more (id int PRIMARY KEY);
"""
UNITS = 12
"""Counts, the main transaction, four indexes, five looks at old rows, the end."""


@pytest.mark.asyncio
@pytest.mark.parametrize("unit", range(1, UNITS, 2))
async def test_killed_between_two_parts(unit: int, new_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever part was the last, the next run ends exactly at the declaration, and nothing is left that stood in for something."""
    url = await new_database()
    await begin(url)

    async def crash() -> None:
        raise Crash

    with monkeypatch.context() as patch:
        at_unit(patch, unit, crash)
        with pytest.raises(Crash):
            await apply(url, ALL)
    await apply(url, ALL)
    assert await dump(url) == await made_alone(new_database, ALL)
    assert await temporary(url) == []
    assert await residue(url) == []
    assert (await apply(url, ALL)).run_id is None


@pytest.mark.asyncio
async def test_the_parts_are_counted(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part is told by itself, in a plan as in the history, and `check` shows the statements as they are sent."""
    await begin(database_url)
    planned = (await bring_about(database_url, {APP: ALL}, dry_run=True)).steps
    assert len(planned) == UNITS
    checked = await check(database_url, ALL)
    assert sum("CONCURRENTLY" in statement for statement in checked.statements) == 4
    assert sum("VALIDATE" in statement for statement in checked.statements) == 5
    assert checked.warnings == ()

    async def nothing() -> None:
        """Only counts."""

    begun = at_unit(monkeypatch, -1, nothing)
    report = await apply(database_url, ALL)
    assert begun() == len(report.steps) == UNITS
    assert await changes(database_url) == 1 + UNITS
    assert [step.sql for step in planned] == [step.sql for step in report.steps] or all(step.sql is None for step in report.steps)


@pytest.mark.asyncio
@pytest.mark.parametrize("unit", [2, 8])
async def test_the_line_breaks_between_two_parts(unit: int, new_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose server process is ended plans anew, and ends at the declaration by itself."""
    url = await new_database()
    await begin(url)

    async def end_process() -> None:
        await execute(
            url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'roost%' AND datname = current_database()",
        )

    at_unit(monkeypatch, unit, end_process)
    report = await apply(url, ALL)
    assert await changes(url) == 1 + len(report.steps)
    assert await dump(url) == await made_alone(new_database, ALL)
    assert await residue(url) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("form", ["index", "unique", "index under its name"])
async def test_killed_while_an_index_is_built(form: str, new_database: MakeDatabase) -> None:
    """What is left of the index is dropped and built again; a writer was never in anybody's way."""
    url, after = await new_database(), TEAMS + FORMS[form]
    await begin(url)
    await crashed_while_building(url, after)
    await apply(url, after)
    assert await dump(url) == await made_alone(new_database, after)
    assert await residue(url) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("form", ["index", "unique"])
async def test_killed_and_declared_otherwise(form: str, new_database: MakeDatabase) -> None:
    """Another declaration may follow an interrupted one: what that one made, and this one does not hold, goes."""
    url = await new_database()
    await begin(url)
    await crashed_while_building(url, TEAMS + FORMS[form] + "CREATE TABLE more (id int PRIMARY KEY);")
    assert await query(url, "SELECT to_regclass('app.more')::text") == ["app.more"]
    await apply(url, f"{BEFORE} -- again", allow={"more"})
    assert await dump(url) == await made_alone(new_database, BEFORE)
    assert await residue(url) == []


@pytest.mark.asyncio
async def test_killed_and_more_is_declared(new_database: MakeDatabase) -> None:
    """The parts of another declaration are others, wherever the first one stopped: none of them counts as done."""
    url, after = await new_database(), TEAMS + FORMS["index"] + "CREATE TABLE more (id int PRIMARY KEY);"
    await begin(url)
    await crashed_while_building(url, TEAMS + FORMS["index"])
    await apply(url, after)
    assert await dump(url) == await made_alone(new_database, after)


@pytest.mark.asyncio
@pytest.mark.parametrize("unit", [2, UNITS - 1])
async def test_killed_and_taken_back(unit: int, new_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first declaration follows an interrupted second one, as if that had never been: behind its first part as before its last."""
    url = await new_database()
    await begin(url)

    async def crash() -> None:
        raise Crash

    with monkeypatch.context() as patch:
        at_unit(patch, unit, crash)
        with pytest.raises(Crash):
            await apply(url, ALL)
    assert await temporary(url) != []
    await apply(url, f"{BEFORE} -- again", allow={"more"})
    assert await dump(url) == await made_alone(new_database, BEFORE)
    assert await temporary(url) == []


@pytest.mark.asyncio
async def test_somebody_else_builds_the_declared_index(new_database: MakeDatabase) -> None:
    """Who builds it by hand is waited for, and what comes of that is taken as it is."""
    url, after = await new_database(), TEAMS + FORMS["index"]
    await begin(url)
    by_hand = await asyncpg.connect(url)
    try:
        async with writing(url):
            building = asyncio.ensure_future(by_hand.execute("CREATE INDEX CONCURRENTLY by_b ON app.t (b) WHERE a > 1"))
            await until(url, WAITS)
            task = asyncio.ensure_future(patient(url, after).run_all_migrations())
            await until(url, "SELECT FROM roost.history WHERE plugin = 'app' OFFSET 1")
        await building
        assert (await task).failed == ()
    finally:
        await by_hand.close()
    assert await dump(url) == await made_alone(new_database, after)


@pytest.mark.asyncio
async def test_rows_that_come_in_between(new_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """The schema stays half way, the error names what is left, and the next run goes on once the rows are mended."""
    url, after = await new_database(), TEAMS + FORMS["check"]
    await begin(url)

    async def violate() -> None:
        await fill(url, "INSERT INTO t (id, c) VALUES (100, -1)")

    with monkeypatch.context() as patch:
        at_unit(patch, 1, violate)
        with pytest.raises(SchemaHalfway) as caught:
            await apply(url, after)
    assert sqlstates(caught.value) == {"23514"}
    assert "VALIDATE CONSTRAINT" in caught.value.rest[0]
    assert isinstance(caught.value.__cause__, StepFailed)
    with pytest.raises(SchemaHalfway):
        await apply(url, after)
    await fill(url, "DELETE FROM t WHERE id = 100")
    await apply(url, after)
    assert await dump(url) == await made_alone(new_database, after)


@pytest.mark.asyncio
async def test_duplicates_that_come_in_between(new_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """A unique index that can't be ended leaves nothing of itself; the next run counts the rows first."""
    url, after = await new_database(), TEAMS + FORMS["unique"]
    await begin(url)

    async def violate() -> None:
        await fill(url, "INSERT INTO t (id, c) VALUES (100, 7)")

    with monkeypatch.context() as patch:
        at_unit(patch, 2, violate)
        with pytest.raises(SchemaHalfway) as caught:
            await apply(url, after)
    assert sqlstates(caught.value) == {"23505"}
    assert list(await indexes(url)) == ["by_a", "teams_pkey"]
    await violates(url, after, "23505")
    await fill(url, "DELETE FROM t WHERE id = 100")
    await apply(url, after)
    assert await dump(url) == await made_alone(new_database, after)


@pytest.mark.asyncio
@pytest.mark.parametrize("large", [None, 0], ids=["plain", "beside others"])
async def test_an_index_that_was_not_built_to_its_end(
    large: int | None, new_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is declared is built again, be its table small or large; one that nobody declares is left alone."""
    monkeypatch.setattr(declared, "QUICK", replace(QUICK, large_table_bytes=large))
    url = await new_database()
    await begin(url)
    await execute(url, "CREATE INDEX strange ON app.t (c)")
    await execute(url, "UPDATE pg_index SET indisvalid = false WHERE indexrelid IN ('app.by_a'::regclass, 'app.strange'::regclass)")
    after = BEFORE + "CREATE TABLE more (id int)"
    await apply(url, after)
    assert await query(url, "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid") == ["app.strange"]
    await execute(url, "DROP INDEX app.strange")
    assert await dump(url) == await made_alone(new_database, after)


@pytest.mark.asyncio
async def test_the_remains_of_an_index_stand_in_the_way_of_a_constraint(new_database: MakeDatabase) -> None:
    """An index that was not built to its end and has the name of a declared constraint of its table is dropped."""
    url, after = await new_database(), TEAMS + FORMS["unique"]
    await begin(url)
    await execute(url, "CREATE UNIQUE INDEX t_c_key ON app.t (c)")
    await execute(url, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'app.t_c_key'::regclass")
    await apply(url, after)
    assert await dump(url) == await made_alone(new_database, after)


@pytest.mark.asyncio
async def test_an_index_of_that_name_is_anothers(database_url: str) -> None:
    """What has the name of an index that is about to be built, and comes in between, is not touched: the error says what it is."""
    await begin(database_url)

    async def take() -> None:
        await execute(database_url, "CREATE VIEW app.by_b AS SELECT 1")

    with pytest.MonkeyPatch.context() as patch:
        at_unit(patch, 1, take)
        with pytest.raises(SchemaHalfway) as caught:
            await apply(database_url, TEAMS + FORMS["index"])
    assert any(isinstance(cause, IndexConflict) for cause in causes(caught.value))
    assert await query(database_url, "SELECT relkind::text FROM pg_class WHERE relname = 'by_b'") == ["v"]


@pytest.mark.asyncio
async def test_writers_go_on_while_an_index_waits(database_url: str) -> None:
    """While the build waits for an old transaction, rows are written without waiting for it."""
    await begin(database_url)
    async with writing(database_url):
        task = asyncio.ensure_future(patient(database_url, TEAMS + FORMS["unique"]).run_all_migrations())
        await until(database_url, WAITS)
        await fill(database_url, "SET lock_timeout = 1; INSERT INTO t (id, c) VALUES (60, 60); UPDATE t SET b = 'x' WHERE id = 60")
    assert (await task).failed == ()


@pytest.mark.asyncio
async def test_many_replicas_at_one_instant(database_url: str) -> None:
    """One of them brings the schema about, while the others wait for their turn beside its indexes."""
    await begin(database_url)
    reports = await asyncio.gather(*[apply(database_url, ALL) for _ in range(3)])
    assert sorted(len(report.steps) for report in reports) == [0, 0, UNITS]
    assert await residue(database_url) == []
