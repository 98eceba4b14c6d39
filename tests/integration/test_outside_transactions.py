"""Steps outside a transaction: whatever is left of an earlier attempt, the next run finds it out and goes on from there."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from roost import MigrationConfig, MigrationOrchestrator, MigrationStep
from roost.errors import IndexConflict, InvalidStep, StepFailed, StepOutcomeUnknown
from roost.migrations import SessionReopened, StepBlocked, StepProgressed, StepRetried
from roost.migrations._fingerprint import fingerprint_of
from roost.testing import RoundTripProxy
from tests.plugins.build import BOUND, QUICK, applied, execute, history, make_plugin, make_runtime, migrate, names, query, residue, until

TABLE = MigrationStep("table", "Table", up="CREATE TABLE t (x int, y text); INSERT INTO t SELECT n, n FROM generate_series(1, 100) n")
INDEX = "CREATE INDEX CONCURRENTLY i ON t (x)"
INVALIDATE = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{}'::regclass"
PATIENT = MigrationConfig(retry_delay=0.01, retry_max_delay=0.02, run_lock_timeout=BOUND, lock_wait_budget=BOUND)


def outside(up: str, **fields: Any) -> MigrationStep:
    """Return a step outside a transaction."""
    return MigrationStep("outside", "Outside", up=up, transactional=False, **fields)


async def run(url: str, up: str, *before: MigrationStep, config: MigrationConfig = QUICK) -> list[str]:
    """Run the table's step, others, and one outside a transaction, and return those that ran."""
    return names((await migrate(url, make_plugin("p", TABLE, *before, outside(up)), config=config)).steps)


async def begun(url: str, up: str, *, ended: int = 0, was: str | None = None) -> None:
    """Bring the ledger to where a process left it that was killed in the middle of the step.

    Args:
        url: The database, in which the table's step has run.
        up: The step's SQL.
        ended: How many of its statements were noted.
        was: The SQL that was begun, where the code held another one then.
    """
    await execute(
        url,
        "INSERT INTO roost.applied (plugin, step, version, state, fingerprint, chain, breaking, requires, run, statements_done) "
        f"VALUES ('p', 'outside', '0.0.0', 'intent', '{fingerprint_of(outside(was or up))}', 'x', false, '{{}}', 1, {ended})",
    )


async def interrupted(url: str, up: str, *before: str, ended: int = 0, was: str | None = None) -> list[str]:
    """Run the table's step, do what an interrupted attempt did, then run the step, and return what ran."""
    await migrate(url, make_plugin("p", TABLE))
    for statement in before:
        await execute(url, statement)
    await begun(url, up, ended=ended, was=was)
    ran = await run(url, up)
    assert await applied(url) == [("p", "table"), ("p", "outside")]
    assert (await migrate(url, make_plugin("p", TABLE, outside(up)))).run_id is None
    assert await residue(url) == []
    return ran


async def oid(url: str, name: str = "i") -> int | None:
    """Return the oid of a valid index."""
    found = await query(url, "SELECT indexrelid FROM pg_index WHERE indexrelid = to_regclass($1) AND indisvalid", name)
    return found[0] if found else None


@contextlib.asynccontextmanager
async def holding(url: str, statement: str = "INSERT INTO t VALUES (0)") -> AsyncIterator[asyncpg.Connection]:
    """Hold a transaction open in which a statement has run."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await connection.execute(statement)
        yield connection
    finally:
        await connection.close()


async def idle_after(url: str) -> None:
    """Wait until the server has noticed that a run's client is gone."""
    await until(
        url, "SELECT WHERE NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'roost%' AND datname = current_database())"
    )


