"""A proxy that counts the round trips to a test's database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from roost.testing import RoundTripProxy


@pytest_asyncio.fixture
async def proxy(database_url: str) -> AsyncIterator[RoundTripProxy]:
    """A counting proxy in front of the test's own database."""
    async with RoundTripProxy(database_url) as proxy:
        yield proxy
