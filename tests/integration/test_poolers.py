"""Behind a real PgBouncer: what can be done there is done exactly once, what can't is refused with the remedy, and nothing is left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

import asyncpg
import pytest

from roost import Database, MigrationConfig, MigrationContext, MigrationOrchestrator, MigrationStep, Plugin, Runtime
from roost.errors import MigrationLockTimeout, PoolerInTheWay, StepEscaped, StepFailed
from roost.migrations import LockHolderSeen, LockWaitFinished, LockWaitStarted
from roost.postgres import MigrationSession, advisory_lock_key, parse_url
from roost.testing import Fault, FaultProxy, WireMessage
from tests.plugins.build import QUICK, applied, history, make_plugin, make_runtime, migrate, names, query, residue
from tests.plugins.fix_postgres import MakeDatabase
from tests.plugins.pgbouncer import busy, pgbouncer

pytestmark = pytest.mark.pgbouncer

KEY = advisory_lock_key("roost:roost")
Crowd = Callable[[str], AbstractAsyncContextManager[None]]


def idle(_url: str) -> AbstractAsyncContextManager[None]:
    """Leave the pooler alone."""
    return nullcontext()


async def count(ctx: MigrationContext) -> None:
    """Read and write by prepared statements, as authors do."""
    found = await ctx.fetchval("SELECT count(*) FROM things WHERE id > $1", 0)
    await ctx.executemany("INSERT INTO things VALUES ($1)", [(found + 10,), (found + 11,)])


def plugin(*more: MigrationStep) -> Plugin:
    """Return a plugin with SQL and Python steps."""
    steps = [MigrationStep(f"s{i}", "A step", up=f"CREATE TABLE t{i} (id int)", version="1.0.0") for i in range(5)]
    things = MigrationStep("things", "Things", up="CREATE TABLE things (id int); INSERT INTO things VALUES (1)", version="1.1.0")
    return make_plugin("p", *steps, things, MigrationStep("count", "Count", up=count, version="1.2.0"), *more)


@asynccontextmanager
async def pooled(database_url: str, mode: str, crowd: Crowd, *, pool_size: int = 20) -> AsyncIterator[str]:
    """Provide the database's URL through PgBouncer, and look at the end that nothing is left on the server."""
    async with pgbouncer(database_url, mode=mode, pool_size=pool_size) as url, crowd(url):
        yield url
        assert await residue(database_url) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("crowd", [idle, busy])
@pytest.mark.parametrize("mode", ["session", "transaction"])
async def test_many_runs_through_a_pooler(database_url: str, mode: str, crowd: Crowd) -> None:
    """Eight at once on an empty database: each step takes effect once, and a start after that takes no lock."""
    async with pooled(database_url, mode, crowd) as url:
        reports = await asyncio.gather(*[migrate(url, plugin()) for _ in range(8)])
        assert sorted(name for report in reports for name in names(report.steps)) == sorted(
            [f"s{i}" for i in range(5)] + ["count", "things"]
        )
        again = await migrate(url, plugin())
        assert (again.steps, again.run_id) == ((), None)
    assert sorted(await query(database_url, "SELECT id FROM things")) == [1, 11, 12]
    assert len(await applied(database_url)) == 7
    assert {row[2] for row in await history(database_url)} == {True}


@pytest.mark.asyncio
async def test_one_server_connection_for_many_runs(database_url: str) -> None:
    """Where all share a single server process they still take turns."""
    async with pooled(database_url, "transaction", idle, pool_size=1) as url:
        reports = await asyncio.gather(*[migrate(url, plugin()) for _ in range(5)])
    assert sum(len(report.steps) for report in reports) == 7


@pytest.mark.asyncio
@pytest.mark.parametrize("crowd", [idle, busy])
async def test_statement_pooling_is_refused(database_url: str, crowd: Crowd) -> None:
    """A step is a transaction, which such a pooler does not allow; nothing is written, and the error names the way around."""
    async with pooled(database_url, "statement", crowd) as url:
        with pytest.raises(PoolerInTheWay, match="pools by statement") as caught:
            await migrate(url, plugin())
    assert "migration_url" in caught.value.hint
    assert await query(database_url, "SELECT to_regnamespace('roost')") == [None]


