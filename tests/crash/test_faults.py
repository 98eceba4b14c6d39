"""A sample of every fault, small enough for every day; `make torture` tries all of them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest

from tests.crash.cases import Baseline, Case, Server, cancellations, double_faults, single_faults

SEED = 20261125
KINDS: dict[str, tuple[Callable[[Baseline], list[Case]], str, int]] = {
    "reset": (single_faults, "reset", 40),
    "cut": (single_faults, "cut", 40),
    "swallow": (single_faults, "swallow", 40),
    "terminate": (single_faults, "terminate", 25),
    "half-open": (single_faults, "half-open", 8),
    "black hole": (single_faults, "black hole", 8),
    "double": (double_faults, "", 25),
    "cancelled": (cancellations, "", 45),
}


@pytest.mark.parametrize("kind", list(KINDS))
def test_faults_leave_the_plan_whole(postgres_url: str, kind: str) -> None:
    """Whatever breaks, and wherever: each effect once, the ledger and the catalogue as without it, and nothing is left behind."""

    async def attempt() -> list[str]:
        server = Server(postgres_url)
        make, start, number = KINDS[kind]
        cases = [case for case in make(await server.baseline()) if case.name.startswith(start)]
        sample = random.Random(SEED).sample(cases, number)
        results = [(case.name, await server.attempt(case)) for case in sample]
        return [f"{name}: {result}" for name, result in results if not result.endswith("ok")]

    assert asyncio.run(attempt()) == []
