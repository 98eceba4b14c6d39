from __future__ import annotations

import asyncio
import getpass
import re
from types import SimpleNamespace
from typing import Any

import pytest

from roost import Database, Runtime
from roost.errors import DatabaseNotConfigured, InvalidDatabaseURL, PoolHasNoAddress, StepEscapeError
from roost.postgres import bind_step, parse_url

URL = "postgresql://u:sekret@db.example/app"


class Pool:
    """Stands in for an asyncpg pool that an application owns."""

    was_closed = False

    def acquire(self) -> Any:
        return self

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def close(self) -> None:
        self.was_closed = True


@pytest.mark.parametrize("source", [None, 7, object()])
def test_what_is_no_source(source: object) -> None:
    """A database is a URL or a pool; anything else is refused by its type."""
    with pytest.raises(InvalidDatabaseURL, match=type(source).__name__):
        Database(source)  # type: ignore[arg-type]  # what a plain Python user may write


def test_addresses() -> None:
    """Migrations go to the application's address unless they have one of their own."""
    assert Database(URL).url == Database(URL).migration_url == parse_url(URL)
    direct = Database(URL, migration_url="postgresql://owner@direct.example/app")
    assert (direct.url, direct.migration_url.user) == (parse_url(URL), "owner")


def test_a_pool_has_no_address() -> None:
    """With a pool alone, migrations can't connect and say what to write; with a URL beside it they can."""
    pool: Any = Pool()
    with pytest.raises(PoolHasNoAddress) as caught:
        _ = Database(pool).migration_url
    assert "Database(pool, migration_url='postgresql://…')" in caught.value.hint
    with pytest.raises(PoolHasNoAddress):
        _ = Database(pool, password="p").url
    assert Database(pool, migration_url=URL).migration_url == parse_url(URL)


def test_a_password_beside_the_url() -> None:
    """It stands in place of the URL's, and migrations use it too unless their own URL holds one; nothing shows it."""
    given = Database(URL, password="c4nary", migration_url="postgresql://owner@h/app")
    assert (given.url.password, given.migration_url.password) == ("c4nary", "c4nary")
    asked = Database(URL, password=lambda: "c4nary")
    assert (asked.url.password, asked.url.password_callable, asked.migration_url) == (None, asked.url.password_callable, asked.url)
    own = Database(URL, password="c4nary", migration_url="postgresql://owner:0wn@h/app")
    assert own.migration_url == parse_url("postgresql://owner:0wn@h/app")
    for database in (given, asked, own):
        assert not re.search(
            "c4nary|0wn|sekret", f"{database!r} {database.url!r} {database.migration_url!r} {database.url} {database.url.redacted}"
        )


@pytest.mark.parametrize("password", [7, b"bytes", ["p"], "c4nary\0", "c4nary\ud800"])
def test_what_is_no_password(password: Any) -> None:
    """It is refused at once, and not repeated."""
    with pytest.raises(InvalidDatabaseURL, match="password") as caught:
        Database(URL, password=password)
    assert "c4nary" not in f"{caught.value} {caught.value!r}"


@pytest.mark.asyncio
async def test_a_user_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no name for its user, a URL has to name the role."""

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 1000540000")

    monkeypatch.setattr(getpass, "getuser", nameless)
    monkeypatch.delenv("PGUSER", raising=False)
    with pytest.raises(InvalidDatabaseURL, match="names no user"):
        await Database("postgresql://127.0.0.1/app").start()


def test_on_demand() -> None:
    """A runtime makes it of its URL, once, takes one that is given as it is, and has none without either."""
    runtime = Runtime(database=URL)
    assert runtime.get_service(Database) is runtime.get_service(Database)
    given = Database(URL)
    assert Runtime(database=given).get_service(Database) is given
    with pytest.raises(DatabaseNotConfigured):
        Runtime().get_service(Database)


@pytest.mark.asyncio
async def test_a_given_pool_is_used_and_never_closed() -> None:
    """It belongs to the application: connections come from it, and a stop leaves it alone."""
    pool: Any = Pool()
    database = Database(pool)
    await database.start()
    async with database.acquire() as connection:
        taken: Any = connection
    assert taken is pool
    await database.stop()
    assert not pool.was_closed


@pytest.mark.asyncio
async def test_a_stop_without_a_start() -> None:
    """It does nothing."""
    database = Database(URL)
    await database.stop()
    assert database.url == parse_url(URL)


@pytest.mark.asyncio
async def test_inside_a_step_it_is_the_steps_connection() -> None:
    """In a step, and in the tasks it starts, a database gives the step's connection; another database is refused."""
    database, other = Database(URL), Database(URL)
    connection: Any = SimpleNamespace(name="the step's")

    async def acquired(one: Database) -> Any:
        async with one.acquire() as found:
            return found

    with bind_step(connection, database=database, step="p: s"):
        assert await acquired(database) is connection
        assert await asyncio.create_task(acquired(database)) is connection
        with pytest.raises(StepEscapeError, match="p: s"):
            await acquired(other)


class Recorder:
    """A connection that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def execute(self, query: str, *_: object) -> str:
        self.told.append(query.split(maxsplit=1)[0])
        return query


@pytest.mark.asyncio
@pytest.mark.parametrize("fails", [True, False])
async def test_a_transaction_inside_a_step_is_a_savepoint(fails: bool) -> None:  # noqa: FBT001 -- a parameter of pytest
    """It is released at its end and rolled back after an error, which goes on."""
    database = Database(URL)
    connection: Any = Recorder()

    async def use() -> None:
        async with database.transaction():
            if fails:
                raise LookupError("own")

    with bind_step(connection, database=database, step="p: s"):
        if fails:
            with pytest.raises(LookupError, match="own"):
                await use()
        else:
            await use()
    assert connection.told == ["SAVEPOINT", "ROLLBACK" if fails else "RELEASE"]