@pytest.mark.asyncio
async def test_a_pool_that_is_exhausted_is_refused(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session pooler with one server connection has none for the probe: how it pools can't be told, and nothing is written."""
    monkeypatch.setattr("roost.postgres._pooler.SECOND_CONNECTION_SECONDS", 0.3)
    async with pooled(database_url, "session", idle, pool_size=1) as url:
        with pytest.raises(PoolerInTheWay, match="no second server connection"):
            await migrate(url, plugin())
    assert await query(database_url, "SELECT to_regnamespace('roost')") == [None]


@pytest.mark.asyncio
async def test_what_needs_a_lock_for_longer_is_refused(database_url: str) -> None:
    """A step outside a transaction, and a service that keeps no ledger, are refused by name before anything of theirs runs."""
    index = MigrationStep("index", "Index", up="CREATE INDEX CONCURRENTLY i ON things (id)", version="2.0.0", transactional=False)

    class Foreign:
        service_name = "foreign"
        service_type = "migration"

        async def run_migrations(self, runtime: Runtime) -> None:
            raise AssertionError(runtime)

    async with pooled(database_url, "transaction", idle) as url:
        with pytest.raises(PoolerInTheWay, match="step 'index' of plugin p runs outside a transaction") as caught:
            await migrate(url, plugin(index))
        assert "migration_url" in caught.value.hint
        assert await applied(database_url) == []
        runtime = make_runtime(url, plugin())
        services = runtime.get_services_by_type
        runtime.get_services_by_type = lambda kind: [*services(kind), Foreign()]  # type: ignore[method-assign]  # a stranger
        with pytest.raises(PoolerInTheWay, match="foreign would need one"):
            await MigrationOrchestrator(runtime).run_all_migrations()
        direct = Runtime(plugins=[plugin(index)], database=Database(url, migration_url=database_url), config=QUICK)
        assert len((await MigrationOrchestrator(direct).run_all_migrations()).steps) == 8


@pytest.mark.asyncio
async def test_pooled_and_direct_runs_exclude_each_other(database_url: str) -> None:
    """A run with a lock of its own keeps pooled ones out until it ends; then these find everything done."""
    entered, gate = asyncio.Event(), asyncio.Event()

    async def hold(ctx: MigrationContext) -> None:
        await ctx.execute("CREATE TABLE held (id int)")
        entered.set()
        await gate.wait()

    held = plugin(MigrationStep("hold", "Hold", up=hold, version="2.0.0"))
    async with pooled(database_url, "transaction", busy) as url:
        direct = asyncio.create_task(migrate(database_url, held))
        await entered.wait()
        with pytest.raises(MigrationLockTimeout):
            await migrate(url, held, config=MigrationConfig(run_lock_timeout=0.2))
        late = make_runtime(url, held)
        waits: list[object] = []
        waiting = asyncio.Event()
        late.events.subscribe(lambda _: waiting.set(), LockWaitStarted)
        late.events.subscribe(waits.append, LockWaitFinished)
        with late.events.stream(LockHolderSeen) as seen:
            run = asyncio.create_task(MigrationOrchestrator(late).run_all_migrations())
            await waiting.wait()
            assert (await anext(seen)).holder.application_name.endswith(": hold")
        gate.set()
        assert len((await direct).steps) == 8
        assert (await run).steps == ()
        assert [event.acquired for event in waits if isinstance(event, LockWaitFinished)] == [False]


@pytest.mark.asyncio
async def test_a_pooled_step_keeps_a_direct_run_out(database_url: str) -> None:
    """While a pooled run is in a step the lock is not to be had; between steps a direct run may come in, and both end well."""
    entered, gate = asyncio.Event(), asyncio.Event()

    async def hold(ctx: MigrationContext) -> None:
        await ctx.execute("CREATE TABLE held (id int)")
        entered.set()
        await gate.wait()

    held = plugin(MigrationStep("hold", "Hold", up=hold, version="2.0.0"), MigrationStep("last", "Last", up="SELECT 1", version="2.1.0"))
    async with pooled(database_url, "transaction", idle) as url:
        run = asyncio.create_task(migrate(url, held))
        await entered.wait()
        assert await query(database_url, f"SELECT pg_try_advisory_lock({KEY})") == [False]
        gate.set()
        reports = await asyncio.gather(run, *[migrate(database_url, held) for _ in range(2)])
    assert sum(len(report.steps) for report in reports) == 9


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ["session", "transaction"])
async def test_nothing_leaks_to_other_clients(database_url: str, mode: str) -> None:
    """Settings, roles, temporary tables, locks and subscriptions of steps are gone from the shared server processes."""
    leaks = (
        "SET lock_timeout = '1h'; SET search_path = nowhere; CREATE TEMP TABLE leak (x int); SELECT pg_advisory_lock(4711); "
        "LISTEN leak; SET application_name = 'leak'"
    )
    step = MigrationStep("leak", "Leak", up=leaks, version="2.0.0")
    look = (
        "SELECT current_setting('lock_timeout'), replace(current_setting('search_path'), chr(34), ''), pg_my_temp_schema() <> 0 AND "
        "to_regclass('pg_temp.leak') IS NOT NULL, (SELECT count(*) FROM pg_listening_channels()), current_setting('statement_timeout')"
    )
    async with pooled(database_url, mode, idle, pool_size=3) as url:
        await migrate(url, plugin(step))
        for _ in range(4):
            connection = await asyncpg.connect(url, statement_cache_size=0)
            try:
                assert tuple(await connection.fetchrow(look) or ()) == ("0", "$user, public", False, 0, "0")
            finally:
                await connection.close()


