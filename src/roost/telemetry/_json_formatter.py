"""Writes log records as JSON, one document a line. Only the standard library is needed."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from datetime import UTC, datetime

_OWN = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"})
"""What every record has; all else is somebody's `extra`."""

_DEEPEST = 8
"""Levels of nested values; what lies deeper is written as text, so that values in a circle have an end."""


class JsonFormatter(logging.Formatter):
    """A log record as one line of JSON: time, level, logger, message, then every `extra` under its own key.

    A traceback is under ``exception``. A value that JSON doesn't know is written as text.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        document: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        document |= {key: _plain(value) for key, value in vars(record).items() if key not in _OWN and key not in document}
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            document["stack"] = self.formatStack(record.stack_info)
        return json.dumps(document)


def _plain(value: object, depth: int = 0) -> object:  # noqa: PLR0911 -- a table: one form for one kind of value
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if depth < _DEEPEST and isinstance(value, Mapping):
        return {str(key): _plain(one, depth + 1) for key, one in value.items()}
    if depth < _DEEPEST and isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(one, depth + 1) for one in value]
    try:
        return str(value)
    except Exception:  # noqa: BLE001 -- what can't be shown is named by its class, and the line is written
        return f"a {type(value).__name__}"
