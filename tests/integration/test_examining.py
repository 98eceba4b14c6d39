"""What the database says of itself to who asks whether migrations can be run there."""

from __future__ import annotations

import os

import asyncpg
import pytest

from roost import Database, MigrationOrchestrator, MigrationStep, Runtime
from roost.errors import NoDatabase, PoolerInTheWay
from roost.postgres import parse_url, quote_identifier
from tests.integration.test_granting import new_role, with_user
from tests.plugins.build import make_plugin, make_runtime, migrate
from tests.plugins.pgbouncer import pgbouncer

PLUGIN = make_plugin("things", MigrationStep("make", "Make", up="CREATE TABLE things (id int)", version="1.0.0"))


@pytest.mark.asyncio
async def test_an_empty_database_and_one_with_a_ledger(database_url: str) -> None:
    """Before the first run there is no ledger, afterwards its version and its owner are told; nothing is written by the question."""
    orchestrator = MigrationOrchestrator(make_runtime(database_url, PLUGIN))
    before = await orchestrator.examine_database()
    assert (before.ledger_owner, before.ledger_version, before.may_create_schemas) == (None, None, True)
    assert (before.pooling, before.is_standby, before.is_durable) == (None, False, False)
    assert before.server_version_num >= 140000
    assert before.location == parse_url(database_url).location
    assert before.notices_gone_clients
    assert before.application_role is None
    assert 1 <= before.connections <= before.max_connections
    again = await orchestrator.examine_database()
    assert again.ledger_owner is None

    await migrate(database_url, PLUGIN)
    after = await orchestrator.examine_database()
    assert (after.ledger_owner, after.ledger_is_ours, after.ledger_is_too_new) == (before.role, True, False)
    assert after.ledger_version is not None


@pytest.mark.asyncio
async def test_a_role_that_may_little(database_url: str) -> None:
    """A role's rights are those that the server grants it; a ledger of another's can't be read by it, and is not its own."""
    await migrate(database_url, PLUGIN)
    async with new_role(database_url) as role:
        seen = await MigrationOrchestrator(make_runtime(with_user(database_url, role), PLUGIN)).examine_database()
    assert (seen.role, seen.may_create_schemas, seen.may_create_databases) == (role, False, False)
    assert (seen.ledger_is_ours, seen.ledger_version) == (False, None)
    assert seen.ledger_owner not in (None, role)


@pytest.mark.asyncio
@pytest.mark.parametrize("granted", [False, True])
async def test_an_application_with_a_role_of_its_own(database_url: str, *, granted: bool) -> None:
    """Whether the application's role may read the ledger is asked over the application's own line."""
    await migrate(database_url, PLUGIN)
    async with new_role(database_url) as role:
        runtime = Runtime(plugins=[PLUGIN], database=Database(with_user(database_url, role), migration_url=database_url))
        orchestrator = MigrationOrchestrator(runtime)
        if granted:
            await orchestrator.grant(role)
        seen = await orchestrator.examine_database()
    assert (seen.application_role, seen.application_reads_ledger) == (role, granted)


@pytest.mark.asyncio
async def test_a_transaction_that_is_open_for_long_is_told_of(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who holds a transaction open in the same database is named, with its age."""
    monkeypatch.setattr("roost.migrations._examination.LONG_SECONDS", 0)
    other = await asyncpg.connect(database_url, server_settings={"application_name": "report"})
    try:
        async with other.transaction():
            await other.execute("SELECT 1")
            seen = await MigrationOrchestrator(make_runtime(database_url, PLUGIN)).examine_database()
    finally:
        await other.close()
    assert [(one.pid, one.application_name) for one in seen.long_transactions] == [(other.get_server_pid(), "report")]


@pytest.mark.asyncio
async def test_no_database_at_all() -> None:
    """A runtime without a database has none to ask."""
    with pytest.raises(NoDatabase):
        await MigrationOrchestrator(Runtime()).examine_database()


@pytest.mark.asyncio
@pytest.mark.pgbouncer
@pytest.mark.parametrize("mode", ["session", "transaction"])
async def test_a_pooler_in_between(database_url: str, mode: str) -> None:
    """How a pooler shares server processes is found out by trying, and it hides whether the line is encrypted."""
    async with pgbouncer(database_url, mode=mode) as pooled:
        seen = await MigrationOrchestrator(make_runtime(pooled, PLUGIN)).examine_database()
    assert (seen.pooling, seen.is_encrypted) == (mode, None)


@pytest.mark.asyncio
@pytest.mark.pgbouncer
async def test_a_pooler_that_allows_no_transactions(database_url: str) -> None:
    """Behind one that pools by statement nothing can be run, and that is the error."""
    async with pgbouncer(database_url, mode="statement") as pooled:
        with pytest.raises(PoolerInTheWay):
            await MigrationOrchestrator(make_runtime(pooled, PLUGIN)).examine_database()


@pytest.mark.asyncio
async def test_a_schema_of_that_name_that_is_no_ledger(database_url: str) -> None:
    """A schema roost without the ledger's tables has an owner and no version."""
    name = quote_identifier(f"someone_{os.getpid()}")
    connection = await asyncpg.connect(database_url)
    await connection.execute(f"CREATE SCHEMA roost; CREATE TABLE roost.{name} ()")
    await connection.close()
    seen = await MigrationOrchestrator(make_runtime(database_url, PLUGIN)).examine_database()
    assert (seen.ledger_version, seen.ledger_is_ours) == (None, True)
