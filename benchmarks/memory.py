"""What a started runtime holds for each service, beside the service itself."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import AsyncIterator

from benchmarks import trivial
from benchmarks.measure import BYTES_EACH, Comparison, at_most
from roost import Runtime

LIMIT = 2000.0
COUNTS = (1000, 10000)


async def memory() -> AsyncIterator[Comparison]:
    """Compare with the most that is good enough; it is counted and not timed, so once."""
    for count in COUNTS:
        held = await bytes_each(count)
        yield at_most(f"memory, {count:,} services", held, LIMIT, unit=BYTES_EACH)


async def bytes_each(count: int) -> float:
    """Return the bytes that a started runtime holds for each service, less those of a bare instance."""
    classes = trivial.flat(count)
    async with Runtime(services=classes):  # what the first of its kind leaves behind in classes and caches belongs to nobody
        pass
    tracemalloc.start()
    try:
        before = _held()
        instances = [cls() for cls in classes]
        bare = _held() - before - sys.getsizeof(instances)
        del instances
        before = _held()
        async with Runtime(services=classes):
            return (_held() - before - bare) / count
    finally:
        tracemalloc.stop()


def _held() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
