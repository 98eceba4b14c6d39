"""Attaches OpenTelemetry to a runtime. Its API is loaded by these calls; what is exported where is up to the application's SDK."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from roost.telemetry._extra import needing

if TYPE_CHECKING:
    from roost.runtime import Runtime
    from roost.telemetry._opentelemetry import MeterProvider, TracerProvider


def trace_with_opentelemetry(runtime: Runtime, *, tracer_provider: TracerProvider | None = None) -> Callable[[], None]:
    """Make spans of what a runtime's migrations do: one a run, within it one a service, within that one a step.

    The parent of a run's span is what is current when the run begins, and the ledger keeps the id of its trace. While a step in Python
    runs, its span is current, so that spans of its own are below it.

    Args:
        runtime: The runtime.
        tracer_provider: Where spans go; by default the global one, as it is when they begin.

    Returns:
        Ends it when called; a run that is in progress keeps its spans.

    Raises:
        TelemetryExtraMissing: opentelemetry-api is not installed.
    """
    with needing("opentelemetry", extra="otel"):
        from roost.telemetry._opentelemetry import Spans  # noqa: PLC0415 -- an extra brings what it imports
    return Spans(runtime, tracer_provider).subscribe()


def measure_with_opentelemetry(runtime: Runtime, *, meter_provider: MeterProvider | None = None) -> Callable[[], None]:
    """Measure what a runtime's migrations do: how long runs, steps and waits for the lock take, and how many steps end how.

    Args:
        runtime: The runtime.
        meter_provider: Where measurements go; by default the global one.

    Returns:
        Ends it when called.

    Raises:
        TelemetryExtraMissing: opentelemetry-api is not installed.
    """
    with needing("opentelemetry", extra="otel"):
        from roost.telemetry._opentelemetry import Instruments  # noqa: PLC0415 -- as above
    return Instruments(meter_provider).subscribe(runtime.events)
