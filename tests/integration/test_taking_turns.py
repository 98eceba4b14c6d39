"""Runs take turns: in one process, in many, after kills; and a start with nothing to do takes no turn at all."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections import Counter
from pathlib import Path

import asyncpg
import pytest

from roost import (
    MigrationConfig,
    MigrationContext,
    MigrationOrchestrator,
    MigrationStep,
    Plugin,
    PluginMigrationService,
    Runtime,
)
from roost.errors import MigrationLockTimeout, StepFailed, StepOutcomeUnknown
from roost.migrations import LockHolderSeen, LockWaitFinished, LockWaitStarted, MigrationProgress, MigrationRun, StepStarted
from roost.postgres import advisory_lock_key, parse_url
from roost.testing import RoundTripProxy
from tests.plugins.build import applied, history, make_plugin, make_runtime, migrate, names, query, residue

KEY = advisory_lock_key("roost:roost")
ROOT = Path(__file__).resolve().parents[2]

PROCESS = """
import asyncio, sys
from roost import MigrationStep
from tests.plugins.build import make_plugin, migrate

plugins = [
    make_plugin(name, *[MigrationStep(f"s{i}", "A step", up=f"CREATE TABLE {name}_{i} (id int)", version="1.0.0") for i in range(20)])
    for name in ("x", "y", "z")
]
print("ready", flush=True)
sys.stdin.readline()
asyncio.run(migrate(sys.argv[1], *plugins))
"""
STEPS = 60


async def start_process(url: str, program: str = PROCESS) -> asyncio.subprocess.Process:
    """Start a process that says when it is ready and begins at a line of input."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        url,
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    return process


def go(process: asyncio.subprocess.Process) -> None:
    """Let a process begin."""
    assert process.stdin is not None
    process.stdin.write(b"\n")


@pytest.mark.asyncio
async def test_many_processes_at_one_instant(database_url: str) -> None:
    """On an empty database each step is run once, by one run, and every process ends well."""
    processes = await asyncio.gather(*[start_process(database_url) for _ in range(6)])
    for process in processes:
        go(process)
    ends = await asyncio.gather(*[process.communicate() for process in processes])
    assert [(process.returncode, end[1]) for process, end in zip(processes, ends, strict=True)] == [(0, b"")] * 6
    rows = await history(database_url)
    assert Counter(rows) == Counter((plugin, f"s{number}", True) for plugin in "xyz" for number in range(20))
    assert await query(database_url, "SELECT count(*) FROM roost.run WHERE open") == [0]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_processes_killed_in_the_middle(database_url: str) -> None:
    """Each that is killed at a step leaves it whole or not begun; the next goes on, and every step has taken effect once."""
    for kill_at in (1, 20, 45):
        process = await start_process(database_url)
        listener = await asyncpg.connect(database_url)
        try:
            go(process)
            while (await listener.fetchval("SELECT CASE WHEN to_regclass('roost.history') IS NULL THEN 0 ELSE 1 END")) == 0 or (
                await listener.fetchval("SELECT count(*) FROM roost.history")
            ) < kill_at:
                assert process.returncode is None
        finally:
            await listener.close()
        process.send_signal(signal.SIGKILL)
        await process.communicate()
    last = await start_process(database_url)
    go(last)
    _, errors = await last.communicate()
    assert (last.returncode, errors) == (0, b"")
    assert len(await applied(database_url)) == STEPS
    assert Counter(row[:2] for row in await history(database_url) if row[2]).most_common(1)[0][1] == 1
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_two_runs_in_one_process(database_url: str) -> None:
    """Two runtimes of one process take turns as two processes do; the one that had to wait runs nothing."""
    gate, entered = asyncio.Event(), asyncio.Event()

    async def slow(ctx: MigrationContext) -> None:
        await ctx.execute("CREATE TABLE once (id int)")
        entered.set()
        await gate.wait()

    plugin = make_plugin("p", MigrationStep("slow", "Slow", up=slow, version="1.0.0"))
    first = asyncio.create_task(migrate(database_url, plugin))
    await entered.wait()
    waiting = make_runtime(database_url, plugin)
    told: list[object] = []
    waited = asyncio.Event()
    waiting.events.subscribe(lambda _: waited.set(), LockWaitStarted)
    waiting.events.subscribe(told.append, LockWaitFinished)
    second = asyncio.create_task(MigrationOrchestrator(waiting).run_all_migrations())
    await waited.wait()
    gate.set()
    assert names((await first).steps) == ["slow"]
    assert (await second).steps == ()
    assert [event.acquired for event in told if isinstance(event, LockWaitFinished)] == [False]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_who_waits_sees_what_the_other_does(database_url: str) -> None:
    """While it waits, a run is told which run, on which host, in which step has the turn, and is told again when that goes on."""
    gates = {"one": asyncio.Event(), "two": asyncio.Event()}

    async def slow(ctx: MigrationContext) -> None:
        await gates[ctx.step].wait()

    plugin = make_plugin("p", *[MigrationStep(name, "Slow", up=slow, version="1.0.0") for name in gates])
    first = make_runtime(database_url, plugin)
    entered = asyncio.Event()
    first.events.subscribe(lambda _: entered.set(), StepStarted)
    running = asyncio.create_task(MigrationOrchestrator(first).run_all_migrations())
    await entered.wait()
    waiting = make_runtime(database_url, plugin)
    progress = MigrationProgress(waiting.events)
    with waiting.events.stream(LockHolderSeen) as seen:
        second = asyncio.create_task(MigrationOrchestrator(waiting).run_all_migrations())
        for name, gate in gates.items():
            holder = (await anext(seen)).holder
            assert (holder.application_name, holder.run, holder.client_host) == (f"roost p: {name}", 1, socket.gethostname())
            assert holder.client_pid == os.getpid()
            assert progress.standing.describe().startswith(f"waiting for another run (roost p: {name}), ")
            assert progress.standing.describe().endswith(f", holder {socket.gethostname()}")
            gate.set()
    await running
    assert (await second).steps == ()
    assert progress.standing.describe() == "nothing to do"


