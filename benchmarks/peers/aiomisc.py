"""aiomisc: an entrypoint with N services."""

from __future__ import annotations

import aiomisc

from benchmarks.lives import Life
from benchmarks.trivial import tally

DISTRIBUTION = "aiomisc"


class Trivial(aiomisc.Service):
    async def start(self) -> None:
        tally.started += 1

    async def stop(self, exception: Exception | None = None) -> None:  # noqa: ARG002 -- as the base class has it
        tally.stopped += 1


def prepare(count: int) -> Life:
    entrypoint = aiomisc.entrypoint(*(Trivial() for _ in range(count)), log_config=False, catch_signals=())

    async def live() -> None:
        async with entrypoint:
            pass

    return live
