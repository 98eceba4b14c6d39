"""Ways back outside a transaction: a half-done one is ended by the next rollback, or by the next run, before anything else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from roost import MigrationConfig, MigrationOrchestrator, MigrationReport, MigrationStep, Plugin, PluginMigrationService
from roost.errors import InvalidStep, NoRollbackMethod, StepFailed, StepOutcomeUnknown
from roost.migrations import RepairedStep, SessionReopened, StepBlocked
from tests.plugins.build import BOUND, QUICK, applied, execute, history, make_plugin, make_runtime, migrate, names, query, residue, until

TABLE = MigrationStep("table", "Table", up="CREATE TABLE t (x int)", down="DROP TABLE t", version="1.0.0")
INDEX = "CREATE INDEX CONCURRENTLY i ON t (x)"
DROP = "DROP INDEX CONCURRENTLY i"
NO_DROP = """
CREATE FUNCTION no_drop() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE insufficient_privilege USING MESSAGE = 'nobody may drop it';
END $$;
CREATE EVENT TRIGGER no_drop ON ddl_command_start WHEN TAG IN ('DROP INDEX') EXECUTE FUNCTION no_drop();
"""
"""Refuses as the server refuses a role that does not own the index."""

PATIENT = MigrationConfig(retry_delay=0.01, retry_max_delay=0.02, run_lock_timeout=BOUND, lock_wait_budget=BOUND)


def indexed(up: str = INDEX, down: str = DROP, *after: MigrationStep, **fields: Any) -> Plugin:
    """Return a plugin with a table, an index that is made outside a transaction, and what comes after that."""
    index = MigrationStep("index", "Index", up=up, down=down, version="1.1.0", transactional=False, **fields)
    return make_plugin("p", TABLE, index, *after)


async def undone(url: str, plugin: Plugin, config: MigrationConfig = QUICK, **target: Any) -> MigrationReport:
    """Roll back."""
    report = await make_runtime(url, plugin, config=config).get_service("p-migration").rollback(**target)
    assert isinstance(report, MigrationReport)
    return report


async def begun(url: str, *, ended: int = 0, step: str = "index") -> None:
    """Bring the ledger to where a process left it that was killed in the middle of a step's way back."""
    await execute(url, f"UPDATE roost.applied SET state = 'undoing', statements_done = {ended} WHERE step = '{step}'")
    await execute(url, "UPDATE roost.plugin SET settled = NULL")


async def indexes(url: str) -> list[str]:
    """Return the names of the table's indexes."""
    return await query(url, "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = to_regclass('t') ORDER BY 1")


