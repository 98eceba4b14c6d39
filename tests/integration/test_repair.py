"""A person says what became of a step in doubt, and the next run goes on exactly there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from roost import MigrationConfig, MigrationContext, MigrationOrchestrator, MigrationStep, Plugin, Runtime
from roost.errors import (
    MigrationLockLost,
    MigrationLockTimeout,
    NoDatabase,
    NoRollbackMethod,
    StepEscaped,
    StepNotInDoubt,
    UnknownMigrationPlugin,
)
from roost.migrations import LockWaitStarted, MigrationRun, RepairedStep
from roost.migrations._repair import plan_repair, repairing
from roost.testing import RoundTripProxy
from tests.plugins.build import QUICK, applied, make_plugin, make_runtime, migrate, names, query, residue

MAKE = MigrationStep("make", "Make", up="CREATE TABLE notes (id int)", down="DROP TABLE notes", version="1.0.0")
LAST = MigrationStep("last", "Last", up="CREATE TABLE last (id int)", version="1.2.0")


def escaping(sql: str) -> Callable[[MigrationContext], Awaitable[None]]:
    """Return a step's function that does something and then ends its own transaction."""

    async def function(ctx: MigrationContext) -> None:
        await ctx.execute("CREATE TABLE kinds (id int)")
        await ctx.execute(sql)

    return function


def plugin(up: object, **fields: object) -> Plugin:
    """Return the plugin whose second step has this body."""
    return make_plugin("notes", MAKE, MigrationStep("kinds", "Kinds", up=up, version="1.1.0", **fields), LAST)  # type: ignore[arg-type]  # either form


def orchestrator(url: str, *plugins: Plugin) -> MigrationOrchestrator:
    """Return an orchestrator of a runtime with these plugins."""
    return MigrationOrchestrator(make_runtime(url, *plugins))


async def heads(url: str) -> list[Any]:
    """Return for each plugin its name, version, whether its head is the last applied step's, and whether it is settled."""
    return await query(
        url,
        "SELECT name, version, chain IS NOT DISTINCT FROM (SELECT chain FROM roost.applied WHERE plugin = name ORDER BY position DESC "
        "LIMIT 1), settled IS NOT NULL FROM roost.plugin ORDER BY name",
    )


@pytest.mark.asyncio
async def test_an_escaped_step_whose_effect_is_there(database_url: str) -> None:
    """It counts as applied with its version, the history says that a person said so, and the next run takes only what follows."""
    escaped = plugin(escaping("COMMIT"))
    with pytest.raises(StepEscaped):
        await migrate(database_url, escaped)
    with pytest.raises(StepEscaped, match="kinds") as caught:
        await migrate(database_url, escaped)
    assert "roost repair notes kinds --done" in caught.value.hint
    repaired = await orchestrator(database_url, escaped).repair("notes", "kinds", done=True)
    assert repaired == RepairedStep(plugin="notes", step="kinds", was="escaped", done=True, version="1.1.0", run=repaired.run)
    assert await heads(database_url) == [("notes", "1.1.0", True, False)]
    assert await query(database_url, "SELECT step, direction, success, attempts FROM roost.history ORDER BY id DESC LIMIT 1") == [
        ("kinds", "up", True, 0)
    ]
    assert names((await migrate(database_url, escaped)).steps) == ["last"]
    assert (await migrate(database_url, escaped)).run_id is None
    assert await heads(database_url) == [("notes", "1.2.0", True, True)]
    assert await residue(database_url) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("sql", ["ROLLBACK", "COMMIT"])
async def test_an_escaped_step_whose_effect_is_not_there(database_url: str, sql: str) -> None:
    """Its row goes, the history says so, and the next run takes the mended step anew and all that follows."""
    with pytest.raises(StepEscaped):
        await migrate(database_url, plugin(escaping(sql)))
    mended = plugin("CREATE TABLE IF NOT EXISTS kinds (id int)")
    repaired = await orchestrator(database_url, mended).repair("notes", "kinds", done=False)
    assert (repaired.done, repaired.version) == (False, "1.0.0")
    assert await applied(database_url) == [("notes", "make")]
    assert await heads(database_url) == [("notes", "1.0.0", True, False)]
    records = await orchestrator(database_url, mended).get_migration_history()
    assert [(record.step, record.success, record.attempts) for record in records][:1] == [("kinds", False, 0)]
    assert "a person found" in str(records[0].error)
    assert names((await migrate(database_url, mended)).steps) == ["kinds", "last"]