@pytest.mark.asyncio
async def test_a_lock_that_is_not_to_be_had(database_url: str) -> None:
    """The time-out names who holds it, and nothing has run."""
    holder = await asyncpg.connect(database_url, server_settings={"application_name": "the holder"})
    try:
        await holder.execute(f"SELECT pg_advisory_lock({KEY})")
        impatient = MigrationConfig(run_lock_timeout=0.1)
        with pytest.raises(MigrationLockTimeout, match=r"Migration lock timeout.*the holder") as caught:
            await migrate(
                database_url, make_plugin("p", MigrationStep("s", "S", up="CREATE TABLE s (id int)", version="1")), config=impatient
            )
        assert caught.value.pid == holder.get_server_pid()
    finally:
        await holder.close()
    assert await query(database_url, "SELECT to_regclass('s'), to_regnamespace('roost')") == [(None, None)]


@pytest.mark.asyncio
@pytest.mark.parametrize("way", ["cancel", "timeout"])
async def test_a_run_that_is_cancelled_leaves_nothing(database_url: str, way: str) -> None:
    """No lock, no open transaction, no half step; the next run takes the step from its beginning."""
    entered = asyncio.Event()
    calls: list[int] = []

    async def hang_once(ctx: MigrationContext) -> None:
        await ctx.execute("CREATE TABLE once (id int)")
        calls.append(1)
        if len(calls) == 1:
            entered.set()
            await ctx.execute("SELECT pg_sleep(600)")

    plugin = make_plugin("p", MigrationStep("hang", "Hang", up=hang_once, version="1.0.0"))
    task = asyncio.create_task(migrate(database_url, plugin))
    await entered.wait()
    if way == "cancel":
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(task, 0.05)
    assert names((await migrate(database_url, plugin)).steps) == ["hang"]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_nothing_to_do_is_one_round_trip(proxy: RoundTripProxy) -> None:
    """After connecting: one look, no lock, however many plugins and steps there are."""
    plugins = [
        make_plugin(name, *[MigrationStep(f"{name}{i}", "A step", up="SELECT 1", version="1.0.0") for i in range(30)])
        for name in ("x", "y", "z")
    ]
    await migrate(proxy.url, *plugins)
    proxy.reset()
    report = await migrate(proxy.url, *plugins)
    assert (report.steps, report.run_id) == ((), None)
    assert (proxy.connections, proxy.round_trips) == (1, 1)


@pytest.mark.asyncio
async def test_steps_of_sql_share_round_trips(proxy: RoundTripProxy) -> None:
    """A hundred steps of SQL are one round trip, each a transaction of its own, and the end of the run is in it.

    The rest of a run is three: a look, the lock with the run's number, the plugin's place; on an empty database, where nothing is, two.
    """
    trips = []
    for count in (1, 100, 101, 200):
        steps = [MigrationStep(f"s{i}", "A step", up=f"CREATE TABLE p{count}_{i} (id int)", version="1.0.0") for i in range(count)]
        proxy.reset()
        await migrate(proxy.url, make_plugin(f"p{count}", *steps))
        trips.append(proxy.round_trips)
    assert trips == [3, 4, 5, 5]
    assert await query(proxy.url, "SELECT count(DISTINCT xid), count(*) FROM roost.applied") == [(402, 402)]


