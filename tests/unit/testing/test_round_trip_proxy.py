from __future__ import annotations

import asyncpg
import pytest

from roost.testing import RoundTripProxy


@pytest.mark.asyncio
async def test_counts_turns_and_not_messages(proxy: RoundTripProxy) -> None:
    """A script is one trip however many statements it holds; an unseen query is two, a cached one is one; closing is none."""
    connection = await asyncpg.connect(proxy.url)
    assert proxy.round_trips == 0
    await connection.execute("SELECT 1; SELECT 2; SELECT 3")
    assert proxy.round_trips == 1
    await connection.fetch("SELECT 1")
    assert proxy.round_trips == 3
    await connection.fetch("SELECT 1")
    assert proxy.round_trips == 4
    await connection.close()
    assert (proxy.connections, proxy.round_trips) == (1, 4)


@pytest.mark.asyncio
async def test_passes_long_answers_whole(proxy: RoundTripProxy) -> None:
    """An answer longer than any buffer arrives as it was sent, and is one trip."""
    connection = await asyncpg.connect(proxy.url)
    text = await connection.fetchval("SELECT repeat('x', 1000000)")
    assert text == "x" * 1_000_000
    assert proxy.round_trips == 2
    await connection.close()


@pytest.mark.asyncio
async def test_counts_from_zero_after_a_reset(proxy: RoundTripProxy) -> None:
    """Reset forgets what was counted, for connections that are open as well."""
    connection = await asyncpg.connect(proxy.url)
    await connection.execute("SELECT 1")
    proxy.reset()
    await connection.execute("SELECT 1")
    assert (proxy.connections, proxy.startup_trips, proxy.round_trips) == (0, 0, 1)
    await connection.close()


@pytest.mark.asyncio
async def test_ends_what_is_connected(database_url: str) -> None:
    """Leaving the block hangs up on clients that are still connected."""
    async with RoundTripProxy(database_url) as proxy:
        connection = await asyncpg.connect(proxy.url)
    with pytest.raises((ConnectionError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError)):
        await connection.execute("SELECT 1")


def test_has_a_url_only_while_it_runs() -> None:
    """The address of a proxy that does not listen is refused, not invented."""
    with pytest.raises(RuntimeError, match="async with"):
        _ = RoundTripProxy("postgresql://localhost/x").url
