"""The embedded server: shared by processes, stopped by the last one, never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from roost.errors import EmbeddedServerFailed, InvalidIdentifier
from roost.postgres import EmbeddedPostgres, parse_url
from roost.postgres._server_place import open_place
from tests.plugins.build import BOUND
from tests.plugins.embedded_users import FAST, ask, has_server, is_held, postmaster_of, url_of, wait_for_end, wait_for_lock


@pytest.mark.asyncio
async def test_a_server_starts_answers_and_stops(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside the block it answers as its superuser in UTF-8, whatever PG* says; afterwards no process is left."""
    for name, value in {"PGPORT": "1", "PGDATA": "/nonexistent", "PGHOST": "nowhere", "PGOPTIONS": "-c nonsense=1"}.items():
        monkeypatch.setenv(name, value)
    server = EmbeddedPostgres(data_dir, settings=FAST)
    async with server:
        monkeypatch.undo()
        answers = [await ask(server.url, f"SELECT current_setting('{name}')") for name in ("server_encoding", "listen_addresses", "fsync")]
        role = await ask(server.url, "SELECT current_user::text")
        version = await ask(server.url, "SELECT split_part(current_setting('server_version'), ' ', 1)")
        postmaster = postmaster_of(server)

    assert answers == ["UTF8", "", "off"]
    assert role == "embedded"
    assert server.version == version
    assert parse_url(server.url).hosts == ((str(server.data_dir / "sockets"), None),)
    assert not has_server(data_dir)
    wait_for_end(postmaster)
    wait_for_lock(data_dir / "watchdog.lock")


@pytest.mark.asyncio
async def test_data_outlives_the_server(data_dir: Path) -> None:
    """What was committed is there after a stop and a start."""
    async with EmbeddedPostgres(data_dir) as server:
        url = await server.create_database("kept")
        await ask(url, "CREATE TABLE t AS SELECT 7 AS x")
    async with EmbeddedPostgres(data_dir) as server:
        assert await ask(await server.create_database("kept"), "SELECT x FROM t") == 7


def test_one_loop_starts_and_another_stops(data_dir: Path) -> None:
    """The server is bound to no event loop, and a second start or stop does nothing."""
    server = EmbeddedPostgres(data_dir, settings=FAST)
    asyncio.run(server.start())
    asyncio.run(server.start())
    assert asyncio.run(ask(server.url, "SELECT 1")) == 1
    asyncio.run(server.stop())
    asyncio.run(server.stop())

    assert not has_server(data_dir)


@pytest.mark.asyncio
async def test_two_processes_share_a_server_and_the_last_stops_it(
    data_dir: Path, another_user: Callable[[], subprocess.Popen[str]]
) -> None:
    """The process that started the server may leave first; it runs on for the other one."""
    first = another_user()
    url = await asyncio.to_thread(url_of, first)
    second = EmbeddedPostgres(data_dir, settings=FAST)
    await second.start()
    postmaster = postmaster_of(second)

    await asyncio.to_thread(first.communicate, "\n", BOUND)
    answer = await ask(second.url, "SELECT 1")
    after_first = postmaster_of(second)
    await second.stop()

    assert first.returncode == 0
    assert (second.url, answer, after_first) == (url, 1, postmaster)
    assert not has_server(data_dir)


def test_many_processes_start_on_an_empty_directory_at_once(data_dir: Path, another_user: Callable[[], subprocess.Popen[str]]) -> None:
    """One of them makes the cluster and starts the server; all get the same."""
    users = [another_user() for _ in range(3)]
    urls = {url_of(user) for user in users}
    for user in users:
        user.communicate("\n", timeout=BOUND)

    assert len(urls) == 1
    assert [user.returncode for user in users] == [0, 0, 0]
    assert not has_server(data_dir)
    wait_for_lock(data_dir / "watchdog.lock")


def test_killed_users_leave_no_server_and_no_watchdog(data_dir: Path, another_user: Callable[[], subprocess.Popen[str]]) -> None:
    """When every user is killed with SIGKILL, the watchdog stops the server and ends."""
    users = [another_user(), another_user()]
    for user in users:
        url_of(user)
    assert has_server(data_dir)
    assert is_held(data_dir / "watchdog.lock")
    for user in users:
        user.kill()

    wait_for_lock(data_dir / "server.lock")
    wait_for_lock(data_dir / "watchdog.lock")


