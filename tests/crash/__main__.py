"""`make torture SHARD=i/n SEED=s`: every fault at every message, races, processes, signals; directly and through PgBouncer.

The results are kept in a text file, a line a case; what stands there already is not tried again. The exit code is 1 when something is
broken.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

from roost.postgres import EmbeddedPostgres
from tests.crash.cases import NO_SUCH_KIND, Baseline, Case, Server, cancellations, double_faults, single_faults
from tests.crash.declared import declared_cases
from tests.crash.fuzz_files import files
from tests.crash.fuzz_names import names
from tests.crash.outside import outside_cases
from tests.crash.processes import killed_holders, process_rounds, signals
from tests.crash.repeatable import repeatable_cases
from tests.crash.restarts import restarts
from tests.crash.schedules import rollbacks, schedules
from tests.crash.vanished import is_possible, vanished
from tests.crash.windows import commits, waiters
from tests.plugins.embedded_users import remove_data_elsewhere
from tests.plugins.pgbouncer import find_pgbouncer, pgbouncer

FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "300"}
SCHEDULES, ROLLBACKS, ROUNDS, PROCESSES, RESTARTS, FUZZED, RACES = 3000, 300, 20, 64, 200, 100_000, 100
"""How many there are of what can't be enumerated."""


def shard(text: str) -> tuple[int, int]:
    """Read ``i/n``."""
    number, _, count = text.partition("/")
    found = int(number), int(count)
    if not 1 <= found[0] <= found[1]:
        raise ValueError(text)
    return found


def cases_on(base: Baseline) -> list[Case]:
    """Return all that is tried on one line."""
    return [
        *single_faults(base),
        *double_faults(base),
        *cancellations(base),
        *signals(base),
        *commits(base),
        *schedules(base, SCHEDULES),
        *rollbacks(base, ROLLBACKS),
        *process_rounds(base, rounds=ROUNDS, processes=PROCESSES),
    ]


@contextlib.asynccontextmanager
async def servers() -> AsyncIterator[list[Server]]:
    """Provide a server of one's own, directly and, where there is the program, through PgBouncer."""
    async with contextlib.AsyncExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        stack.callback(remove_data_elsewhere, Path(directory))
        embedded = await stack.enter_async_context(EmbeddedPostgres(Path(directory) / "data", settings=FAST))
        found = [Server(embedded.url)]
        if find_pgbouncer() is None:
            print("pgbouncer is not installed: nothing is tried through it")
        else:
            pooler = await stack.enter_async_context(pgbouncer(embedded.url, mode="transaction"))
            found.append(Server(embedded.url, pooler=pooler))
        yield found


async def torture(arguments: argparse.Namespace) -> int:
    """Try the cases of a shard, and return how many have found something broken."""
    part, parts = arguments.shard
    arguments.results.mkdir(parents=True, exist_ok=True)
    results = arguments.results / f"{arguments.seed}-{part}-of-{parts}.txt"
    lines = results.read_text("utf-8").splitlines() if results.exists() else []
    # A process that is killed may leave half a line; that case is tried again.
    known = [line.split("\t") for line in lines if line.count("\t") == 2]
    async with servers() as found:
        cases: list[tuple[Server, Case]] = []
        for server in found:
            base = await server.baseline()
            print(f"{base.line or 'direct '}line: {len(base.messages)} messages, {base.suspensions} awaits without faults", flush=True)
            cases += [(server, case) for case in cases_on(base)]
            cases += [(server, case) for case in await repeatable_cases(server, races=RACES)]
            if not base.line:
                cases += [
                    (server, case) for case in (*killed_holders(), *restarts(base, RESTARTS), *waiters(), *names(FUZZED), *files(FUZZED))
                ]
                cases += [(server, case) for case in await outside_cases(server)]
                cases += [(server, case) for case in await declared_cases(server, races=RACES)]
                if is_possible():
                    cases += [(server, case) for case in vanished()]
                else:
                    print("no host can vanish here: that needs root and the command ip")
        total = len(cases)
        unknown = sorted({*(arguments.kind or ())} - {case.kind for _, case in cases})
        if unknown:
            there_are = ", ".join(sorted({case.kind for _, case in cases}))
            print(f"there are no cases of the kind {', '.join(unknown)}; there are: {there_are}", file=sys.stderr)
            sys.exit(NO_SUCH_KIND)
        cases = [one for one in cases if not arguments.kind or one[1].kind in arguments.kind]
        random.Random(arguments.seed).shuffle(cases)
        mine = [one for index, one in enumerate(cases) if index % parts == part - 1]
        if arguments.case:
            mine = [one for one in cases if one[1].name == arguments.case]
        tried = {line[0] for line in known}
        left = [one for one in mine if one[1].name not in tried]
        print(f"{total} cases; {len(mine)} to be tried, {len(mine) - len(left)} tried before: {results}", flush=True)
        known += await _try_all(left, results, stops_at_first=arguments.until_first)
    broken = [line for line in known if not line[2].endswith("ok")]
    for line in broken:
        print(*line, sep="\n    ")
    kinds = Counter(line[1] for line in known if "[never]" not in line[2])
    print(*(f"{kind}: {count}" for kind, count in sorted(kinds.items())), sep="\n")
    print(f"{len(known)} tried, {len(broken)} violations")
    return len(broken)


async def _try_all(cases: list[tuple[Server, Case]], results: Path, *, stops_at_first: bool) -> list[list[str]]:
    done: list[list[str]] = []
    told = time.monotonic()
    with results.open("a", encoding="utf-8") as file:
        for server, case in cases:
            result = (await server.attempt(case)).replace("\n", " ").replace("\t", " ")
            done.append([case.name, case.kind, result])
            file.write("\t".join(done[-1]) + "\n")
            file.flush()
            if stops_at_first and not result.endswith("ok"):
                break
            if time.monotonic() - told > 30:
                told = time.monotonic()
                print(f"{len(done)} of {len(cases)}", flush=True)
    return done


def main() -> int:
    """Read the arguments and begin."""
    parser = argparse.ArgumentParser(prog="make torture", description=__doc__)
    parser.add_argument("--shard", type=shard, default=(1, 1), metavar="I/N", help="the part to try, such as 2/8; all by default")
    parser.add_argument("--seed", type=int, default=1, help="the order, and with it what is in a shard")
    parser.add_argument("--kind", action="append", help="only this kind, such as 'schedules' or 'pooled faults'; may be given again")
    parser.add_argument("--case", help="only the case of this name")
    parser.add_argument("--until-first", action="store_true", help="stop at the first violation")
    parser.add_argument("--results", type=Path, default=Path(".torture"), help="where results are kept")
    return 1 if asyncio.run(torture(parser.parse_args())) else 0


if __name__ == "__main__":
    sys.exit(main())