@pytest.mark.asyncio
@pytest.mark.parametrize("done", [True, False])
async def test_a_way_back_that_ended_its_own_transaction(database_url: str, done: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    """What is said is about the step's effect: done, the plugin stands where it stood; undone, where a rollback leaves it."""

    async def back(ctx: MigrationContext) -> None:
        await ctx.execute("DROP TABLE kinds")
        await ctx.execute("COMMIT")

    one = make_plugin("notes", MAKE, MigrationStep("kinds", "Kinds", up="CREATE TABLE kinds (id int)", down=back, version="1.1.0"))
    await migrate(database_url, one)
    runtime = make_runtime(database_url, one)
    service = runtime.get_service("notes-migration")
    with pytest.raises(StepEscaped):
        await service.rollback(steps=1)
    repaired = await MigrationOrchestrator(runtime).repair("notes", "kinds", done=done)
    assert repaired.version == ("1.1.0" if done else "1.0.0")
    assert await heads(database_url) == [("notes", repaired.version, True, False)]
    assert await query(database_url, "SELECT direction, success FROM roost.history ORDER BY id DESC LIMIT 1") == [("down", not done)]
    assert names((await migrate(database_url, one)).steps) == ([] if done else ["kinds"])


@pytest.mark.asyncio
async def test_a_legacy_hook_in_doubt(database_url: str) -> None:
    """A plugin's old function that ended its own transaction is repaired by its step's name, and moves no version."""

    async def hook(database: object) -> None:
        await database.execute("CREATE TABLE old (id int)")  # type: ignore[attr-defined]  # a Database
        await database.execute("COMMIT")  # type: ignore[attr-defined]  # as above

    both = make_plugin("notes", MAKE, run_plugin_migrations=hook)
    with pytest.raises(StepEscaped, match="run-plugin-migrations"):
        await migrate(database_url, both)
    repaired = await orchestrator(database_url, both).repair("notes", "run-plugin-migrations", done=True)
    assert repaired.version is None
    assert names((await migrate(database_url, both)).steps) == ["make"]
    assert (await migrate(database_url, both)).run_id is None


@pytest.mark.asyncio
async def test_what_is_in_no_doubt_is_left_alone(database_url: str, proxy: RoundTripProxy) -> None:
    """A wrong plugin, a wrong step and a step that is applied are refused by name, and no run is opened for them."""
    await migrate(database_url, make_plugin("notes", MAKE))
    runs = await query(database_url, "SELECT count(*) FROM roost.run")
    one = orchestrator(database_url, make_plugin("notes", MAKE), make_plugin("tags"))
    with pytest.raises(UnknownMigrationPlugin, match="nots") as unknown:
        await one.repair("nots", "make", done=True)
    assert unknown.value.hint == "did you mean notes?"
    with pytest.raises(StepNotInDoubt, match="it is applied and recorded"):
        await one.repair("notes", "make", done=False)
    with pytest.raises(StepNotInDoubt, match="it is not applied") as mistyped:
        await one.repair("notes", "mkae", done=True)
    assert mistyped.value.hint == "did you mean make?"
    assert await query(database_url, "SELECT count(*) FROM roost.run") == runs
    assert await applied(database_url) == [("notes", "make")]
    with pytest.raises(NoDatabase):
        await MigrationOrchestrator(Runtime(plugins=[make_plugin("notes", MAKE)])).repair("notes", "make", done=True)


@pytest.mark.asyncio
async def test_on_an_empty_database(database_url: str) -> None:
    """There is nothing to repair, and no ledger is made for it."""
    with pytest.raises(StepNotInDoubt):
        await orchestrator(database_url, make_plugin("notes", MAKE)).repair("notes", "make", done=True)
    assert await query(database_url, "SELECT to_regnamespace('roost')") == [None]


@pytest.mark.asyncio
async def test_a_repair_waits_for_its_turn(database_url: str) -> None:
    """While a run is at work nothing is repaired: the repair waits for the lock, and times out as a run does."""
    with pytest.raises(StepEscaped):
        await migrate(database_url, plugin(escaping("COMMIT")))
    gate, entered = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        entered.set()
        await gate.wait()

    busy = asyncio.create_task(migrate(database_url, make_plugin("other", MigrationStep("slow", "Slow", up=slow, version="1"))))
    await entered.wait()
    impatient = make_runtime(database_url, plugin("SELECT 1"), config=MigrationConfig(run_lock_timeout=0.05))
    with pytest.raises(MigrationLockTimeout, match="roost other: slow"):
        await MigrationOrchestrator(impatient).repair("notes", "kinds", done=True)
    patient = make_runtime(database_url, plugin("SELECT 1"))
    waits = asyncio.Event()
    patient.events.subscribe(lambda _: waits.set(), LockWaitStarted)
    repair = asyncio.create_task(MigrationOrchestrator(patient).repair("notes", "kinds", done=True))
    await waits.wait()
    assert await query(database_url, "SELECT state FROM roost.applied WHERE step = 'kinds'") == ["escaped"]
    gate.set()
    await busy
    assert (await repair).version == "1.1.0"


@pytest.mark.asyncio
async def test_a_second_repair_at_the_same_time(database_url: str) -> None:
    """Of two people who say different things one is heard; the other is told that nothing is in doubt any more."""
    with pytest.raises(StepEscaped):
        await migrate(database_url, plugin(escaping("COMMIT")))
    results = await asyncio.gather(
        *[orchestrator(database_url, plugin("SELECT 1")).repair("notes", "kinds", done=done) for done in (True, False)],
        return_exceptions=True,
    )
    assert sorted(type(result).__name__ for result in results) == ["RepairedStep", "StepNotInDoubt"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "lost",
    ["SELECT pg_advisory_unlock_all()", "UPDATE roost.plugin SET chain = 'another'", "DELETE FROM roost.applied WHERE step = 'kinds'"],
)
async def test_a_repair_whose_turn_is_over(database_url: str, lost: str) -> None:
    """Without the lock, on a plugin that has moved on, and where somebody else was quicker, nothing is written."""
    with pytest.raises(StepEscaped):
        await migrate(database_url, plugin(escaping("COMMIT")))
    runtime = make_runtime(database_url, plugin("SELECT 1"))
    service: Any = runtime.get_service("notes-migration")

    async def late(run: MigrationRun) -> None:
        found = plan_repair(service, await run.state("notes"), step="kinds", done=True)
        await run.session.execute(lost)
        await run.in_turn(lambda turn: repairing(turn, found), plugin="notes", service="notes-migration")

    with pytest.raises(MigrationLockLost):
        await MigrationOrchestrator(runtime).in_a_run(service, late)
    assert await query(database_url, "SELECT version FROM roost.plugin") == ["1.0.0"]
    assert await applied(database_url) == [("notes", "make")]
    assert await query(database_url, "SELECT count(*) FROM roost.history WHERE step = 'kinds'") == [0]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_without_history(database_url: str) -> None:
    """Where history is off a repair writes none either."""
    runtime = make_runtime(database_url, plugin(escaping("COMMIT")), config=MigrationConfig(track_history=False))
    with pytest.raises(StepEscaped):
        await MigrationOrchestrator(runtime).run_all_migrations()
    await MigrationOrchestrator(runtime).repair("notes", "kinds", done=True)
    assert await query(database_url, "SELECT count(*) FROM roost.history") == [0]


@pytest.mark.asyncio
async def test_a_repaired_step_can_be_rolled_back_only_where_it_has_a_way_back(database_url: str) -> None:
    """To a rollback a repaired step is a step like any other."""
    with pytest.raises(StepEscaped):
        await migrate(database_url, plugin(escaping("COMMIT"), down="DROP TABLE kinds"))
    runtime = make_runtime(database_url, plugin(escaping("COMMIT"), down="DROP TABLE kinds"), config=QUICK)
    await MigrationOrchestrator(runtime).repair("notes", "kinds", done=True)
    service = runtime.get_service("notes-migration")
    report = await service.rollback(steps=1)
    assert names(report.steps) == ["kinds"]
    with pytest.raises(NoRollbackMethod):
        await migrate(database_url, plugin("SELECT 1"))
        await service.rollback(steps=1)
