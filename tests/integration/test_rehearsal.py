"""A rehearsal carries out what is pending, says what each step did, and leaves nothing of it behind."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from roost import (
    Database,
    MigrationContext,
    MigrationOrchestrator,
    MigrationStep,
    Plugin,
    PluginMigrationService,
    RepeatableStep,
    Runtime,
    Service,
)
from roost.errors import DatabaseAhead, NoDatabase, RequiredStepMissing, StepFailed, UnknownMigrationPlugin
from roost.migrations import (
    RehearsalFinished,
    RehearsalReport,
    RehearsalStarted,
    StepRehearsalFinished,
    StepRehearsalStarted,
    TakenLock,
    TouchedRows,
    narrate,
)
from roost.postgres import parse_url
from tests.plugins.build import execute, make_plugin, make_runtime, migrate, query, residue
from tests.plugins.catalogue import catalogue_of

LEDGER = """
SELECT (SELECT count(*) FROM roost.run), (SELECT count(*) FROM roost.applied), (SELECT count(*) FROM roost.history),
    (SELECT string_agg(p::text, ',' ORDER BY name) FROM roost.plugin AS p)
"""


def step(name: str, up: Any, version: str = "1.0.0", **fields: Any) -> MigrationStep:
    """Return a step."""
    return MigrationStep(name, name.title(), up=up, version=version, **fields)


NOTES = step(
    "notes",
    "CREATE TABLE notes (id int PRIMARY KEY, body text); CREATE INDEX by_body ON notes (body); "
    "CREATE TABLE tags (id serial PRIMARY KEY); INSERT INTO notes SELECT n, n FROM generate_series(1, 10) AS n",
)


async def rehearse(url: str, *plugins: Plugin, **fields: Any) -> RehearsalReport:
    """Rehearse, and see that nothing is left of it: neither in the catalogue, nor in the ledger, nor on the server."""
    has_ledger = await query(url, "SELECT to_regclass('roost.meta') IS NOT NULL") == [True]
    before = await catalogue_of(url), await query(url, LEDGER) if has_ledger else []
    report = await MigrationOrchestrator(make_runtime(url, *plugins, **fields)).rehearse()
    assert (await catalogue_of(url), await query(url, LEDGER) if has_ledger else []) == before
    assert await residue(url) == []
    return report


def outcomes(report: RehearsalReport) -> list[tuple[str | None, str]]:
    """Return each step's id and outcome."""
    return [(one.step, one.outcome) for one in report.steps]


async def prepared(url: str, *more: MigrationStep, **fields: Any) -> Plugin:
    """Apply the first step, and return the plugin with more of them pending."""
    await migrate(url, make_plugin("notes", NOTES))
    return make_plugin("notes", NOTES, *more, **fields)


@pytest.mark.asyncio
async def test_on_an_empty_database(database_url: str) -> None:
    """All steps are gone through, no ledger is made, and what they make themselves is in nobody's way."""
    report = await rehearse(database_url, make_plugin("notes", NOTES, step("more", "ALTER TABLE notes ADD at timestamptz", "1.1.0")))
    assert outcomes(report) == [("notes", "rehearsed"), ("more", "rehearsed")]
    made = report.steps[0]
    assert made.rows == (TouchedRows(table="public.notes", inserted=10, updated=0, deleted=0),)
    assert made.rewritten == ()
    assert made.sql == NOTES.up
    assert {lock.is_new for lock in made.locks} == {True}
    assert (report.held, report.sequences, report.is_fine) == ((), (), True)


