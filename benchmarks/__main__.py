"""`make bench`: every claim about speed, as a ratio to a limit measured in the same run. Exits 1 when one misses its goal.

`make bench ARGS=runtime` measures the runtime alone, `make bench ARGS=migrations` the migrations, and `make bench ARGS=migrations-apply`
or another of its parts that part alone.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial

from benchmarks.cold_apply import cold_apply
from benchmarks.command_line import command_line
from benchmarks.declared_schemas import declared_schemas
from benchmarks.gate import gate
from benchmarks.measure import HEADER, Row
from benchmarks.nothing_to_do import nothing_to_do
from benchmarks.peers.migrators import migrators
from benchmarks.planning import planning
from benchmarks.processes import processes
from benchmarks.rollback import rollback
from benchmarks.runtime import runtime
from benchmarks.telemetry import telemetry
from benchmarks.together import together

Part = Callable[[], AsyncIterator[Row]]
RUNS = 5


def parts(*, runs: int) -> dict[str, Part]:
    """Return all parts, in their order: the peers last, because what they import stays."""
    return {
        "migrations-apply": cold_apply,
        "migrations-rollback": rollback,
        "migrations-nothing": nothing_to_do,
        "migrations-planning": planning,
        "migrations-together": together,
        "migrations-processes": partial(processes, runs),
        "schemas": declared_schemas,
        "runtime": runtime,
        "asgi": gate,
        "telemetry": telemetry,
        "cli": command_line,
        "migrations-peers": migrators,
    }


async def main(chosen: Mapping[str, Part]) -> int:
    """Measure these parts, print a table, and return the exit code."""
    print(HEADER)
    missed = 0
    for part in chosen.values():
        async for row in part():
            print(row, flush=True)
            missed += not row.is_met
    print(f"{missed} of the goals missed, {os.cpu_count()} cores, Python {sys.version.split()[0]}")
    return 1 if missed else 0


def belongs(name: str, wanted: str | None) -> bool:
    """Tell whether a part is the wanted one, or one of its parts; all are by default."""
    return wanted is None or name == wanted or name.startswith(f"{wanted}-")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what is claimed about speed.")
    parser.add_argument("part", nargs="?", choices=["migrations", *parts(runs=RUNS)], help="what to measure; all by default")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"how often many processes start at once; {RUNS} by default")
    arguments = parser.parse_args()
    everything = parts(runs=arguments.runs)
    sys.exit(asyncio.run(main({name: part for name, part in everything.items() if belongs(name, arguments.part)})))
