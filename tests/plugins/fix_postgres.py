"""A PostgreSQL server for the session, and an empty database for each test that asks."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeAlias
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from roost.postgres import quote_identifier
from tests.plugins.embedded_users import remove_data_elsewhere

SERVER_VARIABLE = "ROOST_TEST_DATABASE_URL"
_numbers = itertools.count(1)

MakeDatabase: TypeAlias = Callable[..., Coroutine[Any, Any, str]]


@pytest.fixture(scope="session", autouse=True)
def _nothing_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Where tests leave servers in directories that pytest forgets by itself, root's have kept their data elsewhere."""
    yield
    remove_data_elsewhere(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server's database `postgres`: of the one named by ROOST_TEST_DATABASE_URL, or of an embedded one."""
    given = os.environ.get(SERVER_VARIABLE)
    if given:
        yield given
        return
    from roost.postgres import EmbeddedPostgres  # noqa: PLC0415 -- a server that is given needs no embedded one

    # Nothing here must survive a crash of the machine.
    fast = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres") / "data", settings=fast)
    asyncio.run(server.start())
    try:
        yield server.url
    finally:
        asyncio.run(server.stop())


@pytest.fixture
def new_database(postgres_url: str) -> Iterator[MakeDatabase]:
    """Makes an empty database of the test's own each time it is awaited, with options of ``CREATE DATABASE`` if need be."""
    made: list[str] = []

    async def make(options: str = "") -> str:
        name = f"roost_test_{os.getpid()}_{next(_numbers)}"
        await _execute(postgres_url, f"CREATE DATABASE {quote_identifier(name)} {options}")
        made.append(name)
        return urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name}"))

    yield make
    for name in made:
        asyncio.run(_execute(postgres_url, f"DROP DATABASE {quote_identifier(name)} WITH (FORCE)"))


@pytest.fixture
def database_url(new_database: MakeDatabase) -> str:
    """An empty database of the test's own, so that no two tests share an advisory lock."""
    return asyncio.run(new_database())


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