@pytest.mark.asyncio
async def test_each_statement_runs_by_itself(database_url: str) -> None:
    """Several of them make one step, with one row in the ledger and one in the history."""
    up = f"{INDEX}; -- a; b\nCREATE INDEX CONCURRENTLY j ON t (y) WHERE y <> ';';\nDROP INDEX CONCURRENTLY i; VACUUM t;"
    assert await run(database_url, up) == ["table", "outside"]
    assert (await oid(database_url), await oid(database_url, "j") is not None) == (None, True)
    assert await history(database_url, "p") == [("p", "table", True), ("p", "outside", True)]
    assert await query(database_url, "SELECT state, statements_done FROM roost.applied WHERE step = 'outside'") == [("done", 0)]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_one_statement_costs_three_round_trips(database_url: str, proxy: RoundTripProxy) -> None:
    """Its intent, itself, its end: that it is looked for, and that it is seen to be valid, costs no more."""
    trips = []
    for up in ("VACUUM t", INDEX):
        await migrate(database_url, make_plugin("p", TABLE))
        before = proxy.round_trips
        await migrate(proxy.url, make_plugin("p", TABLE, outside(up)))
        trips.append(proxy.round_trips - before)
        await execute(database_url, "DROP SCHEMA roost CASCADE; DROP TABLE t")
    assert trips[0] == trips[1]


@pytest.mark.asyncio
async def test_absent(database_url: str) -> None:
    """An index that is not there is built."""
    assert await interrupted(database_url, INDEX) == ["outside"]
    assert await oid(database_url) is not None


DEFINITIONS = [
    INDEX,
    "CREATE UNIQUE INDEX CONCURRENTLY i ON t (x)",
    "CREATE UNIQUE INDEX CONCURRENTLY i ON t USING btree (x ASC, y DESC NULLS LAST) INCLUDE (x) WITH (fillfactor = 70)",
    "create index concurrently if not exists i on public.t (lower(y) text_pattern_ops, (x+1)) where y is not null and t.x > 3",
    'CREATE INDEX CONCURRENTLY "I ""1"" USING é" ON t USING hash (y COLLATE "C")',
    'CREATE INDEX CONCURRENTLY i ON "other S"."T ON USING" (a)',
    "CREATE INDEX CONCURRENTLY i ON t (s.twice(x))",
    "CREATE INDEX CONCURRENTLY i ON t (x) WHERE y IN ('a', 'b;')",
    "CREATE INDEX CONCURRENTLY i ON m (x)",
]
OTHERS = (
    'CREATE SCHEMA "other S"; CREATE TABLE "other S"."T ON USING" (a int); CREATE SCHEMA s; '
    "CREATE FUNCTION s.twice(int) RETURNS int IMMUTABLE LANGUAGE sql RETURN $1 * 2; CREATE MATERIALIZED VIEW m AS SELECT 1 AS x"
)


@pytest.mark.asyncio
@pytest.mark.parametrize("definition", DEFINITIONS)
async def test_valid_and_the_same(database_url: str, definition: str) -> None:
    """PostgreSQL itself says that the index is the declared one; it stays as it is."""
    built = "SELECT indexrelid FROM pg_index WHERE indisvalid AND indexrelid >= 16384 AND indrelid::regclass::text !~ '^(roost|pg_)' "
    await migrate(database_url, make_plugin("p", TABLE))
    await execute(database_url, OTHERS)
    await execute(database_url, definition)
    before = await query(database_url, built)
    await begun(database_url, definition)
    assert await run(database_url, definition) == ["outside"]
    assert len(before) == 1
    assert await query(database_url, built) == before
    assert await query(database_url, "SELECT count(*) FROM pg_class WHERE relpersistence = 't'") == [0]


