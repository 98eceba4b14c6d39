"""One of many processes that start at once: ``python -m benchmarks.racer roost|raw URL STEPS``.

It says that it has imported everything, waits for a line of input, brings the database to where it wants it, and prints when it was
ready, by the monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial

import anyio

from benchmarks import candidate, limit_race
from benchmarks.statements import counted_tables


def main(who: str, url: str, count: int) -> None:
    """Wait for the start, and run."""
    statements = counted_tables(count)
    run: Callable[[], Awaitable[object]] = partial(limit_race.migrate, url, statements)
    if who == "roost":
        run = partial(candidate.migrate, url, candidate.make_plugin(statements))
    anyio.run(anyio.sleep, 0)  # imports what anyio imports at first use
    print("at the line", flush=True)
    sys.stdin.readline()
    asyncio.run(_ready(run))


async def _ready(run: Callable[[], Awaitable[object]]) -> None:
    await run()
    print(time.monotonic(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
