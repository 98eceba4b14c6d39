"""dishka: a provider of N async generators in the scope of the app; a container resolves all of them, and is closed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import dishka

from benchmarks.lives import Life
from benchmarks.trivial import plain, tally

DISTRIBUTION = "dishka"


def prepare(count: int) -> Life:
    classes, provider = plain(count), dishka.Provider(scope=dishka.Scope.APP)
    for cls in classes:
        provider.provide(_factory(cls))
    container = dishka.make_async_container(provider)

    async def live() -> None:
        for cls in classes:
            await container.get(cls)
        await container.close()

    return live


def _factory(cls: type) -> Callable[[], AsyncIterator[object]]:
    async def make() -> AsyncIterator[object]:
        tally.started += 1
        yield cls()
        tally.stopped += 1

    make.__annotations__ = {"return": AsyncIterator[cls]}  # type: ignore[valid-type]  # it is read at run time
    return make