@pytest.mark.asyncio
@pytest.mark.parametrize("other", ["UNIQUE INDEX i ON t (x)", "INDEX i ON t (y)", "INDEX i ON t (x) WHERE x > 1", "INDEX i ON t (x DESC)"])
@pytest.mark.parametrize("is_begun", [True, False])
async def test_valid_and_different(database_url: str, other: str, is_begun: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    """The step stops with both definitions, touches nothing, and goes on once the name is free."""
    await migrate(database_url, make_plugin("p", TABLE))
    await execute(database_url, f"CREATE {other}")
    before = await oid(database_url)
    if is_begun:
        await begun(database_url, INDEX)
    with pytest.raises(IndexConflict) as caught:
        await run(database_url, INDEX)
    assert caught.value.declared == "CREATE INDEX i ON public.t USING btree (x)"
    assert caught.value.found != caught.value.declared
    assert await oid(database_url) == before
    assert await history(database_url, "p") == [("p", "table", True), ("p", "outside", False)]
    await execute(database_url, "DROP INDEX i")
    assert await run(database_url, INDEX) == ["outside"]
    assert await residue(database_url) == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("there", "reason"),
    [
        ("CREATE TABLE u (x int); CREATE INDEX i ON u (x)", "an index of another table"),
        (f"CREATE TABLE u (x int); CREATE INDEX i ON u (x); {INVALIDATE.format('i')}", "an index of another table"),
        ("CREATE TABLE i (x int)", "its name belongs to a table"),
        ("CREATE VIEW i AS SELECT 1", "its name belongs to a view"),
    ],
)
async def test_what_is_somebody_elses(database_url: str, there: str, reason: str) -> None:
    """What has the index's name and is no index of the step's table is left alone, valid or not."""
    await migrate(database_url, make_plugin("p", TABLE))
    await execute(database_url, there)
    before = await query(database_url, "SELECT oid, relkind FROM pg_class WHERE relname = 'i'")
    await begun(database_url, INDEX)
    with pytest.raises(IndexConflict, match=reason):
        await run(database_url, INDEX)
    assert await query(database_url, "SELECT oid, relkind FROM pg_class WHERE relname = 'i'") == before


@pytest.mark.asyncio
@pytest.mark.parametrize("is_begun", [True, False])
@pytest.mark.parametrize("condition", ["", "IF NOT EXISTS"])
async def test_invalid_and_idle(database_url: str, is_begun: bool, condition: str) -> None:  # noqa: FBT001 -- a parameter of the test
    """The index that nobody builds any more is dropped and built again, also at a first attempt; other invalid ones stay."""
    up = f"CREATE INDEX CONCURRENTLY {condition} i ON t (x)"
    await migrate(database_url, make_plugin("p", TABLE))
    await execute(
        database_url, f"CREATE INDEX i ON t (y); CREATE INDEX other ON t (y); {INVALIDATE.format('i')}; {INVALIDATE.format('other')}"
    )
    if is_begun:
        await begun(database_url, up)
    assert await run(database_url, up) == ["outside"]
    assert await query(database_url, "SELECT pg_get_indexdef(to_regclass('i'))") == ["CREATE INDEX i ON public.t USING btree (x)"]
    assert await query(database_url, "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid") == ["other"]


@pytest.mark.asyncio
async def test_a_foreign_build_is_waited_for(database_url: str) -> None:
    """While somebody else builds the index nothing is dropped; the builder is named, and what he has built is taken."""
    await migrate(database_url, make_plugin("p", TABLE))
    foreign = await asyncpg.connect(database_url)
    try:
        async with holding(database_url):
            building = asyncio.create_task(foreign.execute(INDEX))
            await until(database_url, "SELECT FROM pg_index WHERE indexrelid = to_regclass('i') AND NOT indisvalid")
            before = await query(database_url, "SELECT to_regclass('i')::oid")
            runtime = make_runtime(database_url, make_plugin("p", TABLE, outside(INDEX)), config=PATIENT)
            blocked = asyncio.Event()
            told: list[StepBlocked] = []
            runtime.events.subscribe(told.append, StepBlocked)
            runtime.events.subscribe(lambda _: blocked.set(), StepBlocked)
            ours = asyncio.create_task(MigrationOrchestrator(runtime).run_all_migrations())
            await asyncio.wait_for(blocked.wait(), BOUND)
            assert [blocker.pid for blocker in told[0].blockers] == [foreign.get_server_pid()]
            assert await query(database_url, "SELECT to_regclass('i')::oid") == before
        await building
        assert names((await ours).steps) == ["outside"]
    finally:
        await foreign.close()
    assert [await oid(database_url)] == before
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_a_foreign_build_that_takes_too_long(database_url: str) -> None:
    """When the budget is spent the step fails and names the builder, whose build goes on; the next run takes what he has built."""
    await migrate(database_url, make_plugin("p", TABLE))
    foreign = await asyncpg.connect(database_url)
    try:
        async with holding(database_url):
            building = asyncio.create_task(foreign.execute(INDEX))
            await until(database_url, "SELECT FROM pg_index WHERE indexrelid = to_regclass('i') AND NOT indisvalid")
            with pytest.raises(StepFailed, match="lock_wait_budget") as caught:
                await run(database_url, INDEX)
            assert [blocker.pid for blocker in caught.value.blockers] == [foreign.get_server_pid()]
        await building
    finally:
        await foreign.close()
    before = await oid(database_url)
    assert before is not None
    assert await run(database_url, INDEX) == ["outside"]
    assert await oid(database_url) == before


