"""A role is let to read the ledger, and nothing more."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg
import pytest

from roost import Database, MigrationOrchestrator, MigrationStep, Runtime
from roost.errors import InvalidIdentifier, LedgerDenied, LedgerMissing, LedgerNotOwned, NoDatabase, UnknownRole
from roost.postgres import parse_url, quote_identifier
from roost.testing import RoundTripProxy
from tests.plugins.build import QUICK, make_plugin, make_runtime, migrate, query

STEP = MigrationStep("make", "Make", up="CREATE TABLE things (id int)", version="1.0.0")
MORE = MigrationStep("more", "More", up="CREATE TABLE more (id int)", version="1.1.0")
_numbers = itertools.count(1)

WRITES = [
    "INSERT INTO roost.run (id, host, pid, application_version) VALUES ('x', 'x', 1, 'x')",
    "UPDATE roost.applied SET state = 'done'",
    "DELETE FROM roost.history",
    "TRUNCATE roost.plugin",
    "SELECT roost.open_run('x', 'x', 1, 'x', NULL, false)",
    "SELECT roost.move_head('p', NULL, NULL)",
    "CREATE TABLE roost.mine (id int)",
    "DROP TABLE roost.history",
    "SELECT * FROM things",
]


@asynccontextmanager
async def new_role(url: str, name: str | None = None) -> AsyncIterator[str]:
    """Provide the name of a role that may only connect."""
    role = name or f"role_{os.getpid()}_{next(_numbers)}"
    await execute(url, f"CREATE ROLE {quote_identifier(role)} LOGIN")
    try:
        yield role
    finally:
        await execute(url, f"DROP OWNED BY {quote_identifier(role)} CASCADE; DROP ROLE {quote_identifier(role)}")


async def execute(url: str, script: str) -> None:
    """Run statements from outside."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(script)
    finally:
        await connection.close()


def with_user(url: str, user: str) -> str:
    """Return the URL for another role."""
    return replace(parse_url(url), user=user, password=None).dsn


async def grant(url: str, role: str) -> None:
    """Give a role its rights."""
    await MigrationOrchestrator(make_runtime(url)).grant(role)


@pytest.mark.asyncio
async def test_a_role_that_only_starts_and_looks(database_url: str, proxy: RoundTripProxy) -> None:
    """It starts in one round trip where nothing is to be done, sees status and history, is refused work, and can write nothing."""
    await migrate(database_url, make_plugin("p", STEP))
    async with new_role(database_url) as role:
        url = with_user(proxy.url, role)
        with pytest.raises(LedgerDenied) as denied:
            await migrate(url, make_plugin("p", STEP))
        assert denied.value.hint.endswith(f"roost grant {role}")
        await grant(database_url, role)
        proxy.reset()
        assert (await migrate(url, make_plugin("p", STEP))).run_id is None
        assert (proxy.connections, proxy.round_trips) == (1, 1)
        orchestrator = MigrationOrchestrator(make_runtime(url, make_plugin("p", STEP)))
        status = await orchestrator.get_migration_status()
        assert (status.services[0].version, status.services[0].pending) == ("1.0.0", 0)
        assert [record.step for record in await orchestrator.get_migration_history()] == ["make"]
        with pytest.raises(LedgerDenied):
            await migrate(url, make_plugin("p", STEP, MORE))
        connection = await asyncpg.connect(url)
        try:
            for statement in WRITES:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)
        finally:
            await connection.close()


@pytest.mark.asyncio
async def test_to_do_it_again_changes_nothing(database_url: str) -> None:
    """Twice, and eight times at once, is as once; who gets in another's way tries again."""
    rights = (
        "SELECT nspacl::text, (SELECT string_agg(relacl::text, ' ' ORDER BY oid) FROM pg_class WHERE relnamespace = n.oid) "
        "FROM pg_namespace n WHERE nspname = 'roost'"
    )
    await migrate(database_url, make_plugin("p", STEP))
    async with new_role(database_url) as role:
        await grant(database_url, role)
        before = await query(database_url, rights)
        await asyncio.gather(*[grant(database_url, role) for _ in range(8)])
        assert await query(database_url, rights) == before
        await execute(database_url, f"REVOKE ALL ON SCHEMA roost FROM {role}")
        other = await asyncpg.connect(database_url)
        try:
            await other.execute(f"BEGIN; GRANT USAGE ON SCHEMA roost TO {role}")
            late = asyncio.create_task(grant(database_url, role))
            while await query(database_url, "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'") == [0]:
                assert not late.done()
            await other.execute("COMMIT")
            await late
        finally:
            await other.close()
        assert await query(database_url, rights) == before


