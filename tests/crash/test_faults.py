"""A sample of every fault, small enough for every day; `make torture` tries all of them.

`ROOST_TEST_CRASH_SHARE=0.25` takes a quarter of the sample: for a second Python, after the first one has tried the whole.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable

import pytest

from tests.crash.cases import Baseline, Case, Server, cancellations, double_faults, single_faults
from tests.crash.declared import declared_baseline, declared_cancellations, declared_faults, declared_races, declared_waits
from tests.crash.declared_plan import LARGE
from tests.crash.outside import outside_baseline, outside_cancellations, outside_faults, outside_waits
from tests.crash.processes import killed_holders, process_rounds, signals
from tests.crash.repeatable import repeatable_baseline, repeatable_cancellations, repeatable_faults, repeatable_races, repeatable_waits
from tests.crash.schedules import rollbacks, schedules
from tests.plugins.pgbouncer import pgbouncer

SEED = 20261125
SHARE = float(os.environ.get("ROOST_TEST_CRASH_SHARE", "1"))
DIRECT = {
    "reset": 30,
    "cut": 30,
    "swallow": 30,
    "terminate": 20,
    "half-open": 6,
    "black hole": 6,
    "double": 20,
    "cancelled": 36,
    "signal": 8,
    "killed holder": 1,
    "schedule": 12,
    "rollback": 8,
    "process": 2,
}
"""How many are tried of each kind."""

POOLED = {"reset": 12, "cut": 8, "swallow": 8, "terminate": 8, "double": 6, "cancelled": 12, "schedule": 12, "rollback": 10, "process": 1}


def cases_of(kind: str, base: Baseline) -> list[Case]:
    """Return all cases of a kind."""
    others: dict[str, Callable[[], list[Case]]] = {
        "double": lambda: double_faults(base),
        "cancelled": lambda: cancellations(base),
        "signal": lambda: signals(base),
        "killed holder": killed_holders,
        "schedule": lambda: schedules(base, 100),
        "rollback": lambda: rollbacks(base, 100),
        "process": lambda: process_rounds(base, rounds=3, processes=8),
    }
    if kind in others:
        return others[kind]()
    return [case for case in single_faults(base) if case.name.removeprefix(base.line).startswith(kind)]


async def sample(server: Server, kind: str, number: int) -> list[str]:
    """Try so many cases of a kind, and return what was found broken."""
    cases = random.Random(SEED).sample(cases_of(kind, await server.baseline()), max(1, round(number * SHARE)))
    results = [(case.name, await server.attempt(case)) for case in cases]
    return [f"{name}: {result}" for name, result in results if not result.endswith("ok")]


@pytest.mark.parametrize("kind", list(DIRECT))
def test_faults_leave_the_plan_whole(postgres_url: str, kind: str) -> None:
    """Whatever breaks, and wherever: each effect once, the ledger and the catalogue as without it, and nothing is left behind."""
    assert asyncio.run(sample(Server(postgres_url), kind, DIRECT[kind])) == []


@pytest.mark.pgbouncer
@pytest.mark.parametrize("kind", list(POOLED))
def test_faults_behind_a_pooler_leave_the_plan_whole(postgres_url: str, kind: str) -> None:
    """The same behind a pooler that shares server processes, where no run holds a lock for longer than a step."""

    async def attempt() -> list[str]:
        async with pgbouncer(postgres_url, mode="transaction") as pooler:
            return await sample(Server(postgres_url, pooler=pooler), kind, POOLED[kind])

    assert asyncio.run(attempt()) == []


OUTSIDE = {"faults": 5, "cancellations": 3, "waits": 1}
"""How many are tried of each kind on steps outside a transaction, there and back; each takes about half a second."""


@pytest.mark.parametrize("kind", list(OUTSIDE))
@pytest.mark.parametrize("back", [False, True], ids=["there", "back"])
def test_steps_outside_a_transaction_heal(postgres_url: str, kind: str, back: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    """Whatever breaks in one, the next run, or the next rollback, leaves the catalogue, the ledger and each effect as without it."""

    async def attempt() -> list[str]:
        server = Server(postgres_url)
        base = await outside_baseline(server, back=back)
        every = {"faults": outside_faults, "cancellations": outside_cancellations, "waits": outside_waits}[kind](base)
        # A black hole takes as long as its patience; that is for `make torture`.
        quick = [case for case in every if "black hole" not in case.name and "half-open" not in case.name]
        cases = random.Random(SEED).sample(quick, max(1, round(OUTSIDE[kind] * SHARE)))
        results = [(case.name, await server.attempt(case)) for case in cases]
        return [f"{name}: {result}" for name, result in results if not result.endswith("ok")]

    assert asyncio.run(attempt()) == []


DECLARED = {"faults": 6, "cancellations": 3, "waits": 1, "races": 1}
"""How many are tried of each kind on declared schemas; each takes about two seconds."""


@pytest.mark.parametrize("form", list(LARGE))
@pytest.mark.parametrize("kind", list(DECLARED))
def test_declared_schemas_are_brought_about_once(postgres_url: str, kind: str, form: str) -> None:
    """Whatever breaks, on whichever line: the next run leaves the database, its rows and the ledger as without it.

    Of the plain form each statement took effect once.
    """

    async def attempt() -> list[str]:
        server = Server(postgres_url)
        base = await declared_baseline(server, form=form)
        every = {
            "faults": lambda: [case for case in declared_faults(base) if "black hole" not in case.name and "half-open" not in case.name],
            "cancellations": lambda: declared_cancellations(base),
            "waits": lambda: declared_waits(base),
            "races": lambda: declared_races(base, 50),
        }[kind]()
        cases = random.Random(SEED).sample(every, max(1, round(DECLARED[kind] * SHARE)))
        results = [(case.name, await server.attempt(case)) for case in cases]
        return [f"{name}: {result}" for name, result in results if not result.endswith("ok")]

    assert asyncio.run(attempt()) == []


REPEATABLE = {"faults": 8, "cancellations": 4, "waits": 2, "races": 2}
"""How many are tried of each kind on repeatable steps; a wait takes about two seconds, the others half a second."""


async def sample_repeatable(server: Server, kind: str) -> list[str]:
    """Try some cases of a kind, and return what was found broken."""
    base = await repeatable_baseline(server)
    every = {
        "faults": lambda: [case for case in repeatable_faults(base) if "black hole" not in case.name and "half-open" not in case.name],
        "cancellations": lambda: repeatable_cancellations(base),
        "waits": lambda: repeatable_waits(base),
        "races": lambda: repeatable_races(base, 20),
    }[kind]()
    cases = random.Random(SEED).sample(every, max(1, round(REPEATABLE[kind] * SHARE)))
    results = [(case.name, await server.attempt(case)) for case in cases]
    return [f"{name}: {result}" for name, result in results if not result.endswith("ok")]


@pytest.mark.parametrize("kind", list(REPEATABLE))
def test_repeatable_steps_run_once_for_each_text(postgres_url: str, kind: str) -> None:
    """Whatever breaks: each one that is due takes effect once, each one that is not does not, and what stands on one follows it."""
    assert asyncio.run(sample_repeatable(Server(postgres_url), kind)) == []


@pytest.mark.pgbouncer
@pytest.mark.parametrize("kind", list(REPEATABLE))
def test_repeatable_steps_behind_a_pooler_run_once_for_each_text(postgres_url: str, kind: str) -> None:
    """The same behind a pooler that shares server processes."""

    async def attempt() -> list[str]:
        async with pgbouncer(postgres_url, mode="transaction") as pooler:
            return await sample_repeatable(Server(postgres_url, pooler=pooler), kind)

    assert asyncio.run(attempt()) == []