@pytest.mark.asyncio
async def test_a_build_that_waits_too_long_is_broken_off(database_url: str) -> None:
    """Whoever keeps it from going on is named; what it has left is no obstacle to the next run."""
    await migrate(database_url, make_plugin("p", TABLE))
    async with holding(database_url) as holder:
        with pytest.raises(StepFailed, match=r"it waited for others for 0\.5 s") as caught:
            await run(database_url, INDEX)
        assert [blocker.pid for blocker in caught.value.blockers] == [holder.get_server_pid()]
        assert f"pg_terminate_backend({holder.get_server_pid()})" in caught.value.hint
    assert await history(database_url, "p") == [("p", "table", True), ("p", "outside", False)]
    assert await run(database_url, INDEX) == ["outside"]
    assert await oid(database_url) is not None
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_a_builds_progress_is_told(database_url: str) -> None:
    """While it goes on its phase is told, in the server's words, and who is in its way."""
    await migrate(database_url, make_plugin("p", TABLE))
    runtime = make_runtime(database_url, make_plugin("p", TABLE, outside(INDEX)), config=PATIENT)
    progressed, blocked = asyncio.Event(), asyncio.Event()
    told: list[StepProgressed] = []
    runtime.events.subscribe(told.append, StepProgressed)
    runtime.events.subscribe(lambda _: progressed.set(), StepProgressed)
    runtime.events.subscribe(lambda _: blocked.set(), StepBlocked)
    async with holding(database_url):
        running = asyncio.create_task(MigrationOrchestrator(runtime).run_all_migrations())
        await asyncio.wait_for(progressed.wait(), BOUND)
        await asyncio.wait_for(blocked.wait(), BOUND)
    assert names((await running).steps) == ["outside"]
    assert (told[0].plugin, told[0].step) == ("p", "outside")
    assert told[0].phase == "waiting for writers before build"


@pytest.mark.asyncio
@pytest.mark.parametrize("more", ["", "; CREATE INDEX CONCURRENTLY j ON t (y)"])
async def test_duplicates_leave_no_index(database_url: str, more: str) -> None:
    """A unique index that can't be built is dropped again and its intent taken back, so that the step may be mended in any way."""
    await migrate(database_url, make_plugin("p", TABLE))
    await execute(database_url, "INSERT INTO t VALUES (1), (1)")
    with pytest.raises(StepFailed) as caught:
        await run(database_url, f"CREATE UNIQUE INDEX CONCURRENTLY i ON t (x){more}")
    assert (caught.value.sqlstate, caught.value.transactional) == ("23505", False)
    assert await query(database_url, "SELECT to_regclass('i')") == [None]
    assert await applied(database_url) == [("p", "table")]
    assert await query(database_url, "SELECT count(*) FROM roost.applied") == [1]
    assert await run(database_url, "VACUUM t") == ["outside"]