@pytest.mark.asyncio
async def test_failures_behind_a_pooler(database_url: str) -> None:
    """A failing step is rolled back and recorded, one that ends its own transaction is caught, and a rollback goes the same way."""

    async def escape(ctx: MigrationContext) -> None:
        await ctx.execute("COMMIT")

    down = MigrationStep("down", "Down", up="CREATE TABLE d (id int)", down="DROP TABLE d", version="1.3.0")
    async with pooled(database_url, "transaction", busy) as url:
        with pytest.raises(StepFailed, match="nowhere"):
            await migrate(url, plugin(down, MigrationStep("bad", "Bad", up="CREATE TABLE b (id int); SELECT nowhere", version="2.0.0")))
        assert (await history(database_url))[-1] == ("p", "bad", False)
        assert await query(database_url, "SELECT to_regclass('b')") == [None]
        runtime = make_runtime(url, plugin(down))
        (service,) = runtime.get_services_by_type("migration")
        assert names((await service.rollback(steps=1)).steps) == ["down"]
        assert await query(database_url, "SELECT to_regclass('d')") == [None]
        assert names((await migrate(url, plugin(down))).steps) == ["down"]
        with pytest.raises(StepEscaped):
            await migrate(url, plugin(down, MigrationStep("escape", "Escape", up=escape, version="2.0.0")))
        assert await query(database_url, "SELECT state FROM roost.applied WHERE step = 'escape'") == ["escaped"]


@pytest.mark.asyncio
@pytest.mark.parametrize(("mode", "crowd"), [("session", idle), ("session", busy), ("transaction", idle), ("transaction", busy)])
async def test_the_probe_tells_the_mode(database_url: str, mode: str, crowd: Crowd) -> None:
    """Twenty times out of twenty, and a direct line is not taken for a pooler."""
    found = []
    async with pooled(database_url, mode, crowd, pool_size=6) as url:
        for _ in range(20):
            session = await (await MigrationSession.open(parse_url(url), application_name="probe")).behind_pooler(application_name="probe")
            found.append(session.pooling)
            session.terminate()
    assert found == [mode] * 20
    session = await MigrationSession.open(parse_url(database_url), application_name="probe")
    assert not session.is_pooled(await session.backend_pid())
    session.terminate()


@pytest.mark.asyncio
@pytest.mark.parametrize("done", [True, False])
async def test_a_repair_through_a_pooler(database_url: str, done: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    """What a person says of a step in doubt is written in the turn of one transaction, and the next run goes on there."""

    async def escape(ctx: MigrationContext) -> None:
        await ctx.execute("CREATE TABLE IF NOT EXISTS escaped (id int)")
        await ctx.execute("COMMIT")

    steps = MigrationStep("escape", "Escape", up=escape, version="1.3.0"), MigrationStep("end", "End", up="SELECT 1", version="1.4.0")
    async with pooled(database_url, "transaction", idle) as url:
        with pytest.raises(StepEscaped):
            await migrate(url, plugin(*steps))
        repaired = await MigrationOrchestrator(make_runtime(url, plugin(*steps))).repair("p", "escape", done=done)
        assert repaired.version == ("1.3.0" if done else "1.2.0")
        mended = plugin(MigrationStep("escape", "Escape", up=count, version="1.3.0"), steps[1])
        assert names((await migrate(url, mended)).steps) == (["end"] if done else ["escape", "end"])


MOMENTS: dict[str, Callable[[WireMessage], bool]] = {
    "a line fit for a pooler connects": lambda message: (message.connection, message.kind) == (2, "startup"),
    "a second line connects": lambda message: (message.connection, message.kind) == (3, "startup"),
    "the second line asks": lambda message: (message.connection, message.text) == (3, "BEGIN"),
    "the first line is asked": lambda message: (message.connection, message.kind) == (2, "D"),
}
"""The moments in which it is found out how a pooler pools; each of them comes several times or once."""


@pytest.mark.asyncio
@pytest.mark.parametrize("moment", list(MOMENTS))
async def test_a_line_that_breaks_while_the_pooler_is_tried(new_database: MakeDatabase, moment: str) -> None:
    """Nothing has been done yet that counts: it is tried again as often as elsewhere, and each step takes effect once."""
    url, again = await new_database(), await new_database()
    async with pgbouncer(url, mode="transaction") as pooled_url, FaultProxy(pooled_url) as proxy:
        await migrate(proxy.url, plugin())
    at = next(message.number for message in proxy.messages if MOMENTS[moment](message))
    async with pgbouncer(again, mode="transaction") as pooled_url, FaultProxy(pooled_url, Fault(kind="reset", at=at)) as proxy:
        report = await migrate(proxy.url, plugin())
    assert [MOMENTS[moment](message) for message in proxy.fired] == [True]
    assert names(report.steps) == [*(f"s{i}" for i in range(5)), "things", "count"]
    assert await residue(again) == []
