"""Lets services finish what they have in hand before anything is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from roost.errors import ServiceHung
from roost.runtime._ending import ended, heard
from roost.runtime._stacks import stack_of
from roost.runtime._unit import Failure, Unit, as_exception


async def drain(units: Sequence[Unit], *, total: float) -> list[Failure]:
    """Await the `drain` of all units that run and have one, all at once.

    Args:
        units: What is up.
        total: Seconds for all of it; what takes longer is cancelled and named.

    Returns:
        What failed, by name; nothing that fails keeps the stop from happening, and neither does a cancellation.
    """
    draining = {
        asyncio.create_task(unit.drain(), name=f"roost {unit.name} drains"): unit
        for unit in units
        if unit.drain is not None and unit.state in ("running", "degraded")
    }
    if not draining:
        return []
    try:
        await asyncio.wait(draining, timeout=total)
    except asyncio.CancelledError:  # the event loop is closing
        total = 0.0
    late = {task: stack_of(unit, task) for task, unit in draining.items() if not task.done()}
    await ended(late)
    failures: list[Failure] = []
    for task, unit in draining.items():
        task.add_done_callback(heard)
        if task in late:
            failures.append((unit.name, ServiceHung(service=unit.name, phase="drain", timeout=total, stack=late[task], tree="")))
        elif not task.cancelled() and (error := task.exception()) is not None:
            failures.append((unit.name, as_exception(error)))
    return failures
