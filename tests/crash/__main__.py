"""`make torture SHARD=i/n SEED=s`: every fault at every message, pairs of faults, a cancellation at every await.

The results are kept in a text file, a line a case; what stands there already is not tried again. The exit code is 1 when something is
broken.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from roost.postgres import EmbeddedPostgres
from tests.crash.cases import Baseline, Case, Server, cancellations, double_faults, single_faults

FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}


def shard(text: str) -> tuple[int, int]:
    """Read ``i/n``."""
    number, _, count = text.partition("/")
    found = int(number), int(count)
    if not 1 <= found[0] <= found[1]:
        raise ValueError(text)
    return found


def all_cases(base: Baseline) -> list[Case]:
    """Return all that is tried."""
    return [*single_faults(base), *double_faults(base), *cancellations(base)]


async def torture(arguments: argparse.Namespace) -> int:
    """Try the cases of a shard, and return how many have found something broken."""
    part, parts = arguments.shard
    arguments.results.mkdir(parents=True, exist_ok=True)
    results = arguments.results / f"{arguments.seed}-{part}-of-{parts}.txt"
    known = [line.split("\t") for line in results.read_text("utf-8").splitlines()] if results.exists() else []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        async with EmbeddedPostgres(Path(directory) / "data", settings=FAST) as embedded:
            server = Server(embedded.url)
            base = await server.baseline()
            print(f"{len(base.messages)} messages, {base.suspensions} awaits in a run without faults", flush=True)
            cases = all_cases(base)
            random.Random(arguments.seed).shuffle(cases)
            mine = [case for index, case in enumerate(cases) if index % parts == part - 1]
            tried = {line[0] for line in known}
            left = [case for case in mine if case.name not in tried]
            print(
                f"{len(cases)} cases, {len(mine)} in shard {part} of {parts}, {len(mine) - len(left)} tried before: {results}", flush=True
            )
            known += await _try_all(server, left, results)
    broken = [line for line in known if not line[1].endswith("ok")]
    for line in broken:
        print(*line, sep="\n    ")
    kinds = Counter(line[0].split(" at ")[0] for line in known if "[never]" not in line[1])
    print(*(f"{kind}: {count}" for kind, count in sorted(kinds.items())), sep="\n")
    print(f"{len(known)} tried, {len(broken)} violations")
    return len(broken)


async def _try_all(server: Server, cases: list[Case], results: Path) -> list[list[str]]:
    done: list[list[str]] = []
    told = time.monotonic()
    with results.open("a", encoding="utf-8") as file:
        for case in cases:
            done.append([case.name, (await server.attempt(case)).replace("\n", " ").replace("\t", " ")])
            file.write("\t".join(done[-1]) + "\n")
            file.flush()
            if time.monotonic() - told > 30:
                told = time.monotonic()
                print(f"{len(done)} of {len(cases)}", flush=True)
    return done


def main() -> int:
    """Read the arguments and begin."""
    parser = argparse.ArgumentParser(prog="make torture", description=__doc__)
    parser.add_argument("--shard", type=shard, default=(1, 1), metavar="I/N", help="the part to try, such as 2/8; all by default")
    parser.add_argument("--seed", type=int, default=1, help="the order, and with it what is in a shard")
    parser.add_argument("--results", type=Path, default=Path(".torture"), help="where results are kept")
    return 1 if asyncio.run(torture(parser.parse_args())) else 0


if __name__ == "__main__":
    sys.exit(main())
