"""The migration system as a whole: several services, end to end; failure and recovery; interaction."""

from __future__ import annotations

import asyncpg
import pytest

from roost import Database, MigrationContext, MigrationOrchestrator, MigrationStep, Plugin, Service
from roost.errors import (
    DatabaseAhead,
    DependantApplied,
    HistoriesDiverged,
    LedgerTooNew,
    NoRollbackMethod,
    PendingMigrations,
    RequiredStepMissing,
    StepFailed,
)
from roost.migrations import (
    DatabaseAheadNoticed,
    RunFinished,
    SkippedStep,
    StepFinished,
    StepsChanged,
    StepSkipped,
    UnclaimedPlugin,
)
from tests.plugins.build import applied, history, make_plugin, make_runtime, migrate, names, query, residue

MAKE_A = MigrationStep("make-a", "Make a", up="CREATE TABLE a (id int PRIMARY KEY)", down="DROP TABLE a", version="1.0.0")
FILL_A = MigrationStep("fill-a", "Fill a", up="INSERT INTO a VALUES (1), (2)", down="DELETE FROM a", version="1.1.0")
MAKE_B = MigrationStep("make-b", "Make b", up="CREATE TABLE b (a int REFERENCES a)", down="DROP TABLE b", version="1.0.0")


@pytest.mark.asyncio
async def test_several_services_end_to_end(database_url: str) -> None:
    """Two plugins migrate in the order of their dependency, are told of in status and history, and are left alone afterwards."""
    core, guest = make_plugin("core", MAKE_A, FILL_A), make_plugin("guest", MAKE_B, dependencies=["core"])
    orchestrator = MigrationOrchestrator(make_runtime(database_url, guest, core))
    report = await orchestrator.run_all_migrations()
    assert report.done == ("core-migration", "guest-migration")
    assert names(report.steps) == ["make-a", "fill-a", "make-b"]
    status = await orchestrator.get_migration_status()
    assert [(one.service_name, one.version, one.pending, one.state) for one in status.services] == [
        ("core-migration", "1.1.0", 0, "completed"),
        ("guest-migration", "1.0.0", 0, "completed"),
    ]
    records = await orchestrator.get_migration_history()
    assert [(record.plugin, record.step, record.success) for record in records] == [
        ("guest", "make-b", True),
        ("core", "fill-a", True),
        ("core", "make-a", True),
    ]
    assert status.last_migration == records[0].executed_at
    assert await orchestrator.get_migration_history("core") == records[1:]
    assert not await orchestrator.has_pending_migrations()
    again = await migrate(database_url, core, guest)
    assert (again.run_id, again.steps) == (None, ())
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_failure_and_recovery(database_url: str) -> None:
    """A step that fails halfway leaves nothing of itself; those before it stay, those after it wait; mended, the run goes on there."""
    broken = MigrationStep("break", "Break", up="INSERT INTO a VALUES (3);\nINSERT INTO a VALUES (1)", version="1.2.0")
    after = MigrationStep("after", "After", up="CREATE TABLE after_it (id int)", version="1.3.0")
    guest = make_plugin("guest", MAKE_B, dependencies=["core"])
    orchestrator = MigrationOrchestrator(make_runtime(database_url, make_plugin("core", MAKE_A, FILL_A, broken, after), guest))
    with pytest.raises(StepFailed, match="a_pkey") as caught:
        await orchestrator.run_all_migrations()
    assert (caught.value.plugin, caught.value.step, caught.value.sqlstate) == ("core", "break", "23505")
    assert isinstance(caught.value.__cause__, asyncpg.UniqueViolationError)
    assert caught.value.__notes__ == ["migrations done: none; failed: core-migration; not run: guest-migration"]
    assert await query(database_url, "SELECT id FROM a ORDER BY id") == [1, 2]
    assert await history(database_url) == [("core", "make-a", True), ("core", "fill-a", True), ("core", "break", False)]
    status = await orchestrator.get_migration_status()
    assert [(one.state, one.version, one.pending) for one in status.services] == [("failed", "1.1.0", 2), ("idle", None, 1)]
    assert "a_pkey" in (status.services[0].error or "")
    assert await residue(database_url) == []

    mended = MigrationStep("break", "Break", up="INSERT INTO a VALUES (3)", version="1.2.0")
    report = await migrate(database_url, make_plugin("core", MAKE_A, FILL_A, mended, after), guest)
    assert names(report.steps) == ["break", "after", "make-b"]


