"""svcs: a registry of N async factories; a container gets all of them, and is closed."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Callable

from benchmarks.lives import Life
from benchmarks.trivial import plain, tally

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports Starlette's test client, which warns of httpx
    import svcs

DISTRIBUTION = "svcs"


def prepare(count: int) -> Life:
    classes, registry = plain(count), svcs.Registry()
    for cls in classes:
        registry.register_factory(cls, _factory(cls))

    async def live() -> None:
        async with svcs.Container(registry) as container:
            await container.aget(*classes)

    return live


def _factory(cls: type) -> Callable[[], AsyncIterator[object]]:
    async def make() -> AsyncIterator[object]:
        tally.started += 1
        yield cls()
        tally.stopped += 1

    return make
