"""Who connects, and where to: roles with few rights, standbys, poolers, and addresses that nobody answers."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import pytest
import pytest_asyncio

from roost import Database, MigrationConfig, MigrationOrchestrator, MigrationStep, Runtime
from roost.errors import DatabaseRefused, DatabaseUnreachable, InvalidDatabaseURL, LedgerDenied, NoDatabase, ReadOnlyServer
from roost.postgres import EmbeddedPostgres, parse_url
from roost.testing import RoundTripProxy
from tests.plugins.build import QUICK, make_plugin, make_runtime, migrate, residue

STEP = MigrationStep("make", "Make", up="CREATE TABLE things (id int)", version="1.0.0")
MORE = MigrationStep("more", "More", up="CREATE TABLE more (id int)", version="1.1.0")
CANARY = "c4n@ry/#pass?word"


def with_user(url: str, user: str, password: str | None = None) -> str:
    """Return the URL with other credentials."""
    return replace(parse_url(url), user=user, password=password).dsn


@pytest_asyncio.fixture
async def reader_url(database_url: str) -> AsyncIterator[str]:
    """The URL for a role that may read the ledger and nothing else; the plugin is migrated."""
    await migrate(database_url, make_plugin("p", STEP))
    role = f"reader_{os.getpid()}"
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(
            f"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA roost TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA roost TO {role}"
        )
        yield with_user(database_url, role)
        await connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
    finally:
        await connection.close()


@pytest.mark.asyncio
async def test_a_reader_can_start_and_look(reader_url: str) -> None:
    """USAGE and SELECT on the ledger are enough for a start with nothing to do, for status and for history."""
    runtime = make_runtime(reader_url, make_plugin("p", STEP))
    orchestrator = MigrationOrchestrator(runtime)
    assert (await orchestrator.run_all_migrations()).steps == ()
    status = await orchestrator.get_migration_status()
    assert (status.services[0].version, status.services[0].pending) == ("1.0.0", 0)
    assert len(await orchestrator.get_migration_history()) == 1


@pytest.mark.asyncio
async def test_a_reader_with_work_pending_is_told_what_is_missing(reader_url: str, database_url: str) -> None:
    """The error names the role and says what to give it; nothing was written and no lock is left."""
    with pytest.raises(LedgerDenied, match="reader_") as caught:
        await migrate(reader_url, make_plugin("p", STEP, MORE))
    assert "migration_url" in caught.value.hint
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_another_role_migrates(reader_url: str, database_url: str) -> None:
    """With `migration_url` the application keeps its few rights and the migrations have theirs."""
    database = Database(reader_url, migration_url=database_url)
    runtime = Runtime(plugins=[make_plugin("p", STEP, MORE)], database=database, config=QUICK)
    report = await MigrationOrchestrator(runtime).run_all_migrations()
    assert [step.step for step in report.steps] == ["more"]


@pytest.mark.asyncio
async def test_a_pool_that_is_given_is_used_and_not_closed(database_url: str) -> None:
    """The application's own pool serves the Database service; migrations have a connection of their own beside it."""
    async with asyncpg.create_pool(database_url, min_size=1, max_size=1) as pool:
        runtime = Runtime(plugins=[make_plugin("p", STEP)], database=Database(pool, migration_url=database_url), config=QUICK)
        async with pool.acquire(), runtime:
            pass
        async with Runtime(database=Database(pool, migration_url=database_url)) as runtime:
            assert await runtime.get_service(Database).fetchval("SELECT count(*) FROM things") == 0
        assert await pool.fetchval("SELECT 1") == 1


@pytest.mark.asyncio
async def test_an_address_that_nobody_answers() -> None:
    """After the configured attempts the error names host and port, and never the password."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused at once
        port = taken.getsockname()[1]
        url = f"postgresql://someone:{quote(CANARY, safe='')}@127.0.0.1:{port}/db"
        with pytest.raises(DatabaseUnreachable, match=f"127.0.0.1:{port}") as caught:
            await migrate(url, make_plugin("p", STEP), config=MigrationConfig(max_retries=2, retry_delay=0.01))
    assert caught.value.attempts == 2
    assert CANARY not in f"{caught.value!r} {caught.value} {caught.value.__cause__}"


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["role", "database"])
async def test_credentials_that_are_refused_are_not_tried_again(proxy: RoundTripProxy, name: str) -> None:
    """A role or a database that does not exist is one attempt."""
    parts = urlsplit(proxy.url)
    url = with_user(proxy.url, "nobody_of_that_name") if name == "role" else urlunsplit(parts._replace(path="/no_such_database"))
    with pytest.raises(DatabaseRefused, match="does not exist"):
        await migrate(url, make_plugin("p", STEP))
    assert proxy.connections == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://x/y", "mysql"),
        ("postgresql://u:se#cret@h/d", "%23"),
        ("postgresql://h:notaport/d", "port"),
        ("  ", "empty"),
    ],
)
async def test_a_malformed_url_is_refused_before_anything(url: str, words: str) -> None:
    """The reason is named; nothing is connected."""
    with pytest.raises(InvalidDatabaseURL, match=words) as caught:
        await migrate(url, make_plugin("p", STEP))
    assert "se#cret" not in str(caught.value)


@pytest.mark.asyncio
async def test_a_missing_database_is_named() -> None:
    """Steps without a database are an error that says which service needs one; no services need none."""
    with pytest.raises(NoDatabase, match="p-migration"):
        await MigrationOrchestrator(Runtime(plugins=[make_plugin("p", STEP)])).run_all_migrations()
    assert (await MigrationOrchestrator(Runtime()).run_all_migrations()).done == ()


@pytest.mark.asyncio
async def test_no_services_no_connection(proxy: RoundTripProxy) -> None:
    """A runtime without migration services doesn't even connect."""
    await MigrationOrchestrator(Runtime(database=proxy.url)).run_all_migrations()
    assert proxy.connections == 0


@pytest.mark.asyncio
async def test_a_standby_is_refused(tmp_path: Path) -> None:
    """It would grant the lock to anybody; with nothing to do a server may start on it."""
    plugin = make_plugin("p", STEP)
    async with EmbeddedPostgres(tmp_path / "data") as server:
        await migrate(server.url, plugin)
        data_dir = server.data_dir
    cluster = next(path.parent for path in data_dir.rglob("PG_VERSION") if path.parent.parent.name != "base")
    (cluster / "standby.signal").touch()
    try:
        async with EmbeddedPostgres(tmp_path / "data") as server:
            with pytest.raises(ReadOnlyServer):
                await migrate(server.url, make_plugin("p", STEP, MORE))
            assert (await migrate(server.url, plugin)).steps == ()
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)