@pytest.mark.asyncio
@pytest.mark.parametrize("transactional", [True, False])
async def test_it_runs_outside_where_it_has_to(database_url: str, transactional: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    """After a step outside a transaction, and where PostgreSQL refuses the statement inside one, whatever the step was."""
    up = "CREATE INDEX i ON t (x)" if transactional else INDEX
    step = MigrationStep("index", "Index", up=up, down=f"SET my.own = 'a'; {DROP}", version="1.1.0", transactional=transactional)
    plugin = make_plugin("p", TABLE, step)
    await migrate(database_url, plugin)
    assert names((await undone(database_url, plugin, steps=1)).steps) == ["index"]
    assert await indexes(database_url) == []
    assert await applied(database_url) == [("p", "table")]
    assert await query(database_url, "SELECT version FROM roost.plugin") == ["1.0.0"]
    assert (await history(database_url, "p"))[-1] == ("p", "index", True)
    assert await residue(database_url) == []
    assert names((await migrate(database_url, plugin)).steps) == ["index"]


@pytest.mark.asyncio
async def test_the_stored_way_back_of_a_step_that_is_gone(database_url: str) -> None:
    """Code that does not know the step any more takes what the ledger keeps."""
    await migrate(database_url, indexed())
    await undone(database_url, make_plugin("p", TABLE), steps=1)
    assert (await indexes(database_url), await applied(database_url)) == ([], [("p", "table")])


@pytest.mark.asyncio
@pytest.mark.parametrize("is_gone", [True, False])
@pytest.mark.parametrize("by", ["rollback", "run", "run without the step"])
async def test_a_half_done_one_is_ended(database_url: str, by: str, is_gone: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    """By the next rollback, which counts it as the first of its steps; by the next run, which then plans as after any rollback."""
    await migrate(database_url, indexed())
    await begun(database_url)
    if is_gone:
        await execute(database_url, "DROP INDEX i")
    if by == "rollback":
        assert names((await undone(database_url, indexed(), steps=1)).steps) == ["index"]
        assert await applied(database_url) == [("p", "table")]
        assert await indexes(database_url) == []
    elif by == "run":
        report = await migrate(database_url, indexed())
        assert [(step.step, step.direction) for step in report.steps] == [("index", "down"), ("index", "up")]
        assert await indexes(database_url) == ["i"]
    else:
        report = await migrate(database_url, make_plugin("p", TABLE))
        assert [(step.step, step.direction) for step in report.steps] == [("index", "down")]
        assert await applied(database_url) == [("p", "table")]
    assert await query(database_url, "SELECT count(*) FROM roost.applied WHERE state <> 'done'") == [0]
    assert await residue(database_url) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("target", [{"version": "1.0.0"}, {"steps": 1}, {"steps": 2}, {"run": 2}])
async def test_it_comes_first_also_in_front_of_a_step_that_stays(database_url: str, target: dict[str, Any]) -> None:
    """A rollback that left out a step without a way back, and was killed behind it, is gone on with at the step that it had in hand."""
    await migrate(database_url, make_plugin("p", TABLE))
    stays = MigrationStep("stays", "Has no way back", up="CREATE TABLE u (x int)", version="1.2.0")
    plugin = indexed(INDEX, DROP, stays)
    await migrate(database_url, plugin)
    await begun(database_url)
    with pytest.raises(NoRollbackMethod):
        await undone(database_url, plugin, **target)
    report = await undone(database_url, plugin, skip_irreversible=True, **target)
    assert names(report.steps) == ["index"]
    assert await applied(database_url) == [("p", "table"), ("p", "stays")]
    assert await indexes(database_url) == []


@pytest.mark.asyncio
async def test_nobody_takes_the_plugin_for_settled_meanwhile(database_url: str) -> None:
    """While a way back is in hand a start has something to do, though the step is still in the ledger."""
    plugin = indexed()
    await migrate(database_url, plugin)
    runtime = make_runtime(database_url, plugin, config=PATIENT)
    blocked = asyncio.Event()
    runtime.events.subscribe(lambda _: blocked.set(), StepBlocked)
    holder = asyncio.create_task(hold(database_url, release := asyncio.Event(), held := asyncio.Event()))
    await held.wait()
    running = asyncio.create_task(runtime.get_service("p-migration").rollback(steps=1))
    await asyncio.wait_for(blocked.wait(), BOUND)
    assert await query(database_url, "SELECT state, (SELECT settled FROM roost.plugin) FROM roost.applied WHERE step = 'index'") == [
        ("undoing", None)
    ]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    release.set()
    await holder
    assert await MigrationOrchestrator(make_runtime(database_url, plugin)).has_pending_migrations()
    report = await migrate(database_url, plugin)
    assert [(step.step, step.direction) for step in report.steps] == [("index", "down"), ("index", "up")]
    assert await residue(database_url) == []


async def hold(url: str, release: asyncio.Event, held: asyncio.Event) -> None:
    """Hold a lock on the table for which DROP INDEX CONCURRENTLY waits."""
    import asyncpg  # noqa: PLC0415 -- only here

    connection = await asyncpg.connect(url)
    try:
        await connection.execute("BEGIN; INSERT INTO t VALUES (1)")
        held.set()
        await release.wait()
    finally:
        await connection.close()


@pytest.mark.asyncio
async def test_a_connection_that_breaks_in_it(database_url: str) -> None:
    """The same rollback goes on by a new one, where the note says; what bears a transaction happens once."""
    plugin = indexed(INDEX, f"CREATE TABLE log (x int); INSERT INTO log VALUES (1); {DROP}; INSERT INTO log VALUES (2)")
    await migrate(database_url, plugin)
    runtime = make_runtime(database_url, plugin, config=PATIENT)
    blocked, reopened = asyncio.Event(), asyncio.Event()
    runtime.events.subscribe(lambda _: blocked.set(), StepBlocked)
    runtime.events.subscribe(lambda _: reopened.set(), SessionReopened)
    holder = asyncio.create_task(hold(database_url, release := asyncio.Event(), held := asyncio.Event()))
    await held.wait()
    running = asyncio.create_task(runtime.get_service("p-migration").rollback(steps=1))
    await asyncio.wait_for(blocked.wait(), BOUND)
    await execute(
        database_url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'DROP INDEX%'",
    )
    await asyncio.wait_for(reopened.wait(), BOUND)
    release.set()
    await holder
    assert names((await running).steps) == ["index"]
    assert await query(database_url, "SELECT x FROM log ORDER BY x") == [1, 2]
    assert await indexes(database_url) == []
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_one_that_surely_had_no_effect(database_url: str) -> None:
    """The step is applied as before, so that its way back may be mended in any way."""
    await migrate(database_url, indexed())
    with pytest.raises(StepFailed) as caught:
        await undone(database_url, indexed(INDEX, "DROP INDEX CONCURRENTLY nothing"), steps=1)
    assert (caught.value.direction, caught.value.transactional) == ("down", False)
    assert await applied(database_url) == [("p", "table"), ("p", "index")]
    assert names((await undone(database_url, indexed(), steps=1)).steps) == ["index"]


@pytest.mark.asyncio
async def test_a_half_done_one_that_is_then_refused(database_url: str) -> None:
    """The refusal says nothing of what was done before: the step does not count as applied again, and the next run ends its way back."""
    await migrate(database_url, indexed())
    await begun(database_url)
    await execute(database_url, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'i'::regclass")
    await execute(database_url, NO_DROP)
    with pytest.raises(StepFailed) as caught:
        await undone(database_url, indexed(), steps=1)
    assert caught.value.sqlstate == "42501"
    assert await query(database_url, "SELECT state FROM roost.applied WHERE step = 'index'") == ["undoing"]
    await execute(database_url, "DROP EVENT TRIGGER no_drop")
    report = await migrate(database_url, indexed())
    assert [(step.step, step.direction) for step in report.steps] == [("index", "down"), ("index", "up")]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_one_that_nobody_can_tell(database_url: str) -> None:
    """Rollback and run refuse it, and a person says what became of it, in the step's own words: whether its effect is there."""
    plugin = indexed(INDEX, "CALL back()")
    await migrate(database_url, plugin)
    await begun(database_url)
    with pytest.raises(StepOutcomeUnknown, match=r"CALL back"):
        await undone(database_url, plugin, steps=1)
    with pytest.raises(StepOutcomeUnknown, match=r"CALL back"):
        await migrate(database_url, plugin)
    orchestrator = MigrationOrchestrator(make_runtime(database_url, plugin))
    repaired = await orchestrator.repair("p", "index", done=False)
    assert repaired == RepairedStep(plugin="p", step="index", was="undoing", done=False, version="1.0.0", run=repaired.run)
    assert await applied(database_url) == [("p", "table")]


@pytest.mark.asyncio
async def test_one_that_is_refused_before_anything_is_undone(database_url: str) -> None:
    """It could not be taken up again; the step after it is not undone either."""
    after = MigrationStep("after", "After", up="CREATE TABLE u (x int)", down="DROP TABLE u", version="1.2.0")
    plugin = indexed(INDEX, "CREATE INDEX CONCURRENTLY ON t (x)", after)
    await migrate(database_url, plugin)
    with pytest.raises(InvalidStep, match="an index without a name"):
        await undone(database_url, plugin)
    assert len(await applied(database_url)) == 3


@pytest.mark.asyncio
async def test_steps_in_transactions_around_it(database_url: str) -> None:
    """They are undone in their order, those in transactions together."""
    after = [
        MigrationStep(f"a{number}", "After", up=f"CREATE TABLE a{number} (x int)", down=f"DROP TABLE a{number}", version="1.2.0")
        for number in range(3)
    ]
    plugin = indexed(INDEX, DROP, *after)
    await migrate(database_url, plugin)
    assert names((await undone(database_url, plugin)).steps) == ["a2", "a1", "a0", "index", "table"]
    assert await applied(database_url) == []
    await until(database_url, "SELECT FROM roost.plugin WHERE version IS NULL")
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_what_a_run_would_do_begins_with_the_end_of_a_way_back(database_url: str) -> None:
    """A dry run shows it, a rehearsal says why nothing can be tried before it, and it counts as work, also for code that lacks the step."""
    plugin = indexed()
    await migrate(database_url, plugin)
    await begun(database_url)
    orchestrator = MigrationOrchestrator(make_runtime(database_url, plugin))
    planned = (await orchestrator.run_all_migrations(dry_run=True)).steps
    assert [(step.step, step.direction, step.sql) for step in planned] == [("index", "down", DROP), ("index", "up", INDEX)]
    (rehearsed,) = (await orchestrator.rehearse()).steps
    assert (rehearsed.outcome, "a way back of step index of plugin p was begun" in str(rehearsed.reason)) == ("not rehearsed", True)
    older = MigrationOrchestrator(make_runtime(database_url, make_plugin("p", TABLE)))
    assert await older.has_pending_migrations()


@pytest.mark.asyncio
async def test_a_plugin_that_computes_its_steps(database_url: str) -> None:
    """It is asked for its steps from where the end of the way back leaves it."""
    asked: list[str] = []

    class Computed(PluginMigrationService):
        service_name = "p-migration"
        steps_by_version = (
            TABLE,
            MigrationStep("first", "First", up="SELECT 1", version="1.1.0"),
            MigrationStep("index", "Index", up=INDEX, down=DROP, version="1.1.0", transactional=False),
        )

        def get_target_version(self) -> str:
            return "1.1.0"

        def get_migration_steps(self, from_version: str, to_version: str) -> Sequence[MigrationStep]:
            asked.append(from_version)
            return [step for step in self.steps_by_version if self.compare_versions(step.version, from_version) > 0]

    plugin = Plugin("p", services=[Computed])
    await migrate(database_url, plugin)
    await begun(database_url)
    assert names((await migrate(database_url, plugin)).steps) == ["index", "index"]
    assert (asked[-1], await applied(database_url)) == ("1.0.0", [("p", "table"), ("p", "first"), ("p", "index")])


@pytest.mark.asyncio
@pytest.mark.parametrize(("up", "words"), [(INDEX, "roost up brings it to its end"), ("CALL p()", "check in the database")])
async def test_a_step_that_was_not_seen_to_end(database_url: str, up: str, words: str) -> None:
    """It can't be undone yet, and is told whether the next run takes it up or a person has to look."""
    await execute(database_url, "CREATE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN END'")
    await migrate(database_url, indexed(up=up))
    await execute(database_url, "UPDATE roost.applied SET state = 'intent' WHERE step = 'index'")
    with pytest.raises(StepOutcomeUnknown) as unknown:
        await undone(database_url, indexed(up=up), steps=1)
    assert unknown.value.hint is not None
    assert unknown.value.hint.startswith(words)
