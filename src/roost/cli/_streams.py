"""Standard streams as they may be: closed, a pipe that nobody reads any more, on a full disk, or without a code for some letters."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any, TextIO


def supply_missing() -> None:
    """Stand in for standard streams that were closed by whoever has started this process: what is written there is for nobody."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 -- it is open as long as the process lives


class PatientStream:
    """A stream that can be written to, whether or not somebody reads it: work that is under way is not for those who look on.

    Args:
        stream: The stream. Letters that it has no code for are written as escapes.
        needed: Whether an error is raised, such as that of a full disk. That nobody reads is none.
    """

    def __init__(self, stream: TextIO, *, needed: bool) -> None:
        """Wrap a stream."""
        self._stream = stream
        self._needed = needed
        if getattr(stream, "errors", None) == "strict" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- all that a stream has
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        """Write what is kept back so far."""
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        # What is kept back in the stream would fail once more, at the end of the process.
        with suppress(OSError, ValueError), open(os.devnull, "w", encoding="utf-8") as nothing:  # noqa: PTH123 -- a device
            os.dup2(nothing.fileno(), self._stream.fileno())
        if self._needed and not isinstance(error, BrokenPipeError):
            raise error
