"""Asks services how they are."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from roost.runtime._clock import now
from roost.runtime._ending import heard
from roost.runtime._node import Node
from roost.runtime._reason import reason_of
from roost.runtime._unit import Unit

HEALTH_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceHealth:
    """How one service is.

    Attributes:
        service: Its name.
        is_healthy: Whether its check passed in time; for a service that is not up, False.
        took: Seconds that the check took.
        error: What is wrong; None for a healthy service.
        details: What the check returned.
    """

    service: str
    is_healthy: bool
    took: float
    error: str | None = None
    details: Any = None


async def check_health(services: Sequence[tuple[Node, Unit]]) -> tuple[ServiceHealth, ...]:
    """Await the ``health`` of all services that have one, all at once, each within its time.

    Returns:
        One result for each of these services, in their order.
    """
    having = [(node, unit) for node, unit in services if inspect.iscoroutinefunction(getattr(node.cls, "health", None))]
    return tuple(await asyncio.gather(*(_check(node, unit) for node, unit in having)))


async def _check(node: Node, unit: Unit) -> ServiceHealth:
    if unit.state != "running":
        return ServiceHealth(service=node.name, is_healthy=False, took=0.0, error=f"it is {unit.state}")
    began = now()
    limit = getattr(node.cls, "health_timeout", HEALTH_SECONDS)
    asking = asyncio.create_task(_ask(node.instance), name=f"roost {node.name} health")
    try:
        await asyncio.wait({asking}, timeout=limit)
    finally:
        # One that does not obey is not waited for.
        asking.add_done_callback(heard)
        asking.cancel()
    error = f"no answer within {limit:g} s"
    if asking.done():
        failure = asyncio.CancelledError() if asking.cancelled() else asking.exception()
        if failure is None:
            return ServiceHealth(service=node.name, is_healthy=True, took=now() - began, details=asking.result())
        error = reason_of(failure)
    return ServiceHealth(service=node.name, is_healthy=False, took=now() - began, error=error)


async def _ask(service: Any) -> Any:  # noqa: ANN401 -- any service, any details
    return await service.health()
