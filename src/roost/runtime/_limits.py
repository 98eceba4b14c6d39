"""How long things may take."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds: for the whole start; for all drains; and for the whole stop, drains included, or for each unit's after a failed start.

    Raises:
        ValueError: One is no number of seconds.
    """

    start: float
    drain: float
    stop: float

    def __post_init__(self) -> None:
        for name, seconds in (("start_timeout", self.start), ("drain_timeout", self.drain), ("stop_timeout", self.stop)):
            if not is_seconds(seconds):
                raise ValueError(f"{name} is a number of seconds, not {seconds!r}")


def is_seconds(given: object) -> bool:
    """Tell whether something is a length of time: a number that is not negative; infinity is one, and NaN is not."""
    return isinstance(given, int | float) and not isinstance(given, bool) and not math.isnan(given) and given >= 0
