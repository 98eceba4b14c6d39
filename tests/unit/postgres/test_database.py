from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from roost import Database, Runtime
from roost.errors import DatabaseNotConfigured, InvalidDatabaseURL, StepEscapeError
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
    """With a pool alone, migrations can't connect and say so; with a URL beside it they can."""
    pool: Any = Pool()
    with pytest.raises(DatabaseNotConfigured):
        _ = Database(pool).migration_url
    assert Database(pool, migration_url=URL).migration_url == parse_url(URL)


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
