"""Scratch databases: where they are made, what is in them, and that none is left."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from roost.errors import DatabaseUnreachable, EmbeddedServerUnavailable, ScratchUnavailable
from roost.postgres import EmbeddedPostgres, MigrationSession, parse_url
from roost.schema import declare, declared_plugin, drop_stale_scratches, scratch_database, scratch_home, scratch_name
from roost.testing import Stepper
from tests.plugins.build import BOUND, execute, query, until

Maker = Callable[[int], tuple[subprocess.Popen[str], str]]
SCRATCHES = "SELECT datname::text FROM pg_database WHERE datname ~ $1 ORDER BY 1"
OID = "SELECT oid::text FROM pg_database WHERE datname = current_database()"
MAKER = """
import asyncio, sys
from roost.postgres import MigrationSession, parse_url
from roost.schema import scratch_database

whole, url = MigrationSession.open, parse_url(sys.argv[1])

async def stop_before_it_is_used(where, **options):
    if where.database != url.database:
        print(where.database, flush=True)
        sys.stdin.readline()
    return await whole(where, **options)

MigrationSession.open = stop_before_it_is_used

async def main():
    async with scratch_database(url, run=int(sys.argv[2])):
        pass

asyncio.run(main())
"""
"""Makes a scratch database, says its name, and waits before it connects to it."""


async def scratches(url: str, run: int) -> list[str]:
    """Return the scratch databases that are there of a run, of whatever database."""
    return await query(url, SCRATCHES, f"^roost_scratch_x?[0-9a-f]+_{run}_")


@pytest.fixture
def maker(database_url: str) -> Iterator[Maker]:
    """Start processes that have just made a scratch database, and return each with the name of that."""
    processes: list[subprocess.Popen[str]] = []

    def start(run: int) -> tuple[subprocess.Popen[str], str]:
        command = [sys.executable, "-c", MAKER, database_url, str(run)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest_asyncio.fixture
async def plain_role(database_url: str) -> AsyncIterator[str]:
    """The test's database, as a role that may not create databases."""
    role = f"plain_{parse_url(database_url).database}"
    await execute(database_url, f"CREATE ROLE {role} LOGIN")
    yield replace(parse_url(database_url), user=role).dsn
    await execute(database_url, f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.mark.asyncio
async def test_it_is_there_for_as_long_as_it_is_needed(database_url: str) -> None:
    """It is named by the database and the run, and gone afterwards."""
    async with scratch_database(parse_url(database_url), run=7001) as scratch:
        (name,) = await scratches(database_url, 7001)
        assert name.startswith(f"roost_scratch_{(await query(database_url, OID))[0]}_7001_")
        assert await scratch.session.rows("SELECT current_database()") == [(name,)]
    assert await scratches(database_url, 7001) == []


@pytest.mark.asyncio
async def test_it_has_the_extensions_of_the_real_one(database_url: str) -> None:
    """In the same schemas, in the same versions, with their comments, and each behind what it is built on."""
    await execute(
        database_url,
        "CREATE SCHEMA ext; CREATE EXTENSION cube SCHEMA ext; CREATE EXTENSION earthdistance SCHEMA ext;"
        "CREATE EXTENSION citext; COMMENT ON EXTENSION citext IS 'ours'",
    )
    look = "SELECT extname, nspname, extversion, obj_description(e.oid) FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace"
    real = await MigrationSession.open(parse_url(database_url), application_name="test")
    async with scratch_database(parse_url(database_url), run=7002) as scratch:
        assert sorted(await scratch.session.rows(look)) == sorted(await real.rows(look))
        assert scratch.lacking == {}
    real.terminate()


@pytest.mark.asyncio
async def test_it_sorts_and_stores_as_the_real_one(database_url: str) -> None:
    """Encoding and collation are those of the database."""
    look = "SELECT encoding, datcollate, datctype FROM pg_database WHERE datname = current_database()"
    real = await MigrationSession.open(parse_url(database_url), application_name="test")
    async with scratch_database(parse_url(database_url), run=7003) as scratch:
        assert await scratch.session.rows(look) == await real.rows(look)
    real.terminate()


@pytest.mark.asyncio
async def test_an_error_inside_does_not_leave_it(database_url: str) -> None:
    """Nor does a session that broke, be it the scratch's or that which made it."""
    with pytest.raises(ZeroDivisionError):
        async with scratch_database(parse_url(database_url), run=7004):
            raise ZeroDivisionError
    async with scratch_database(parse_url(database_url), run=7004) as scratch:
        scratch.session.terminate()
        ended = "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = $1 AND application_name = 'roost scratch'"
        await query(database_url, ended, parse_url(database_url).database)
    assert await scratches(database_url, 7004) == []


@pytest.mark.asyncio
async def test_a_cancellation_at_any_point_does_not_leave_it(database_url: str) -> None:
    """Each await of making, using and dropping it is cancelled once; no scratch database is there afterwards."""

    async def use() -> None:
        async with scratch_database(parse_url(database_url), run=7005) as scratch:
            await declare(scratch, [declared_plugin("core", "CREATE TABLE t (id int)")])

    whole = Stepper(use())
    await whole
    assert whole.suspensions > 10
    for number in range(1, whole.suspensions + 1):
        task = asyncio.ensure_future(_cancelled(use, number))
        await asyncio.wait([task])
        assert task.cancelled() or task.exception() is None
        assert await scratches(database_url, 7005) == [], number


async def _cancelled(use: object, number: int) -> None:
    task = asyncio.current_task()
    assert task is not None
    assert callable(use)
    await Stepper(use(), at=number, act=task.cancel)


@pytest.mark.asyncio
async def test_what_killed_runs_left_is_dropped(database_url: str) -> None:
    """Those of this database and of no later run, where nobody is connected and whose maker is gone; the next run does so by itself."""
    database = parse_url(database_url)
    (oid,) = await query(database_url, OID)
    real = await MigrationSession.open(database, application_name="test")
    ((here,),) = await real.rows("SELECT pg_backend_pid()::text")
    stale, used, made, later, another, strange = names = [
        f"roost_scratch_{oid}_7006_999999999_aaaaaa",
        f"roost_scratch_{oid}_7006_999999999_bbbbbb",
        f"roost_scratch_{oid}_7006_{here}_cccccc",
        f"roost_scratch_{oid}_7009_999999999_dddddd",
        f"roost_scratch_{oid}0_7006_999999999_eeeeee",
        f"roost_scratch_{oid}_x_999999999_ffffff",
    ]
    try:
        for name in names:
            await execute(database_url, f"CREATE DATABASE {name}")
        user = await MigrationSession.open(replace(database, database=used), application_name="t")
        assert await drop_stale_scratches(real, oid, run=7006) == (stale,)
        real.terminate()
        user.terminate()
        gone = "SELECT WHERE NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = $1 OR pid::text = $2)"
        await until(database_url, gone, used, here)
        async with scratch_database(database, run=7007):
            left = await query(database_url, "SELECT datname::text FROM pg_database WHERE datname = ANY($1) ORDER BY 1", names)
        assert left == sorted([later, another, strange])
        assert made not in left
    finally:
        for name in names:
            await execute(database_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.mark.asyncio
@pytest.mark.parametrize("run", [0, 7020])
async def test_a_process_killed_before_it_uses_it(database_url: str, maker: Maker, run: int) -> None:
    """The next that makes one leaves what was just made and is nobody's yet while its maker lives, and drops it once that is killed."""
    (process, name), url = maker(run), parse_url(database_url)
    assert await scratches(database_url, run) == [name]
    async with scratch_database(url, run=run):
        assert name in await scratches(database_url, run)
    process.kill()
    process.wait(BOUND)
    users = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'roost scratch'"
    await until(database_url, f"SELECT WHERE NOT EXISTS ({users})")
    assert await scratches(database_url, run) == [name]
    async with scratch_database(url, run=run):
        assert name not in await scratches(database_url, run)
    assert await scratches(database_url, run) == []


def test_names_fit() -> None:
    """The longest that there can be is no longer than names may be, and on a server of others' it tells their databases apart."""
    url = parse_url("postgresql://a.example/app")
    home = scratch_home(url, oid=str(2**32 - 1), is_same=True)
    name = scratch_name(home, run=2**63 - 1, pid=str(2**31 - 1))
    assert home in name
    assert len(name.encode()) <= 63
    other = scratch_home(replace(url, database="b"), oid="1", is_same=False)
    assert len({scratch_home(url, oid=oid, is_same=False) for oid in ("1", "2")} | {other}) == 3
    assert len(other) <= len(home)


@pytest.mark.asyncio
async def test_another_server_is_used_where_the_role_may_not(plain_role: str, tmp_path: Path, database_url: str) -> None:
    """That which is named; without one an embedded server of the same major version comes and goes."""
    async with EmbeddedPostgres(tmp_path / "data", settings={"fsync": "off"}) as server:
        async with scratch_database(parse_url(plain_role), run=7010, scratch_url=server.url) as scratch:
            assert scratch.url.hosts == parse_url(server.url).hosts
        assert await scratches(server.url, 7010) == []
    async with scratch_database(parse_url(plain_role), run=7010) as scratch:
        declared = await declare(scratch, [declared_plugin("core", "CREATE TABLE t (id int)")])
        assert declared.failed == {}
        assert scratch.url.hosts not in (parse_url(plain_role).hosts, parse_url(server.url).hosts)
    with pytest.raises(DatabaseUnreachable):
        await MigrationSession.open(scratch.url, application_name="test", attempts=1)
    assert await scratches(database_url, 7010) == []


@pytest.mark.asyncio
async def test_where_there_is_no_server_both_remedies_are_named(plain_role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The role that lacks the right, and the setting that names another server."""

    async def refuse(self: EmbeddedPostgres) -> None:
        raise EmbeddedServerUnavailable(reason="there are no programs", remedy="install them")

    monkeypatch.setattr(EmbeddedPostgres, "start", refuse)
    with pytest.raises(ScratchUnavailable) as caught:
        async with scratch_database(parse_url(plain_role), run=7011):
            pass
    assert caught.value.role == parse_url(plain_role).user
    assert "CREATEDB" in caught.value.hint
    assert "ROOST_SCRATCH_URL" in caught.value.hint


@pytest.mark.asyncio
async def test_a_role_that_may_not_on_the_named_server_either_is_told(plain_role: str) -> None:
    """Who names a server wants that one."""
    with pytest.raises(ScratchUnavailable):
        async with scratch_database(parse_url(plain_role), run=7012, scratch_url=plain_role):
            pass