@pytest.mark.asyncio
async def test_duplicates_in_a_later_statement(database_url: str) -> None:
    """What was done before stays and is noted; once the data are mended the step goes on where it failed."""
    up = f"{INDEX}; CREATE UNIQUE INDEX CONCURRENTLY j ON t (x)"
    await migrate(database_url, make_plugin("p", TABLE))
    await execute(database_url, "INSERT INTO t VALUES (1)")
    with pytest.raises(StepFailed):
        await run(database_url, up)
    first = await oid(database_url)
    assert await query(database_url, "SELECT to_regclass('j')") == [None]
    assert await query(database_url, "SELECT state, statements_done FROM roost.applied WHERE step = 'outside'") == [("intent", 1)]
    await execute(database_url, "DELETE FROM t WHERE x = 1")
    assert await run(database_url, up) == ["outside"]
    assert await oid(database_url) == first
    assert await oid(database_url, "j") is not None


@pytest.mark.asyncio
async def test_an_error_while_building_leaves_no_index(database_url: str) -> None:
    """A function in the index's expression that fails does so in the middle of the build, whatever class its error is of."""
    await migrate(database_url, make_plugin("p", TABLE))
    await execute(
        database_url,
        "CREATE FUNCTION f(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '42703'; END$$",
    )
    with pytest.raises(StepFailed, match="no"):
        await run(database_url, "CREATE INDEX CONCURRENTLY i ON t (f(x))")
    assert await residue(database_url) == []
    assert await query(database_url, "SELECT count(*) FROM roost.applied") == [1]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "failing",
    ["CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t\n ((nothing + 1))", "VACUUM\nANALYSE OFF t", "INSERT INTO t\nVALUES (nothing)"],
)
async def test_the_line_of_a_failed_statement(database_url: str, failing: str) -> None:
    """An error names the line of the step's own text."""
    with pytest.raises(StepFailed) as caught:
        await run(database_url, f"VACUUM t; -- é\n\n{failing}")
    assert caught.value.location == "line 4"


@pytest.mark.asyncio
@pytest.mark.parametrize("there", [[], ["CREATE INDEX i ON t (x)"], ["CREATE INDEX i ON t (x)", INVALIDATE.format("i")]])
async def test_dropping(database_url: str, there: list[str]) -> None:
    """An index that is gone is dropped; one that is there, whole or not, is dropped now."""
    assert await interrupted(database_url, "DROP INDEX CONCURRENTLY i", *there) == ["outside"]
    assert await query(database_url, "SELECT to_regclass('i')") == [None]


@pytest.mark.asyncio
async def test_dropping_what_never_was(database_url: str) -> None:
    """At a first attempt an index that is not there is an error, as PostgreSQL says it."""
    with pytest.raises(StepFailed, match="does not exist"):
        await run(database_url, "DROP INDEX CONCURRENTLY i")
    assert await query(database_url, "SELECT count(*) FROM roost.applied") == [1]


LONG = "i" * 63
MARKED = "SELECT relname FROM pg_class WHERE relname ~ '_cc(new|old)' ORDER BY 1"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("up", "name"),
    [
        ("REINDEX INDEX CONCURRENTLY i", "i"),
        ("REINDEX (VERBOSE, CONCURRENTLY) TABLE t", "i"),
        ("REINDEX SCHEMA CONCURRENTLY public", "i"),
        (f"REINDEX INDEX CONCURRENTLY {LONG}", LONG),
    ],
)
@pytest.mark.parametrize("way", ["pg_cancel_backend", "pg_terminate_backend"])
async def test_rebuilding(database_url: str, up: str, name: str, way: str) -> None:
    """What an interrupted REINDEX left of the indexes that it concerns is removed, also of the table's TOAST, and it runs again."""
    await migrate(database_url, make_plugin("p", TABLE))
    foreign = "CREATE TABLE u (x int); CREATE INDEX k ON u (x); CREATE INDEX k_ccnew ON u (x)"
    await execute(database_url, f"CREATE INDEX {name} ON t (x); {foreign}; {INVALIDATE.format('k_ccnew')}")
    rebuilding = await asyncpg.connect(database_url)
    pid = rebuilding.get_server_pid()
    async with holding(database_url):
        task = asyncio.create_task(rebuilding.execute(up))
        await until(database_url, "SELECT FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE relname ~ '^i.*_ccnew'")
        await execute(database_url, f"SELECT {way}({pid})")
        await asyncio.gather(task, return_exceptions=True)
    rebuilding.terminate()
    await until(database_url, f"SELECT WHERE NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {pid})")
    left = await query(database_url, MARKED)
    assert len(left) >= 2
    await begun(database_url, up)
    assert await run(database_url, up) == ["outside"]
    # Of the whole schema the other table's index is concerned as well.
    assert await query(database_url, MARKED) == ([] if "SCHEMA" in up else ["k_ccnew"])
    assert await oid(database_url, name) is not None