@pytest.mark.asyncio
async def test_a_python_step_shares_its_transaction(database_url: str) -> None:
    """What a function did before it raised is gone, whether it used its context or the Database service."""
    runtime = make_runtime(database_url)

    async def fill(ctx: MigrationContext) -> None:
        await ctx.execute("INSERT INTO a VALUES (1)")
        await runtime.get_service(Database).execute("INSERT INTO a VALUES (2)")
        assert await ctx.fetchval("SELECT count(*) FROM a") == 2
        raise LookupError("not today")

    plugin = make_plugin("core", MAKE_A, MigrationStep("fill", "Fill", up=fill, version="1.0.0"))
    runtime = make_runtime(database_url, plugin)
    with pytest.raises(StepFailed, match="not today") as caught:
        await MigrationOrchestrator(runtime).run_all_migrations()
    assert isinstance(caught.value.__cause__, LookupError)
    assert (caught.value.location or "").startswith(__file__)
    assert await query(database_url, "SELECT id FROM a") == []


@pytest.mark.asyncio
async def test_services_start_after_their_migrations(database_url: str) -> None:
    """A service finds its table in `start`; when the migration fails it never starts."""
    seen: list[int] = []

    class Reader(Service):
        def __init__(self, db: Database) -> None:
            self._db = db

        async def start(self) -> None:
            seen.append(await self._db.fetchval("SELECT count(*) FROM a"))

    async with make_runtime(database_url, make_plugin("core", MAKE_A, FILL_A, services=[Reader])):
        assert seen == [2]
    bad = MigrationStep("bad", "Bad", up="SELECT nothing", version="2.0.0")
    with pytest.raises(Exception, match="nothing"):
        async with make_runtime(database_url, make_plugin("core", MAKE_A, FILL_A, bad, services=[Reader])):
            pytest.fail("started")
    assert seen == [2]


@pytest.mark.asyncio
async def test_a_plugin_without_steps_of_its_own_waits_for_those_it_depends_on(database_url: str) -> None:
    """Dependency between plugins is enough: the dependent's service finds the other's table."""
    seen: list[int] = []

    class Reader(Service):
        def __init__(self, db: Database) -> None:
            self._db = db

        async def start(self) -> None:
            seen.append(await self._db.fetchval("SELECT count(*) FROM a"))

    reader = Plugin(name="reader", services=[Reader], dependencies=["core"])
    async with make_runtime(database_url, reader, make_plugin("core", MAKE_A, FILL_A)):
        assert seen == [2]


@pytest.mark.asyncio
async def test_a_runtime_that_must_not_migrate_refuses_what_is_pending(database_url: str) -> None:
    """auto_migrate=False starts on a migrated database, and else only where that is allowed in words."""
    plugin = make_plugin("core", MAKE_A)
    with pytest.raises(PendingMigrations, match="core"):
        async with make_runtime(database_url, plugin, auto_migrate=False):
            pytest.fail("started")
    async with make_runtime(database_url, plugin, auto_migrate=False, allow_unmigrated=True) as runtime:
        status = await MigrationOrchestrator(runtime).get_migration_status()
        assert status.services[0].state == "skipped"
    assert await query(database_url, "SELECT to_regclass('a')") == [None]
    await migrate(database_url, plugin)
    async with make_runtime(database_url, plugin, auto_migrate=False):
        pass


@pytest.mark.asyncio
async def test_events_come_in_pairs(database_url: str) -> None:
    """Each start has its end, and a failure is told with its error."""
    bad = MigrationStep("bad", "Bad", up="SELECT nothing", version="2.0.0")
    runtime = make_runtime(database_url, make_plugin("core", MAKE_A, bad))
    told: list[object] = []
    runtime.events.subscribe(told.append)
    with pytest.raises(StepFailed):
        await MigrationOrchestrator(runtime).run_all_migrations()
    assert [type(event).__name__ for event in told] == [
        "RunStarted",
        "ServiceMigrationStarted",
        "StepStarted",
        "StepFinished",
        "StepStarted",
        "StepFinished",
        "ServiceMigrationFinished",
        "RunFinished",
    ]
    assert [event.error is None for event in told if isinstance(event, StepFinished)] == [True, False]
    assert [type(event.error) for event in told if isinstance(event, RunFinished)] == [StepFailed]


@pytest.mark.asyncio
async def test_a_step_waits_for_what_it_requires(database_url: str) -> None:
    """A required step of another plugin must be applied, and then can't be undone before the one that requires it."""
    needs = MigrationStep(
        "needs", "Needs a", up="CREATE TABLE needs (id int)", down="DROP TABLE needs", version="1.0.0", requires=("core:make-a",)
    )
    with pytest.raises(RequiredStepMissing, match="core:make-a"):
        await migrate(database_url, make_plugin("guest", needs))
    assert await query(database_url, "SELECT to_regclass('needs')") == [None]
    runtime = make_runtime(database_url, make_plugin("core", MAKE_A), make_plugin("guest", needs, dependencies=["core"]))
    await MigrationOrchestrator(runtime).run_all_migrations()
    core, guest = runtime.get_services_by_type("migration")
    with pytest.raises(DependantApplied, match="needs"):
        await core.rollback()
    await guest.rollback()
    await core.rollback()
    assert await applied(database_url) == []


