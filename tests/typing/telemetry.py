"""What is attached to a runtime, and what that returns."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import assert_type

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry

from roost import Runtime
from roost.migrations import MigrationRecord, run_trace_id
from roost.telemetry import (
    JsonFormatter,
    log_events,
    measure_with_opentelemetry,
    measure_with_prometheus,
    notify_systemd,
    trace_with_opentelemetry,
)


def attached(runtime: Runtime) -> None:
    """Each call returns what ends it, and takes the library's own objects."""
    ends: list[Callable[[], None]] = [
        log_events(runtime),
        trace_with_opentelemetry(runtime),
        trace_with_opentelemetry(runtime, tracer_provider=TracerProvider()),
        measure_with_opentelemetry(runtime, meter_provider=MeterProvider()),
        measure_with_prometheus(runtime, registry=CollectorRegistry(), with_steps=True),
        notify_systemd(runtime, environment={"NOTIFY_SOCKET": "/run/notify"}),
    ]
    for end in ends:
        assert_type(end(), None)
    logging.StreamHandler().setFormatter(JsonFormatter())


def traced(record: MigrationRecord) -> None:
    """The history holds the trace that whoever traces has named."""
    assert_type(record.trace_id, str | None)
    assert_type(run_trace_id.get(), str | None)