PARTS = MigrationStep(
    "parts", "Parts", up="CREATE TABLE whole (x int) PARTITION BY LIST (x); CREATE TABLE part PARTITION OF whole FOR VALUES IN (1)"
)
DETACH = "ALTER TABLE whole DETACH PARTITION part CONCURRENTLY"


@pytest.mark.asyncio
@pytest.mark.parametrize("state", ["attached", "pending", "apart"])
async def test_detaching(database_url: str, state: str) -> None:
    """A partition that is attached is detached, a detachment that was begun is ended, and one that has ended is done."""
    await migrate(database_url, make_plugin("p", TABLE, PARTS))
    if state == "apart":
        await execute(database_url, DETACH)
    if state == "pending":
        detaching = await asyncpg.connect(database_url)
        async with holding(database_url, "SELECT FROM whole"):
            task = asyncio.create_task(detaching.execute(DETACH))
            await until(database_url, "SELECT FROM pg_inherits WHERE inhdetachpending")
            await execute(database_url, f"SELECT pg_cancel_backend({detaching.get_server_pid()})")
            await asyncio.gather(task, return_exceptions=True)
        await detaching.close()
        assert await query(database_url, "SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = 'part'::regclass") == [True]
    await begun(database_url, DETACH)
    assert await run(database_url, DETACH, PARTS) == ["outside"]
    assert await query(database_url, "SELECT count(*) FROM pg_inherits WHERE inhrelid = 'part'::regclass") == [0]


@pytest.mark.asyncio
@pytest.mark.parametrize("up", ["VACUUM t", "VACUUM (ANALYZE) t", "ANALYZE t", "CHECKPOINT"])
async def test_maintenance_runs_again(database_url: str, up: str) -> None:
    """Nothing is changed by doing it once more."""
    assert await interrupted(database_url, up) == ["outside"]


@pytest.mark.asyncio
@pytest.mark.parametrize("there", [[], ["ALTER TYPE kind ADD VALUE 'b'"]])
async def test_a_value_of_an_enumeration(database_url: str, there: list[str]) -> None:
    """It is added where it is not there yet."""
    up = "ALTER TYPE kind ADD VALUE 'b'"
    assert await interrupted(database_url, up, "CREATE TYPE kind AS ENUM ('a')", *there) == ["outside"]
    assert await query(database_url, "SELECT enumlabel FROM pg_enum ORDER BY enumsortorder") == ["a", "b"]


@pytest.mark.asyncio
async def test_what_bears_a_transaction_happens_once(database_url: str) -> None:
    """Its effect and the note of it live and die together, so it is not done twice; what was SET before is set again."""
    insert = "INSERT INTO t VALUES (-1, current_setting('my.own'))"
    up = f"SET my.own = 'set'; {insert}; {INDEX}; {insert.replace('-1', '-2')}"
    runtime = make_runtime(database_url, make_plugin("p", TABLE, outside(up)), config=PATIENT)
    reopened: list[object] = []
    runtime.events.subscribe(reopened.append, SessionReopened)

    def break_off(event: StepBlocked) -> None:
        kills.append(asyncio.create_task(execute(database_url, KILL_BUILD)))

    kills: list[asyncio.Task[None]] = []
    runtime.events.subscribe(break_off, StepBlocked)
    await migrate(database_url, make_plugin("p", TABLE))
    async with holding(database_url):
        running = asyncio.create_task(MigrationOrchestrator(runtime).run_all_migrations())
        await until(database_url, "SELECT FROM roost.run OFFSET 2")
    assert names((await running).steps) == ["outside"]
    await asyncio.gather(*kills)
    assert len(reopened) >= 1
    assert await query(database_url, "SELECT x, y FROM t WHERE x < 0 ORDER BY x") == [(-2, "set"), (-1, "set")]
    assert await oid(database_url) is not None
    assert await residue(database_url) == []


