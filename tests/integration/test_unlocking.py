"""Who holds the migration lock, and its end: only that one's, and only by a role that may."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg
import pytest

from roost import Database, MigrationConfig, MigrationOrchestrator, MigrationStep, Plugin, Runtime
from roost.errors import MigrationLockTimeout, NoDatabase, UnlockDenied, UnlockFailed
from roost.migrations import _unlocking as unlocking
from roost.postgres import advisory_lock_key, end_lock_holder, parse_url
from tests.plugins.build import QUICK, make_plugin, make_runtime, migrate, query, residue
from tests.plugins.pgbouncer import pgbouncer

KEY = advisory_lock_key("roost:roost")


class Held:
    """A run that stands in a step until it is let go."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.gate = asyncio.Event()
        self.calls: int = 0

    async def wait(self) -> None:
        """Be the step's body."""
        self.calls += 1
        if self.calls == 1:
            self.entered.set()
            await self.gate.wait()

    def plugin(self) -> Plugin:
        """Return a plugin whose step this is."""
        return make_plugin("p", MigrationStep("held", "Held", up=self.wait, version="1.0.0"))


@asynccontextmanager
async def held(url: str) -> AsyncIterator[tuple[Held, asyncio.Task[object]]]:
    """Hold the lock by a run that is in the middle of a step."""
    run = Held()
    task: asyncio.Task[object] = asyncio.create_task(migrate(url, run.plugin()))
    await run.entered.wait()
    try:
        yield run, task
    finally:
        run.gate.set()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def role_without_rights(url: str) -> AsyncIterator[str]:
    """Provide the URL for a role that may only connect."""
    name = f"unlocker_{os.getpid()}"
    await _execute(url, f"CREATE ROLE {name} LOGIN")
    try:
        yield replace(parse_url(url), user=name, password=None).dsn
    finally:
        await _execute(url, f"DROP OWNED BY {name}; DROP ROLE {name}")


