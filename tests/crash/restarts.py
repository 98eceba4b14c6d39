"""A server that is shut down at once in the middle of a run, and comes back: at messages that are sampled."""

from __future__ import annotations

import asyncio
import random
from functools import partial

from roost.testing import Fault, try_faults
from tests.crash import reference_plan as plan
from tests.crash.cases import Baseline, Case, Place
from tests.plugins.own_server import OwnServer


def restarts(base: Baseline, count: int) -> list[Case]:
    """Return a sample of so many messages at which the server is shut down at once and comes back before the run hears of it."""
    sample = sorted(random.Random("restarts").sample([one.number for one in base.messages], count))
    return [Case(kind="restarts", name=f"immediate shutdown at #{number}", attempt=partial(_restarted, base, number)) for number in sample]


async def _restarted(base: Baseline, number: int, _place: Place) -> str:
    async with OwnServer() as server:
        is_up = asyncio.Event()
        is_up.set()

        async def restart() -> None:
            is_up.clear()
            await server.restart()
            is_up.set()

        async def recover(url: str) -> None:
            # A run may give up while the server is still away.
            await is_up.wait()
            await plan.migrate(url)

        outcome = await try_faults(
            server.url,
            Fault(kind="call", at=number, call=restart, name="immediate shutdown"),
            run=partial(plan.migrate_whole, look_at=server.url, may_report_twice=True),
            recover=recover,
            check=partial(plan.violations, expected=base.catalogue),
        )
    return str(outcome)
