"""Attaches Prometheus to a runtime. Its client is loaded by this call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from roost.telemetry._extra import needing

if TYPE_CHECKING:
    from roost.runtime import Runtime
    from roost.telemetry._prometheus import CollectorRegistry


def measure_with_prometheus(runtime: Runtime, *, registry: CollectorRegistry | None = None, with_steps: bool = False) -> Callable[[], None]:
    """Count and time what a runtime's migrations and services do.

    Labels are names that the code brings: plugins, services, states and outcomes. Ids of steps, of which there are ever more, only
    where they are asked for.

    Args:
        runtime: The runtime.
        registry: Where the metrics are kept for who asks for them; by default the client's global one.
        with_steps: Whether each step has a time series of its own.

    Returns:
        Ends it when called, and takes the metrics out of the registry.

    Raises:
        TelemetryExtraMissing: prometheus-client is not installed.
        ValueError: The registry has metrics of these names: each runtime needs a registry of its own.
    """
    with needing("prometheus_client", extra="metrics"):
        from roost.telemetry._prometheus import Metrics  # noqa: PLC0415 -- an extra brings what it imports
    return Metrics(runtime, with_steps=with_steps).subscribe(registry)