@pytest.mark.asyncio
async def test_a_function_costs_two_round_trips_of_ours(proxy: RoundTripProxy) -> None:
    """One begins its transaction and one ends it; the rest are the author's own."""

    async def twice(ctx: MigrationContext) -> None:
        await ctx.execute("SELECT 1")
        await ctx.execute("SELECT 2")

    await migrate(proxy.url, make_plugin("first", MigrationStep("s", "Makes the ledger", up="SELECT 1", version="1.0.0")))
    trips = []
    for count in (1, 3):
        proxy.reset()
        await migrate(
            proxy.url, make_plugin(f"p{count}", *[MigrationStep(f"s{i}", "A step", up=twice, version="1.0.0") for i in range(count)])
        )
        trips.append(proxy.round_trips)
    assert trips[1] - trips[0] == 2 * (2 + 2)


@pytest.mark.asyncio
async def test_a_step_outside_a_transaction_that_was_killed_is_in_doubt(database_url: str) -> None:
    """Nobody can tell whether it took effect: the next run refuses with the command to type, and does as it is told."""
    sleeping = 'MigrationStep("sleep", "Sleep", up="CALL pg_temp_sleep()", version="1.0.0", transactional=False)'
    program = PROCESS.replace("plugins = [", f'plugins = [make_plugin("slow", {sleeping})] or [')
    await query(database_url, "SELECT 1")
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("CREATE PROCEDURE pg_temp_sleep() LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(600); END'")
        process = await start_process(database_url, program)
        go(process)
        while not await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CALL%' AND datname = current_database()"
        ):
            assert process.returncode is None
    finally:
        await connection.close()
    process.send_signal(signal.SIGKILL)
    await process.communicate()
    step = MigrationStep("sleep", "Sleep", up="CALL pg_temp_sleep()", version="1.0.0", transactional=False)
    with pytest.raises(StepOutcomeUnknown, match="sleep") as caught:
        await migrate(database_url, make_plugin("slow", step))
    assert "roost repair slow sleep --done" in caught.value.hint
    await MigrationOrchestrator(make_runtime(database_url, make_plugin("slow", step))).repair("slow", "sleep", done=True)
    assert (await migrate(database_url, make_plugin("slow", step))).steps == ()


@pytest.mark.asyncio
@pytest.mark.parametrize("overridden", ["migrate", "run_migrations"])
async def test_a_turn_with_more_in_it_keeps_the_lock(database_url: str, overridden: str) -> None:
    """The run ends in the message of the last steps only where nothing follows them: who does more in its turn does it under the lock."""
    held: list[int] = []
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = $1)"

    async def then() -> None:
        held.extend(await query(database_url, locks, parse_url(database_url).database))
        held.extend(await query(database_url, "SELECT count(*) FROM roost.run WHERE open"))

    class Longer(PluginMigrationService):
        service_name = "p-migration"
        steps = (MigrationStep("s", "S", up="CREATE TABLE s (id int)", version="1.0.0"),)

        async def migrate(self, run: MigrationRun) -> None:
            await super().migrate(run)
            if overridden == "migrate":
                await then()

    class Around(Longer):
        async def run_migrations(self, runtime: Runtime, /) -> None:
            await super().run_migrations(runtime)
            await then()

    plugin = Plugin("p", services=[Longer if overridden == "migrate" else Around])
    assert names((await migrate(database_url, plugin)).steps) == ["s"]
    assert held == [1, 1]
    assert (await migrate(database_url, plugin)).run_id is None
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_a_run_that_ends_with_its_last_steps(proxy: RoundTripProxy) -> None:
    """All plugins are settled, the run is closed and the lock free, by the message of the last one's steps; each plugin is one trip."""
    plugins = [make_plugin(name, MigrationStep("s", "S", up=f"CREATE TABLE {name} (id int)", version="1.0.0")) for name in ("x", "y", "z")]
    assert names((await migrate(proxy.url, *plugins)).steps) == ["s"] * 3
    assert proxy.round_trips == 2 + 3
    assert await query(proxy.url, "SELECT count(*) FILTER (WHERE open), count(finished_at) FROM roost.run") == [(0, 1)]
    assert await query(proxy.url, "SELECT count(*) FROM roost.plugin WHERE settled IS NOT NULL") == [3]
    assert await residue(proxy.url) == []


@pytest.mark.asyncio
async def test_a_last_step_that_fails_settles_nothing(database_url: str) -> None:
    """What would have ended the run is not carried out: the failure is recorded, the run closed and the lock given back behind it."""
    first, last = (MigrationStep(name, name, up=sql, version="1.0.0") for name, sql in (("a", "CREATE TABLE a ()"), ("b", "SELECT 1/0")))
    with pytest.raises(StepFailed, match="division by zero"):
        await migrate(database_url, make_plugin("p", first, last))
    assert await history(database_url) == [("p", "a", True), ("p", "b", False)]
    assert await query(database_url, "SELECT count(*) FILTER (WHERE open), count(finished_at) FROM roost.run") == [(0, 1)]
    assert await query(database_url, "SELECT settled FROM roost.plugin") == [None]
    assert await residue(database_url) == []