KILL_BUILD = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND query LIKE 'CREATE INDEX%' AND (SELECT count(*) FROM roost.run) = 2
"""


@pytest.mark.asyncio
async def test_a_cancelled_build_heals(database_url: str) -> None:
    """A cancellation leaves no session and no lock behind; the index that it left invalid is built by the next run."""
    await migrate(database_url, make_plugin("p", TABLE))
    runtime = make_runtime(database_url, make_plugin("p", TABLE, outside(INDEX)), config=PATIENT)
    blocked = asyncio.Event()
    runtime.events.subscribe(lambda _: blocked.set(), StepBlocked)
    async with holding(database_url):
        running = asyncio.create_task(MigrationOrchestrator(runtime).run_all_migrations())
        await asyncio.wait_for(blocked.wait(), BOUND)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await idle_after(database_url)
        assert await query(database_url, "SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [1]
    assert await run(database_url, INDEX) == ["outside"]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_a_changed_text_is_held_against_the_catalogue_from_its_beginning(database_url: str) -> None:
    """Which of its statements was begun nobody knows then; where the catalogue tells each effect that does not matter."""
    was = "CREATE INDEX CONCURRENTLY i ON t (y); VACUUM t"
    up = f"{INDEX}; DROP INDEX CONCURRENTLY gone"
    there = ["CREATE INDEX i ON t (x)", INVALIDATE.format("i")]
    assert await interrupted(database_url, up, *there, ended=1, was=was) == ["outside"]
    assert await query(database_url, "SELECT pg_get_indexdef(to_regclass('i'))") == ["CREATE INDEX i ON public.t USING btree (x)"]


@pytest.mark.asyncio
@pytest.mark.parametrize(("up", "was"), [("CALL work()", "CALL work()"), (f"{INDEX}; INSERT INTO t VALUES (1)", INDEX)])
async def test_what_nobody_can_tell(database_url: str, up: str, was: str) -> None:
    """A person has to look: the error shows the statement, says what to check, and the command that goes on."""
    await migrate(database_url, make_plugin("p", TABLE))
    await begun(database_url, up, was=was)
    with pytest.raises(StepOutcomeUnknown) as caught:
        await run(database_url, up)
    assert caught.value.sql in up
    assert "check in the database" in caught.value.hint
    assert "roost repair p outside --done" in caught.value.hint
    service = make_runtime(database_url, make_plugin("p", TABLE, outside(up))).get_service("p-migration")
    with pytest.raises(StepOutcomeUnknown):
        await service.rollback(steps=1)


@pytest.mark.asyncio
async def test_a_rollback_leaves_what_was_begun_to_the_next_run(database_url: str) -> None:
    """It does not know how far the step came, so it is refused; after the next run it is a step like any other."""
    await migrate(database_url, make_plugin("p", TABLE))
    await begun(database_url, INDEX)
    service = make_runtime(database_url, make_plugin("p", TABLE, outside(INDEX, down="DROP INDEX i"))).get_service("p-migration")
    with pytest.raises(StepOutcomeUnknown):
        await service.rollback(steps=1)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("up", "reason"),
    [
        ("CREATE INDEX CONCURRENTLY ON t (x)", "an index without a name"),
        ("BEGIN; INSERT INTO t VALUES (1); COMMIT", "it holds BEGIN"),
    ],
)
async def test_what_is_refused_before_anything_runs(database_url: str, up: str, reason: str) -> None:
    """It could not be taken up again after a crash: the step before it is not run either."""
    with pytest.raises(InvalidStep, match=reason):
        await run(database_url, up)
    assert await applied(database_url) == []


@pytest.mark.asyncio
async def test_a_procedure_is_not_tried_again(database_url: str) -> None:
    """What it did before an error that may pass nobody knows: it fails, and its intent stays for a person."""
    await migrate(database_url, make_plugin("p", TABLE))
    await execute(
        database_url,
        "CREATE PROCEDURE work() LANGUAGE plpgsql AS $$BEGIN INSERT INTO t VALUES (-1); COMMIT; "
        "RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END$$",
    )
    runtime = make_runtime(database_url, make_plugin("p", TABLE, outside("CALL work()")))
    tries: list[object] = []
    runtime.events.subscribe(tries.append, StepRetried)
    with pytest.raises(StepFailed, match="again") as caught:
        await MigrationOrchestrator(runtime).run_all_migrations()
    assert (caught.value.sqlstate, caught.value.attempts, tries) == ("40001", 1, [])
    assert await query(database_url, "SELECT count(*) FROM t WHERE x = -1") == [1]
    with pytest.raises(StepOutcomeUnknown):
        await run(database_url, "CALL work()")


@pytest.mark.asyncio
async def test_a_first_step_with_an_error_that_may_pass_is_tried_again(database_url: str) -> None:
    """What bears a transaction is rolled back with its note, and tried again as any step is."""
    await migrate(database_url, make_plugin("p", TABLE))
    await execute(database_url, "CREATE SEQUENCE tries")
    again = "IF nextval('public.tries') = 1 THEN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END IF; RETURN 1;"
    await execute(database_url, f"CREATE FUNCTION once() RETURNS int LANGUAGE plpgsql AS $$BEGIN {again} END$$")
    assert await run(database_url, f"{INDEX}; INSERT INTO t SELECT -once(); VACUUM t") == ["outside"]
    assert await query(database_url, "SELECT count(*) FROM t WHERE x = -1") == [1]
    assert await query(database_url, "SELECT attempts FROM roost.history WHERE step = 'outside'") == [2]


@pytest.mark.asyncio
async def test_without_the_extra(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One statement a step is sent as it is; where more would have been known, the error names the extra."""
    monkeypatch.setitem(sys.modules, "postgast", None)
    assert await run(database_url, INDEX) == ["table", "outside"]
    await execute(database_url, "DELETE FROM roost.applied WHERE step = 'outside'; UPDATE roost.plugin SET settled = NULL; DROP INDEX i")
    with pytest.raises(StepFailed, match=r"roost\[sql\]"):
        await run(database_url, f"{INDEX}; VACUUM t")
    assert await query(database_url, "SELECT count(*) FROM roost.applied") == [1]
    await begun(database_url, INDEX)
    with pytest.raises(StepOutcomeUnknown) as caught:
        await run(database_url, INDEX)
    assert "pip install 'roost[sql]'" in caught.value.hint


