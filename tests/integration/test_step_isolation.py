"""What a step may do, it does in its own transaction; what would hurt the run is refused or undone."""

from __future__ import annotations

import asyncio
import contextvars

import asyncpg
import pytest

from roost import Database, MigrationConfig, MigrationContext, MigrationOrchestrator, MigrationStep, Runtime
from roost.errors import InvalidStep, MigrationLockLost, MigrationLockTimeout, SessionLost, StepEscaped, StepEscapeError, StepFailed
from roost.migrations import StepBlocked
from tests.plugins.build import QUICK, applied, history, make_plugin, make_runtime, migrate, names, query, residue

FIRST = MigrationStep("first", "First", up="CREATE TABLE first (id int)", version="1.0.0")


def second(up: object, **fields: object) -> MigrationStep:
    """Return a step after the first one."""
    return MigrationStep("second", "Second", up=up, version="1.1.0", **fields)  # type: ignore[arg-type]  # bad ones are the point


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE second (id int); COMMIT",
        "CREATE TABLE second (id int); COMMIT; BEGIN",
        "CREATE TABLE second (id int); COMMIT AND CHAIN",
        "CREATE TABLE second (id int); ROLLBACK",
        "SAVEPOINT here; CREATE TABLE second (id int)",
        "CREATE TABLE second (id int); COPY second FROM STDIN",
    ],
)
async def test_sql_that_would_end_its_transaction_is_refused(database_url: str, sql: str) -> None:
    """The server refuses it; nothing of the step remains, and the step before it does."""
    with pytest.raises(StepFailed) as caught:
        await migrate(database_url, make_plugin("p", FIRST, second(sql)))
    assert caught.value.sqlstate in ("0A000", "2D000", "42601")
    assert await applied(database_url) == [("p", "first")]
    assert await query(database_url, "SELECT to_regclass('second')") == [None]
    assert await residue(database_url) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("sql", ["COMMIT", "COMMIT; BEGIN", "COMMIT AND CHAIN", "ROLLBACK", "ROLLBACK; BEGIN"])
async def test_a_function_that_ends_its_transaction_is_caught(database_url: str, sql: str) -> None:
    """Its row says `escaped`, and runs refuse to go on until a person has looked."""

    async def escape(ctx: MigrationContext) -> None:
        await ctx.execute("CREATE TABLE second (id int)")
        await ctx.execute(sql)

    plugin = make_plugin("p", FIRST, second(escape, requires=("p:first",), down="DROP TABLE second"))
    with pytest.raises((StepEscaped, StepFailed), match="second"):
        await migrate(database_url, plugin)
    row = await query(database_url, "SELECT state, requires, down_sql FROM roost.applied WHERE step = 'second'")
    assert row == [("escaped", ["p:first"], "DROP TABLE second")]
    with pytest.raises(StepEscaped, match="second"):
        await migrate(database_url, plugin)
    assert await residue(database_url) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("sql", ["COMMIT", "ROLLBACK"])
async def test_a_function_that_ends_its_transaction_and_fails(database_url: str, sql: str) -> None:
    """Nobody is told that it was rolled back: its row says `escaped`, and what it raised is the cause."""

    async def escape(ctx: MigrationContext) -> None:
        await ctx.execute("CREATE TABLE second (id int)")
        await ctx.execute(sql)
        raise LookupError("and then this")

    plugin = make_plugin("p", FIRST, second(escape))
    with pytest.raises(StepEscaped, match="second") as caught:
        await migrate(database_url, plugin)
    assert str(caught.value.__cause__) == "and then this"
    assert await query(database_url, "SELECT state FROM roost.applied WHERE step = 'second'") == ["escaped"]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_an_error_names_its_place(database_url: str) -> None:
    """A position within the step's own text becomes a line."""
    with pytest.raises(StepFailed) as caught:
        await migrate(database_url, make_plugin("p", second("SELECT 1;\nSELECT 2;\n  SELECT nothing")))
    assert caught.value.location == "line 3"


@pytest.mark.asyncio
async def test_an_open_quote_swallows_nothing(database_url: str) -> None:
    """Broken text ends its own step only: the failure is recorded, which is what would follow it."""
    with pytest.raises(StepFailed, match="unterminated"):
        await migrate(database_url, make_plugin("p", FIRST, second("SELECT 'open $roost$")))
    assert await history(database_url) == [("p", "first", True), ("p", "second", False)]


