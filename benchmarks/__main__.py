"""`make bench`: every claim about speed, as a ratio to a limit measured in the same run. Exits 1 when one misses its goal.

`make bench ARGS=runtime` measures the runtime alone, `make bench ARGS=migrations` the migrations.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence

from benchmarks.measure import HEADER, Row
from benchmarks.migrations import migrations
from benchmarks.runtime import runtime

PARTS: dict[str, Callable[[], AsyncIterator[Row]]] = {"migrations": migrations, "runtime": runtime}


async def main(names: Sequence[str]) -> int:
    """Measure these parts, print a table, and return the exit code."""
    print(HEADER)
    missed = 0
    for name in names:
        async for row in PARTS[name]():
            print(row, flush=True)
            missed += not row.is_met
    print(f"{missed} of the goals missed, {os.cpu_count()} cores, Python {sys.version.split()[0]}")
    return 1 if missed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what is claimed about speed.")
    parser.add_argument("part", nargs="?", choices=list(PARTS), help="what to measure; all by default")
    part = parser.parse_args().part
    sys.exit(asyncio.run(main(list(PARTS) if part is None else [part])))
