"""What a server does in the middle of a run: it restarts, stays away, or ends the session in the midst of a COMMIT."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from roost import MigrationConfig, MigrationOrchestrator, MigrationReport, MigrationStep
from roost.errors import DatabaseUnreachable, SessionLost
from roost.migrations import SessionReopened
from roost.postgres import EmbeddedPostgres
from roost.testing import Fault, FaultProxy
from tests.plugins.build import QUICK, applied, execute, history, make_plugin, make_runtime, migrate, names, query, residue, until
from tests.plugins.embedded_users import FAST, remove_data_elsewhere
from tests.plugins.fix_postgres import MakeDatabase
from tests.plugins.fix_replicas import closed_gate

FIRST = MigrationStep("first", "First", up="CREATE TABLE first (id int); INSERT INTO first VALUES (1)", version="1.0.0")
SLOW = MigrationStep("slow", "Slow", up="INSERT INTO first VALUES (2); SELECT pg_advisory_xact_lock(7)", version="1.1.0", lock_timeout=0)
LAST = MigrationStep("last", "Last", up="INSERT INTO first VALUES (3)", version="1.2.0")
CODE = (FIRST, SLOW, LAST)
PATIENT = MigrationConfig(max_retries=1200, retry_delay=0.05, retry_max_delay=0.05)
"""Tries to connect for a minute; a restart takes a second."""


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A server of the test's own, which it may stop and start."""
    server = EmbeddedPostgres(tmp_path / "data", settings=FAST)
    await server.start()
    yield server
    await server.stop()
    remove_data_elsewhere(tmp_path)


async def stopped_in_the_step(server: EmbeddedPostgres, config: MigrationConfig) -> asyncio.Task[MigrationReport]:
    """Run up to the middle of the slow step, and stop the server there."""
    async with closed_gate(server.url) as gate:
        running = asyncio.create_task(migrate(server.url, make_plugin("p", *CODE), config=config))
        await gate.reached()
        await server.stop()
    return running


async def check_whole(url: str) -> None:
    """See that each step took effect once and is recorded once, and that nothing is left."""
    assert await query(url, "SELECT id FROM first ORDER BY id") == [1, 2, 3]
    assert await applied(url) == [("p", step.id) for step in CODE]
    assert await history(url) == [("p", step.id, True) for step in CODE]
    assert await residue(url) == []


@pytest.mark.asyncio
async def test_a_server_that_restarts_in_a_step(server: EmbeddedPostgres) -> None:
    """A run that may try long enough connects to the new server, takes the lock there, and goes on with the step from its beginning."""
    running = await stopped_in_the_step(server, PATIENT)
    await server.start()
    assert names((await running).steps) == [step.id for step in CODE]
    await check_whole(server.url)


@pytest.mark.asyncio
async def test_a_server_that_stays_away(server: EmbeddedPostgres) -> None:
    """The error says that nobody answers; when the server is back the next run goes on with the step that was lost."""
    running = await stopped_in_the_step(server, QUICK)
    with pytest.raises(DatabaseUnreachable, match="after 3 attempts"):
        await running
    await server.start()
    assert names((await migrate(server.url, make_plugin("p", *CODE))).steps) == ["slow", "last"]
    await check_whole(server.url)


DEFERRED = """
CREATE SEQUENCE commits;
CREATE TABLE first (id int);
CREATE FUNCTION end_it() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('public.commits') <= {deaths} THEN
        {death};
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER end_it AFTER INSERT ON first DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION end_it()
"""
"""Makes a COMMIT end its own session so many times: a sequence counts also what is rolled back."""


@pytest.mark.asyncio
async def test_a_session_that_ends_in_commit(database_url: str) -> None:
    """What the COMMIT did, the ledger says under the lock: it did nothing, so the step is taken again, and has its effect once."""
    await execute(database_url, DEFERRED.format(deaths=1, death="PERFORM pg_terminate_backend(pg_backend_pid())"))
    steps = [MigrationStep(f"s{number}", "S", up=f"INSERT INTO first VALUES ({number})", version="1.0.0") for number in range(3)]
    runtime = make_runtime(database_url, make_plugin("p", *steps))
    told: list[object] = []
    runtime.events.subscribe(told.append, SessionReopened)
    assert names((await MigrationOrchestrator(runtime).run_all_migrations()).steps) == ["s0", "s1", "s2"]
    assert len(told) == 1
    assert await query(database_url, "SELECT id FROM first ORDER BY id") == [0, 1, 2]
    assert await history(database_url) == [("p", step.id, True) for step in steps]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_a_session_that_ends_in_each_commit(database_url: str) -> None:
    """After as many attempts as are configured the error says so; nothing is applied, and the next run applies it once."""
    await execute(database_url, DEFERRED.format(deaths=3, death="PERFORM pg_terminate_backend(pg_backend_pid())"))
    plugin = make_plugin("p", MigrationStep("s", "S", up="INSERT INTO first VALUES (1)", version="1.0.0"))
    with pytest.raises(SessionLost, match="broke 3 times in the same place"):
        await migrate(database_url, plugin)
    assert await applied(database_url) == []
    assert names((await migrate(database_url, plugin)).steps) == ["s"]
    assert await query(database_url, "SELECT id FROM first") == [1]


@pytest.mark.asyncio
async def test_a_session_that_is_ended_by_others_in_a_long_commit(new_database: MakeDatabase) -> None:
    """While COMMIT still works an administrator ends the session: the step is taken again, and others see its effect once."""
    url = await new_database()
    await execute(url, DEFERRED.format(deaths=1, death="PERFORM pg_sleep(600)"))
    plugin = make_plugin("p", MigrationStep("s", "S", up="INSERT INTO first VALUES (1)", version="1.0.0"))
    running = asyncio.create_task(migrate(url, plugin))
    sleeping = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    await until(url, sleeping)
    assert await query(url, f"SELECT pg_terminate_backend(pid) FROM ({sleeping}) AS s") == [True]
    assert names((await running).steps) == ["s"]
    assert await query(url, "SELECT id FROM first") == [1]
    assert await history(url) == [("p", "s", True)]
    assert await residue(url) == []


@pytest.mark.asyncio
async def test_a_line_that_breaks_again_while_it_is_learned_what_became_of_the_last_steps(new_database: MakeDatabase) -> None:
    """The end of a run goes unheard, another connection finds all settled and breaks too: a third one says what was done."""
    steps = (FIRST, LAST)
    async with FaultProxy(await new_database()) as proxy:
        await migrate(proxy.url, make_plugin("p", *steps))
    last_question = max(one.number for one in proxy.messages if one.direction == "to server" and one.kind == "Q")
    unheard = Fault(kind="swallow", at=last_question + 1)
    async with FaultProxy(await new_database(), unheard) as proxy:
        assert names((await migrate(proxy.url, make_plugin("p", *steps))).steps) == ["first", "last"]
    learning = [one.number for one in proxy.messages if one.connection == 2 and one.kind == "d" and "first" in one.text]
    assert len(learning) == 1
    async with FaultProxy(await new_database(), unheard, Fault(kind="cut", at=learning[0])) as proxy:
        report = await migrate(proxy.url, make_plugin("p", *steps))
    assert [one.number for one in proxy.fired] == [unheard.at, learning[0]]
    assert sorted(names(report.steps)) == ["first", "last"]