@pytest.mark.asyncio
async def test_what_a_step_leaves_in_the_session_is_cleaned(database_url: str) -> None:
    """Role, settings, temporary tables and subscriptions of one step are gone for the next, and for the ledger."""
    role = "roost_test_leaver"
    await query(database_url, f"DO $$BEGIN CREATE ROLE {role}; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END$$")
    leaks = f"""
        SET search_path = nowhere; SET statement_timeout = '1h'; SET application_name = 'leak'; SET client_encoding = 'LATIN1';
        CREATE TEMP TABLE history (x int); CREATE TEMP TABLE applied (x int); LISTEN leak; SET ROLE {role}
    """
    seen: list[object] = []

    async def look(ctx: MigrationContext) -> None:
        seen.extend(
            await ctx.fetchrow(
                "SELECT current_user = session_user, replace(current_setting('search_path'), chr(34), ''), "
                "current_setting('statement_timeout'), current_setting('application_name'), current_setting('client_encoding'), "
                "to_regclass('pg_temp.history'), "
                "(SELECT count(*) FROM pg_listening_channels())"
            )
            or ()
        )

    report = await migrate(database_url, make_plugin("p", FIRST, second(leaks), MigrationStep("look", "Look", up=look, version="1.2.0")))
    assert names(report.steps) == ["first", "second", "look"]
    assert seen == [True, "public, pg_temp", "0", "roost p: look", "UTF8", None, 0]
    assert await history(database_url) == [("p", "first", True), ("p", "second", True), ("p", "look", True)]


@pytest.mark.asyncio
async def test_a_step_that_gives_the_lock_away_gives_it_to_nobody(database_url: str) -> None:
    """After pg_advisory_unlock_all() the lock is taken again before the step's transaction ends; a lock that a step took is given back."""
    leak = second("SELECT pg_advisory_unlock_all(); SELECT pg_advisory_lock(4711)")
    held: list[object] = []

    async def look(_ctx: MigrationContext) -> None:
        held.extend(await query(database_url, "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711"))
        impatient = migrate(database_url, make_plugin("other", FIRST), config=MigrationConfig(run_lock_timeout=0.05))
        with pytest.raises(MigrationLockTimeout):
            await asyncio.create_task(impatient, context=contextvars.Context())  # as another process, which is in no step

    report = await migrate(database_url, make_plugin("p", FIRST, leak, MigrationStep("look", "Look", up=look, version="1.2.0")))
    assert names(report.steps) == ["first", "second", "look"]
    assert held == []
    assert await residue(database_url) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("schema", [None, "of_its_own"])
async def test_a_run_whose_turn_is_over_writes_no_more(database_url: str, schema: str | None) -> None:
    """Once its row is closed, the next plugin's steps, and the schema that is made for them, are refused by a typed error."""
    closing = second("UPDATE roost.run SET open = false")
    later = make_plugin("q", FIRST, schema=schema, dependencies=["p"])
    with pytest.raises(MigrationLockLost, match="no longer the open run"):
        await migrate(database_url, make_plugin("p", closing), later)
    assert await query(database_url, "SELECT to_regclass('first'), to_regnamespace('of_its_own')") == [(None, None)]
    assert names((await migrate(database_url, make_plugin("p", closing), later)).steps) == ["first"]


@pytest.mark.asyncio
async def test_objects_named_like_the_ledgers_change_nothing(database_url: str) -> None:
    """Tables and functions in public that are named like the ledger's, or like the server's own, are not taken for those."""
    hijack = """
        CREATE TABLE run (x int); CREATE TABLE plugin (x int); CREATE TABLE history (x int);
        CREATE FUNCTION fence(bigint, bigint) RETURNS void LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''hijacked''; END';
        CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''hijacked''; END';
        CREATE FUNCTION now() RETURNS timestamptz LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''hijacked''; END'
    """
    report = await migrate(database_url, make_plugin("p", FIRST, second(hijack), MigrationStep("third", "T", up="SELECT 1", version="2")))
    assert names(report.steps) == ["first", "second", "third"]
    assert await query(database_url, "SELECT count(*) FROM run") == [0]


@pytest.mark.asyncio
async def test_another_connection_inside_a_step_is_refused(database_url: str) -> None:
    """A second runtime's database, opened through roost inside a step, would escape the step's transaction."""
    other = Runtime(database=database_url, config=QUICK)

    async def elsewhere() -> None:
        await other.get_service(Database).execute("CREATE TABLE elsewhere (id int)")

    with pytest.raises(StepFailed) as caught:
        await migrate(database_url, make_plugin("p", second(elsewhere)))
    assert isinstance(caught.value.__cause__, StepEscapeError)
    assert await query(database_url, "SELECT to_regclass('elsewhere')") == [None]


@pytest.mark.asyncio
async def test_copy_from_stdin_in_a_function_is_refused(database_url: str) -> None:
    """It would wait for data for ever; the error names the method that has some."""

    async def copy(ctx: MigrationContext) -> None:
        await ctx.execute("COPY first FROM STDIN")

    with pytest.raises(StepFailed, match="copy_records_to_table") as caught:
        await migrate(database_url, make_plugin("p", FIRST, second(copy)))
    assert isinstance(caught.value.__cause__, InvalidStep)


@pytest.mark.asyncio
async def test_a_function_that_is_not_async_is_refused(database_url: str) -> None:
    """It would run outside of the loop's turn; the error says what to write."""
    with pytest.raises(StepFailed, match="async def"):
        await migrate(database_url, make_plugin("p", second(lambda: None)))


