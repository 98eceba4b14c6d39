"""What is done when the task of a running service ends with an error. Pure, but for the clock it is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from roost.runtime._limits import is_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """Stop a crashed service and start it again, after a wait that doubles, as long as it does not crash too often.

    Args:
        at_most: How often within `per` seconds; one crash more stops the runtime.
        per: Seconds.
        delay: Seconds before the first restart; each further one within `per` waits twice as long.
        max_delay: The longest wait in seconds.

    Raises:
        ValueError: A number is negative, or `per` is 0.
    """

    at_most: int = 3
    per: float = 60.0
    delay: float = 0.5
    max_delay: float = 30.0

    def __post_init__(self) -> None:
        if not all(map(is_seconds, (self.at_most, self.delay, self.max_delay, self.per))) or self.per == 0:
            raise ValueError(f"{self} has a number below 0, or no window")


MOST_DOUBLINGS = 64

OnCrash: TypeAlias = Literal["stop", "degrade"] | Restart
"""Stop the runtime; go on without the service; or run it again."""


class CrashRecord:
    """The crashes of one service."""

    __slots__ = ("_policy", "_times")

    def __init__(self, policy: OnCrash) -> None:
        """Begin without any."""
        self._policy = policy
        self._times: list[float] = []

    @property
    def is_survivable(self) -> bool:
        """Whether the runtime may go on after a crash."""
        return self._policy != "stop"

    @property
    def restarts(self) -> int:
        """How many restarts there were within the window of the last crash."""
        return len(self._times)

    def decide(self, now: float) -> Literal["stop", "degrade"] | float:
        """Take one more crash.

        Args:
            now: When it happened, by a clock that only goes forward.

        Returns:
            What to do: stop the runtime, go on without the service, or the seconds to wait before it is run again.
        """
        if not isinstance(self._policy, Restart):
            return self._policy
        self._times = [time for time in self._times if now - time < self._policy.per]
        if len(self._times) >= self._policy.at_most:
            return "stop"
        self._times.append(now)
        doublings = min(len(self._times) - 1, MOST_DOUBLINGS)  # a float holds no more
        return float(min(self._policy.delay * 2.0**doublings, self._policy.max_delay))
