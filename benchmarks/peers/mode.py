"""mode: one service with N children."""

from __future__ import annotations

import mode

from benchmarks.lives import Life
from benchmarks.trivial import tally

DISTRIBUTION = "mode-streaming"


class Parent(mode.Service):
    pass


class Child(mode.Service):
    async def on_start(self) -> None:
        tally.started += 1

    async def on_stop(self) -> None:
        tally.stopped += 1


def prepare(count: int) -> Life:
    parent = Parent()
    for _ in range(count):
        parent.add_dependency(Child())

    async def live() -> None:
        await parent.start()
        await parent.stop()

    return live