@pytest.mark.asyncio
async def test_locks_rows_and_rewrites_of_each_step(database_url: str) -> None:
    """A rewrite by ALTER TYPE shows, the locks of a step are those that it took itself, and rows are counted step by step."""
    report = await rehearse(
        database_url,
        await prepared(
            database_url,
            step("update", "UPDATE notes SET body = 'x' WHERE id > 4; DELETE FROM notes WHERE id = 1", "1.1.0"),
            step("widen", "ALTER TABLE notes ALTER id TYPE bigint", "1.2.0"),
            step("add", "ALTER TABLE notes ADD at timestamptz", "1.3.0"),
            step("count", "INSERT INTO tags DEFAULT VALUES", "1.4.0"),
        ),
    )
    update, widen, add, count = report.steps
    assert update.rows == (TouchedRows(table="public.notes", inserted=0, updated=6, deleted=1),)
    assert TakenLock(relation="public.notes", kind="table", mode="ROW EXCLUSIVE", is_new=False) in update.locks
    assert update.rewritten == ()
    assert widen.rewritten == ("public.notes",)
    assert TakenLock(relation="public.notes", kind="table", mode="ACCESS EXCLUSIVE", is_new=False) in widen.locks
    assert (add.rewritten, add.rows, [lock for lock in add.locks if lock.relation == "public.notes"]) == ((), (), [])
    assert count.rows == (TouchedRows(table="public.tags", inserted=1, updated=0, deleted=0),)
    assert report.sequences == ("public.tags_id_seq",)
    strongest = report.held[0]
    assert (strongest.relation, strongest.mode) == ("public.notes", "ACCESS EXCLUSIVE")
    assert widen.duration <= strongest.seconds <= report.duration
    assert await query(database_url, "SELECT nextval('tags_id_seq')") == [2]


@pytest.mark.asyncio
async def test_an_index_is_named_with_its_lock(database_url: str) -> None:
    """REINDEX locks the index against all and the table against writers."""
    (one,) = (await rehearse(database_url, await prepared(database_url, step("again", "REINDEX INDEX by_body", "1.1.0")))).steps
    assert [(lock.relation, lock.kind, lock.mode) for lock in one.locks] == [
        ("public.notes", "table", "SHARE"),
        ("public.by_body", "index", "ACCESS EXCLUSIVE"),
    ]


@pytest.mark.asyncio
async def test_a_table_that_is_dropped_is_still_named(database_url: str) -> None:
    """Its row in the catalogue is gone by then."""
    (one,) = (await rehearse(database_url, await prepared(database_url, step("drop", "DROP TABLE notes", "1.1.0")))).steps
    assert one.locks[0] == TakenLock(relation="public.notes", kind="table", mode="ACCESS EXCLUSIVE", is_new=False)


@pytest.mark.asyncio
async def test_truncate_replaces_the_file(database_url: str) -> None:
    """It shows as one that is replaced, and rows of an earlier step are not counted twice or below nothing."""
    report = await rehearse(
        database_url,
        await prepared(
            database_url,
            step("fill", "INSERT INTO notes SELECT n FROM generate_series(11, 20) AS n", "1.1.0"),
            step("empty", "TRUNCATE notes; INSERT INTO notes VALUES (1)", "1.2.0"),
            step("one", "INSERT INTO notes VALUES (2)", "1.3.0"),
        ),
    )
    assert [one.rewritten for one in report.steps] == [(), ("public.notes",), ()]
    assert report.steps[0].rows == (TouchedRows(table="public.notes", inserted=10, updated=0, deleted=0),)
    assert report.steps[2].rows == (TouchedRows(table="public.notes", inserted=1, updated=0, deleted=0),)


@pytest.mark.asyncio
async def test_rows_are_unknown_where_the_server_does_not_count(database_url: str) -> None:
    """None is said instead of nothing."""
    (name,) = await query(database_url, "SELECT current_database()")
    await query(database_url, f'ALTER DATABASE "{name}" SET track_counts = off')
    report = await rehearse(database_url, await prepared(database_url, step("fill", "INSERT INTO notes VALUES (11)", "1.1.0")))
    assert report.steps[0].rows is None


