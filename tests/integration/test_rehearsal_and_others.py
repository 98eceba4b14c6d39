"""A rehearsal beside others: it takes its turn, does not queue for long, and leaves nothing however it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import anyio
import asyncpg
import pytest

from roost import MigrationContext, MigrationOrchestrator, MigrationStep, Plugin
from roost.errors import MigrationLockTimeout, PoolerInTheWay, RehearsalLost
from roost.migrations import LockWaitFinished, LockWaitStarted, RehearsalFinished, StepBlocked, StepRehearsalStarted
from roost.postgres import advisory_lock_key
from roost.testing import Stepper
from tests.plugins.build import BOUND, QUICK, RESIDUE, applied, make_plugin, make_runtime, migrate, query, until
from tests.plugins.catalogue import catalogue_of
from tests.plugins.pgbouncer import pgbouncer

KEY = advisory_lock_key("roost:roost")
NOTHING_LEFT = f"SELECT WHERE NOT EXISTS ({RESIDUE})"
MAKE = MigrationStep("make", "Make", up="CREATE TABLE notes (id int PRIMARY KEY)", version="1.0.0")
ADD = MigrationStep("add", "Add", up="ALTER TABLE notes ADD body text", version="1.1.0")


def holding(begun: asyncio.Event, go_on: asyncio.Event) -> MigrationStep:
    """Return a step that says when it has begun, and waits."""

    async def hold(ctx: MigrationContext) -> None:
        await ctx.execute("CREATE TABLE held (id int)")
        begun.set()
        await go_on.wait()

    return MigrationStep("hold", "Hold", up=hold, version="1.2.0")


def orchestrator(url: str, *plugins: Plugin, **fields: Any) -> tuple[MigrationOrchestrator, Callable[..., Any]]:
    """Return an orchestrator, and what subscribes to its events."""
    runtime = make_runtime(url, *plugins, **fields)
    return MigrationOrchestrator(runtime), runtime.events.subscribe


@pytest.mark.asyncio
async def test_a_table_in_use_is_asked_for_again(database_url: str) -> None:
    """The step gives up within its time-out, says who is in the way, and is tried again while the budget lasts."""
    await migrate(database_url, make_plugin("notes", MAKE))
    rehearsing, subscribe = orchestrator(database_url, make_plugin("notes", MAKE, ADD), config=replace(QUICK, lock_wait_budget=BOUND))
    blocked = asyncio.Event()
    seen: list[StepBlocked] = []
    subscribe(seen.append, StepBlocked)
    subscribe(lambda _: blocked.set(), StepBlocked)
    reader = await asyncpg.connect(database_url, server_settings={"application_name": "a reader"})
    try:
        await reader.execute("BEGIN; LOCK TABLE notes IN ACCESS SHARE MODE")
        task = asyncio.create_task(rehearsing.rehearse())
        await asyncio.wait_for(blocked.wait(), BOUND)
        await reader.execute("COMMIT")
        report = await task
    finally:
        await reader.close()
    assert [(one.step, one.outcome) for one in report.steps] == [("add", "rehearsed")]
    assert report.steps[0].attempts > 1
    assert [blocker.application_name for blocker in seen[0].blockers] == ["a reader"]


@pytest.mark.asyncio
async def test_a_table_in_use_for_too_long(database_url: str) -> None:
    """The step fails as in a run, and its own limit goes before the configuration's."""
    await migrate(database_url, make_plugin("notes", MAKE))
    patient = replace(QUICK, lock_timeout=BOUND, lock_wait_budget=0.05)
    rehearsing, _ = orchestrator(database_url, make_plugin("notes", MAKE, replace(ADD, lock_timeout=0.02)), config=patient)
    reader = await asyncpg.connect(database_url)
    try:
        await reader.execute("BEGIN; LOCK TABLE notes IN ACCESS SHARE MODE")
        (one,) = (await rehearsing.rehearse()).steps
    finally:
        await reader.close()
    assert (one.outcome, one.error.sqlstate if one.error is not None else None) == ("failed", "55P03")


