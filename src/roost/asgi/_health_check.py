"""How the services are, asked once for many who want to know."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from roost.runtime import Runtime

FRESH_SECONDS = 1.0
"""How long an answer counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the running services are.

    Attributes:
        at: When that was found out, by `time.monotonic`.
        unhealthy: The services that are not well, each with what is wrong.
    """

    at: float
    unhealthy: tuple[tuple[str, str], ...]


class HealthCheck:
    """Asks the services of a runtime how they are, at most once a second, and never twice at the same time.

    Args:
        runtime: The runtime.
        timeout: Seconds that who asks waits for an answer; without one the services count as unhealthy until it comes.
    """

    def __init__(self, runtime: Runtime, *, timeout: float) -> None:
        self._runtime = runtime
        self._timeout = timeout
        self._last: Health | None = None
        self._asking: asyncio.Task[Health] | None = None

    async def look(self) -> Health:
        """Return how they are."""
        if self._last is not None and time.monotonic() - self._last.at < FRESH_SECONDS:
            return self._last
        asking = self._asking
        if asking is None or asking.done() or asking.get_loop() is not asyncio.get_running_loop():
            asking = self._asking = asyncio.create_task(self._ask(), name="roost health")
        done, _ = await asyncio.wait({asking}, timeout=self._timeout)
        if not done:
            return Health(at=time.monotonic(), unhealthy=(("", f"no answer within {self._timeout:g} s"),))
        return asking.result()

    async def _ask(self) -> Health:
        answers = await self._runtime.health()
        # One that its policy lets be down, or runs again, is no reason to be unready.
        running = {status.name for status in self._runtime.status() if status.kind == "service" and status.state == "running"}
        unhealthy = tuple((one.service, one.error or "") for one in answers if not one.is_healthy and one.service in running)
        self._last = Health(at=time.monotonic(), unhealthy=unhealthy)
        return self._last