@pytest.mark.asyncio
async def test_functions_are_called_as_in_a_run(database_url: str) -> None:
    """With their context and the bound service, each in either form; the run's number is that of no run."""
    seen: list[object] = []

    async def fill(ctx: MigrationContext) -> None:
        seen.append((ctx.run_number, ctx.plugin, ctx.step))
        await ctx.executemany("INSERT INTO notes VALUES ($1)", [(11,), (12,)])
        await ctx.copy_records_to_table("notes", records=[(13, "x")])
        seen.append(await ctx.fetchval("SELECT count(*) FROM notes WHERE id > $1", 0))

    async def plain() -> None:
        seen.append("plain")

    report = await rehearse(database_url, await prepared(database_url, step("fill", fill, "1.1.0"), step("plain", plain, "1.2.0")))
    assert outcomes(report) == [("fill", "rehearsed"), ("plain", "rehearsed")]
    assert report.steps[0].rows == (TouchedRows(table="public.notes", inserted=3, updated=0, deleted=0),)
    assert report.steps[0].sql is None
    assert seen == [(0, "notes", "fill"), 13, "plain"]


@pytest.mark.asyncio
async def test_a_failed_step_ends_it(database_url: str) -> None:
    """It says what a run would raise, with place and SQLSTATE; what follows is not rehearsed, in other plugins neither."""
    other = make_plugin("other", step("later", "CREATE TABLE later (id int)"), dependencies=("notes",))
    plugin = await prepared(database_url, step("bad", "SELECT 1;\nSELECT nope", "1.1.0"), step("next", "SELECT 1", "1.2.0"))
    report = await rehearse(database_url, plugin, other)
    assert outcomes(report) == [("bad", "failed"), ("next", "not rehearsed"), ("later", "not rehearsed")]
    bad, following, later = report.steps
    with pytest.raises(StepFailed) as caught:
        await migrate(database_url, plugin, other)
    assert bad.error is not None
    assert (bad.error.message, bad.error.location, bad.error.sqlstate) == (caught.value.message, "line 2", "42703")
    assert "rolled back" in bad.error.hint
    assert (following.reason, later.reason) == ("a step before failed", "a step before failed")
    assert (report.is_fine, report.broken_off) == (False, "a step before failed")


@pytest.mark.asyncio
async def test_what_a_failed_step_did_is_taken_back_first(database_url: str) -> None:
    """The steps before it keep their measures, and those of the failed one are empty."""

    async def half(ctx: MigrationContext) -> None:
        await ctx.execute("INSERT INTO notes VALUES (12)")
        message = "no more"
        raise ValueError(message)

    report = await rehearse(
        database_url, await prepared(database_url, step("fill", "INSERT INTO notes VALUES (11)", "1.1.0"), step("half", half, "1.2.0"))
    )
    fill, failed = report.steps
    assert fill.rows == (TouchedRows(table="public.notes", inserted=1, updated=0, deleted=0),)
    assert (failed.outcome, failed.rows, failed.locks) == ("failed", (), ())
    assert failed.error is not None
    assert failed.error.reason == "no more"


@pytest.mark.asyncio
async def test_steps_outside_a_transaction_are_left_out(database_url: str) -> None:
    """They are not run, what follows is, and where that fails it says that it may need them."""
    index = step("index", "CREATE INDEX CONCURRENTLY later ON notes (id)", "1.1.0", transactional=False)
    report = await rehearse(database_url, await prepared(database_url, index, step("add", "ALTER TABLE notes ADD at date", "1.2.0")))
    assert outcomes(report) == [("index", "not rehearsed"), ("add", "rehearsed")]
    assert "outside a transaction" in str(report.steps[0].reason)
    assert report.is_fine
    needing = step("drop", "DROP INDEX later", "1.2.0")
    report = await rehearse(database_url, make_plugin("notes", NOTES, index, needing))
    assert outcomes(report) == [("index", "not rehearsed"), ("drop", "failed")]
    assert report.steps[1].reason == "it may need what was not rehearsed: index"


