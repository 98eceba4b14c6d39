"""Declared schemas: what it takes to plan a small change of many tables, and a start that finds nothing to do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

from benchmarks import limit_noop, limit_schema
from benchmarks.databases import Databases, databases
from benchmarks.measure import Comparison, Row, by_turns, compare, seconds
from roost import DatabaseMigrationService, MigrationOrchestrator, Plugin, Runtime

PLANNING_GOAL = 1.2
NOTHING_GOAL = 1.3
PLUGIN = "benchmark"
COUNTS = {10: 9, 100: 7, 500: 3}
"""Rounds, for each number of tables."""
ROUNDS = 61


async def declared_schemas() -> AsyncIterator[Row]:
    """Compare for some numbers of tables."""
    async with databases() as some:
        for count, rounds in COUNTS.items():
            async for row in _planning(some, count, rounds=rounds):
                yield row
            yield await _nothing_to_do(some, count)


def declaration(count: int, *, column: str = "") -> str:
    """Return tables as applications have them, each with a key into the one before; the last one with a column more, if any."""
    tables = []
    for number in range(count):
        before = f" REFERENCES t{number - 1} ON DELETE CASCADE" if number else ""
        more = f", {column}" if column and number == count - 1 else ""
        tables.append(
            f"CREATE TABLE t{number} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, owner bigint{before}, "
            f"total numeric(12, 2) NOT NULL DEFAULT 0 CHECK (total >= 0), made timestamptz NOT NULL DEFAULT now(){more});\n"
            f"CREATE INDEX t{number}_owner ON t{number} (owner);\n"
        )
    return "".join(tables)


async def _planning(some: Databases, count: int, *, rounds: int) -> AsyncIterator[Comparison]:
    """Beside pgmig, for which the scratch database is there already, and beside pgmig with the making and dropping of that."""
    before, after = declaration(count), declaration(count, column="note text")
    url, scratch = await some.empty(), await some.empty()
    await _migrate(url, before)
    await limit_schema.declare(scratch, after, schema=PLUGIN)
    jobs: dict[str, Callable[[], Awaitable[object]]] = {
        "roost": partial(_plan, _service(url, before), after),
        "pgmig alone": partial(limit_schema.compare, url, scratch),
        "scratch, pgmig": partial(limit_schema.with_a_scratch, url, after, schema=PLUGIN),
    }
    found = await by_turns({name: partial(_settled, url, job) for name, job in jobs.items()}, rounds=rounds)
    for limit in ("scratch, pgmig", "pgmig alone"):
        yield Comparison(name=f"plan {count} tables, beside {limit}", goal=PLANNING_GOAL, candidate=found["roost"], limit=found[limit])


async def _settled(url: str, job: Callable[[], Awaitable[object]]) -> float:
    await limit_schema.settle(url)
    return await seconds(job)


async def _nothing_to_do(some: Databases, count: int) -> Comparison:
    url = await some.empty()
    text = declaration(count)
    await _migrate(url, text)
    return await compare(
        f"nothing to do, {count} declared tables, beside a COPY",
        goal=NOTHING_GOAL,
        candidate=partial(seconds, partial(_migrate, url, text)),
        limit=partial(seconds, partial(limit_noop.look, url, limit_noop.HEAD_ROWS)),
        rounds=ROUNDS,
    )


def _runtime(url: str, text: str) -> Runtime:
    return Runtime(plugins=[Plugin(PLUGIN, schema=text)], services=[DatabaseMigrationService], database=url)


async def _migrate(url: str, text: str) -> None:
    await MigrationOrchestrator(_runtime(url, text)).run_all_migrations()


def _service(url: str, text: str) -> DatabaseMigrationService:
    return _runtime(url, text).get_service(DatabaseMigrationService)


async def _plan(service: DatabaseMigrationService, text: str) -> None:
    check = await service.check_migration(PLUGIN, text)
    assert len(check.statements) == 1, check.statements