@pytest.mark.asyncio
async def test_a_statement_that_takes_too_long(database_url: str) -> None:
    """A step's own statement_timeout ends it, and the measuring of others does not mind."""
    slow = MigrationStep("slow", "Slow", up="SELECT pg_sleep(600)", version="1.0.0", statement_timeout=0.05)
    rehearsing, _ = orchestrator(database_url, make_plugin("notes", slow), config=replace(QUICK, max_retries=1))
    (one,) = (await rehearsing.rehearse()).steps
    assert (one.outcome, one.error.sqlstate if one.error is not None else None) == ("failed", "57014")


@pytest.mark.asyncio
async def test_it_waits_for_its_turn(database_url: str) -> None:
    """While another has the lock nothing is rehearsed; it gives up in time, naming who has it, or goes on once the lock is free."""
    other = await asyncpg.connect(database_url, server_settings={"application_name": "another run"})
    try:
        await other.execute(f"SELECT pg_advisory_lock({KEY})")
        hasty, _ = orchestrator(database_url, make_plugin("notes", MAKE), config=replace(QUICK, run_lock_timeout=0.1))
        with pytest.raises(MigrationLockTimeout, match="another run"):
            await hasty.rehearse()
        patient, subscribe = orchestrator(database_url, make_plugin("notes", MAKE), config=replace(QUICK, run_lock_timeout=BOUND))
        waiting = asyncio.Event()
        ended: list[LockWaitFinished] = []
        subscribe(lambda _: waiting.set(), LockWaitStarted)
        subscribe(ended.append, LockWaitFinished)
        task = asyncio.create_task(patient.rehearse())
        await asyncio.wait_for(waiting.wait(), BOUND)
        await other.execute(f"SELECT pg_advisory_unlock({KEY})")
        report = await task
    finally:
        await other.close()
    assert report.waited > 0
    assert [event.acquired for event in ended] == [True]


@pytest.mark.asyncio
async def test_a_run_waits_for_a_rehearsal(database_url: str) -> None:
    """It begins when everything is rolled back, and what it does is done."""
    begun, go_on, waiting = asyncio.Event(), asyncio.Event(), asyncio.Event()
    rehearsing, _ = orchestrator(database_url, make_plugin("notes", MAKE, ADD, holding(begun, go_on)))
    running, subscribe = orchestrator(database_url, make_plugin("notes", MAKE, ADD), config=replace(QUICK, run_lock_timeout=BOUND))
    subscribe(lambda _: waiting.set(), LockWaitStarted)
    rehearsal = asyncio.create_task(rehearsing.rehearse())
    await asyncio.wait_for(begun.wait(), BOUND)
    run = asyncio.create_task(running.run_all_migrations())
    await asyncio.wait_for(waiting.wait(), BOUND)
    assert await query(database_url, "SELECT to_regclass('notes')") == [None]
    go_on.set()
    await rehearsal
    await run
    assert await applied(database_url) == [("notes", "make"), ("notes", "add")]


@pytest.mark.asyncio
async def test_a_step_can_not_give_the_lock_away(database_url: str) -> None:
    """The lock is the transaction's."""
    begun, go_on = asyncio.Event(), asyncio.Event()
    away = MigrationStep("away", "Away", up="SELECT pg_advisory_unlock_all()", version="1.0.0")
    rehearsing, _ = orchestrator(database_url, make_plugin("notes", away, holding(begun, go_on)))
    task = asyncio.create_task(rehearsing.rehearse())
    await asyncio.wait_for(begun.wait(), BOUND)
    assert await query(database_url, f"SELECT pg_try_advisory_lock({KEY})") == [False]
    go_on.set()
    assert (await task).is_fine


@pytest.mark.asyncio
async def test_a_connection_that_is_ended(database_url: str) -> None:
    """That is no failure of the step: it is said, and nothing is left."""
    begun, go_on = asyncio.Event(), asyncio.Event()
    before = await catalogue_of(database_url)
    rehearsing, subscribe = orchestrator(database_url, make_plugin("notes", MAKE, holding(begun, go_on)))
    finished: list[RehearsalFinished] = []
    subscribe(finished.append, RehearsalFinished)
    task = asyncio.create_task(rehearsing.rehearse())
    await asyncio.wait_for(begun.wait(), BOUND)
    await query(database_url, "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name = 'roost notes: hold'")
    go_on.set()
    with pytest.raises(RehearsalLost, match="broke during the rehearsal"):
        await task
    assert isinstance(finished[0].error, RehearsalLost)
    await until(database_url, NOTHING_LEFT)
    assert await catalogue_of(database_url) == before


