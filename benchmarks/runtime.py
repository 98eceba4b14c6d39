"""The runtime itself: services' lives, lookups and memory, beside the least they can take and beside other frameworks."""

from __future__ import annotations

from collections.abc import AsyncIterator

from benchmarks.import_time import import_time
from benchmarks.lifecycles import lifecycles
from benchmarks.lookups import lookups
from benchmarks.measure import Row
from benchmarks.memory import memory
from benchmarks.peers.table import peers


async def runtime() -> AsyncIterator[Row]:
    """Measure all; the peers last, because what they import stays."""
    yield await import_time()
    for part in (lifecycles, lookups, memory, peers):
        async for row in part():
            yield row