@pytest.mark.asyncio
async def test_rollback_is_planned_before_anything_is_undone(database_url: str) -> None:
    """A step without a way back stops the rollback before its first step; told to skip it, the rest is undone."""
    one_way = MigrationStep("one-way", "No way back", up="CREATE TABLE one_way (id int)", version="1.2.0")
    runtime = make_runtime(
        database_url, make_plugin("core", MAKE_A, one_way, MigrationStep("last", "L", up="SELECT 1", down="SELECT 2", version="1.3.0"))
    )
    await MigrationOrchestrator(runtime).run_all_migrations()
    (service,) = runtime.get_services_by_type("migration")
    with pytest.raises(NoRollbackMethod, match="No rollback method for migration step: one-way"):
        await service.rollback()
    assert [step for _, step in await applied(database_url)] == ["make-a", "one-way", "last"]
    shown = await service.rollback(dry_run=True, skip_irreversible=True)
    assert names(shown.steps) == ["last", "make-a"]
    report = await service.rollback(skip_irreversible=True)
    assert names(report.steps) == ["last", "make-a"]
    assert await applied(database_url) == [("core", "one-way")]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_sql_to_undo_a_step_outlives_the_step(database_url: str) -> None:
    """The ledger keeps the SQL `down`: code that no longer knows the step can undo it by run."""
    await migrate(database_url, make_plugin("core", MAKE_A))
    runtime = make_runtime(database_url, make_plugin("core", MigrationStep("other", "Other", up="SELECT 1", version="0.1.0")))
    (service,) = runtime.get_services_by_type("migration")
    await service.rollback(run=1)
    assert await query(database_url, "SELECT to_regclass('a')") == [None]


@pytest.mark.asyncio
async def test_an_irreversible_step_says_why(database_url: str) -> None:
    """Its reason is in the plan, in the refusal, which comes before anything is undone, and in what is said of it when it is skipped."""
    gone = MigrationStep("gone", "Drop rows", up="TRUNCATE a", irreversible="the rows are gone", version="1.1.0")
    last = MigrationStep("last", "Last", up="SELECT 1", down="SELECT 2", version="1.2.0")
    runtime = make_runtime(database_url, make_plugin("core", MAKE_A, gone, last))
    orchestrator = MigrationOrchestrator(runtime)
    planned = await orchestrator.run_all_migrations(dry_run=True)
    assert [step.irreversible for step in planned.steps] == [None, "the rows are gone", None]
    await orchestrator.run_all_migrations()
    (service,) = runtime.get_services_by_type("migration")
    with pytest.raises(NoRollbackMethod, match="the rows are gone"):
        await service.rollback(steps=2)
    assert [step for _, step in await applied(database_url)] == ["make-a", "gone", "last"]
    told: list[StepSkipped] = []
    runtime.events.subscribe(told.append, StepSkipped)
    left = (SkippedStep(plugin="core", step="gone", version="1.1.0", reason="the rows are gone"),)
    assert (await service.rollback(steps=2, dry_run=True, skip_irreversible=True)).skipped == left
    assert (await service.rollback(steps=2, skip_irreversible=True)).skipped == left
    assert told == [StepSkipped(plugin="core", step="gone", reason="the rows are gone")]


@pytest.mark.asyncio
async def test_a_plugin_that_was_taken_out_is_told_of(database_url: str) -> None:
    """Its place and its steps are in the status; one of which nothing is left, and one that has a service, are not."""
    before = make_runtime(database_url, make_plugin("core", MAKE_A), make_plugin("old", FILL_A, dependencies=["core"]))
    assert (await MigrationOrchestrator(before).get_migration_status()).unclaimed == ()
    await MigrationOrchestrator(before).run_all_migrations()
    assert (await MigrationOrchestrator(before).get_migration_status()).unclaimed == ()
    after = MigrationOrchestrator(make_runtime(database_url, make_plugin("core", MAKE_A)))
    old = UnclaimedPlugin(plugin="old", version=FILL_A.version, steps=(FILL_A.id,))
    assert (await after.get_migration_status()).unclaimed == (old,)
    assert (await after.run_all_migrations()).run_id is None
    service = next(one for one in before.get_services_by_type("migration") if one.service_name == "old-migration")
    await service.rollback()
    assert (await after.get_migration_status()).unclaimed == ()