@pytest.mark.asyncio
async def test_a_step_outside_a_transaction(database_url: str) -> None:
    """CREATE INDEX CONCURRENTLY runs, while another replica polls for the lock; its index is valid and the ledger says done."""
    index = second("CREATE INDEX CONCURRENTLY first_id ON first (id)", transactional=False)
    report = await migrate(database_url, make_plugin("p", FIRST, index))
    assert names(report.steps) == ["first", "second"]
    assert await query(database_url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'first_id'::regclass") == [True]
    assert (await migrate(database_url, make_plugin("p", FIRST, index))).steps == ()


@pytest.mark.asyncio
async def test_a_step_outside_a_transaction_that_cannot_have_begun_is_tried_again(database_url: str) -> None:
    """An error of syntax or names had no effect, so its intent is taken back, and the mended step runs."""
    bad = second("CREATE INDEX CONCURRENTLY first_id ON nowhere (id)", transactional=False)
    with pytest.raises(StepFailed, match="nowhere"):
        await migrate(database_url, make_plugin("p", FIRST, bad))
    good = second("CREATE INDEX CONCURRENTLY first_id ON first (id)", transactional=False)
    assert names((await migrate(database_url, make_plugin("p", FIRST, good))).steps) == ["second"]


@pytest.mark.asyncio
async def test_a_broken_connection_is_made_again(database_url: str) -> None:
    """A backend that is ended in a step takes the step with it; the run connects anew, locks, reads the ledger and goes on."""
    ended: list[int] = []

    async def end_own_backend(ctx: MigrationContext) -> None:
        pid = await ctx.fetchval("SELECT pg_backend_pid()")
        await ctx.execute("INSERT INTO first VALUES (1)")
        if not ended:
            ended.append(pid)
            await query(database_url, "SELECT pg_terminate_backend($1)", pid)
        await ctx.execute("INSERT INTO first VALUES (2)")

    report = await migrate(database_url, make_plugin("p", FIRST, second(end_own_backend)))
    assert names(report.steps) == ["first", "second"]
    assert await query(database_url, "SELECT id FROM first ORDER BY id") == [1, 2]
    assert await history(database_url) == [("p", "first", True), ("p", "second", True)]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_a_connection_that_breaks_each_time_is_one_clear_error(database_url: str) -> None:
    """A step that ends its own backend is tried as often as configured; then the error names the server and what is kept."""
    killing = second("SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(SessionLost, match=r"broke 3 times in the same place") as caught:
        await migrate(database_url, make_plugin("p", FIRST, killing))
    assert isinstance(caught.value.__cause__, asyncpg.PostgresError | OSError | asyncpg.InterfaceError)
    assert "migrations done: none; failed: p-migration; not run: none" in caught.value.__notes__
    assert await applied(database_url) == [("p", "first")]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_a_failure_that_may_pass_is_tried_again_as_a_whole(database_url: str) -> None:
    """A serialization failure repeats the whole transaction; the history counts the attempts."""
    tries: list[int] = []

    async def fails_twice(ctx: MigrationContext) -> None:
        tries.append(len(tries) + 1)
        await ctx.execute("INSERT INTO first VALUES ($1)", tries[-1])
        if len(tries) < 3:
            await ctx.execute("DO $$BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END$$")

    await migrate(database_url, make_plugin("p", FIRST, second(fails_twice)))
    assert await query(database_url, "SELECT id FROM first") == [3]
    assert await query(database_url, "SELECT attempts FROM roost.history WHERE step = 'second'") == [3]


@pytest.mark.asyncio
async def test_a_table_that_is_locked_is_waited_for_in_short_turns(database_url: str) -> None:
    """An exhausted budget fails the step and names who blocks it; the table's readers never queued behind it for longer than one turn."""
    await migrate(database_url, make_plugin("p", FIRST))
    step = second("ALTER TABLE first ADD more int")
    blocker = await asyncpg.connect(database_url, server_settings={"application_name": "the reader"})
    told: list[StepBlocked] = []
    try:
        await blocker.execute("BEGIN; LOCK TABLE first IN ACCESS SHARE MODE")
        runtime = make_runtime(database_url, make_plugin("p", FIRST, step))
        runtime.events.subscribe(told.append, StepBlocked)
        with pytest.raises(
            StepFailed, match=r"blocked by server process \d+ \(the reader\), idle in transaction for .* s: BEGIN; LOCK"
        ) as caught:
            await MigrationOrchestrator(runtime).run_all_migrations()
        assert caught.value.sqlstate == "55P03"
        assert [one.pid for one in caught.value.blockers] == [blocker.get_server_pid()]
        assert f"pg_terminate_backend({blocker.get_server_pid()})" in caught.value.hint
        assert [event.blockers[0].application_name for event in told] == ["the reader"]
        await blocker.execute("COMMIT")
    finally:
        await blocker.close()
    report = await MigrationOrchestrator(make_runtime(database_url, make_plugin("p", FIRST, step))).run_all_migrations()
    assert names(report.steps) == ["second"]
    assert await residue(database_url) == []