@pytest.mark.asyncio
async def test_a_killed_postmaster_does_not_spoil_the_next_start(data_dir: Path) -> None:
    """After SIGKILL of the postmaster its files lie around; the next user gets a new server on the same data."""
    first, second = EmbeddedPostgres(data_dir), EmbeddedPostgres(data_dir)
    await first.start()
    await first.create_database("kept")
    killed = postmaster_of(first)
    os.kill(killed, signal.SIGKILL)
    await second.start()

    assert postmaster_of(second) != killed
    assert await ask(first.url, "SELECT count(*) FROM pg_database WHERE datname = 'kept'") == 1
    await first.stop()
    assert await ask(second.url, "SELECT 1") == 1
    await second.stop()
    assert not has_server(data_dir)
    wait_for_lock(data_dir / "watchdog.lock")


@pytest.mark.asyncio
async def test_an_interrupted_initdb_is_swept_away(data_dir: Path) -> None:
    """A cluster appears complete or not at all; half of one is removed by the next start."""
    half = open_place(data_dir).home / "initdb.half"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    async with EmbeddedPostgres(data_dir, settings=FAST) as server:
        assert await ask(server.url, "SELECT 1") == 1

    assert not half.exists()


@pytest.mark.asyncio
async def test_a_cancelled_start_leaves_nothing(data_dir: Path) -> None:
    """A start that is cancelled takes back what it began before it says so."""
    server = EmbeddedPostgres(data_dir, settings=FAST)
    starting = asyncio.create_task(server.start())
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting

    assert (data_dir / "server.log").exists()
    assert not has_server(data_dir)
    wait_for_lock(data_dir / "watchdog.lock")


@pytest.mark.asyncio
async def test_a_cancelled_stop_still_stops(data_dir: Path) -> None:
    """A stop that is cancelled ends its work first."""
    server = EmbeddedPostgres(data_dir, settings=FAST)
    await server.start()
    stopping = asyncio.create_task(server.stop())
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping

    assert not has_server(data_dir)


@pytest.mark.asyncio
async def test_a_database_created_by_many_at_once_is_created_once(data_dir: Path) -> None:
    """Nobody sees an error for a database that somebody else just made; odd names work, impossible ones are refused."""
    first, second = EmbeddedPostgres(data_dir, settings=FAST), EmbeddedPostgres(data_dir, settings=FAST)
    async with first, second:
        urls = await asyncio.gather(*(server.create_database("de mo/ü?") for server in (first, second) * 4))
        assert len(set(urls)) == 1
        assert parse_url(urls[0]).database == "de mo/ü?"
        assert await ask(urls[0], "SELECT current_database()::text") == "de mo/ü?"
        with pytest.raises(InvalidIdentifier):
            await first.create_database("")


@pytest.mark.asyncio
async def test_a_bad_setting_shows_the_servers_log(data_dir: Path) -> None:
    """A server that does not come up is reported with what it logged, and nothing is left of it."""
    with pytest.raises(EmbeddedServerFailed) as caught:
        await EmbeddedPostgres(data_dir, settings={"fsync": "off", "max_connections": "many"}).start()

    assert 'invalid value for parameter "max_connections": "many"' in caught.value.log_tail
    assert not has_server(data_dir)
    wait_for_lock(data_dir / "watchdog.lock")


def test_settings_that_sharing_rests_on_are_refused(data_dir: Path) -> None:
    """Whoever changes the socket's directory or the port would break the other users."""
    with pytest.raises(ValueError, match="sets these itself: listen_addresses, port"):
        EmbeddedPostgres(data_dir, settings={"port": "1", "listen_addresses": "*"})


def test_nothing_can_be_asked_before_the_start(data_dir: Path) -> None:
    """There is no URL and no version of a server that was not started."""
    server = EmbeddedPostgres(data_dir)
    with pytest.raises(RuntimeError, match="was not started"):
        _ = server.url
    with pytest.raises(RuntimeError, match="was not started"):
        _ = server.version
    assert server.data_dir == data_dir
