"""Other frameworks, each in its natural way, with roost and the two limits: microseconds a service, for information."""

from __future__ import annotations

import gc
import statistics
from collections.abc import AsyncIterator
from functools import partial
from importlib.metadata import version

from benchmarks import lives, trivial
from benchmarks.lifecycles import COUNTS
from benchmarks.measure import NAME_WIDTH, Note, by_turns

ROUNDS = 3
TOO_LONG = 10.0
"""Who would need more seconds for one start and stop, judged by its time for fewer services, is not asked to; the table says so."""


async def peers() -> AsyncIterator[Note]:
    """Measure all by turns, and yield two tables: start and stop, and construction."""
    contestants = {"a bare loop": lives.bare_loop, "asyncio.gather": lives.gather, "roost": lives.roost, **_load()}
    for measure, title in ((lives.each, "start and stop"), (lives.construction, "construction, runtime and graph")):
        cells: dict[str, list[str]] = {name: [] for name in contestants}
        left = dict(contestants)
        for count in COUNTS:
            trivial.flat(count)
            trivial.plain(count)
            gc.freeze()  # nobody's time holds a look of the garbage collector at what only others need
            figures = await by_turns({name: partial(measure, prepare, count) for name, prepare in left.items()}, rounds=ROUNDS)
            gc.unfreeze()
            for name in contestants:
                if name in figures:
                    each = statistics.median(figures[name])
                    cells[name].append(f"{each * 1e6:.1f}")
                    if each * 10 * count > TOO_LONG:
                        del left[name]
                else:
                    cells[name].append(f"> {TOO_LONG:.0f} s")
        yield Note("")
        yield _line(f"{title}, µs a service", [f"{count:,}" for count in COUNTS])
        for name, row in cells.items():
            yield _line(name, row)


def _load() -> dict[str, lives.Prepare]:
    from benchmarks.peers import aiomisc, dishka, mode, svcs  # noqa: PLC0415 -- all else is measured without what they import

    return {f"{peer.DISTRIBUTION} {version(peer.DISTRIBUTION)}": peer.prepare for peer in (mode, aiomisc, svcs, dishka)}


def _line(name: str, cells: list[str]) -> Note:
    return Note(f"{name:<{NAME_WIDTH}}" + "".join(f"{cell:>11}" for cell in cells))