@pytest.mark.asyncio
async def test_tables_that_come_later(database_url: str) -> None:
    """A table that the ledger's owner adds with a later version is readable too."""
    await migrate(database_url, make_plugin("p", STEP))
    async with new_role(database_url) as role:
        await grant(database_url, role)
        await execute(database_url, "CREATE TABLE roost.later (id int)")
        assert await query(with_user(database_url, role), "SELECT count(*) FROM roost.later") == [0]


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ['it\'s "mine"; DROP SCHEMA roost CASCADE; --', "Übergröße", "current_user", "-v"])
async def test_hostile_names(database_url: str, name: str) -> None:
    """A role's name is a name, whatever it is made of."""
    await migrate(database_url, make_plugin("p", STEP))
    async with new_role(database_url, name) as role:
        await grant(database_url, role)
        assert await query(database_url, "SELECT has_table_privilege($1, 'roost.plugin', 'SELECT')", role) == [True]
    assert await query(database_url, "SELECT count(*) FROM roost.applied") == [1]


@pytest.mark.asyncio
async def test_roles_that_there_are_not(database_url: str) -> None:
    """They are named with what is near; PUBLIC is no role, and nobody gets anything."""
    await migrate(database_url, make_plugin("p", STEP))
    async with new_role(database_url, f"reporting_{os.getpid()}") as role:
        with pytest.raises(UnknownRole) as caught:
            await grant(database_url, role.replace("reporting", "reprting"))
        assert role in caught.value.suggestions
        for name in ("public", "PUBLIC", "session_user", role.upper()):
            with pytest.raises(UnknownRole):
                await grant(database_url, name)
        for name in ("", "x" * 64, "nul\0"):
            with pytest.raises(InvalidIdentifier):
                await grant(database_url, name)
        assert await query(database_url, "SELECT has_schema_privilege($1, 'roost', 'USAGE')", role) == [False]


@pytest.mark.asyncio
async def test_without_a_ledger(database_url: str) -> None:
    """There is nothing to read yet, nor in a schema of that name which is no ledger; and without a database nothing at all."""
    for script in ("SELECT 1", "CREATE SCHEMA roost"):
        await execute(database_url, script)
        with pytest.raises(LedgerMissing) as caught:
            await grant(database_url, "postgres")
        assert caught.value.hint == "make it with: roost up"
    with pytest.raises(NoDatabase):
        await MigrationOrchestrator(Runtime()).grant("app")


@pytest.mark.asyncio
async def test_who_does_not_own_the_ledger_gives_nothing(database_url: str) -> None:
    """Refused by the owner's name, also for a role that may read it, for whom GRANT would only warn; the migrations' address is used."""
    async with new_role(database_url) as owner, new_role(database_url) as reader, new_role(database_url) as other:
        await execute(
            database_url,
            f"GRANT CREATE ON DATABASE {parse_url(database_url).database} TO {owner}; GRANT CREATE ON SCHEMA public TO {owner}",
        )
        await migrate(with_user(database_url, owner), make_plugin("p", STEP))
        with pytest.raises(LedgerNotOwned, match=f"it belongs to {owner}"):
            await grant(with_user(database_url, reader), other)
        await grant(with_user(database_url, owner), reader)
        with pytest.raises(LedgerNotOwned, match=f"it belongs to {owner}"):
            await grant(with_user(database_url, reader), other)
        database = Database(with_user(database_url, reader), migration_url=with_user(database_url, owner))
        await MigrationOrchestrator(Runtime(database=database, config=QUICK)).grant(other)
        assert await query(with_user(database_url, other), "SELECT count(*) FROM roost.applied") == [1]
        await execute(database_url, "CREATE TABLE roost.foreign_one (id int)")
        with pytest.raises(LedgerNotOwned):
            await grant(with_user(database_url, owner), other)
