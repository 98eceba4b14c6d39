"""Turns all that a command says on standard error into a log of JSON lines."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger("roost.cli")
"""What a command says itself."""


@contextmanager
def logging_json() -> Iterator[None]:
    """Write every record from INFO on to standard error as JSON inside the block, warnings of Python's included."""
    from roost.telemetry import JsonFormatter  # noqa: PLC0415 -- `roost --help` needs no migrations

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)  # noqa: FBT003 -- the library's own signature
    try:
        yield
    finally:
        logging.captureWarnings(False)  # noqa: FBT003 -- as above
        root.setLevel(before)
        root.removeHandler(handler)


class LogLines(io.StringIO):
    """A stream whose lines become records; it keeps none of them."""

    def __init__(self) -> None:
        super().__init__()
        self._begun = ""

    def write(self, text: str) -> int:
        """Log each line that is whole; empty ones are for the eye, and left out."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            if line.strip():
                log.info("%s", line.rstrip())
        return len(text)