@pytest.mark.asyncio
async def test_what_no_transaction_can_hold_fails_as_in_a_run(database_url: str) -> None:
    """A run would refuse it as well: the step must say that it runs outside a transaction."""
    report = await rehearse(
        database_url, await prepared(database_url, step("index", "CREATE INDEX CONCURRENTLY later ON notes (id)", "1.1.0"))
    )
    assert outcomes(report) == [("index", "failed")]
    assert report.steps[0].error is not None
    assert report.steps[0].error.sqlstate == "25001"


@pytest.mark.asyncio
async def test_a_new_enum_value_can_not_be_used_in_one_transaction(database_url: str) -> None:
    """Where an earlier step added it that is the rehearsal's doing; where the step itself did, a run fails as well."""
    await migrate(database_url, make_plugin("moods", step("make", "CREATE TYPE mood AS ENUM ('well')")))
    make = step("make", "CREATE TYPE mood AS ENUM ('well')")
    apart = make_plugin(
        "moods",
        make,
        step("add", "ALTER TYPE mood ADD VALUE 'ill'", "1.1.0"),
        step("use", "SELECT 'ill'::mood", "1.2.0"),
        step("after", "SELECT 1", "1.3.0"),
    )
    report = await rehearse(database_url, apart)
    assert outcomes(report) == [("add", "rehearsed"), ("use", "not rehearsed"), ("after", "rehearsed")]
    assert "new value of an enum type" in str(report.steps[1].reason)
    together = make_plugin("moods", make, step("both", "ALTER TYPE mood ADD VALUE 'ill'; SELECT 'ill'::mood", "1.1.0"))
    assert outcomes(await rehearse(database_url, together)) == [("both", "failed")]
    await migrate(database_url, apart)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "script",
    [
        "COMMIT",
        "COMMIT; CREATE TABLE public.leaked (id int); BEGIN",
        "COMMIT AND CHAIN",
        "ROLLBACK",
        "ROLLBACK; CREATE TABLE public.leaked (id int)",
        "ROLLBACK; BEGIN",
        "PREPARE TRANSACTION 'x'",
    ],
)
@pytest.mark.parametrize("caught", [True, False])
async def test_a_function_that_ends_the_transaction(database_url: str, script: str, caught: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    """Nothing of it or of the steps before it stays, also where it goes on writing, and nothing follows it."""

    async def escape(ctx: MigrationContext) -> None:
        await ctx.execute("CREATE TABLE made (id int)")
        try:
            await ctx.execute(script)
            await ctx.execute("CREATE TABLE public.leaked (id int)")
        except Exception:
            if not caught:
                raise

    plugin = await prepared(
        database_url,
        step("add", "ALTER TABLE notes ADD at date", "1.1.0"),
        step("escape", escape, "1.2.0"),
        step("next", "SELECT 1", "1.3.0"),
    )
    report = await rehearse(database_url, plugin)
    assert outcomes(report) == [("add", "rehearsed"), ("escape", "not rehearsed"), ("next", "not rehearsed")]
    assert "ends its own transaction" in str(report.steps[1].reason)
    assert report.steps[2].reason == report.broken_off == "step escape of plugin notes ended the transaction"


@pytest.mark.asyncio
async def test_savepoints_are_a_functions_own_affair(database_url: str) -> None:
    """It may make them, go back to them, and leave them open."""

    async def careful(ctx: MigrationContext) -> None:
        await ctx.execute("SAVEPOINT a; INSERT INTO notes VALUES (11); ROLLBACK TO a; INSERT INTO notes VALUES (12); SAVEPOINT b")

    report = await rehearse(
        database_url, await prepared(database_url, step("careful", careful, "1.1.0"), step("next", "SELECT 1", "1.2.0"))
    )
    assert outcomes(report) == [("careful", "rehearsed"), ("next", "rehearsed")]


@pytest.mark.asyncio
async def test_a_role_without_temporary_tables(database_url: str) -> None:
    """Functions are left out, because nothing would keep them from committing; SQL is not, as it can't commit."""

    async def fill(ctx: MigrationContext) -> None:
        await ctx.execute("SELECT 1")

    role, name = f"rehearser_{os.getpid()}", parse_url(database_url).database
    await execute(
        database_url, f"CREATE ROLE {role} LOGIN; GRANT CREATE ON SCHEMA public TO {role}; REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC"
    )
    try:
        url = replace(parse_url(database_url), user=role, password=None).dsn
        report = await rehearse(url, make_plugin("notes", step("make", "CREATE TABLE mine (id int)"), step("fill", fill, "1.1.0")))
    finally:
        await execute(database_url, f"DROP OWNED BY {role}; DROP ROLE {role}")
    assert outcomes(report) == [("make", "rehearsed"), ("fill", "not rehearsed")]
    assert "GRANT TEMPORARY" in str(report.steps[1].reason)


@pytest.mark.asyncio
async def test_what_is_deferred_to_the_commit_is_checked(database_url: str) -> None:
    """It is checked at the end of the step, as a run does it, and deferred again in the next one."""
    refer = (
        "CREATE TABLE parents (id int PRIMARY KEY); CREATE TABLE children (id int REFERENCES parents DEFERRABLE INITIALLY DEFERRED); "
        # Of one name two constraints, of which only one can be deferred.
        "CREATE TABLE others (id int UNIQUE, CONSTRAINT twin UNIQUE (id) DEFERRABLE INITIALLY DEFERRED); "
        "CREATE TABLE more (id int CONSTRAINT twin CHECK (id > 0))"
    )
    late = step("late", "INSERT INTO children VALUES (1); INSERT INTO parents VALUES (1)", "1.2.0")
    again = step("again", "INSERT INTO children VALUES (2); INSERT INTO parents VALUES (2); SET CONSTRAINTS ALL IMMEDIATE", "1.3.0")
    alter = step("alter", "ALTER TABLE children ADD note text", "1.4.0")
    late_too = step("late-too", "INSERT INTO children VALUES (3); INSERT INTO parents VALUES (3)", "1.5.0")
    never = step("never", "INSERT INTO children VALUES (4)", "1.6.0")
    report = await rehearse(database_url, make_plugin("family", step("refer", refer), late, again, alter, late_too, never))
    assert [outcome for _, outcome in outcomes(report)] == ["rehearsed"] * 5 + ["failed"]
    assert report.steps[-1].error is not None
    assert report.steps[-1].error.sqlstate == "23503"


@pytest.mark.asyncio
async def test_no_step_leaks_into_the_next(database_url: str) -> None:
    """Settings, role, temporary tables, prepared statements, advisory locks and cursors of a step are gone in the next one."""
    leak = (
        "SET work_mem = '77MB'; SET statement_timeout = '5min'; SET search_path = pg_catalog; PREPARE leaked AS SELECT 1; "
        "DECLARE leaked CURSOR WITH HOLD FOR SELECT 1; SELECT pg_advisory_lock(1); CREATE TEMP TABLE leaked (id int); "
        "SET ROLE pg_monitor"
    )
    look = (
        "DO $$BEGIN ASSERT current_setting('work_mem') <> '77MB', 'setting'; ASSERT current_user <> 'pg_monitor', 'role'; "
        "ASSERT current_setting('statement_timeout') = '0', 'time-out'; "
        "ASSERT NOT EXISTS (SELECT FROM pg_prepared_statements WHERE from_sql), 'statement'; "
        "ASSERT NOT EXISTS (SELECT FROM pg_cursors WHERE is_holdable), 'cursor'; "
        "ASSERT to_regclass('pg_temp.leaked') IS NULL, 'table'; ASSERT to_regclass('notes') IS NOT NULL, 'search path'; "
        "ASSERT (SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()), 'lock'; END$$"
    )
    report = await rehearse(database_url, await prepared(database_url, step("leak", leak, "1.1.0"), step("look", look, "1.2.0")))
    assert [(one.outcome, one.error) for one in report.steps] == [("rehearsed", None), ("rehearsed", None)]


@pytest.mark.asyncio
async def test_a_plugins_schema_is_made_for_the_rehearsal(database_url: str) -> None:
    """Its unqualified names live there, and afterwards there is no such schema."""
    report = await rehearse(database_url, make_plugin("own", step("make", "CREATE TABLE things (id int)"), schema="own"))
    assert [lock.relation for lock in report.steps[0].locks if lock.kind == "table"] == ["own.things"]
    assert await query(database_url, "SELECT to_regnamespace('own')") == [None]


@pytest.mark.asyncio
async def test_steps_that_are_computed_are_asked_for_once(database_url: str) -> None:
    """With the version that the ledger holds, as in a run."""
    asked: list[tuple[str, str]] = []

    class Computing(PluginMigrationService):
        service_name = "computing"

        def get_target_version(self) -> str:
            return "2.0.0"

        def get_migration_steps(self, from_version: str, to_version: str) -> list[MigrationStep]:
            asked.append((from_version, to_version))
            return [MigrationStep("two", "Two", up="CREATE TABLE two (id int)")]

    report = await rehearse(database_url, Plugin("p", services=[Computing]))
    assert (outcomes(report), asked) == ([("two", "rehearsed")], [("0.0.0", "2.0.0")])


@pytest.mark.asyncio
async def test_services_that_keep_no_ledger_are_named(database_url: str) -> None:
    """They are not awaited, and what follows is rehearsed; without a database they are all that is told."""

    class Foreign(Service):
        service_name = "a-foreign"
        service_type = "migration"

        async def run_migrations(self, _runtime: object) -> None:
            raise AssertionError

    report = await rehearse(database_url, make_plugin("notes", NOTES), services=[Foreign])
    assert outcomes(report) == [(None, "not rehearsed"), ("notes", "rehearsed")]
    assert report.steps[0].service == "a-foreign"
    assert "keeps no ledger" in str(report.steps[0].reason)
    alone = await MigrationOrchestrator(Runtime(services=[Foreign])).rehearse()
    assert outcomes(alone) == [(None, "not rehearsed")]


@pytest.mark.asyncio
async def test_an_old_migration_function_is_a_step_like_any_other(database_url: str) -> None:
    """It gets the database, bound to the rehearsal's connection."""

    async def hook(database: Database) -> None:
        await database.execute("INSERT INTO notes VALUES (11)")

    report = await rehearse(database_url, await prepared(database_url, run_plugin_migrations=hook))
    assert outcomes(report) == [("run-plugin-migrations", "rehearsed")]
    assert report.steps[0].rows == (TouchedRows(table="public.notes", inserted=1, updated=0, deleted=0),)


@pytest.mark.asyncio
async def test_the_bound_database_and_the_ledger_are_those_of_the_rehearsal(database_url: str) -> None:
    """What a function does by the service is rolled back with it, and it may ask where its plugin stands."""
    seen: list[object] = []

    async def fill() -> None:
        await runtime.get_service(Database).execute("INSERT INTO notes VALUES (11)")
        seen.append(await runtime.get_service("notes-migration").get_plugin_version("notes"))

    runtime = make_runtime(database_url, await prepared(database_url, step("fill", fill, "1.1.0")))
    report = await MigrationOrchestrator(runtime).rehearse()
    assert (outcomes(report), seen) == ([("fill", "rehearsed")], ["1.0.0"])
    assert await query(database_url, "SELECT count(*) FROM notes") == [10]


@pytest.mark.asyncio
async def test_nothing_to_do(database_url: str) -> None:
    """There is no step, and the lock is free again."""
    report = await rehearse(database_url, await prepared(database_url))
    assert (report.steps, report.is_fine) == ((), True)
    assert (await MigrationOrchestrator(Runtime()).rehearse()).steps == ()


@pytest.mark.asyncio
async def test_one_plugin_only(database_url: str) -> None:
    """The others' steps are left alone; a name that nobody has is refused with the nearest one."""
    orchestrator = MigrationOrchestrator(
        make_runtime(database_url, make_plugin("notes", NOTES), make_plugin("other", step("x", "SELECT 1")))
    )
    assert outcomes(await orchestrator.rehearse("other")) == [("x", "rehearsed")]
    with pytest.raises(UnknownMigrationPlugin, match="did you mean notes"):
        await orchestrator.rehearse("note")


@pytest.mark.asyncio
async def test_refusals_of_a_run_come_first(database_url: str) -> None:
    """A required step that is missing and a database that is ahead are refused, dry as in a rehearsal, and nothing is left."""
    needing = make_plugin("needing", step("x", "CREATE TABLE x (id int)", requires=("notes:notes",)))
    for dry in (MigrationOrchestrator.rehearse, lambda one: one.run_all_migrations(dry_run=True)):
        with pytest.raises(RequiredStepMissing, match="notes:notes"):
            await dry(MigrationOrchestrator(make_runtime(database_url, needing)))
    both = await rehearse(database_url, make_plugin("notes", NOTES), replace_dependencies(needing))
    assert outcomes(both) == [("notes", "rehearsed"), ("x", "rehearsed")]
    await migrate(database_url, make_plugin("notes", NOTES, step("new", "SELECT 1", "1.1.0")))
    for ahead in (
        MigrationOrchestrator(make_runtime(database_url, make_plugin("notes", NOTES))).rehearse(),
        MigrationOrchestrator(make_runtime(database_url, make_plugin("notes", NOTES))).run_all_migrations(dry_run=True, refuse_ahead=True),
    ):
        with pytest.raises(DatabaseAhead, match="new"):
            await ahead


def replace_dependencies(plugin: Plugin) -> Plugin:
    """Return the plugin as one that depends on `notes`, so that its turn comes later."""
    return replace(plugin, dependencies=("notes",))


@pytest.mark.asyncio
async def test_without_a_database() -> None:
    """It is refused as a run is."""
    with pytest.raises(NoDatabase):
        await MigrationOrchestrator(Runtime(plugins=[make_plugin("notes", NOTES)])).rehearse()


@pytest.mark.asyncio
async def test_events_come_in_pairs(database_url: str) -> None:
    """One for the rehearsal and one for each step that is tried; none of a run."""
    runtime = make_runtime(
        database_url, await prepared(database_url, step("bad", "SELECT nope", "1.1.0"), step("next", "SELECT 1", "1.2.0"))
    )
    heard: list[object] = []
    runtime.events.subscribe(heard.append)
    report = await MigrationOrchestrator(runtime).rehearse()
    assert [type(event) for event in heard] == [RehearsalStarted, StepRehearsalStarted, StepRehearsalFinished, RehearsalFinished]
    finished = heard[2]
    assert isinstance(finished, StepRehearsalFinished)
    assert (finished.outcome, finished.error) == ("failed", report.steps[0].error)
    assert [line for event in heard if (line := narrate(event)) is not None] == [
        "notes 1/2 rehearse bad: Bad",
        f"notes 1/2 FAILED: {report.steps[0].error.message}" if report.steps[0].error is not None else "",
    ]


@pytest.mark.asyncio
async def test_repeatable_steps_are_rehearsed_behind_the_others(database_url: str) -> None:
    """A view stands on what the steps before it have made, and one that is not due is not gone through."""
    bodies = RepeatableStep("bodies", "Bodies", up="CREATE OR REPLACE VIEW bodies AS SELECT body FROM notes")
    wrong = RepeatableStep("wrong", "Wrong", up="CREATE OR REPLACE VIEW wrong AS SELECT nothing FROM bodies", after=("bodies",))
    before = make_plugin("notes", NOTES, repeatable=(bodies,))
    assert outcomes(await rehearse(database_url, before)) == [("notes", "rehearsed"), ("bodies", "rehearsed")]
    await migrate(database_url, before)
    report = await rehearse(database_url, make_plugin("notes", NOTES, repeatable=(bodies, wrong)))
    assert outcomes(report) == [("wrong", "failed")]
    assert 'column "nothing" does not exist' in str(report.steps[0].error)
