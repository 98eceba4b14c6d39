"""Where an embedded server keeps its data and whom it runs as; what can't work is refused with one sentence."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
from pathlib import Path

import pytest

from roost.errors import EmbeddedDataUnusable, EmbeddedServerUnavailable
from roost.postgres import EmbeddedPostgres
from roost.postgres._server_place import ELSEWHERE_ROOT
from tests.plugins.embedded_users import FAST, USER_PROGRAM, ask, postmaster_of, python_of, run_as, sockets_of, wait_for_lock

NOBODY = 65534
NO_SUCH_UID = 54321


def run_user(uid: int, directory: Path) -> tuple[int, str, str]:
    """Use the server on `directory` as somebody else; returns the exit status, stdout and stderr."""
    python = python_of(uid)
    assert python is not None, "another user can run no Python that has asyncpg and roost"
    ended = run_as(uid, [python, "-c", USER_PROGRAM, str(directory)])
    return ended.returncode, ended.stdout, ended.stderr


def test_a_long_path_gets_a_short_socket(data_dir: Path) -> None:
    """A socket's path has an end at about 100 bytes; the socket of a longer or odd directory lies elsewhere, for its user alone."""
    server = EmbeddedPostgres(data_dir / f"it's {'long' * 20}, with spaces", settings=FAST)

    async def use() -> tuple[object, Path, os.stat_result]:
        async with server:
            return await ask(server.url, "SELECT 1"), sockets_of(server), await asyncio.to_thread(sockets_of(server).stat)

    answer, sockets, state = asyncio.run(use())
    if not sockets.is_relative_to(server.data_dir):
        sockets.rmdir()

    assert answer == 1
    assert len(f"{sockets}/.s.PGSQL.5432") < 100
    assert stat.S_IMODE(state.st_mode) == 0o700


def test_data_of_another_version_is_refused(data_dir: Path) -> None:
    """A cluster that no server here can read is named with its version, and stays as it is."""
    server = EmbeddedPostgres(data_dir, settings=FAST)
    asyncio.run(server.start())
    asyncio.run(server.stop())
    version = server.data_dir / "cluster" / "PG_VERSION"
    version.write_text("12\n")
    with pytest.raises(EmbeddedServerUnavailable, match="written by PostgreSQL 12, which was not found") as caught:
        asyncio.run(server.start())

    assert caught.value.passed_over
    assert version.read_text() == "12\n"
    wait_for_lock(data_dir / "users.lock")


def test_other_servers_directories_are_refused(data_dir: Path) -> None:
    """The data directory of a server of one's own is never touched."""
    data_dir.mkdir()
    (data_dir / "PG_VERSION").write_text("18\n")
    with pytest.raises(EmbeddedDataUnusable, match="the data directory of another PostgreSQL server"):
        asyncio.run(EmbeddedPostgres(data_dir).start())

    assert [path.name for path in data_dir.iterdir()] == ["PG_VERSION"]


def test_a_file_in_the_way_is_refused(data_dir: Path) -> None:
    """A file where the directory should be is named."""
    data_dir.write_text("")
    with pytest.raises(EmbeddedDataUnusable, match=r"File exists|Not a directory"):
        asyncio.run(EmbeddedPostgres(data_dir).start())


@pytest.mark.other_user
def test_root_runs_it_as_somebody_else_below_a_closed_directory(data_dir: Path) -> None:
    """Where the server's user can't reach the directory the data is elsewhere, for that user alone, and no mode is changed."""
    server = EmbeddedPostgres(data_dir, settings=FAST)

    async def use() -> tuple[object, int]:
        async with server:
            return await ask(server.url, "SELECT 1"), (await asyncio.to_thread(Path(f"/proc/{postmaster_of(server)}").stat)).st_uid

    answer, owner = asyncio.run(use())
    state = server.data_dir.stat()

    assert answer == 1
    assert server.data_dir.parent == ELSEWHERE_ROOT
    assert owner != 0
    assert (stat.S_IMODE(state.st_mode), state.st_uid) == (0o700, owner)
    assert stat.S_IMODE(data_dir.parent.stat().st_mode) == 0o700


@pytest.mark.other_user
def test_a_removed_directory_is_an_empty_one_again(data_dir: Path) -> None:
    """Data that was kept elsewhere does not come back once the directory that led to it was removed."""
    first = EmbeddedPostgres(data_dir, settings=FAST)
    asyncio.run(first.start())
    asyncio.run(first.stop())
    shutil.rmtree(data_dir)
    second = EmbeddedPostgres(data_dir, settings=FAST)
    asyncio.run(second.start())
    asyncio.run(second.stop())
    shutil.rmtree(first.data_dir)

    assert first.data_dir != second.data_dir


@pytest.mark.other_user
def test_an_ordinary_user_needs_nothing_special(open_directory: Path) -> None:
    """Without any rights the server runs as the user itself, in the very directory."""
    ended = run_user(NOBODY, open_directory / "data")

    assert ended == (0, f"postgresql://embedded@/postgres?host={open_directory}/data/sockets\n", "")
    assert (open_directory / "data" / "cluster").stat().st_uid == NOBODY


@pytest.mark.other_user
def test_a_user_id_without_a_name_gets_one_sentence(open_directory: Path) -> None:
    """PostgreSQL refuses an id that has no entry in /etc/passwd; the error says so and what to do."""
    status, _, told = run_user(NO_SUCH_UID, open_directory / "data")

    assert status == 1
    assert told.endswith(
        "EmbeddedServerUnavailable: No embedded PostgreSQL server can be run: the user id 54321 has no entry "
        "in the password database (/etc/passwd), and PostgreSQL refuses to run without one\n"
        "hint: run this as a user that has an entry, or add one for this id\n"
    )


@pytest.mark.other_user
def test_data_of_somebody_else_is_refused(open_directory: Path) -> None:
    """A user who can see another one's data, but doesn't own it, gets one sentence."""
    server = EmbeddedPostgres(open_directory / "data", settings=FAST)
    asyncio.run(server.start())
    asyncio.run(server.stop())
    os.chown(open_directory / "data" / "cluster", 1, 1)
    status, _, told = run_user(NOBODY, open_directory / "data")

    assert status == 1
    assert "cluster: it belongs to user daemon, and this process runs as user nobody\n" in told
