"""The repeatable steps that faults are tried on, in a first and a second form: a text that changes, what stands on it, and what stays."""

from __future__ import annotations

import asyncpg

from roost import MigrationConfig, MigrationOrchestrator, MigrationReport, MigrationStep, RepeatableStep, Runtime
from roost.errors import StepFailed
from tests.crash.reference_plan import NotWhole, left_behind
from tests.plugins.build import make_plugin

CONFIG = MigrationConfig(max_retries=3, retry_delay=0.01, retry_max_delay=0.05, run_lock_timeout=30.0, lock_wait_budget=30.0)

FIRST = {"bodies": "SELECT id, body FROM notes", "long": "SELECT id FROM bodies WHERE length(body) > 6", "same": "SELECT 1 AS one"}
SECOND = {**FIRST, "bodies": "SELECT id, body, label FROM notes", "longest": "SELECT max(id) AS id FROM long"}
"""Views by name; the second one stands on the first one, and the last one of the second form on that."""

AFTER = {"long": ("bodies",), "longest": ("long",)}

STEPS = {"make": 1, "label": 1, "bodies": 2, "long": 2, "longest": 1, "same": 1}
"""How often each step runs on the way through both forms."""

DUE = ("label", "bodies", "long", "longest")
"""What the second form makes due, in order."""


def took_effect(step: str) -> str:
    """Return a statement that counts how often a step took effect, and waits for whoever has locked its count."""
    return f"UPDATE public.counts SET times = times + 1 WHERE step = '{step}'"


def _runtime(url: str, views: dict[str, str], *, is_labelled: bool) -> Runtime:
    names = ", ".join(f"('{step}')" for step in STEPS)
    make = (
        f"CREATE TABLE counts (step text PRIMARY KEY, times int NOT NULL DEFAULT 0); INSERT INTO counts VALUES {names}; "
        "CREATE TABLE notes (id int PRIMARY KEY, body text NOT NULL); "
        "INSERT INTO notes SELECT n, 'note ' || n FROM generate_series(1, 20) AS n"
    )
    steps = [
        MigrationStep("make", "make", up=f"{make}; {took_effect('make')}", version="1.0.0"),
        MigrationStep("label", "label", up=f"ALTER TABLE notes ADD label text; {took_effect('label')}", version="1.1.0"),
    ]
    repeatable = [
        RepeatableStep(name, name, up=f"CREATE OR REPLACE VIEW {name} AS {query}; {took_effect(name)}", after=AFTER.get(name, ()))
        for name, query in views.items()
    ]
    plugin = make_plugin("again", *steps[: 2 if is_labelled else 1], repeatable=repeatable)
    return Runtime(plugins=[plugin], database=url, config=CONFIG)


async def prepare(url: str, *, is_labelled: bool = False) -> None:
    """Bring an empty database to the first form, or to that and the second form's step that is not repeatable."""
    await MigrationOrchestrator(_runtime(url, FIRST, is_labelled=is_labelled)).run_all_migrations()


async def migrate(url: str) -> MigrationReport:
    """Bring the second form about, as a process that starts would.

    Raises:
        NotWhole: A step was refused that nothing is wrong with.
    """
    try:
        return await MigrationOrchestrator(_runtime(url, SECOND, is_labelled=True)).run_all_migrations()
    except StepFailed as error:
        raise NotWhole(str(error)) from error


STATE = """
SELECT format('view %s: %s', c.oid::regclass, pg_get_viewdef(c.oid)) FROM pg_class c
WHERE c.relkind = 'v' AND c.relnamespace = 'public'::regnamespace
UNION ALL
SELECT format('%s took effect %s times', step, times) FROM public.counts
UNION ALL
SELECT format('ledger: %s %s', step, state) FROM roost.applied
UNION ALL
SELECT format('ledger: %s %s', step, fingerprint) FROM roost.repeatable
UNION ALL
SELECT format('%s %s is settled', name, version) FROM roost.plugin WHERE settled IS NOT NULL
UNION ALL
SELECT format('%s succeeded %s times', step, count(*)) FROM roost.history WHERE success GROUP BY step
ORDER BY 1
"""
"""What the database is, how often each step made it so, and what the ledger says; nothing in it differs from run to run."""


async def state(url: str) -> list[str]:
    """Return what the database is, in words that can be compared."""
    connection = await asyncpg.connect(url)
    try:
        return [row[0] for row in await connection.fetch(STATE)]
    finally:
        await connection.close()


async def violations(url: str, *, expected: list[str], is_pooled: bool) -> list[str]:
    """Return what is broken after a fault and a recovery: what is not as after a run without faults, and what was left behind."""
    left = await left_behind(url, is_pooled=is_pooled)
    seen = await state(url)
    counted = [f"{step} took effect {times} times" for step, times in STEPS.items()]
    found = {
        "missing": sorted({*expected, *counted} - set(seen)),
        "strange": sorted(set(seen) - set(expected)),
        "left behind": left,
    }
    return [f"{what}: {ones}" for what, ones in found.items() if ones]