@asynccontextmanager
async def role_that_owns(url: str) -> AsyncIterator[str]:
    """Provide the URL for a role that migrates and is no superuser."""
    name = f"migrator_{os.getpid()}"
    await _execute(url, f"CREATE ROLE {name} LOGIN; GRANT CREATE ON DATABASE {parse_url(url).database} TO {name}")
    try:
        yield replace(parse_url(url), user=name, password=None).dsn
    finally:
        await _execute(url, f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")


@pytest.mark.asyncio
async def test_the_holder_is_told_with_its_run(database_url: str) -> None:
    """Server process, step, state and ages by the server's clock, and of the run its number, host and process; nobody is None."""
    orchestrator = MigrationOrchestrator(make_runtime(database_url))
    assert await orchestrator.get_lock_holder() is None
    async with held(database_url):
        holder = await orchestrator.get_lock_holder()
        assert holder is not None
        assert (holder.application_name, holder.state) == ("roost p: held", "idle in transaction")
        assert (holder.run, holder.client_pid) == (1, os.getpid())
        assert holder.client_host
        assert holder.application_version
        seconds = (holder.connected_for, holder.run_for, holder.statement_for, holder.state_for)
        assert all(0 <= one < 60 for one in seconds if one is not None)
        assert None not in seconds
        assert list(seconds) == sorted(seconds, reverse=True)  # type: ignore[type-var]  # none of them is None
    assert await orchestrator.get_lock_holder() is None


@pytest.mark.asyncio
async def test_a_run_whose_session_is_ended_goes_on_anew(database_url: str) -> None:
    """Its step is rolled back; when it wakes up it connects, locks and reads anew, and each step has taken effect once."""
    orchestrator = MigrationOrchestrator(make_runtime(database_url))
    async with held(database_url) as (run, task):
        holder = await orchestrator.get_lock_holder()
        assert holder is not None
        assert await orchestrator.unlock(holder.pid)
        assert await residue(database_url) == []
        assert not await orchestrator.unlock(holder.pid)
        run.gate.set()
        await task
    assert run.calls == 2
    assert await query(database_url, "SELECT step, success FROM roost.history") == [("held", True)]


@pytest.mark.asyncio
async def test_nobody_else_is_ended(database_url: str) -> None:
    """A session that holds no lock, one that holds another lock, and those that only wait are left alone."""
    orchestrator = MigrationOrchestrator(make_runtime(database_url))
    async with held(database_url):
        idle, other, *waiting = [await asyncpg.connect(database_url) for _ in range(4)]
        try:
            await other.execute("SELECT pg_advisory_lock(1)")
            ways = ("pg_advisory_lock", "pg_advisory_lock_shared")
            blocked = [asyncio.create_task(one.execute(f"SELECT {way}({KEY})")) for one, way in zip(waiting, ways, strict=True)]
            while await query(database_url, "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'") != [2]:
                assert not any(task.done() for task in blocked)
            for connection in (idle, other, *waiting):
                assert not await orchestrator.unlock(connection.get_server_pid())
            assert not await orchestrator.unlock(0)
            assert not await orchestrator.unlock(-1)
            assert await idle.fetchval("SELECT 1") == await other.fetchval("SELECT 1") == 1
            assert not any(task.done() for task in blocked)
        finally:
            for connection in (idle, other, *waiting):
                connection.terminate()
            await asyncio.gather(*blocked, return_exceptions=True)


@pytest.mark.asyncio
async def test_a_role_that_may_not(database_url: str) -> None:
    """It is told what it lacks; it sees who holds the lock, and that it may not see what that one does. pg_signal_backend is enough."""
    async with role_without_rights(database_url) as url, role_that_owns(database_url) as owned, held(owned):
        orchestrator = MigrationOrchestrator(make_runtime(url))
        holder = await orchestrator.get_lock_holder()
        assert holder is not None
        assert (holder.state, holder.run, holder.activity) == (None, None, "what it does is hidden from this role")
        with pytest.raises(UnlockDenied, match=f"server process {holder.pid}") as caught:
            await orchestrator.unlock(holder.pid)
        assert "GRANT pg_signal_backend TO" in caught.value.hint
        assert await MigrationOrchestrator(make_runtime(database_url)).get_lock_holder() is not None
        await _execute(database_url, f"GRANT pg_signal_backend TO {caught.value.role}")
        assert await orchestrator.unlock(holder.pid)


@pytest.mark.asyncio
async def test_the_role_that_migrates_unlocks(database_url: str) -> None:
    """It is the migrations' address that is used, not the application's: the same role may always end its own."""
    async with role_without_rights(database_url) as url, role_that_owns(database_url) as owned, held(owned):
        runtime = Runtime(database=Database(url, migration_url=owned), config=QUICK)
        holder = await MigrationOrchestrator(runtime).get_lock_holder()
        assert holder is not None
        assert holder.run == 1
        assert await MigrationOrchestrator(runtime).unlock(holder.pid)


@pytest.mark.asyncio
async def test_a_process_that_does_not_end(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it was told to and is not gone in time, that is an error and not a success."""

    async def stays(session: object, key: int, *, pid: int, patience: float) -> bool | None:
        return await end_lock_holder(session, key, pid=pid, patience=patience) and False  # type: ignore[arg-type]  # it is the session

    monkeypatch.setattr(unlocking, "end_lock_holder", stays)
    orchestrator = MigrationOrchestrator(make_runtime(database_url))
    async with held(database_url):
        holder = await orchestrator.get_lock_holder()
        assert holder is not None
        with pytest.raises(UnlockFailed, match=f"{holder.pid} was told to end"):
            await orchestrator.unlock(holder.pid)


@pytest.mark.asyncio
async def test_the_timeout_tells_the_run(database_url: str) -> None:
    """Who gives up waiting is told the run that is at work, its process and its host."""
    async with held(database_url):
        with pytest.raises(MigrationLockTimeout) as caught:
            await migrate(database_url, Held().plugin(), config=MigrationConfig(run_lock_timeout=0.1))
    error = caught.value
    assert (error.run, error.client_pid, error.state, error.application_name) == (1, os.getpid(), "idle in transaction", "roost p: held")
    assert f"run 1 of process {os.getpid()} on {error.client_host}" in error.message
    assert re.search(r"; idle in transaction for \d+ s", error.message)
    assert error.run_for is not None
    assert error.hint.endswith("roost unlock")


@pytest.mark.asyncio
async def test_a_holder_that_is_no_run(database_url: str) -> None:
    """Without a ledger, and where the open run is another process's, nothing is said of a run."""
    orchestrator = MigrationOrchestrator(make_runtime(database_url))
    holder = await asyncpg.connect(database_url)
    try:
        await holder.execute(f"SELECT pg_advisory_lock({KEY})")
        found = await orchestrator.get_lock_holder()
        assert found is not None
        assert (found.pid, found.run) == (holder.get_server_pid(), None)
        await holder.execute(f"SELECT pg_advisory_unlock({KEY})")
        await migrate(database_url, make_plugin("p", MigrationStep("s", "S", up="SELECT 1", version="1")))
        await holder.execute(f"UPDATE roost.run SET open = true; SELECT pg_advisory_lock({KEY})")
        found = await orchestrator.get_lock_holder()
        assert found is not None
        assert found.run is None
        await holder.execute("UPDATE roost.run SET backend_pid = pg_backend_pid(), started_at = '2000-01-01'")
        found = await orchestrator.get_lock_holder()
        assert found is not None
        assert found.run is None
    finally:
        await holder.close()


@pytest.mark.asyncio
async def test_without_a_database() -> None:
    """There is no lock to look at."""
    with pytest.raises(NoDatabase):
        await MigrationOrchestrator(Runtime()).get_lock_holder()
    with pytest.raises(NoDatabase):
        await MigrationOrchestrator(Runtime()).unlock(1)


@pytest.mark.pgbouncer
@pytest.mark.asyncio
async def test_behind_a_pooler(database_url: str) -> None:
    """A run that stands in a step keeps the others out there too: they name its server process when they give up, and it is unlocked."""
    async with pgbouncer(database_url, mode="transaction") as url, held(url) as (run, task):
        with pytest.raises(MigrationLockTimeout) as caught:
            await migrate(url, Held().plugin(), config=MigrationConfig(run_lock_timeout=0.1))
        assert (caught.value.application_name, caught.value.state) == ("roost p: held", "idle in transaction")
        assert caught.value.pid is not None
        assert await MigrationOrchestrator(make_runtime(url)).unlock(caught.value.pid)
        assert await residue(database_url) == []
        run.gate.set()
        await task
    assert await query(database_url, "SELECT step, success FROM roost.history") == [("held", True)]


async def _execute(url: str, script: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(script)
    finally:
        await connection.close()
