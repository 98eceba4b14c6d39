"""Lets services finish what they have in hand before anything is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from roost.errors import ServiceHung
from roost.runtime._body import stack_of
from roost.runtime._unit import Failure, Unit


async def drain(units: Sequence[Unit], *, total: float) -> list[Failure]:
    """Await the `drain` of all units that have one, all at once.

    Args:
        units: What is up.
        total: Seconds for all of it; what takes longer is cancelled and named.

    Returns:
        What failed, by name; nothing that fails keeps the stop from happening.
    """
    draining = {asyncio.create_task(unit.drain()): unit for unit in units if unit.drain is not None and unit.is_up}
    if not draining:
        return []
    _, late = await asyncio.wait(draining, timeout=total)
    failures: list[Failure] = []
    for task, unit in draining.items():
        if task in late:
            failures.append((unit.name, ServiceHung(service=unit.name, phase="drain", timeout=total, stack=stack_of(unit, task), tree="")))
            task.cancel()
        elif not task.cancelled() and isinstance(error := task.exception(), Exception):
            failures.append((unit.name, error))
    if late:
        await asyncio.wait(late, timeout=0)
    return failures
