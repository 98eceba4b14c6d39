"""The plan that faults outside of transactions are tried on: indexes, a partition, what bears a transaction between them, and ways back."""

from __future__ import annotations

import asyncpg

from roost import MigrationConfig, MigrationOrchestrator, MigrationReport, MigrationStep, Plugin, Runtime
from roost.errors import StepFailed
from tests.crash.reference_plan import NotWhole, effect, left_behind
from tests.plugins.build import make_plugin

CONFIG = MigrationConfig(max_retries=3, retry_delay=0.01, retry_max_delay=0.05, run_lock_timeout=30.0, lock_wait_budget=30.0)
BOTTOM = "1.0.0"
"""How far a rollback goes: the tables stay."""


def plugin() -> Plugin:
    """Return the plugin, made anew, as a process that starts would have it."""

    def outside(name: str, up: str, down: str) -> MigrationStep:
        return MigrationStep(name, name, up=up, down=down, version="1.1.0", transactional=False)

    make = (
        f"CREATE TABLE effects (step text); {effect('make')}; CREATE TABLE t (x int, y text); "
        "INSERT INTO t SELECT n, repeat('y', 3000) FROM generate_series(1, 20) AS n; "
        "CREATE TABLE whole (x int) PARTITION BY LIST (x); CREATE TABLE part PARTITION OF whole FOR VALUES IN (1)"
    )
    return make_plugin(
        "out",
        MigrationStep("make", "make", up=make, version=BOTTOM),
        outside("one", "CREATE INDEX CONCURRENTLY one ON t (x)", "DROP INDEX CONCURRENTLY one"),
        outside(
            "several",
            "SET my.own = 'several'; INSERT INTO effects VALUES (current_setting('my.own')); "
            "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS two ON t ((x + 1)) INCLUDE (y) WHERE y IS NOT NULL; VACUUM t",
            f"DROP INDEX CONCURRENTLY two; {effect('several back')}",
        ),
        outside("rebuild", "REINDEX TABLE CONCURRENTLY t", "REINDEX INDEX CONCURRENTLY one"),
        outside(
            "detach",
            "ALTER TABLE whole DETACH PARTITION part CONCURRENTLY",
            f"ALTER TABLE whole ATTACH PARTITION part FOR VALUES IN (1); {effect('detach back')}",
        ),
        MigrationStep("last", "last", up=effect("last"), down=effect("last back"), version="1.1.0"),
    )


STEPS = [step.id for step in plugin().services[0].steps]
FORTH = sorted(["make", "several", "last"])
"""What has an effect that can be counted on the way there."""
BACK = sorted([*FORTH, "several back", "detach back", "last back"])
"""And on the way back."""


async def migrate(url: str, *, until: str | None = None) -> MigrationReport:
    """Bring a database to where the plan wants it, or up to one of its steps."""
    whole = plugin()
    if until is not None:
        steps = whole.services[0].steps
        whole = make_plugin("out", *steps[: [step.id for step in steps].index(until) + 1])
    try:
        return await MigrationOrchestrator(Runtime(plugins=[whole], database=url, config=CONFIG)).run_all_migrations()
    except StepFailed as error:
        raise NotWhole(str(error)) from error


async def roll_back(url: str, *, steps: int | None = None) -> MigrationReport:
    """Undo all but the tables, or so many steps."""
    service = Runtime(plugins=[plugin()], database=url, config=CONFIG).get_service("out-migration")
    try:
        report = await service.rollback(None if steps else BOTTOM, steps=steps)
    except StepFailed as error:
        raise NotWhole(str(error)) from error
    assert isinstance(report, MigrationReport)
    return report


CATALOGUE = """
SELECT indexrelid::regclass || ' ' || pg_get_indexdef(indexrelid) || ' ' || indisvalid FROM pg_index
WHERE indrelid IN (SELECT oid FROM pg_class WHERE relname IN ('t', 'whole', 'part')
                   UNION SELECT reltoastrelid FROM pg_class WHERE relname = 't') AND indrelid::regclass::text !~ '^pg_toast'
UNION ALL
SELECT 'toast index, valid: ' || indisvalid FROM pg_index WHERE indrelid = (SELECT reltoastrelid FROM pg_class WHERE relname = 't')
UNION ALL
SELECT format('%s of %s %s', inhrelid::regclass, inhparent::regclass, inhdetachpending) FROM pg_inherits
UNION ALL
SELECT 'rows: ' || count(*) FROM t
ORDER BY 1
"""


async def catalogue(url: str) -> list[str]:
    """Return what the database is, in words that can be compared."""
    return await _column(url, CATALOGUE)


async def violations(url: str, *, expected: list[str], back: bool) -> list[str]:
    """Return what is broken: effects, the ledger, the catalogue, and what was left behind.

    Args:
        url: The database, after a fault and a recovery.
        expected: The catalogue after a run without faults.
        back: Whether it was rolled back.
    """
    left = await left_behind(url)
    effects = sorted(await _column(url, "SELECT step FROM effects"))
    applied = await _column(url, "SELECT step || ' ' || state FROM roost.applied ORDER BY position")
    told = sorted(await _column(url, "SELECT step FROM roost.history WHERE success AND direction = " + ("'down'" if back else "'up'")))
    version = await _column(url, "SELECT version FROM roost.plugin")
    seen = await catalogue(url)
    steps = STEPS[:1] if back else STEPS
    found = [
        *([] if effects == (BACK if back else FORTH) else [f"effects: {effects}"]),
        *([] if applied == [f"{step} done" for step in steps] else [f"applied: {applied}"]),
        *([] if told == sorted(STEPS[1:] if back else STEPS) else [f"successes in the history: {told}"]),
        *([] if version == [BOTTOM if back else "1.1.0"] else [f"version: {version}"]),
        *([] if seen == expected else [f"catalogue: {sorted(set(seen) ^ set(expected))}"]),
    ]
    return found + ([f"left behind: {left}"] if left else [])


async def _column(url: str, sql: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        return [row[0] for row in await connection.fetch(sql)]
    finally:
        await connection.close()
