"""Start and stop of trivial services: beside `asyncio.gather`, as their number grows, and in a chain."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

from benchmarks import lives
from benchmarks.measure import MICROSECONDS_EACH, Comparison, compare

COUNTS = (10, 100, 1000, 10000)
GATHER_GOAL = 2.5
FLAT_GOAL = 1.5
CHAIN_GOAL = 2.0
FEW, MANY, CHAIN = 100, 10000, 1000


async def lifecycles() -> AsyncIterator[Comparison]:
    """Compare, each with its goal."""
    for count in COUNTS:
        yield await compare(
            f"start and stop of {count:,}, beside gather",
            goal=GATHER_GOAL,
            candidate=partial(lives.each, lives.roost, count),
            limit=partial(lives.each, lives.gather, count),
            rounds=_rounds(count),
            unit=MICROSECONDS_EACH,
        )
    yield await compare(
        f"start and stop of {MANY:,}, beside {FEW}",
        goal=FLAT_GOAL,
        candidate=partial(lives.each, lives.roost, MANY),
        limit=partial(lives.each, lives.roost, FEW),
        rounds=_rounds(MANY),
        unit=MICROSECONDS_EACH,
    )
    yield await compare(
        f"start and stop of a chain of {CHAIN:,}, beside flat",
        goal=CHAIN_GOAL,
        candidate=partial(lives.each, lives.roost_chain, CHAIN),
        limit=partial(lives.each, lives.roost, CHAIN),
        rounds=_rounds(CHAIN),
        unit=MICROSECONDS_EACH,
    )


def _rounds(count: int) -> int:
    return 9 if count > lives.SAMPLE else 25