@pytest.mark.asyncio
async def test_a_rollback_of_a_run_takes_back_that_run(database_url: str) -> None:
    """Steps of a run are undone together; those of runs before it stay."""
    await migrate(database_url, make_plugin("core", MAKE_A))
    runtime = make_runtime(database_url, make_plugin("core", MAKE_A, FILL_A))
    report = await MigrationOrchestrator(runtime).run_all_migrations()
    assert names(report.steps) == ["fill-a"]
    (service,) = runtime.get_services_by_type("migration")
    await service.rollback(run=2)
    assert await applied(database_url) == [("core", "make-a")]
    assert await service.get_plugin_version("core") == "1.0.0"


@pytest.mark.asyncio
async def test_old_code_on_a_newer_database(database_url: str) -> None:
    """Where the newer steps break nothing the old code goes on, and says so; after a breaking one it refuses, naming it."""
    await migrate(database_url, make_plugin("core", MAKE_A, FILL_A))
    runtime = make_runtime(database_url, make_plugin("core", MAKE_A))
    told: list[object] = []
    runtime.events.subscribe(told.append, DatabaseAheadNoticed)
    orchestrator = MigrationOrchestrator(runtime)
    await orchestrator.run_all_migrations()
    assert [event.steps for event in told if isinstance(event, DatabaseAheadNoticed)] == [("fill-a",)]
    assert (await orchestrator.get_migration_status()).services[0].state == "ahead"
    with pytest.raises(DatabaseAhead, match="fill-a"):
        await orchestrator.run_all_migrations(refuse_ahead=True)

    breaking = MigrationStep("rename", "Rename", up="ALTER TABLE a RENAME TO z", version="2.0.0", breaking=True)
    await migrate(database_url, make_plugin("core", MAKE_A, FILL_A, breaking))
    with pytest.raises(DatabaseAhead, match="rename"):
        await migrate(database_url, make_plugin("core", MAKE_A))


@pytest.mark.asyncio
async def test_histories_that_diverged_are_refused(database_url: str) -> None:
    """Code and database that each have a step the other lacks fit in no order."""
    await migrate(database_url, make_plugin("core", MAKE_A, FILL_A))
    other = MigrationStep("other", "Other", up="CREATE TABLE other (id int)", version="1.1.0")
    with pytest.raises(HistoriesDiverged, match="other"):
        await migrate(database_url, make_plugin("core", MAKE_A, other))
    assert await query(database_url, "SELECT to_regclass('other')") == [None]


@pytest.mark.asyncio
async def test_a_step_that_was_edited_is_told_and_not_run_again(database_url: str) -> None:
    """An edited body is drift: an event names it, its new text never runs."""
    await migrate(database_url, make_plugin("core", MAKE_A))
    edited = MigrationStep("make-a", "Make a", up="CREATE TABLE a_edited (id int)", version="1.0.0")
    runtime = make_runtime(database_url, make_plugin("core", edited))
    told: list[object] = []
    runtime.events.subscribe(told.append, StepsChanged)
    report = await MigrationOrchestrator(runtime).run_all_migrations()
    assert report.steps == ()
    assert [event.steps for event in told if isinstance(event, StepsChanged)] == [("make-a",)]
    assert await query(database_url, "SELECT to_regclass('a_edited')") == [None]


@pytest.mark.asyncio
async def test_a_ledger_of_a_newer_roost_is_refused(database_url: str) -> None:
    """Code that doesn't know the ledger's form writes nothing into it."""
    await migrate(database_url, make_plugin("core", MAKE_A))
    await query(database_url, "UPDATE roost.meta SET schema_version = 99, oldest_reader = 99 RETURNING 1")
    with pytest.raises(LedgerTooNew, match="99"):
        await migrate(database_url, make_plugin("core", MAKE_A, FILL_A))
    assert await query(database_url, "SELECT count(*) FROM a") == [0]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_a_schema_of_its_own(database_url: str) -> None:
    """A plugin with a schema finds its unqualified names there, and makes it only when it has something to put in."""
    await migrate(database_url, make_plugin("core", MAKE_A, schema="Own Schema"))
    assert await query(database_url, "SELECT schemaname::text FROM pg_tables WHERE tablename = 'a'") == ["Own Schema"]


@pytest.mark.asyncio
async def test_dry_run_writes_nothing(database_url: str) -> None:
    """It reports the steps with their SQL, and leaves an empty database empty."""
    runtime = make_runtime(database_url, make_plugin("core", MAKE_A, FILL_A))
    report = await MigrationOrchestrator(runtime).run_all_migrations(dry_run=True)
    assert [(step.step, step.sql) for step in report.steps] == [("make-a", MAKE_A.up), ("fill-a", FILL_A.up)]
    assert await query(database_url, "SELECT nspname::text FROM pg_namespace WHERE nspname = 'roost'") == []
