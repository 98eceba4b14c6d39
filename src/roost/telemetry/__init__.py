"""Telemetry: listeners that tell others what a runtime's events say. Each is attached by a call; nothing happens at import."""

from roost.telemetry._json_formatter import JsonFormatter
from roost.telemetry._log import log_events
from roost.telemetry._measuring import measure_with_prometheus
from roost.telemetry._systemd import notify_systemd
from roost.telemetry._tracing import measure_with_opentelemetry, trace_with_opentelemetry

__all__ = [
    "JsonFormatter",
    "log_events",
    "measure_with_opentelemetry",
    "measure_with_prometheus",
    "notify_systemd",
    "trace_with_opentelemetry",
]
