"""How the database answers when it is asked how it is."""

from __future__ import annotations

import asyncio

import pytest

from roost import Database, Runtime
from tests.plugins.build import BOUND
from tests.plugins.own_server import OwnServer


async def is_well(runtime: Runtime) -> bool:
    (answer,) = await asyncio.wait_for(runtime.health(), BOUND)
    return answer.is_healthy


@pytest.mark.asyncio
async def test_a_pool_that_is_in_use_is_no_illness(database_url: str) -> None:
    """Where every connection of the pool is in somebody's hands the database is asked by another one, and is well."""
    database = Database(database_url, max_size=1)
    async with Runtime(services=[database]) as runtime:
        assert await is_well(runtime)
        async with database.acquire():
            assert await is_well(runtime)
        assert await is_well(runtime)


@pytest.mark.asyncio
async def test_a_database_that_is_away_is_ill_until_it_is_back() -> None:
    """Killed it is unwell, whether connections of the pool are in use or not; started again it is well, with the same pool."""
    async with OwnServer() as server:
        database = Database(server.url, max_size=1)
        async with Runtime(services=[database]) as runtime:
            assert await is_well(runtime)
            async with database.acquire():
                await server.stop(at_once=True)
                assert not await is_well(runtime)
            assert not await is_well(runtime)
            await server.start()
            assert await is_well(runtime)