@pytest.mark.asyncio
async def test_what_was_counted_with_the_extra_is_told_by_nobody_without_it(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of a step's statements has ended says a number; who can't part them does not take the first one for all of them."""
    up = f"{INDEX}; CREATE INDEX CONCURRENTLY j ON t (y)"
    await migrate(database_url, make_plugin("p", TABLE))
    await execute(database_url, INDEX.replace("CONCURRENTLY ", ""))
    await begun(database_url, up, ended=1)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "postgast", None)
        with pytest.raises(StepOutcomeUnknown, match=r"roost\[sql\]"):
            await run(database_url, up)
    assert await run(database_url, up) == ["outside"]
    assert await query(database_url, "SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass AND indisvalid") == [2]


@pytest.mark.asyncio
async def test_a_step_that_was_begun_is_not_marked(database_url: str) -> None:
    """Neither it nor one behind it: a run ends it, and says so."""
    await migrate(database_url, make_plugin("p", TABLE))
    await begun(database_url, INDEX)
    orchestrator = MigrationOrchestrator(make_runtime(database_url, make_plugin("p", TABLE, outside(INDEX))))
    for dry_run in (True, False):
        with pytest.raises(StepOutcomeUnknown, match="CREATE INDEX CONCURRENTLY i") as caught:
            await orchestrator.mark("p", "outside", check=False, dry_run=dry_run)
        assert "roost up" in caught.value.hint
