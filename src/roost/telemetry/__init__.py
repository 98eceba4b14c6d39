"""Telemetry: listeners that tell others what a runtime's events say. Each is attached by a call; nothing happens at import."""

from roost.telemetry._json_formatter import JsonFormatter
from roost.telemetry._log import log_events

__all__ = ["JsonFormatter", "log_events"]