@pytest.mark.asyncio
@pytest.mark.parametrize("way", ["task", "scope"])
async def test_cancelled_at_any_moment(database_url: str, way: str) -> None:
    """Whenever it is cancelled, no lock, no transaction and no object of it is left, and the cancellation is not swallowed."""
    await migrate(database_url, make_plugin("notes", MAKE))
    before = await catalogue_of(database_url)

    async def fill(ctx: MigrationContext) -> None:
        await ctx.execute("INSERT INTO notes VALUES (1)")
        await ctx.fetchval("SELECT count(*) FROM notes WHERE id = $1", 1)

    plugin = make_plugin("notes", MAKE, ADD, MigrationStep("fill", "Fill", up=fill, version="1.2.0"))

    async def rehearse() -> object:
        return await orchestrator(database_url, plugin)[0].rehearse()

    counting = Stepper(rehearse())
    await counting
    cancelled = 0
    for at in range(1, counting.suspensions + 1):
        if way == "task":
            task = asyncio.ensure_future(_cancelling_itself(rehearse(), at=at))
            await asyncio.wait({task})
            cancelled += task.cancelled()
            assert task.cancelled() or task.result() is not None
        else:
            report = None
            with anyio.CancelScope() as scope:
                report = await Stepper(rehearse(), at=at, act=scope.cancel)
            cancelled += scope.cancelled_caught
            assert scope.cancelled_caught or report is not None
        await until(database_url, NOTHING_LEFT)
        assert await catalogue_of(database_url) == before
        assert await query(database_url, "SELECT count(*) FROM notes") == [0]
    # A scope does not break off the rollback at the end, and one rehearsal may get by with a wait less than another.
    assert cancelled >= counting.suspensions // 2


async def _cancelling_itself(coroutine: Coroutine[Any, Any, object], *, at: int) -> object:
    task = asyncio.current_task()
    assert task is not None
    return await Stepper(coroutine, at=at, act=task.cancel)


@pytest.mark.asyncio
async def test_nothing_is_begun_before_it_is_its_turn(database_url: str) -> None:
    """Two at once take turns: the second one's first step begins when the first one is over."""
    log: list[str] = []
    begun, go_on, waiting = asyncio.Event(), asyncio.Event(), asyncio.Event()
    first, subscribe_first = orchestrator(database_url, make_plugin("notes", holding(begun, go_on)))
    subscribe_first(lambda _: log.append("first over"), RehearsalFinished)
    second, subscribe_second = orchestrator(database_url, make_plugin("notes", MAKE), config=replace(QUICK, run_lock_timeout=BOUND))
    subscribe_second(lambda _: waiting.set(), LockWaitStarted)
    subscribe_second(lambda _: log.append("second begins"), StepRehearsalStarted)
    one = asyncio.create_task(first.rehearse())
    await asyncio.wait_for(begun.wait(), BOUND)
    other = asyncio.create_task(second.rehearse())
    await asyncio.wait_for(waiting.wait(), BOUND)
    assert log == []
    go_on.set()
    await asyncio.gather(one, other)
    assert len(log) == 2


@pytest.mark.asyncio
@pytest.mark.pgbouncer
async def test_behind_a_pooler(database_url: str) -> None:
    """Where server processes are shared it is refused with the remedy; a pooler that leaves them alone for a session is no hindrance."""
    async with pgbouncer(database_url, mode="transaction") as url:
        rehearsing, _ = orchestrator(url, make_plugin("notes", MAKE))
        with pytest.raises(PoolerInTheWay, match="shares server processes") as caught:
            await rehearsing.rehearse()
        assert "migration_url" in caught.value.hint
    async with pgbouncer(database_url, mode="session") as url:
        report = await orchestrator(url, make_plugin("notes", MAKE, ADD))[0].rehearse()
        assert [one.outcome for one in report.steps] == ["rehearsed", "rehearsed"]
        await until(database_url, NOTHING_LEFT)
    assert await query(database_url, "SELECT to_regclass('notes')") == [None]
